"""What is told of the passes over a table while they happen."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress"]


class Progress:
    """Tells every pass when it is over.

    Parameters
    ----------
    watch : callable, optional
        Called with what the pass was for.
    aloud : bool
        Whether passes are printed.
    """

    def __init__(
        self, watch: Callable[[str], None] | None = None, *, aloud: bool = True
    ) -> None:
        self._watch = watch
        self._aloud = aloud
        self._n = 0

    def passed(self, what: str, seconds: float) -> None:
        """A pass is over."""
        self._n += 1
        self.say(f"Pass {self._n} over the table: {what} ({seconds:.1f} s)")
        if self._watch is not None:
            self._watch(what)

    def say(self, text: str) -> None:
        """What comes next."""
        if self._aloud:
            print(text)
