"""Weights of the rows of a reference grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ._variables import FixedVariables

__all__ = ["grid_weights", "places_of"]

Array = np.ndarray


def places_of(known: FixedVariables, name: str, found: pd.Series) -> Array:
    """Numbers of the levels of a factor."""
    return pd.Index(list(known.variables[name].values)).get_indexer(pd.Index(found))


def grid_weights(
    known: FixedVariables,
    targets: Sequence[str],
    frame: pd.DataFrame,
    weights: str,
) -> Array:
    """Weights of the rows of a product, not yet divided by their sum."""
    used = [
        (k, name)
        for k, name in enumerate(known.factors)
        if weights == "cells" or name not in targets
    ]
    if not used:
        return np.ones(len(frame))
    rows = {name: places_of(known, name, frame[name]) for _, name in used}
    if weights == "equal":
        return _equal(known, rows)
    # marginal frequencies of the combinations of these factors
    table = np.zeros([len(known.variables[name].values) for _, name in used])
    np.add.at(table, tuple(known.cells[:, k] for k, _ in used), known.cell_weights)
    if weights == "outer":
        axes = range(table.ndim)
        alone = [table.sum(axis=tuple(j for j in axes if j != k)) for k in axes]
        shares = [
            _share(known, name, a)[rows[name]]
            for (_, name), a in zip(used, alone, strict=True)
        ]
        return np.prod(shares, axis=0)
    return table[tuple(rows.values())]


def _equal(known: FixedVariables, rows: Mapping[str, Array]) -> Array:
    """Levels of a nested factor share what those they are nested in have."""
    out = np.ones(len(next(iter(rows.values()))))
    for name, places in rows.items():
        there = np.zeros(len(known.variables[name].values))
        there[places] = 1.0
        out *= _share(known, name, there)[places]
    return out


def _share(known: FixedVariables, name: str, frequency: Array) -> Array:
    """Frequencies of a factor's levels; of a nested one, within its parents."""
    if name not in known.nesting.parents:
        return frequency
    family = known.nesting.families(name)
    total = np.bincount(family, frequency)[family]
    return np.divide(frequency, total, out=np.zeros_like(total), where=total > 0)
