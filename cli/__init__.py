"""`gtvision`: a person's hands on the HTTP API, and the local run."""
