"""The folds of cross-fitting."""

from __future__ import annotations

import numbers
from typing import Any

from sklearn.model_selection import KFold, StratifiedKFold, check_cv

__all__ = ["splitter_of"]

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
