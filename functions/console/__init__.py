"""The operators' web pages and their live feed."""
