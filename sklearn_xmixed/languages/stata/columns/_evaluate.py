"""Values of expressions, row by row.

Missing values follow the rules of the command's home: they are larger than all
numbers when compared, true when tested, and make results of arithmetic missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from ....expressions import (
    Binary,
    Call,
    Expression,
    Literal,
    Span,
    Unary,
    Variable,
)
from ..grammar import FUNCTIONS, is_text, ordered
from ._data import Data, Labelled

__all__ = ["evaluate"]

Array = np.ndarray
Fail = Callable[[str, str, Span], NoReturn]

_COMPARE: dict[str, Callable[[Array, Array], Array]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}
_ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}


def evaluate(
    expression: Expression, data: Data, fail: Fail, names: dict[str, str]
) -> Array:
    """Values of an expression.

    Parameters
    ----------
    expression : Expression
    data : Data
    fail : callable
        Raises the error: from problem, hint and span.
    names : dict
        The column that each variable of the expression stands for.

    Returns
    -------
    ndarray of shape (n,)
        float64 with nan for missing, or objects where it is a text.
    """
    values = _plain(expression.evaluate(_Columns(data, fail, names)))
    return np.broadcast_to(values, (data.n_rows,))


def _plain(value: Array | Labelled) -> Array:
    return value.codes if isinstance(value, Labelled) else value


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns of a table, as expressions are evaluated in."""

    data: Data
    fail: Fail
    names: dict[str, str]

    def literal(self, node: Literal) -> Array:
        """A number, a text or the missing value."""
        if isinstance(node.value, str):
            return np.array(node.value, dtype=object)
        return np.array(np.nan if node.value is None else node.value)

    def variable(self, node: Variable) -> Array | Labelled:
        """A column; the number of the row, or of all rows."""
        if node.name == "_n":
            return np.arange(1.0, self.data.n_rows + 1.0)
        if node.name == "_N":
            return np.array(float(self.data.n_rows))
        return self.data.values(self.names[node.name])

    def unary(self, node: Unary, operand: Array | Labelled) -> Array:
        """Minus and not."""
        plain = _plain(operand)
        if is_text(plain):
            self.fail("A number is needed here, not a text.", "", node.span)
        return (plain == 0).astype(float) if node.operator == "!" else -plain

    def binary(
        self, node: Binary, left: Array | Labelled, right: Array | Labelled
    ) -> Array:
        """Comparisons, arithmetic, and, or."""
        return _binary(node, left, right, self.fail)

    def call(self, node: Call, arguments: list[Array | Labelled]) -> Array:
        """A function."""
        return _call(node, arguments, self.fail)


def _alike(values: list[Array | Labelled]) -> list[Array]:
    """Labelled values as texts where a text stands beside them, else as codes."""
    text = any(not isinstance(v, Labelled) and is_text(v) for v in values)
    return [
        (v.texts if text else v.codes) if isinstance(v, Labelled) else v for v in values
    ]


def _binary(
    node: Binary, left: Array | Labelled, right: Array | Labelled, fail: Fail
) -> Array:
    a, b = _alike([left, right])
    operator = node.operator
    if is_text(a) != is_text(b):
        fail(
            f"{operator!r} stands between a text and a number.",
            "Texts are compared with texts in quotes.",
            node.span,
        )
    if operator in _COMPARE:
        return np.asarray(_COMPARE[operator](ordered(a), ordered(b)), dtype=float)
    if is_text(a) and operator == "+":
        return np.asarray(a + b, dtype=object)
    if is_text(a):
        fail(f"{operator!r} is not defined for texts.", "", node.span)
    if operator == "&":
        return ((a != 0) & (b != 0)).astype(float)
    if operator == "|":
        return ((a != 0) | (b != 0)).astype(float)
    with np.errstate(all="ignore"):
        out = np.asarray(_ARITHMETIC[operator](a, b), dtype=float)
        gone = np.isnan(a) | np.isnan(b) | ~np.isfinite(out)
    return np.where(gone, np.nan, out)


def _call(node: Call, values: list[Array | Labelled], fail: Fail) -> Array:
    function = FUNCTIONS[node.function]
    arguments = _alike(values)
    texts = [is_text(a) for a in arguments]
    wrong = {
        "number": any(texts),
        "text": not all(texts),
        "any": any(texts) and not all(texts),
        "either": False,
        "first": texts[0] is False or any(texts[1:]),
    }[function.kind]
    if wrong:
        kind = {
            "number": "numbers",
            "text": "texts",
            "any": "either numbers or texts",
            "first": "a text and numbers",
        }[function.kind]
        fail(f"{node.function}() takes {kind}.", function.usage, node.span)
    return np.asarray(function.apply(*arguments))
