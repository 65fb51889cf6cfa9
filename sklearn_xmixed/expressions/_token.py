"""A piece of a text that remembers where it stood."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Span", "Token"]

#: first character, and the one after the last
Span = tuple[int, int]


@dataclass(frozen=True)
class Token:
    """A piece of a text.

    Parameters
    ----------
    kind : {"name", "function", "number", "string", "op", "end"}
    text : str
    start, end : int
        Its place in the text.
    glued : bool
        Whether nothing stands between it and the token before.
    """

    kind: str
    text: str
    start: int
    end: int
    glued: bool = False

    @property
    def span(self) -> Span:
        """First character, and the one after the last."""
        return self.start, self.end
