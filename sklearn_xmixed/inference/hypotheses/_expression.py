"""Expressions in the names of estimates: text to values with their derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from ...exceptions import ExpressionError
from ...expressions import (
    Binary,
    Call,
    Cursor,
    Language,
    Literal,
    Span,
    Token,
    Unary,
    Variable,
)
from ...expressions import (
    Expression as Node,
)
from ._dual import FUNCTIONS, Dual
from ._tokens import Names, tokens

__all__ = ["Equation", "Expression", "Names", "read", "read_equations"]


class _Cursor(Cursor):
    """Tokens of an expression in estimates."""

    error = ExpressionError


class _Estimates(Language):
    """Numbers, names of estimates and functions of one argument."""

    def atom(self, cursor: Cursor) -> Node:
        """A name or a function."""
        token = cursor.now
        if token.kind == "name":
            cursor.advance()
            return Variable(token.text, token.span)
        if token.kind == "function":
            cursor.advance()
            opened = cursor.advance()
            arguments = self.arguments(cursor, opened.span)
            return Call(token.text, arguments, cursor.span_from(token.start))
        _unreadable(cursor)

    def close(self, cursor: Cursor, opened: Span, after: str = "") -> None:
        """The bracket that closes what was opened at a place."""
        if not cursor.take(")"):
            _unreadable(cursor, opened)


def _unreadable(cursor: Cursor, opened: Span | None = None) -> NoReturn:
    """Marks what comes next; at the end the open bracket, or what stands last."""
    where = cursor.now.span
    if cursor.now.kind == "end":
        where = opened or cursor.tokens[cursor.at - 1].span
    cursor.fail("The expression cannot be read here:", span=where)


#: powers group from the right and bind more tightly than a minus before them
_LANGUAGE = _Estimates(
    {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4},
    {"-": 3, "+": 3},
    from_right=frozenset("^"),
)


@dataclass(frozen=True, eq=False)
class Expression:
    """One expression, parsed.

    Parameters
    ----------
    source : str
        The whole text it was part of.
    span : (int, int)
        Its place there.
    tree : Node
    """

    source: str
    span: Span
    tree: Node

    @property
    def text(self) -> str:
        """The expression as it was written."""
        return self.source[slice(*self.span)]

    @property
    def used(self) -> list[int]:
        """Numbers of the names in it."""
        return [int(variable.name) for variable in self.tree.variables()]

    @property
    def single(self) -> int | None:
        """Number of the name, where that is all."""
        (first, *_) = [*self.used, -1]
        return first if self.tree == Variable(str(first)) else None

    def evaluate(self, names: Names) -> Dual:
        """Value and slope at the estimates."""
        with np.errstate(invalid="ignore"):  # the log of a variance of zero
            return self.tree.evaluate(_Duals(self.source, names))


@dataclass(frozen=True, eq=False)
class _Duals:
    """Numbers that carry their slope, as expressions are evaluated in."""

    source: str
    names: Names

    def literal(self, node: Literal) -> Dual:
        """A number."""
        assert isinstance(node.value, float)
        return Dual.constant(node.value, self.names.size)

    def variable(self, node: Variable) -> Dual:
        """An estimate."""
        return self.names.value(int(node.name))

    def unary(self, node: Unary, operand: Dual) -> Dual:
        """Minus."""
        return -operand

    def binary(self, node: Binary, left: Dual, right: Dual) -> Dual:
        """Arithmetic."""
        try:
            return _ARITHMETIC[node.operator](left, right)
        except ArithmeticError as error:
            raise self._no_value(error, node.span) from None

    def call(self, node: Call, arguments: list[Dual]) -> Dual:
        """A function of one argument."""
        if len(arguments) != 1:
            raise ExpressionError(
                "This is not an expression in estimates:", self.source, node.span
            )
        try:
            return FUNCTIONS[node.function](arguments[0])
        except ArithmeticError as error:
            raise self._no_value(error, node.span) from None

    def _no_value(self, error: ArithmeticError, span: Span) -> ExpressionError:
        return ExpressionError(f"This has no value ({error}):", self.source, span)


_ARITHMETIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
}


def _parse(source: str, pieces: Sequence[Token], at: int) -> Expression:
    """An expression out of its tokens; ``at`` is its place if there are none."""
    if not pieces:
        raise ExpressionError("An expression is missing here:", source, (at, at + 1))
    start, end = pieces[0].start, pieces[-1].end
    cursor = _Cursor(source, [*pieces, Token("end", "", end, end)])
    tree = _LANGUAGE.parse(cursor)
    if cursor.now.kind != "end":
        _unreadable(cursor)
    return Expression(source, (start, end), tree)


def _split(
    pieces: Sequence[Token], word: str, at: int
) -> list[tuple[list[Token], int]]:
    """Tokens between the operators ``word`` that are in no parentheses.

    With each part the place where it begins; the first does at ``at``.
    """
    parts: list[tuple[list[Token], int]] = [([], at)]
    depth = 0
    for piece in pieces:
        if piece.kind == "op":
            depth += {"(": 1, ")": -1}.get(piece.text, 0)
            if piece.text == word and depth == 0:
                parts.append(([], piece.end))
                continue
        parts[-1][0].append(piece)
    return parts


def read(text: str, names: Names) -> Expression:
    """Read one expression.

    Raises
    ------
    ExpressionError
        With the place marked.
    """
    pieces = tokens(text, names)
    for piece in pieces:
        if piece.text == "=":
            raise ExpressionError(
                "An expression has no '='; equations are for wald_test:",
                text,
                piece.span,
            )
    return _parse(text, pieces, len(text))


@dataclass(frozen=True, eq=False)
class Equation:
    """Two expressions that are equal under the null hypothesis; right None for zero."""

    left: Expression
    right: Expression | None

    @property
    def text(self) -> str:
        """As it was written."""
        right = "0" if self.right is None else self.right.text
        return f"{self.left.text} = {right}"


def read_equations(text: str, names: Names) -> list[Equation]:
    """Read equations, separated by commas; ``a = b = c`` are two of them.

    An expression without ``=`` is to be zero.
    """
    out: list[Equation] = []
    pieces = tokens(text, names)
    for part, at in _split(pieces, ",", 0):
        sides = [_parse(text, side, place) for side, place in _split(part, "=", at)]
        if len(sides) == 1:
            out.append(Equation(sides[0], None))
        out += [Equation(sides[0], other) for other in sides[1:]]
    return out
