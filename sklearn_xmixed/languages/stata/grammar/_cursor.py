"""A place among the tokens of a command."""

from __future__ import annotations

from ....exceptions import CommandError
from ....expressions import Cursor as AnyCursor
from ._tokens import tokenize

__all__ = ["Cursor"]


class Cursor(AnyCursor):
    """The tokens of a command, read from left to right."""

    error = CommandError
    whole = "command"

    def __init__(self, text: str):
        super().__init__(text, tokenize(text))

    def written(self, since: int) -> str:
        """Tokens since a number, without comments and breaks of lines."""
        tokens = self.tokens[since : self.at]
        return "".join(
            t.text if t.glued or not k else f" {t.text}" for k, t in enumerate(tokens)
        )
