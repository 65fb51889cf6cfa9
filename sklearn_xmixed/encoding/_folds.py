"""The folds of cross-fitting: each row is left out once."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, check_cv

__all__ = ["folds_of", "splitter_of"]

Array = np.ndarray

DEFAULT = 5


def splitter_of(cv: Any, classes: bool, shuffle: bool, random_state: Any) -> Any:
    """The splitter that ``cv`` stands for.

    Parameters
    ----------
    cv : None, int, splitter or iterable
    classes : bool
        Whether the shares of the classes are to be kept.
    shuffle, random_state
        Of the folds where ``cv`` is a number.
    """
    if cv is not None and not isinstance(cv, numbers.Integral):
        return check_cv(cv)
    seed = random_state if shuffle else None
    kind = StratifiedKFold if classes else KFold
    n_splits = DEFAULT if cv is None else int(cv)
    return kind(n_splits, shuffle=shuffle, random_state=seed)


def folds_of(
    splitter: Any, X: Any, y: Array, **split: Any
) -> list[tuple[Array, Array]]:
    """Rows to fit and rows to encode.

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
