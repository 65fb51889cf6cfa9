"""Values of the variables on a reference grid, and their products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import pandas as pd

from ._variables import FixedVariables, Variable

__all__ = ["column_of", "names_of", "product_of", "values_of"]

Array = np.ndarray


def names_of(given: Any, what: str) -> tuple[str, ...]:
    """One or several names of variables.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If one stands twice.
    """
    if given is None:
        return ()
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, Iterable) or not all(isinstance(n, str) for n in names):
        raise TypeError(
            f"{what} must be the name of a variable or a list of names, got {given!r}."
        )
    names = tuple(names)
    if len(set(names)) < len(names):
        raise ValueError(f"{what} names a variable twice: {list(names)}.")
    return names


def values_of(
    known: FixedVariables, targets: Sequence[str], at: Any
) -> dict[str, tuple[Any, ...]]:
    """Values of every variable on the grid, targets first."""
    if at is None:
        at = {}
    if not isinstance(at, Mapping):
        raise TypeError(
            "at must be a dict of variables and their values, such as {'age': [20, 30]}, "
            f"or a data frame with the rows of a reference grid; got {at!r}."
        )
    for name in (*targets, *at):
        if name not in known.variables:
            raise ValueError(
                f"{name!r} is no variable of the fixed part. {known.describe()}"
            )
    names = [*targets, *(n for n in known.variables if n not in targets)]
    return {
        name: _checked(known.variables[name], at[name])
        if name in at
        else known.variables[name].values
        for name in names
    }


def _checked(variable: Variable, given: Any) -> tuple[Any, ...]:
    """Values that ``at`` gives to a variable."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = (given,)
    values = tuple(given)
    if not values:
        raise ValueError(f"at gives no value of {variable.name!r}.")
    if variable.levels is None:
        try:
            numbers = tuple(float(v) for v in values)
        except (TypeError, ValueError):
            numbers = (np.nan,)
        if not np.isfinite(numbers).all():
            raise ValueError(
                f"at[{variable.name!r}] must be numbers, since {variable.name!r} is a "
                f"covariate; got {list(values)}."
            )
        # whole numbers stay what they are in labels
        return tuple(
            v if isinstance(v, int | np.integer) and not isinstance(v, bool) else n
            for v, n in zip(values, numbers, strict=True)
        )
    unknown = [v for v in values if v not in variable.levels]
    if unknown:
        shown = ", ".join(map(repr, variable.levels[:12]))
        more = ", ..." if len(variable.levels) > 12 else ""
        raise ValueError(
            f"{unknown[0]!r} is no level of {variable.name!r}. Its levels are "
            f"{shown}{more}."
        )
    return values


def product_of(values: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """All combinations, the first variable slowest."""
    size = prod(len(v) for v in values.values())
    out, inner = {}, size
    for name, levels in values.items():
        inner //= len(levels)
        column = column_of(levels)
        out[name] = np.tile(np.repeat(column, inner), size // (inner * len(levels)))
    return pd.DataFrame(out, index=pd.RangeIndex(size))


def column_of(levels: Sequence[Any]) -> Array:
    """Numbers as numbers, everything else as it is."""
    array = np.array(levels, dtype=object)
    kinds = {type(v) for v in levels}
    if all(issubclass(k, bool | np.bool_) for k in kinds):
        return array.astype(bool)
    if all(issubclass(k, int | np.integer) for k in kinds):
        return array.astype(np.int64)
    if all(issubclass(k, int | float | np.number) for k in kinds):
        return array.astype(float)
    return array
