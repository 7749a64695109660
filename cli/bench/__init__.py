"""The benchmarks of `gtvision bench`."""
