"""Lines after a command: tests, tables, margins and comparisons."""

from ._after import without_small
from ._command_lines import CommandLines

__all__ = [
    "CommandLines",
    "without_small",
]
