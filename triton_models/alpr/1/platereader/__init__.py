"""A frame's bytes in, its vehicles and plates out: plain numpy and OpenCV around four models.

Who calls says how a model is run: the Triton model next door sends requests to its own server, the
embedded engine runs ONNX Runtime sessions. Works with numpy 1.26 and 2, OpenCV 4.10 to 5.
"""
