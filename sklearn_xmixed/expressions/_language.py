"""Precedence climbing over the operators of a language."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from ._cursor import Cursor
from ._token import Span
from ._tree import Binary, Expression, Literal, Unary

__all__ = ["Language"]

#: operators in a row
LONGEST = 250


@dataclass(frozen=True)
class Language:
    """Operators, and what may stand between them.

    Parameters
    ----------
    binary : mapping of str to int
        Operators of two sides, by how tightly they bind; they group from the left.
    unary : mapping of str to int
        Operators before an operand.
    from_right : set of str
        Operators of two sides that group from the right.
    spellings : mapping of str to str
        Other spellings of operators.
    mistakes : mapping of str to str
        What one may write by habit, and what is meant.
    """

    binary: Mapping[str, int]
    unary: Mapping[str, int]
    from_right: Set[str] = frozenset()
    spellings: Mapping[str, str] = field(default_factory=dict)
    mistakes: Mapping[str, str] = field(default_factory=dict)

    def parse(self, cursor: Cursor) -> Expression:
        """The longest expression that begins at the cursor.

        Raises
        ------
        TextError
            Of the cursor's kind, where there is none, or it breaks off.
        """
        found = self._climb(cursor, 0)
        if cursor.now.kind == "op":
            self._check_mistake(cursor)
        return found

    def atom(self, cursor: Cursor) -> Expression:
        """An operand that begins with neither an operator, a bracket nor a number."""
        raise NotImplementedError

    def arguments(
        self, cursor: Cursor, opened: Span, after: str = ""
    ) -> tuple[Expression, ...]:
        """Arguments of a function up to the closing bracket; it has been opened."""
        out: list[Expression] = []
        if not cursor.sees(")"):
            out.append(self.parse(cursor))
            while cursor.take(","):
                out.append(self.parse(cursor))
        self.close(cursor, opened, after)
        return tuple(out)

    def close(self, cursor: Cursor, opened: Span, after: str = "") -> None:
        """The bracket that closes what was opened at a place."""
        cursor.expect(")", after)

    def number(self, cursor: Cursor) -> Expression:
        """A number."""
        token = cursor.advance()
        return Literal(float(token.text), token.span)

    def _check_mistake(self, cursor: Cursor) -> None:
        meant = self.mistakes.get(cursor.now.text)
        if meant is not None:
            cursor.fail(f"{cursor.now.text!r} is no operator here.", f"Write {meant}.")

    def _climb(self, cursor: Cursor, least: int) -> Expression:
        """Operators that bind at least so tightly."""
        start = cursor.now.start
        left = self._operand(cursor)
        length = 0
        while cursor.now.kind == "op":
            binds = self.binary.get(cursor.now.text, -1)
            if binds < least:
                break
            operator = cursor.advance().text
            length += 1
            if length > LONGEST:
                cursor.fail(f"An expression may have {LONGEST} operators in a row.")
            right = self._climb(cursor, binds + (operator not in self.from_right))
            text = self.spellings.get(operator, operator)
            left = Binary(text, left, right, cursor.span_from(start))
        return left

    def _operand(self, cursor: Cursor) -> Expression:
        token = cursor.now
        cursor.enter()
        try:
            if token.kind == "op" and token.text in self.unary:
                cursor.advance()
                operand = self._climb(cursor, self.unary[token.text])
                if token.text == "+":
                    return operand
                text = self.spellings.get(token.text, token.text)
                return Unary(text, operand, cursor.span_from(token.start))
            if cursor.take("("):
                inner = self.parse(cursor)
                self.close(cursor, token.span)
                return inner
            if token.kind == "number":
                return self.number(cursor)
            if token.kind == "op":
                self._check_mistake(cursor)
            return self.atom(cursor)
        finally:
            cursor.leave()
