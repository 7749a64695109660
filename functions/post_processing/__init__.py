"""A frame in, a vetted detection out."""
