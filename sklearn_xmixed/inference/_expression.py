"""Expressions in the names of estimates: text to values with their derivatives.

Names are replaced by placeholders; Python's ``ast`` parses what is left, and only
arithmetic and a few functions are evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._dual import FUNCTIONS, Dual
from ._tokens import ExpressionError, Names, Token, tokens

__all__ = [
    "Equation",
    "Expression",
    "ExpressionError",
    "Names",
    "read",
    "read_equations",
]


@dataclass(frozen=True, eq=False)
class Expression:
    """One expression, parsed.

    Parameters
    ----------
    source : str
        The whole text it was part of.
    pieces : tuple of Token
    tree : ast.expr
    starts : tuple of int
        Where each token begins in what was parsed.
    """

    source: str
    pieces: tuple[Token, ...]
    tree: ast.expr
    starts: tuple[int, ...]

    @property
    def text(self) -> str:
        """The expression as it was written."""
        return self.source[self.pieces[0].start : self.pieces[-1].end]

    @property
    def used(self) -> list[int]:
        """Numbers of the names in it."""
        return [piece.number for piece in self.pieces if piece.kind == "name"]

    @property
    def single(self) -> int | None:
        """Number of the name, where that is all."""
        return self.pieces[0].number if len(self.pieces) == 1 and self.used else None

    def evaluate(self, names: Names) -> Dual:
        """Value and slope at the estimates."""
        try:
            with np.errstate(invalid="ignore"):  # the log of a variance of zero
                return self._value(self.tree, names)
        except RecursionError:
            raise self.error("The expression is too long:", self.tree) from None

    def _value(self, node: ast.AST, names: Names) -> Dual:
        try:
            match node:
                case ast.Constant(value=int() | float() as number):
                    return Dual.constant(float(number), names.size)
                case ast.Name(id=word):
                    return names.value(int(word.strip("_")))
                case ast.UnaryOp(op=ast.USub(), operand=inner):
                    return -self._value(inner, names)
                case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                    return self._value(inner, names)
                case ast.BinOp(left=left, op=operator, right=right):
                    a, b = self._value(left, names), self._value(right, names)
                    match operator:
                        case ast.Add():
                            return a + b
                        case ast.Sub():
                            return a - b
                        case ast.Mult():
                            return a * b
                        case ast.Div():
                            return a / b
                        case ast.Pow():
                            return a**b
                case ast.Call(func=ast.Name(id=word), args=[inner], keywords=[]):
                    return FUNCTIONS[word](self._value(inner, names))
        except ArithmeticError as error:
            raise self.error(f"This has no value ({error}):", node) from None
        raise self.error("This is not an expression in estimates:", node)

    def error(self, what: str, node: ast.AST) -> ExpressionError:
        """An error at the place of a node."""
        begin, end = node.col_offset, node.end_col_offset  # type: ignore[attr-defined]
        inside = [
            piece
            for piece, start in zip(self.pieces, self.starts, strict=True)
            if begin <= start < end
        ]
        pieces = inside or list(self.pieces)
        return ExpressionError(what, self.source, pieces[0].start, pieces[-1].end)


def _parse(source: str, pieces: Sequence[Token], at: int) -> Expression:
    """An expression out of its tokens; ``at`` is its place if there are none."""
    if not pieces:
        raise ExpressionError("An expression is missing here:", source, at, at + 1)
    code, starts = "", []
    for piece in pieces:
        starts.append(len(code))
        code += f"{piece.text} "
    try:
        tree = ast.parse(code.rstrip(), mode="eval").body
    except SyntaxError as error:
        place = max(0, (error.offset or 1) - 1)
        wrong = max((k for k, s in enumerate(starts) if s <= place), default=0)
        start, end = pieces[wrong].start, pieces[wrong].end
        if pieces[-1].kind == "operator" and pieces[-1].text != ")":
            start, end = pieces[-1].start, pieces[-1].end
        raise ExpressionError(
            "The expression cannot be read here:", source, start, end
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError(
            "The expression is too long:", source, pieces[0].start, pieces[-1].end
        ) from None
    return Expression(source, tuple(pieces), tree, tuple(starts))


def _split(
    pieces: Sequence[Token], word: str, at: int
) -> list[tuple[list[Token], int]]:
    """Tokens between the operators ``word`` that are in no parentheses.

    With each part the place where it begins; the first does at ``at``.
    """
    parts: list[tuple[list[Token], int]] = [([], at)]
    depth = 0
    for piece in pieces:
        if piece.kind == "operator":
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
                piece.start,
                piece.end,
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
