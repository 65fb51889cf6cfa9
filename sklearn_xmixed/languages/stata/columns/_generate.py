"""generate: a new column by an expression or an operator."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ....exceptions import CommandError
from ....expressions import Span
from ..grammar import (
    Command,
    Cursor,
    Pattern,
    Prefixed,
    Series,
    parse_expression,
    parse_items,
)
from ._columns import Cell, Layout
from ._data import Data
from ._names import Names
from ._recipe import Reader, Recipe
from ._series import read_xtset
from ._terms import expand

__all__ = ["generate"]


def generate(expression: str, data: Any, *, xtset: Any = None) -> np.ndarray:
    """Values of an expression, as commands read them.

    Parameters
    ----------
    expression : str
        ``!girl``, ``boy*age``, ``inlist(day, 0, 4)``, or a variable under time-series
        operators, ``L2.x``.  Missing values are larger than all numbers.
    data : data frame, or mapping of names to arrays
        With the variables of the expression.
    xtset : str or (str, str), default=None
        Time variable, or panel and time variable.

    Returns
    -------
    ndarray of shape (n_samples,)
        float64 with nan for missing, or texts.

    Raises
    ------
    CommandError
        If the expression cannot be understood.

    Examples
    --------
    >>> from sklearn_xmixed.stata import generate
    >>> frame = {"x": [1.0, 2.0, None], "t": [1, 2, 3]}
    >>> generate("x > 1", frame)
    array([0., 1., 1.])
    >>> generate("L.x", frame, xtset="t")
    array([nan,  1.,  2.])
    """
    table = Data(data)

    def fail(problem: str, hint: str = "", span: Span | None = None) -> NoReturn:
        raise CommandError(problem, expression, span, hint)

    names = Names(table.names, fail)
    used: dict[str, str] = {}
    empty = Recipe(
        command=Command(expression, "generate", True, Pattern("")),
        xtset=read_xtset(xtset),
        names=used,
        target=Cell(""),
        fixed=(),
        random=(),
        labels=(),
        level_weights={},
        known={},
        texts={},
        layout=Layout(()),
        reporting={},
    )
    reader = Reader(empty, table)
    cursor = Cursor(expression)
    items = _operated(expression)
    if items is not None:
        terms, _ = expand(items, names)
        if len(terms) != 1:
            fail("This makes several columns; generate makes one.")
        ((unit,), _), *_ = terms
        return reader.cell(Cell(unit.name, unit.lag))
    tree = parse_expression(cursor)
    if cursor.now.kind != "end":
        cursor.fail(f"{cursor.found()} is not expected here.")
    for variable in tree.variables():
        if variable.name not in ("_n", "_N"):
            used[variable.name] = names.one(variable.name, variable.span)
    return np.array(reader.expression(tree))


def _operated(expression: str) -> tuple[Prefixed] | None:
    """A single variable under time-series operators; None if it is anything else."""
    cursor = Cursor(expression)
    try:
        items = parse_items(cursor)
    except CommandError:
        return None
    if len(items) != 1 or cursor.now.kind != "end":
        return None
    (item,) = items
    if not isinstance(item, Prefixed) or not isinstance(item.inner, Pattern):
        return None
    plain = all(isinstance(o, Series) for o in item.operators)
    return (item,) if plain else None
