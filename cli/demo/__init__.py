"""The demo: rendered street scenes with known plates, RTSP cameras that play them, and the score of what was read."""
