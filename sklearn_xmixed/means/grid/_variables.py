"""The variables of the fixed part as a fit saw them: levels, means, combinations."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ...design._categories import Categories
from ._nesting import Nesting

__all__ = ["DeferredVariables", "FixedVariables", "Variable"]

Array = np.ndarray

#: up to so many distinct rows are kept for averages over the observed rows
MOST_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class Variable:
    """A factor with its levels, or a covariate with its mean.

    Parameters
    ----------
    name : str
    levels : tuple or None
        Of a factor, in the order of its categories, or sorted.
    mean : float
        Of a covariate.
    low, high : float
        Its range.
    """

    name: str
    levels: tuple[Any, ...] | None = None
    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan

    @property
    def values(self) -> tuple[Any, ...]:
        """Where the variable is held if nothing else is said."""
        return (self.mean,) if self.levels is None else self.levels


@dataclass(frozen=True, eq=False)
class FixedVariables:
    """All variables of the fixed part.

    Parameters
    ----------
    variables : dict of str to Variable
    factors : tuple of str
        Columns of ``cells``.
    cells : ndarray of int, shape (n_cells, n_factors)
        Combinations of the factors' levels that occur.
    cell_weights : ndarray of shape (n_cells,)
        How many rows each has, or their weights.
    rows : DataFrame or None
        The distinct rows of all variables; None where there are too many to keep.
    row_weights : ndarray or None
    whole : FixedVariables or None
        Those of all rows, where these are of a part of them.
    no_rows : str
        Why there are none.
    """

    variables: dict[str, Variable]
    factors: tuple[str, ...] = ()
    cells: Array = field(default_factory=lambda: np.zeros((1, 0), dtype=int))
    cell_weights: Array = field(default_factory=lambda: np.ones(1))
    rows: pd.DataFrame | None = None
    row_weights: Array | None = None
    whole: FixedVariables | None = None
    no_rows: str = "The data have too many distinct rows to keep them"

    @classmethod
    def of(
        cls, frame: pd.DataFrame, factors: Collection[str], weights: Array | None
    ) -> FixedVariables:
        """Summarise the rows of a fit.

        Parameters
        ----------
        frame : DataFrame
            The variables, in the rows that were used.
        factors : collection of str
            Which of them are factors.
        weights : ndarray or None
            Of the rows.
        """
        weights = np.ones(len(frame)) if weights is None else weights
        variables, codes = {}, {}
        for name in map(str, frame.columns):
            column = frame[name]
            if name in factors:
                codes[name], levels = _coded(column)
                variables[name] = Variable(name, levels)
            else:
                x = column.to_numpy(dtype=float)
                mean = float(np.average(x, weights=weights))
                variables[name] = Variable(
                    name, None, mean, float(x.min()), float(x.max())
                )
        kept = tuple(codes)
        sizes = [len(variables[name].values) for name in kept]
        number = np.zeros(len(frame), dtype=np.int64)
        at: list[Array] = []
        for name, size in zip(kept, sizes, strict=True):
            # numbered anew at each factor, so that products of sizes cannot overflow
            places, number = np.unique(number * size + codes[name], return_inverse=True)
            at = [*(a[places // size] for a in at), places % size]
        cells = np.column_stack(at) if at else np.zeros((1, 0), dtype=int)
        rows, row_weights = _distinct(frame, codes, number, weights)
        return cls(
            variables,
            kept,
            cells,
            np.bincount(number, weights, minlength=len(cells)),
            rows,
            row_weights,
        )

    @classmethod
    def of_columns(cls, names: Collection[str], means: Array) -> FixedVariables:
        """Columns of numbers of which nothing but the means is known."""
        return cls(
            {
                name: Variable(name, None, float(mean))
                for name, mean in zip(names, means, strict=True)
            },
            no_rows="Of columns of numbers only the means are kept",
        )

    @classmethod
    def of_categories(
        cls, names: Collection[str], means: Array, coding: Categories
    ) -> FixedVariables:
        """Columns of numbers, and those of which categories were made.

        Categories that no row had are left out.
        """
        mean = dict(zip(names, means, strict=True))
        variables: dict[str, Variable] = {}
        kept: list[str] = []
        cells: list[Array] = []
        assert coding.cells is not None
        order = list(coding.known)
        for term in coding.terms(list(names)):
            if term.categories is None:
                found = Variable(term.name, None, float(mean[term.name]))
            else:
                at = coding.cells.codes[:, order.index(term.name)]
                used, own = np.unique(at, return_inverse=True)
                cells.append(own)
                kept.append(term.name)
                levels = tuple(term.categories[k] for k in used)
                found = Variable(term.name, levels)
            variables[term.name] = found
        return cls(
            variables,
            tuple(kept),
            np.column_stack(
                [np.zeros((len(coding.cells.codes), 0), dtype=int), *cells]
            ),
            coding.cells.weights,
            no_rows="Of columns only means and frequencies are kept",
        )

    @cached_property
    def nesting(self) -> Nesting:
        """Which factors are nested in which; a part of the rows cannot tell."""
        if self.whole is not None:
            return self.whole.nesting
        return Nesting.of(self.factors, self.cells)

    def describe(self) -> str:
        """What there is, for messages."""
        told = []
        for variable in self.variables.values():
            if variable.levels is None:
                told.append(f"{variable.name} (covariate)")
            else:
                told.append(
                    f"{variable.name} (factor with {len(variable.levels)} levels)"
                )
        return f"The variables of the fixed part are {', '.join(told) or 'none'}."


class DeferredVariables:
    """The variables of a fit, summarised when they are first asked for.

    Until then it holds the columns of the fixed part in memory; saved is the summary.

    Parameters
    ----------
    summarise : callable
        Without arguments; returns `FixedVariables`.
    """

    def __init__(self, summarise: Callable[[], FixedVariables]):
        self._summarise: Callable[[], FixedVariables] | None = summarise
        self._found: FixedVariables | None = None

    @property
    def found(self) -> FixedVariables:
        """The summary; several threads may ask at once."""
        summarise = self._summarise
        if summarise is not None:
            self._found = summarise()
            self._summarise = None  # and with it the rows
        assert self._found is not None
        return self._found

    def __getstate__(self) -> dict[str, Any]:
        return {"_summarise": None, "_found": self.found}


def _coded(column: pd.Series) -> tuple[Array, tuple[Any, ...]]:
    """Codes and levels, unused categories left out."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return column.cat.codes.to_numpy(np.int64), tuple(column.cat.categories)
    codes, levels = pd.factorize(column, sort=True)
    return codes.astype(np.int64), tuple(np.asarray(levels, dtype=object))


def _distinct(
    frame: pd.DataFrame, codes: dict[str, Array], number: Array, weights: Array
) -> tuple[pd.DataFrame | None, Array | None]:
    """The distinct rows, unless there are too many."""
    others = [c for c in map(str, frame.columns) if c not in codes]
    # a few rows tell most often that there are too many
    for stop in (4 * MOST_ROWS, len(frame)):
        part = frame[others][:stop].to_numpy(dtype=float)
        key = pd.DataFrame(part).assign(cell=number[:stop])
        first = ~key.duplicated().to_numpy()
        if first.sum() > MOST_ROWS:
            return None, None
        if stop >= len(frame):
            break
    groups = key.groupby(list(key.columns), sort=False).ngroup().to_numpy()
    return frame[first].reset_index(drop=True), np.bincount(groups, weights)
