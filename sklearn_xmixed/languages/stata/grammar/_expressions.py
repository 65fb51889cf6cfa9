"""Expressions in ``if``, weights and generated columns."""

from __future__ import annotations

import difflib

from ....expressions import (
    Call,
    Cursor,
    Expression,
    Language,
    Literal,
    Span,
    Variable,
)
from ._functions import FUNCTIONS

__all__ = ["BINARY", "parse_expression"]

#: operators of two sides, by how tightly they bind; all group from the left
BINARY = {
    "|": 1,
    "&": 2,
    "==": 3,
    "!=": 3,
    "~=": 3,
    ">": 3,
    "<": 3,
    ">=": 3,
    "<=": 3,
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "^": 7,
}
#: operators before an operand: -2^2 is -(2^2), !x^2 is (!x)^2
UNARY = {"-": 6, "+": 6, "!": 8, "~": 8}
_EXTENDED = frozenset("abcdefghijklmnopqrstuvwxyz")


class _Columns(Language):
    """Numbers, texts, the missing value, variables and functions of them."""

    def number(self, cursor: Cursor) -> Expression:
        """A number; "2." is one too."""
        token = cursor.advance()
        if cursor.sees(".") and cursor.now.glued:
            cursor.advance()
        return Literal(float(token.text), cursor.span_from(token.start))

    def atom(self, cursor: Cursor) -> Expression:
        """A text, the missing value, a variable or a function."""
        token = cursor.now
        if token.kind == "string":
            cursor.advance()
            text = token.text[2:-2] if token.text[0] == "`" else token.text[1:-1]
            return Literal(text, token.span)
        if cursor.take("."):
            now = cursor.now
            if now.kind == "name" and now.glued and now.text in _EXTENDED:
                cursor.advance()
            return Literal(None, cursor.span_from(token.start))
        if token.kind == "name":
            return self._named(cursor)
        cursor.fail(
            f"An expression is expected here, found {cursor.found()}.",
            "Such as age > 40 & !missing(income).",
        )

    def _named(self, cursor: Cursor) -> Expression:
        token = cursor.advance()
        if cursor.sees("(") and cursor.now.glued:
            return self._call(cursor, token.text, token.span)
        if cursor.sees("[") and cursor.now.glued:
            cursor.fail(
                "Subscripts are not understood.",
                "For the value before in time use L.x in a list of variables.",
            )
        if cursor.sees(".") and cursor.now.glued:
            cursor.fail(
                "Operators such as L. and i. are not understood in expressions.",
                "Make a variable of it first.",
                cursor.span_from(token.start),
            )
        return Variable(token.text, token.span)

    def _call(self, cursor: Cursor, name: str, span: Span) -> Expression:
        function = FUNCTIONS.get(name)
        if function is None:
            close = difflib.get_close_matches(name, FUNCTIONS, n=1)
            known = ", ".join(sorted(FUNCTIONS))
            hint = f"Did you mean {close[0]}()?" if close else f"Known: {known}."
            cursor.fail(f"There is no function {name}() here.", hint, span)
        opened = cursor.advance()
        after = f"the arguments of {name}()"
        arguments = self.arguments(cursor, opened.span, after)
        whole = cursor.span_from(span[0])
        count = len(arguments)
        if count < function.least or (
            function.most is not None and count > function.most
        ):
            cursor.fail(
                f"{name}() takes {function.arity}, {count} given.",
                function.usage,
                whole,
            )
        return Call(name, arguments, whole)


_LANGUAGE = _Columns(
    BINARY,
    UNARY,
    spellings={"~=": "!=", "~": "!"},
    mistakes={"=": "==", "&&": "&", "%": "mod(a, b)"},
)


def parse_expression(cursor: Cursor) -> Expression:
    """The longest expression that begins at the cursor.

    Raises
    ------
    CommandError
        Where there is none, or it breaks off.
    """
    return _LANGUAGE.parse(cursor)
