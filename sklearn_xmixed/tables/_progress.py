"""What is told of the passes over a table while they happen."""

from __future__ import annotations

__all__ = ["Progress"]


class Progress:
    """Prints every pass when it is over."""

    def __init__(self) -> None:
        self._n = 0

    def passed(self, what: str, seconds: float) -> None:
        """A pass is over."""
        self._n += 1
        print(f"Pass {self._n} over the table: {what} ({seconds:.1f} s)")

    def say(self, text: str) -> None:
        """What comes next."""
        print(text)
