"""The functions of GT-Vision, a folder each, on the kernel in `shared`."""
