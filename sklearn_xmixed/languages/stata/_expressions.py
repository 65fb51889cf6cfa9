"""Expressions in ``if``, weights and generated columns: from tokens to a tree."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ._cursor import Cursor
from ._functions import FUNCTIONS
from ._tokens import Span

__all__ = [
    "BINARY",
    "Binary",
    "Call",
    "Expression",
    "Literal",
    "Unary",
    "Variable",
    "parse_expression",
    "variables_of",
]

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
#: what one may write by habit, and what is meant
_MISTAKES = {"=": "==", "&&": "&", "%": "mod(a, b)"}
LONGEST = 250


@dataclass(frozen=True)
class Expression:
    """A node; spans do not count when two of them are compared."""


@dataclass(frozen=True)
class Literal(Expression):
    """A number, a text, or None for the missing value."""

    value: float | str | None
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Variable(Expression):
    """A variable, perhaps by an abbreviation; ``_n`` and ``_N`` too."""

    name: str
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Unary(Expression):
    """An operator before its operand."""

    operator: str
    operand: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Binary(Expression):
    """An operator between its operands."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True)
class Call(Expression):
    """A function of arguments."""

    function: str
    arguments: tuple[Expression, ...]
    span: Span = field(default=(0, 0), compare=False, repr=False)


def variables_of(expression: Expression) -> Iterator[Variable]:
    """All variables in an expression."""
    if isinstance(expression, Variable):
        yield expression
    elif isinstance(expression, Unary):
        yield from variables_of(expression.operand)
    elif isinstance(expression, Binary):
        yield from variables_of(expression.left)
        yield from variables_of(expression.right)
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from variables_of(argument)


def parse_expression(cursor: Cursor) -> Expression:
    """The longest expression that begins at the cursor.

    Raises
    ------
    CommandError
        Where there is none, or it breaks off.
    """
    found = _climb(cursor, 0)
    now = cursor.now
    if now.kind == "op" and now.text in _MISTAKES:
        cursor.fail(
            f"{now.text!r} is no operator here.", f"Write {_MISTAKES[now.text]}."
        )
    return found


def _climb(cursor: Cursor, least: int) -> Expression:
    """Precedence climbing: operators that bind at least so tightly."""
    start = cursor.now.start
    left = _operand(cursor)
    length = 0
    while cursor.now.kind == "op" and BINARY.get(cursor.now.text, -1) >= least:
        operator = cursor.advance()
        length += 1
        if length > LONGEST:
            cursor.fail(f"An expression may have {LONGEST} operators in a row.")
        right = _climb(cursor, BINARY[operator.text] + 1)
        text = "!=" if operator.text == "~=" else operator.text
        left = Binary(text, left, right, cursor.span_from(start))
    return left


def _operand(cursor: Cursor) -> Expression:
    token = cursor.now
    start = token.start
    cursor.enter()
    try:
        if token.kind == "op" and token.text in UNARY:
            cursor.advance()
            operand = _climb(cursor, UNARY[token.text])
            if token.text == "+":
                return operand
            text = "!" if token.text == "~" else token.text
            return Unary(text, operand, cursor.span_from(start))
        if cursor.take("("):
            inner = parse_expression(cursor)
            cursor.expect(")")
            return inner
        if token.kind == "number":
            cursor.advance()
            if cursor.sees(".") and cursor.now.glued:
                cursor.advance()  # "2."
            return Literal(float(token.text), cursor.span_from(start))
        if token.kind == "string":
            cursor.advance()
            text = token.text[2:-2] if token.text[0] == "`" else token.text[1:-1]
            return Literal(text, token.span)
        if cursor.take("."):
            now = cursor.now
            if now.kind == "name" and now.glued and now.text in _EXTENDED:
                cursor.advance()
            return Literal(None, cursor.span_from(start))
        if token.kind == "name":
            cursor.advance()
            if cursor.sees("(") and cursor.now.glued:
                return _call(cursor, token.text, token.span)
            if cursor.sees("[") and cursor.now.glued:
                cursor.fail(
                    "Subscripts are not understood.",
                    "For the value before in time use L.x in a list of variables.",
                )
            if cursor.sees(".") and cursor.now.glued:
                cursor.fail(
                    "Operators such as L. and i. are not understood in expressions.",
                    "Make a variable of it first.",
                    cursor.span_from(start),
                )
            return Variable(token.text, token.span)
        if token.kind == "op" and token.text in _MISTAKES:
            cursor.fail(
                f"{token.text!r} is no operator here.",
                f"Write {_MISTAKES[token.text]}.",
            )
        cursor.fail(
            f"An expression is expected here, found {cursor.found()}.",
            "Such as age > 40 & !missing(income).",
        )
    finally:
        cursor.leave()


_EXTENDED = frozenset("abcdefghijklmnopqrstuvwxyz")


def _call(cursor: Cursor, name: str, span: Span) -> Expression:
    function = FUNCTIONS.get(name)
    if function is None:
        close = difflib.get_close_matches(name, FUNCTIONS, n=1)
        hint = f"Did you mean {close[0]}()?" if close else f"Known: {_known()}."
        cursor.fail(f"There is no function {name}() here.", hint, span)
    cursor.expect("(")
    arguments: list[Expression] = []
    if not cursor.sees(")"):
        arguments.append(parse_expression(cursor))
        while cursor.take(","):
            arguments.append(parse_expression(cursor))
    cursor.expect(")", f"the arguments of {name}()")
    whole = cursor.span_from(span[0])
    count = len(arguments)
    if count < function.least or (function.most is not None and count > function.most):
        cursor.fail(
            f"{name}() takes {function.arity}, {count} given.", function.usage, whole
        )
    return Call(name, tuple(arguments), whole)


def _known() -> str:
    return ", ".join(sorted(FUNCTIONS))
