"""Questions about detections."""
