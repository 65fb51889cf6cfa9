"""The command line: a command, a file of data, and the output."""

from ._main import main

__all__ = ["main"]
