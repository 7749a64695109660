"""`gtvision bench lpr`: how well plates are read, on labelled pictures and on drawn ones."""

from cli.bench.lpr.command import lpr

__all__ = ["lpr"]
