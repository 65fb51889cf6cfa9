"""Raw columns of a table: which are collinear, and their sums of products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..._spec import RandomEffects
from ...tables import Summary, TableSums
from .._equations import check_squares, columns_beside, dependence_of
from .._moments import Moments
from ._products import TableColumns, kept_by_sums

__all__ = ["summed_columns"]

Array = np.ndarray


def summed_columns(
    estimator: Any,
    sums: TableSums,
    summary: Summary,
    equations: Sequence[RandomEffects],
    k: int,
) -> tuple[TableColumns, TableSums, Array]:
    """Raw columns without the collinear ones of the fixed part, and their sums.

    Parameters
    ----------
    sums : TableSums
        Of all columns [fixed, extra, y].
    k : int
        How many of them are of the fixed part.
    """
    raw, centre = sums.names, sums.centre
    gram = sums.total(centre, sums.standard)
    with np.errstate(all="ignore"):
        moments = _moments_of(gram, sums)
        largest = [max(abs(summary.low[n]), abs(summary.high[n])) for n in raw]
        check_squares(raw[:-1], moments, lambda j: float(largest[j]))
    intercept = bool(estimator.fit_intercept)
    kept = kept_by_sums(sums, moments, np.arange(k), constant=intercept)
    dependence = dependence_of(moments, kept, constant=intercept)
    beside = columns_beside(raw[:-1], kept, equations)
    left = [*np.flatnonzero(kept).tolist(), *beside, len(raw) - 1]
    at = np.array([0, *(1 + j for j in left)], dtype=int)
    sums = replace(
        sums,
        names=tuple(raw[j] for j in left),
        centre=centre[left],
        unit=sums.unit[left],
    )
    precise = estimator.weight_type == "precision" and sums.weight is not None
    columns = TableColumns(
        np.empty((0, int(kept.sum()))),
        np.empty((0, len(beside))),
        moments.take(left),
        kept,
        sums.names[:-1],
        None,
        dependence,
        # weights that say how exact a row is do not count it
        centre[:k] if precise else moments.mean[:k],
        sums,
    )
    return columns, sums, gram[np.ix_(at, at)]


def _moments_of(gram: Array, sums: TableSums) -> Moments:
    """Moments in the user's units."""
    standard = Moments.of_gram(gram, np.zeros(len(sums.unit)))
    return Moments(
        standard.n,
        sums.centre + sums.unit * standard.mean,
        standard.centred * np.outer(sums.unit, sums.unit),
    )
