"""Columns of numbers: the fixed part, the response, random coefficients beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from .._spec import RandomEffects
from ._labels import Source, is_time
from ._not_numbers import blame_columns, blame_values

__all__ = [
    "choose_fixed",
    "extra_names",
    "feature_names",
    "read_extra",
    "read_fixed",
    "read_xy",
    "remember_columns",
]

Array = np.ndarray

NUMBERS = (
    "pass numbers, days since the first say: (t - t.min()) / pandas.Timedelta('1D')."
)


def feature_names(estimator: Any) -> list[str]:
    """Names of the columns that ``fit`` saw; x0, x1, ... of an array."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return [str(c) for c in names]
    return [f"x{j}" for j in range(estimator.n_features_in_)]


def remember_columns(estimator: Any, X: Any, y: Any) -> None:
    """Set ``n_features_in_`` and ``feature_names_in_`` as scikit-learn does."""
    if isinstance(X, pd.DataFrame) and y is not None:
        names = np.asarray(X.columns, dtype=object)
        if len(names) and all(type(name) is str for name in names):
            estimator.feature_names_in_ = names
            estimator.n_features_in_ = len(names)
            return
    validate_data(estimator, X, y, skip_check_array=True)


def choose_fixed(estimator: Any, source: Source, special: set[str]) -> list[str]:
    """Columns of the fixed part: those named, or all but the special ones.

    Categories that are coded have theirs in their place.
    """
    coding = source.coding
    if coding is None:
        return _named_columns(estimator, source, special)
    fixed = coding.expand(
        _named_columns(estimator, source, special),
        constant=bool(estimator.fit_intercept),
    )
    if len(set(fixed)) != len(fixed):
        raise ValueError(
            f"fixed={list(estimator.fixed)} names a column and columns that are made of "
            "it. Leave one of them out."
        )
    return fixed


def _named_columns(estimator: Any, source: Source, special: set[str]) -> list[str]:
    """The same without a look at categories."""
    if estimator.fixed is None:
        return [c for c in source.columns if c not in special]
    fixed = estimator.fixed
    if isinstance(fixed, str):
        raise TypeError(
            f"fixed must be a list of column names or None, got the string {fixed!r}; "
            f"write fixed=[{fixed!r}]."
        )
    if not isinstance(fixed, Iterable):
        raise TypeError(f"fixed must be a list of column names or None, got {fixed!r}.")
    fixed = list(fixed)
    if len(set(fixed)) != len(fixed):
        raise ValueError(f"fixed names a column twice: {fixed}.")
    coded = () if source.coding is None else source.coding
    unknown = [c for c in fixed if c not in source.columns and c not in coded]
    if unknown:
        raise ValueError(f"fixed names unknown columns {unknown}. {source.describe()}")
    return fixed


def read_xy(
    estimator: Any, source: Source, names: list[str], y: Any
) -> tuple[Array, Array]:
    """The fixed part's columns and the response, validated."""
    finite = _finite(estimator)
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y "
            "is None."
        )
    X = read_fixed(estimator, source, names)
    if is_time(y):
        raise ValueError(f"y holds {y.dtype} values; {NUMBERS}")
    values = y.to_numpy() if isinstance(y, pd.Series) else y
    if getattr(values, "ndim", 0) == 1 and _plain_numbers(values):
        y = values
    else:
        try:
            y = check_array(
                column_or_1d(y, warn=True),
                ensure_2d=False,
                dtype=np.float64,
                ensure_all_finite=finite,
                ensure_min_samples=0,
                input_name="y",
            )
        except (TypeError, ValueError) as error:
            blame_values(error, "y", y)
            raise
    if len(X) != len(y):
        check_consistent_length(X, y)  # scikit-learn's own message
    return X, y


def read_fixed(estimator: Any, source: Source, names: Sequence[str]) -> Array:
    """The fixed part's columns of new data, validated."""
    if not names:
        return np.empty((source.n_rows, 0))
    if source.coding is not None:
        return _read_coded(estimator, source, names)
    data = source.matrix(names)
    if _plain_numbers(data):
        return data
    times = [name for name in names if is_time(source.column(name))]
    if times:
        raise ValueError(
            f"The columns {times} of the fixed part hold dates or times; {NUMBERS}"
        )
    try:
        return check_array(
            data,
            dtype=np.float64,
            ensure_all_finite=_finite(estimator),
            estimator=estimator,
            input_name="X",
        )
    except (TypeError, ValueError) as error:
        blame_columns(error, estimator, source, names)
        raise


def _read_coded(estimator: Any, source: Source, names: Sequence[str]) -> Array:
    """The same where some are made of categories."""
    out = np.empty((source.n_rows, len(names)), order="F")
    alone = replace(source, coding=None)
    numbers = [j for j, name in enumerate(names) if name not in source.coding]
    out[:, numbers] = read_fixed(estimator, alone, [names[j] for j in numbers])
    source.coding.fill(alone, names, out, missing=estimator.missing == "drop")
    return out


def read_numbers(estimator: Any, X: Any, y: Any) -> tuple[Array, Array]:
    """X and y where every column of X is a covariate, validated by scikit-learn."""
    try:
        return validate_data(estimator, X, y, y_numeric=True, dtype=np.float64)
    except (TypeError, ValueError) as error:
        names = [str(name) for name in getattr(X, "columns", ())]
        if names:
            blame_columns(error, estimator, Source.of(X, None), names)
        blame_values(error, "y", y)
        raise


def extra_names(equations: list[RandomEffects], fixed_names: list[str]) -> list[str]:
    """Random coefficients that are no columns of the fixed part."""
    out: list[str] = []
    for equation in equations:
        for name in equation.columns:
            if name not in fixed_names and name not in out:
                out.append(name)
    return out


def read_extra(
    source: Source | None, names: list[str], n: int, allow_nan: bool
) -> Array:
    """Their values, numbers all."""
    out = np.empty((n, len(names)))
    for j, name in enumerate(names):
        assert source is not None
        values = source.column(name)
        if values is None:
            raise ValueError(
                f"The random coefficient {name!r} is no column of X or groups. "
                f"{source.describe()}"
            )
        if is_time(values):
            raise ValueError(
                f"The random coefficient {name!r} is of dates or times; {NUMBERS}"
            )
        try:
            out[:, j] = check_array(
                np.asarray(values),
                ensure_2d=False,
                dtype=np.float64,
                ensure_all_finite="allow-nan" if allow_nan else True,
                input_name=f"column {name!r}",
            )
        except (TypeError, ValueError) as error:
            blame_values(error, f"the random coefficient {name!r}", values)
            if "could not convert string to float" in str(error):
                raise ValueError(
                    f"{error}: the random coefficient {name!r} holds text. Random "
                    "coefficients are of numbers; code a category as columns of zeros "
                    "and ones."
                ) from error
            raise
    return out


def _plain_numbers(data: Any) -> bool:
    """Whether scikit-learn's checks would pass an array through as it is."""
    if type(data) is not np.ndarray or data.dtype != np.float64 or not data.size:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(data.ndim <= 2 and np.isfinite(data.sum()))


def _finite(estimator: Any) -> Any:
    """What scikit-learn is to say to missing values."""
    return "allow-nan" if estimator.missing == "drop" else True
