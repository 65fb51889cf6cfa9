"""Rows to fit and rows to take scores of."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    ShuffleSplit,
    check_cv,
)

from ..resampling._folds import folds_of

__all__ = ["parts_of"]

Array = np.ndarray


def parts_of(
    cv: Any, share: float, X: Any, y: Array, units: Array | None, random_state: Any
) -> list[tuple[Array, Array]]:
    """One split in two, or folds that leave out every row once.

    Parameters
    ----------
    cv : None, int, splitter or iterable
    share : float
        Of the rows, or groups, whose scores are taken, where there is one split.
    units : ndarray of int, shape (n,) or None
        Exchangeable groups, which stay together; None where rows are exchangeable.

    Raises
    ------
    ValueError
        If folds leave a row out never or more than once, or divide a group.
    """
    if cv is None:
        kind = ShuffleSplit if units is None else GroupShuffleSplit
        split = kind(1, test_size=share, random_state=random_state)
        return list(split.split(np.empty((len(y), 1)), y, units))
    if isinstance(cv, numbers.Integral):
        folds = KFold if units is None else GroupKFold
        cv = folds(int(cv), shuffle=True, random_state=random_state)
    with warnings.catch_warnings():  # a splitter without groups is told of below
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        out = folds_of(check_cv(cv), X, y, groups=units)
    if units is not None:
        for train, test in out:
            both = np.intersect1d(units[train], units[test])
            if len(both):
                raise ValueError(
                    f"cv divides {len(both)} of the exchangeable groups between the rows "
                    "that are fitted and those that are left out. Pass a number of folds, "
                    "or a splitter that keeps groups together, such as GroupKFold or "
                    "LeaveOneGroupOut."
                )
    return out
