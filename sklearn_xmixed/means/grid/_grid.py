"""The reference grid: rows of which marginal means are averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from ._values import column_of, product_of, values_of
from ._variables import FixedVariables
from ._weights import grid_weights, places_of

__all__ = ["ReferenceGrid", "make_grid"]

Array = np.ndarray
WEIGHTS = ("equal", "proportional", "outer", "cells", "observed")
#: a larger grid is a mistake, or factors with very many levels
MOST_GRID = 1_000_000


@dataclass(frozen=True, eq=False)
class ReferenceGrid:
    """Rows, the mean that each belongs to, and its weight there.

    Parameters
    ----------
    frame : DataFrame of g rows
        All variables of the fixed part.
    target : ndarray of int, shape (g,)
        Which mean the row belongs to.
    weight : ndarray of shape (g,)
        Sums to one over the rows of a mean; nan where no row of the data was there.
    index : Index of length m
        Levels of the means.
    """

    frame: pd.DataFrame
    target: Array
    weight: Array
    index: pd.Index

    @classmethod
    def of(
        cls, frame: pd.DataFrame, target: Array, weight: Array, index: pd.Index
    ) -> ReferenceGrid:
        """The same with weights of any size."""
        total = np.bincount(target, weight, minlength=len(index))
        with np.errstate(invalid="ignore"):
            return cls(frame, target, weight / total[target], index)

    def average(self, rows: Array) -> Array:
        """Rows of the grid to rows of the means."""
        shape = len(self.index), len(self.target)
        places = self.target, np.arange(len(self.target))
        used = self.weight != 0.0  # 0 * nan is nan
        A = csr_array(
            (self.weight[used], (places[0][used], places[1][used])), shape=shape
        )
        return A @ rows


def make_grid(
    known: FixedVariables,
    targets: Sequence[str],
    at: Any = None,
    weights: str = "equal",
) -> ReferenceGrid:
    """Lay the reference grid.

    Parameters
    ----------
    known : FixedVariables
    targets : sequence of str
        Variables whose levels the means belong to.
    at : mapping of str to values, DataFrame or None
    weights : {"equal", "proportional", "outer", "cells", "observed"}

    Raises
    ------
    TypeError, ValueError
        On names, values and weights that are none.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {list(WEIGHTS)}, got {weights!r}.")
    if isinstance(at, pd.DataFrame):
        return _grid_of_frame(known, targets, at, weights)
    values = values_of(known, targets, at)
    if weights == "observed":
        if known.rows is None:
            raise ValueError(_no_rows(known))
        assert known.row_weights is not None
        return _observed(known.rows, known.row_weights, targets, values, at)
    frame = _combinations(known, values)
    keys = list(product(*(values[name] for name in targets)))
    if known.nesting.parents and targets:
        keys, target = _existing(keys, frame[list(targets)])
    else:
        target = np.arange(len(frame)) // (len(frame) // len(keys))
    index = _index(targets, keys)
    return ReferenceGrid.of(
        frame, target, grid_weights(known, targets, frame, weights), index
    )


def _combinations(
    known: FixedVariables, values: dict[str, tuple[Any, ...]]
) -> pd.DataFrame:
    """The product of all values; of nested factors the combinations that there are."""
    nesting = known.nesting
    # a factor that others are nested in follows from these
    free = {n: v for n, v in values.items() if n not in nesting.outer}
    size = prod(len(v) for v in free.values())
    if size > MOST_GRID:
        raise ValueError(
            f"The reference grid has {size} rows, and at most {MOST_GRID} are computed. "
            "Fix variables by at={...}, or average over the observed rows by "
            "weights='observed'."
        )
    frame = product_of(free)
    if not nesting.parents:
        return frame
    places = {n: places_of(known, n, frame[n]) for n in known.factors if n in free}
    there = np.ones(len(frame), dtype=bool)
    for inner in _innermost_first(nesting.parents):
        for outer, level in nesting.parents[inner].items():
            found = level[places[inner]]
            there &= found == places.setdefault(outer, found)
    for name in nesting.outer:
        levels = known.variables[name].values
        # levels that at leaves out
        wanted = places_of(known, name, pd.Series(values[name], dtype=object))
        there &= np.isin(places[name], wanted)
        frame[name] = column_of(levels)[places[name]]
    if not there.any():
        raise ValueError(
            "No combination of the levels given exists in the data: "
            f"{nesting.describe()}"
        )
    frame = frame.loc[there, list(values)]
    return frame.reset_index(drop=True)


def _innermost_first(parents: Mapping[str, Any]) -> list[str]:
    """Nested factors, those within others after these others' own outer ones."""
    return sorted(parents, key=lambda name: -len(parents[name]))


def _no_rows(known: FixedVariables) -> str:
    return f"{known.no_rows}; for weights='observed' pass the rows: at=data."


def _index(targets: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> pd.Index:
    """One level of an index per target."""
    if not targets:
        return pd.Index(["overall"], name="mean")
    if len(targets) == 1:
        return pd.Index([k[0] for k in keys], name=targets[0])
    return pd.MultiIndex.from_tuples(keys, names=list(targets))


def _existing(
    keys: list[tuple[Any, ...]], frame: pd.DataFrame
) -> tuple[list[tuple[Any, ...]], Array]:
    """The keys that rows have, and which of them each has."""
    place = {key: number for number, key in enumerate(keys)}
    rows = frame.itertuples(index=False, name=None)
    numbers = np.array([place[tuple(row)] for row in rows])
    there, target = np.unique(numbers, return_inverse=True)
    return [keys[n] for n in there], target


def _observed(
    rows: pd.DataFrame,
    row_weights: Array,
    targets: Sequence[str],
    values: Mapping[str, Sequence[Any]],
    at: Any,
) -> ReferenceGrid:
    """Every mean over all observed rows, with its variables set for all of them."""
    fixed = dict.fromkeys([*targets, *(at or {})])
    settings = product_of({name: values[name] for name in fixed})
    settings.index = pd.RangeIndex(max(len(settings), 1))
    n = len(rows)
    if n * len(settings) > MOST_GRID:
        raise ValueError(
            f"{len(settings)} combinations of levels over {n} rows are "
            f"{n * len(settings)} rows, and at most {MOST_GRID} are computed. Pass fewer "
            "values in at, or use weights='cells'."
        )
    frame = pd.concat([rows] * len(settings), ignore_index=True)
    for name in settings.columns:
        frame[name] = np.repeat(settings[name].to_numpy(), n)
    keys = list(product(*(values[name] for name in targets)))
    per_target = len(settings) // len(keys)
    target = np.repeat(np.arange(len(settings)) // per_target, n)
    return ReferenceGrid.of(
        frame, target, np.tile(row_weights, len(settings)), _index(targets, keys)
    )


def _grid_of_frame(
    known: FixedVariables, targets: Sequence[str], frame: pd.DataFrame, weights: str
) -> ReferenceGrid:
    """A reference grid that the user laid: every row counts the same."""
    if weights in ("proportional", "outer", "cells"):
        raise ValueError(
            f"The rows of a frame in at count equally; weights={weights!r} goes with "
            "values of variables. Use weights='equal', or 'observed' to set the levels "
            f"of {list(targets)} for all rows."
        )
    if not len(frame):
        raise ValueError("The frame in at has no rows.")
    frame = frame.reset_index(drop=True).rename(columns=str)
    there = [name for name in known.variables if name in frame.columns]
    lost = [n for n in targets if n not in known.variables and n not in frame.columns]
    if lost:
        raise ValueError(
            f"{lost[0]!r} is no variable of the fixed part and no column of the frame in "
            f"at. {known.describe()}"
        )
    beside = [n for n in targets if n in frame.columns and n not in there]
    rows = frame[[*there, *beside]]
    if rows.isna().any(axis=None):
        raise ValueError("The frame in at has missing values; leave those rows out.")
    absent = {n: v.values for n, v in known.variables.items() if n not in there}
    if weights == "observed":
        if absent:
            raise ValueError(
                f"The frame in at has no column {next(iter(absent))!r}; "
                "weights='observed' needs all variables of the fixed part."
            )
        values = {
            n: known.variables[n].values
            if known.variables[n].levels is not None
            else tuple(pd.unique(rows[n]))
            for n in targets
        }
        return _observed(rows, np.ones(len(rows)), targets, values, None)
    weight = np.ones(len(rows))
    if absent:
        rows, weight = _completed(known, rows, absent)
    if not targets:
        return ReferenceGrid.of(
            rows, np.zeros(len(rows), dtype=int), weight, _index((), ())
        )
    grouped = rows.groupby(list(targets), sort=False, observed=True)
    order = grouped.ngroup().to_numpy()
    firsts = np.unique(order, return_index=True)[1]
    keys = [tuple(rows.loc[i, list(targets)]) for i in firsts]
    return ReferenceGrid.of(rows, order, weight, _index(targets, keys))


def _completed(
    known: FixedVariables, rows: pd.DataFrame, absent: Mapping[str, Sequence[Any]]
) -> tuple[pd.DataFrame, Array]:
    """Rows with all values of what they lack; those of a row share its weight."""
    number = np.repeat(np.arange(len(rows)), prod(len(v) for v in absent.values()))
    rows = rows.merge(product_of(absent), how="cross")
    there = np.ones(len(rows), dtype=bool)
    for inner, parents in known.nesting.parents.items():
        for outer, level in parents.items():
            if inner in absent or outer in absent:
                found = level[places_of(known, inner, rows[inner])]
                there &= found == places_of(known, outer, rows[outer])
    number = number[there]
    counts = np.bincount(number)
    if not there.any():
        raise ValueError(
            "No row of the frame in at goes with levels in the data: "
            f"{known.nesting.describe()}"
        )
    return rows[there].reset_index(drop=True), 1.0 / counts[number]
