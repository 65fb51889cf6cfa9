"""The covariance matrix that a model implies for rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ._rows import Rows

__all__ = ["marginal_covariance", "rows_of_group"]

Array = np.ndarray

#: rows whose covariance matrix is formed
MAX_ROWS = 5000
PARTS = ("total", "random", "residual")


def marginal_covariance(rows: Rows, part: str, correlation: bool) -> Array:
    """V = Z G Z' + R of some rows, one of the two, or the correlations."""
    if part not in PARTS:
        raise ValueError(
            f"part must be one of {', '.join(map(repr, PARTS))}, got {part!r}."
        )
    if rows.n > MAX_ROWS:
        raise ValueError(
            f"The covariance matrix of {rows.n} rows is too large to be of use (the limit "
            f"is {MAX_ROWS}). Name one group, or pass fewer rows."
        )
    V = np.zeros((rows.n, rows.n))
    if part != "residual":
        V += rows.random_covariance()
    if part != "random":
        V += rows.residual_covariance()
    if not correlation:
        return V
    sd = np.sqrt(np.diagonal(V))
    with np.errstate(divide="ignore", invalid="ignore"):
        R = V / np.outer(sd, sd)
    np.fill_diagonal(R, np.where(sd > 0, 1.0, np.nan))
    return R


def rows_of_group(source: Any, levels: list[str], group: Any) -> Array:
    """Numbers of the rows of one group.

    Parameters
    ----------
    source : Source
    levels : list of str
        Grouping variables, outermost first.
    group : label, tuple or dict
        Of the outermost level, a path of labels, or labels by level.
    """
    if isinstance(group, dict):
        wanted = dict(group)
    else:
        path = group if isinstance(group, tuple) else (group,)
        if len(path) > len(levels):
            raise ValueError(
                f"group has {len(path)} labels, the model has the levels {levels}."
            )
        wanted = dict(zip(levels, path, strict=False))
    unknown = [name for name in wanted if name not in levels]
    if unknown:
        raise ValueError(f"group names {unknown}; the levels are {levels}.")
    found = source.levels(levels)
    mine = np.ones(source.n_rows, dtype=bool)
    for name, label in wanted.items():
        values = found[name]
        if values is None:
            raise ValueError(f"No labels for the level {name!r}. {source.describe()}")
        match = np.asarray(pd.Index(values) == label, dtype=bool)
        if not match.any():
            some = list(dict.fromkeys(np.asarray(values).tolist()))[:5]
            raise ValueError(
                f"No row has {name} = {label!r}; there are {some} and so on."
            )
        mine &= match
    if not mine.any():
        raise ValueError(f"No row is in the group {wanted}.")
    return np.flatnonzero(mine)
