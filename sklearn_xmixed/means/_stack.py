"""Means of several grids in one table, and marginal effects of several variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ._contrasts import Contrasts
from ._estimates import LinearEstimates
from ._means import MarginalMeans
from ._page import EstimatesPage
from .grid import FixedVariables, ReferenceGrid

__all__ = ["MarginalEffects", "effects_of", "stack_means", "within_levels"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class MarginalEffects(Contrasts):
    """Marginal effects: slopes of covariates, differences to the base of factors.

    Attributes
    ----------
    table : DataFrame
        Index: levels, the variable and the contrast of its levels; columns as of
        ``Contrasts``, not adjusted.
    """

    def _page(self) -> EstimatesPage:
        title = f"Marginal effects on {self.part.response}"
        return EstimatesPage(
            f"{title}; df: {self.part.reference.method}",
            self._table,
            self.by,
            self.confidence_level,
            self._lost(),
        )


def within_levels(
    known: FixedVariables, names: Sequence[str]
) -> list[tuple[tuple[Any, ...], FixedVariables]]:
    """The observed rows of every combination of levels, as variables of their own."""
    if known.rows is None or known.row_weights is None:
        raise ValueError(
            "The data have too many distinct rows to keep them; for averages over "
            "groups of rows pass the rows: marginal_means(..., at=data)."
        )
    rows, weights = known.rows, known.row_weights
    out = []
    for key, at in rows.groupby(list(names), observed=True).indices.items():
        levels = key if isinstance(key, tuple) else (key,)
        part, w = rows.iloc[at].reset_index(drop=True), weights[at]
        # levels and ranges stay those of all rows, means are those of the group
        variables = {
            n: v
            if v.levels is not None
            else replace(v, mean=float(np.average(part[n].to_numpy(float), weights=w)))
            for n, v in known.variables.items()
        }
        cells = np.column_stack(
            [
                pd.Index(known.variables[n].values).get_indexer(pd.Index(part[n]))
                for n in known.factors
            ]
            or [np.zeros(len(part), dtype=int)]
        )[:, : len(known.factors)]
        new = FixedVariables(variables, known.factors, cells, w, part, w, known)
        out.append((levels, new))
    return out


def _prefixed(
    names: Sequence[str], keys: Sequence[tuple[Any, ...]], parts: Sequence[pd.Index]
) -> pd.Index:
    """Keys in front of the levels of every part; "overall" is no level."""
    rows: list[tuple[Any, ...]] = []
    own = [n for n in parts[0].names if n != "mean"]
    for key, index in zip(keys, parts, strict=True):
        for level in index:
            levels = level if isinstance(level, tuple) else (level,)
            rows.append((*key, *(levels if own else ())))
    both = [*names, *own]
    if len(both) == 1:
        return pd.Index([r[0] for r in rows], name=both[0])
    return pd.MultiIndex.from_tuples(rows, names=both)


def _unknowns(parts: Sequence[LinearEstimates]) -> Array:
    """Unknown combinations side by side: each part has its own."""
    total = sum(p.unknown.shape[1] for p in parts)
    out, at = [], 0
    for part in parts:
        k = part.unknown.shape[1]
        block = np.zeros((len(part.rows), total))
        block[:, at : at + k] = part.unknown
        out.append(block)
        at += k
    return np.vstack(out)


def stack_means(
    names: Sequence[str],
    keys: Sequence[tuple[Any, ...]],
    parts: Sequence[MarginalMeans],
) -> MarginalMeans:
    """One table of means of several grids; ``names`` and ``keys`` tell which."""
    index = _prefixed(names, keys, [p.index for p in parts])
    starts = np.cumsum([0, *(len(p.rows) for p in parts)])
    grids = [p.reference_grid for p in parts]
    grid = ReferenceGrid(
        pd.concat([g.frame for g in grids], ignore_index=True),
        np.concatenate([g.target + s for g, s in zip(grids, starts, strict=False)]),
        np.concatenate([g.weight for g in grids]),
        index,
    )
    first = parts[0]
    own = first.specs if first.specs else tuple(names)
    by = (*(names if first.specs else ()), *first.by)
    return replace(
        first,
        rows=np.vstack([p.rows for p in parts]),
        unknown=_unknowns(parts),
        index=index,
        specs=own,
        by=by,
        reference_grid=grid,
    )


def effects_of(
    names: Sequence[str],
    keys: Sequence[tuple[Any, ...]],
    parts: Sequence[LinearEstimates],
    by: Sequence[str],
) -> MarginalEffects:
    """One table of marginal effects; ``keys`` are one per row of the parts."""
    rows = np.vstack([p.rows for p in parts])
    index = (
        pd.Index([k[0] for k in keys], name=names[0])
        if len(names) == 1
        else pd.MultiIndex.from_tuples(list(keys), names=list(names))
    )
    return MarginalEffects(
        parts[0].part,
        rows,
        _unknowns(parts),
        index,
        parts[0].confidence_level,
        pd.DataFrame(np.eye(len(rows)), index=index, columns=index),
        np.zeros(len(rows), dtype=int),
        np.array([len(rows)]),
        "none",
        tuple(by),
        "marginal effects",
    )
