"""Folds: each row is left out once."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["folds_of"]

Array = np.ndarray


def folds_of(
    splitter: Any, X: Any, y: Array, **split: Any
) -> list[tuple[Array, Array]]:
    """Rows to fit, and rows that are left out of it.

    Raises
    ------
    ValueError
        If a row is left out never or more than once.
    """
    folds = list(splitter.split(X, y, **split))
    rows = np.arange(len(y))
    folds = [(rows[train], rows[test]) for train, test in folds]
    left_out = np.zeros(len(y), dtype=int)
    for _, test in folds:
        np.add.at(left_out, test, 1)
    wrong = np.flatnonzero(left_out != 1)
    if len(wrong):
        raise ValueError(
            f"cv must leave every row out exactly once; {len(wrong)} of {len(y)} rows are "
            f"left out {sorted(set(left_out[wrong].tolist()))} times, row {wrong[0]} the "
            "first. Pass a number of folds, or a splitter whose test sets do not overlap "
            "and cover all rows, such as KFold or GroupKFold."
        )
    return folds
