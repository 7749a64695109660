"""What is due is deleted, row and image together."""
