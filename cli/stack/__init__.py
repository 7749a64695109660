"""The local run: NATS, the functions and capture, started, watched and ended by one process."""

from cli.stack.options import StackOptions
from cli.stack.stack import Stack

__all__ = ["Stack", "StackOptions"]
