"""The local run: NATS, the functions, capture and whatever else one machine needs, started and watched by one process."""

from cli.stack.options import StackOptions
from cli.stack.stack import Stack

__all__ = ["Stack", "StackOptions"]
