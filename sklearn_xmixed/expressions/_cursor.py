"""A place among the tokens of a text, and how errors are raised from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NoReturn

from ..exceptions import TextError
from ._token import Span, Token

__all__ = ["Cursor"]

#: brackets and expressions nested deeper than this are refused, before Python does
DEEPEST = 60


class Cursor:
    """The tokens of a text, read from left to right.

    Parameters
    ----------
    text : str
    tokens : sequence of Token
        The last of kind "end".
    """

    #: what is raised where the text cannot be understood
    error: ClassVar[type[TextError]] = TextError
    #: how a message calls the text
    whole: ClassVar[str] = "expression"

    def __init__(self, text: str, tokens: Sequence[Token]):
        self.text, self.tokens = text, tokens
        self.at = 0
        self.depth = 0

    @property
    def now(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.at]

    def ahead(self, steps: int = 1) -> Token:
        """A token further on; the end where there are fewer."""
        return self.tokens[min(self.at + steps, len(self.tokens) - 1)]

    @property
    def last_end(self) -> int:
        """Where the token before ends."""
        return self.tokens[self.at - 1].end if self.at else 0

    def advance(self) -> Token:
        """The token that comes next, and step over it."""
        token = self.now
        if token.kind != "end":
            self.at += 1
        return token

    def sees(self, *texts: str) -> bool:
        """Whether an operator or bracket of these comes next."""
        return self.now.kind == "op" and self.now.text in texts

    def sees_name(self, *names: str) -> bool:
        """Whether one of these words comes next."""
        return self.now.kind == "name" and self.now.text in names

    def take(self, *texts: str) -> Token | None:
        """Step over one of these operators if it comes next."""
        return self.advance() if self.sees(*texts) else None

    def expect(self, text: str, after: str = "") -> Token:
        """Step over an operator that must come next."""
        found = self.take(text)
        if found is None:
            self.fail(f"{text!r} is missing{f' after {after}' if after else ''}.")
        return found

    def span_from(self, start: int) -> Span:
        """From a character to the end of the token before."""
        return start, max(start, self.last_end)

    def enter(self) -> None:
        """One bracket deeper."""
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"This is nested deeper than {DEEPEST} levels.")

    def leave(self) -> None:
        """One bracket up."""
        self.depth -= 1

    def fail(self, problem: str, hint: str = "", span: Span | None = None) -> NoReturn:
        """Raise the error, by default at the token that comes next."""
        raise self.error(problem, self.text, span or self.now.span, hint)

    def found(self) -> str:
        """The token that comes next, for messages."""
        if self.now.kind == "end":
            return f"the end of the {self.whole}"
        return repr(self.now.text)
