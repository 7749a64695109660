"""Capture: pure parts by themselves, the pod against real NATS and real RTSP servers."""
