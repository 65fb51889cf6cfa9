"""Expressions in the names of estimates: text to values with their derivatives.

A tokenizer replaces names, which may hold any characters, by placeholders; Python's
``ast`` parses what is left, and only arithmetic and a few functions are evaluated.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import numpy as np

from ._dual import FUNCTIONS, Dual

__all__ = [
    "Equation",
    "Expression",
    "ExpressionError",
    "Names",
    "read",
    "read_equations",
]


class Names(Protocol):
    """Where an expression looks names up."""

    def find(self, name: str, equation: str | None = None) -> int | None:
        """Number of a name, of one equation or of any; None if there is none."""
        ...

    def value(self, number: int) -> Dual:
        """The estimate."""
        ...

    def known(self) -> list[str]:
        """All names, for suggestions."""
        ...

    @property
    def size(self) -> int:
        """Number of parameters."""
        ...


class ExpressionError(ValueError):
    """An expression that cannot be read or evaluated; shows the place."""

    def __init__(self, what: str, text: str, start: int, end: int, hint: str = ""):
        line_start = text.rfind("\n", 0, start) + 1
        line = text[line_start:].partition("\n")[0]
        at, width = start - line_start, max(1, min(end, len(text)) - start)
        shown = f"    {line}\n    {' ' * at}{'^' * min(width, max(1, len(line) - at))}"
        super().__init__(f"{what}\n{shown}" + (f"\n{hint}" if hint else ""))


@dataclass(frozen=True)
class Token:
    """A piece of an expression.

    Parameters
    ----------
    kind : {"number", "name", "function", "operator"}
    text : str
        As Python is to read it.
    start, end : int
        Its place in the source.
    number : int
        Of a name: which estimate.
    """

    kind: str
    text: str
    start: int
    end: int
    number: int = -1


_SPACE = re.compile(r"\s+")
_BRACKETED = re.compile(r"_b\[")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\w.#])")
_RUN = re.compile(r"[\w.#]+")
_OPERATOR = re.compile(r"\*\*|==|[-+*/^(),=]")
_BASE = re.compile(r"\b(\d+)b\.")  # 0b.girl: the base level of a factor variable


def tokens(text: str, names: Names) -> list[Token]:
    """Cut an expression into tokens."""
    out: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        if text[at] == "`":
            end = text.find("`", at + 1)
            if end < 0:
                raise ExpressionError("A ` is not closed:", text, at, at + 1)
            out.append(_name(text[at + 1 : end], text, at, end + 1, names))
        elif bracket := _BRACKETED.match(text, at):
            end = _closing(text, bracket.end() - 1)
            out.append(_name(text[bracket.end() : end], text, at, end + 1, names))
        elif text[at] == "[":  # [equation]name
            end = _closing(text, at)
            run = _RUN.match(text, end + 1)
            if run is None:
                raise ExpressionError(
                    "A name must follow [equation]:", text, at, end + 1
                )
            whole = f"{text[at + 1 : end]}:{run.group()}"
            out.append(_name(whole, text, at, run.end(), names))
        elif number := _NUMBER.match(text, at):
            out.append(Token("number", number.group(), at, number.end()))
        elif run := _RUN.match(text, at):
            word = run.group()
            called = text[run.end() :].lstrip().startswith("(")
            if called and word in FUNCTIONS:
                out.append(Token("function", word, at, run.end()))
            elif called and names.find(word) is None:
                _unknown_function(word, text, at, run.end(), names)
            else:
                out.append(_name(word, text, at, run.end(), names))
        elif operator := _OPERATOR.match(text, at):
            word = {"^": "**", "==": "="}.get(operator.group(), operator.group())
            out.append(Token("operator", word, at, operator.end()))
        else:
            raise ExpressionError(
                f"{text[at]!r} has no meaning in an expression:",
                text,
                at,
                at + 1,
                "Names with other characters than letters, digits, '_', '.' and '#' go "
                "between backticks: `my column`.",
            )
        at = out[-1].end
    return out


def _closing(text: str, opened: int) -> int:
    """Where the bracket at ``opened`` is closed; brackets inside are paired."""
    depth = 0
    for at in range(opened, len(text)):
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if not depth:
            return at
    raise ExpressionError("A [ is not closed:", text, opened, opened + 1)


def _name(word: str, text: str, start: int, end: int, names: Names) -> Token:
    number = names.find(word)
    if number is None:
        number = names.find(_BASE.sub(r"\1.", word))
    if number is None and ":" in word:
        for cut in (at for at, c in enumerate(word) if c == ":"):
            number = names.find(_BASE.sub(r"\1.", word[cut + 1 :]), word[:cut])
            if number is not None:
                break
    if number is None:
        known = names.known()
        close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
        shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        raise ExpressionError(
            f"There is no estimate {word!r}:",
            text,
            start,
            end,
            f"{hint}Names: {shown}.",
        )
    return Token("name", f"_{number}_", start, end, number)


def _unknown_function(
    word: str, text: str, start: int, end: int, names: Names
) -> NoReturn:
    terms = [name for name in names.known() if f":{word}(" in name]
    hint = f"Functions are {', '.join(sorted(FUNCTIONS))}."
    if terms:
        hint = f"Parameters of the random part are written {', '.join(terms[:4])}."
    raise ExpressionError(f"There is no function {word!r}:", text, start, end, hint)


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
