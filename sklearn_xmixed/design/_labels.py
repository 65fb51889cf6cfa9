"""Labels and named variables out of X and ``groups``.

The only module that knows data frames.  A name is looked up in X first (by
column name) and then in ``groups``; the levels that are still without labels
take the columns of an unnamed ``groups`` by position, outermost first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import check_array

__all__ = ["Source", "is_time", "missing_rows"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Source:
    """X and ``groups`` as things that can be asked for a column.

    Parameters
    ----------
    columns : list of str
        Names of the columns of X; of an array x0, x1, ...
    named : bool
        Whether X itself had the names.
    coding : Categories or None
        What makes further columns of those of X; see ``Categories.over``.
    """

    columns: list[str]
    named: bool
    n_rows: int
    _X: Any
    _groups: Any
    _group_columns: list[str] | None
    _n_group_columns: int
    coding: Any = None

    @classmethod
    def of(cls, X: Any, groups: Any = None, columns: list[str] | None = None) -> Source:
        """Look at X and ``groups`` without copying them.

        Parameters
        ----------
        columns : list of str, optional
            Names by position that the columns of X go by, whatever X calls them.

        Raises
        ------
        TypeError
            If ``groups`` is a mapping.
        ValueError
            If ``groups`` has another number of rows than X.
        """
        for data, name in ((X, "X"), (groups, "groups")):
            if type(data).__name__ == "LazyFrame":
                raise TypeError(f"{name} is a LazyFrame; pass {name}.collect().")
            if type(data).__name__ == "DuckDBPyRelation":
                raise TypeError(f"{name} is a DuckDB relation; pass {name}.df().")
        frame = _frame(X)
        if frame is not None:
            columns = columns or _names(frame)
            n_rows = frame.shape[0]
        else:
            if not isinstance(X, np.ndarray):
                X = check_array(X, dtype=None) if issparse(X) else _as_array(X)
            shape = X.shape
            if len(shape) != 2 or not all(shape):
                check_array(X, dtype=None)  # scikit-learn's own message
            n_rows = shape[0] if shape else 0
            columns = columns or [
                f"x{j}" for j in range(shape[1] if len(shape) > 1 else 1)
            ]
        held: Any = None
        names: list[str] | None = None
        width = 0
        if groups is not None:
            if isinstance(groups, dict):
                raise TypeError(
                    "groups must be a data frame, a Series or an array, got a dict; "
                    "cross-validation cannot slice a dict by rows. Pass "
                    "pandas.DataFrame(groups) instead."
                )
            held = _frame(groups)
            if held is not None:
                names = _names(held)
                width, rows = len(names), held.shape[0]
            else:
                series = _series(groups)
                if series is not None:
                    held = [series[1]]
                    names = None if series[0] is None else [str(series[0])]
                else:
                    held = list(_label_matrix(groups).T)
                width, rows = len(held), len(held[0]) if held else 0
            if rows != n_rows:
                raise ValueError(
                    f"groups has {rows} rows and X has {n_rows}; they must be aligned "
                    "row by row (by position, an index is ignored)."
                )
        return cls(
            columns,
            frame is not None,
            n_rows,
            frame if frame is not None else X,
            held,
            names,
            width,
        )

    def in_X(self, name: str) -> bool:
        """Whether X has a column of that name."""
        return name in self.columns

    def column(self, name: str) -> Array | None:
        """Values of a named variable, None where neither X nor groups has it."""
        if name in self.columns:
            if self.named:
                return _values(self._X, self.columns.index(name))
            return np.asarray(self._X)[:, self.columns.index(name)]
        if self._group_columns is not None and name in self._group_columns:
            at = self._group_columns.index(name)
            if isinstance(self._groups, list):
                held = self._groups[at]
                return np.asarray(held) if isinstance(held, pd.Categorical) else held
            return _values(self._groups, at)
        if self.coding is not None and name in self.coding:
            return self.coding.column(replace(self, coding=None), name)
        return None

    def levels(self, names: Sequence[str]) -> dict[str, Array | None]:
        """Labels of the grouping variables ``names``, outermost first.

        A name that is found nowhere maps to None.

        Raises
        ------
        ValueError
            If an unnamed ``groups`` has another number of columns than there are
            levels without labels.
        """
        found = {name: self._categories(name) for name in names}
        open_ = [name for name in names if found[name] is None]
        # a frame speaks by names; arrays, and a Series of another name, by position
        if not open_ or not isinstance(self._groups, list):
            return found
        if self._group_columns is not None and set(self._group_columns) & set(names):
            return found
        if len(self._groups) != len(open_):
            raise ValueError(
                f"groups has {len(self._groups)} columns without the levels' names, but "
                f"{len(open_)} levels have no labels in X: {open_}. Pass one "
                "column for each of them, outermost level first, or a data "
                "frame with the levels' names."
            )
        found.update(zip(open_, self._groups, strict=True))
        return found

    def categorized(self, name: str) -> Any:
        """Values of a named variable; a Categorical where its categories have an order.

        These are pandas' categories and those of an Enum.
        """
        for frame, columns in (
            (self._X, self.columns),
            (self._groups, self._group_columns or ()),
        ):
            if name not in columns:
                continue
            at = list(columns).index(name)
            if isinstance(frame, list):
                return frame[at]
            if isinstance(frame, nw.DataFrame):
                return _enumerated(frame[:, at])
            break
        return self._categories(name)

    def every(self, labels: Sequence[str] = ()) -> dict[str, Any]:
        """All columns by name; those of the names ``labels`` with their categories."""
        names = dict.fromkeys([*self.columns, *(self._group_columns or ())])
        return {
            name: self.categorized(name) if name in labels else self.column(name)
            for name in names
        }

    def _categories(self, name: str) -> Any:
        """Values of a named variable; of pandas' categories, numbered as they are."""
        for frame, columns in (
            (self._X, self.columns),
            (self._groups, self._group_columns or ()),
        ):
            if name in columns and isinstance(frame, pd.DataFrame):
                series = _pandas_column(frame, list(columns).index(name))
                if isinstance(series.dtype, pd.CategoricalDtype):
                    return series.array
                return _plain(series)
        return self.column(name)

    def take(self, rows: Array) -> Source:
        """Some rows of the same."""
        X, groups = self._X, self._groups
        if isinstance(X, pd.DataFrame):
            X = X.iloc[rows]
        else:
            X = X[rows] if self.named else np.asarray(X)[rows]
        if isinstance(groups, pd.DataFrame):
            groups = groups.iloc[rows]
        elif isinstance(groups, list):
            groups = [values[rows] for values in groups]
        elif groups is not None:
            groups = groups[rows]
        return replace(self, n_rows=len(rows), _X=X, _groups=groups)

    def describe(self) -> str:
        """What was there to look in, for messages."""
        text = (
            f"The columns of X are {self.columns}"
            if self.named
            else f"X is an array without column names ({len(self.columns)} columns, by "
            "the names x0, x1, ...)"
        )
        if self._groups is None:
            return text + "; groups was not given."
        if self._group_columns is None:
            return text + f"; groups has {self._n_group_columns} unnamed columns."
        return text + f"; the columns of groups are {self._group_columns}."

    def matrix(self, names: Sequence[str]) -> Any:
        """Some columns of X, in a form that scikit-learn validates quickly."""
        at = [self.columns.index(name) for name in names]
        everything = at == list(range(len(self.columns)))
        if not self.named:
            return self._X if everything else np.asarray(self._X)[:, at]
        frame = self._X
        if isinstance(frame, pd.DataFrame):
            series = [_pandas_column(frame, j) for j in at]
            if all(
                isinstance(s.dtype, np.dtype) and s.dtype.kind in "fiub" for s in series
            ):
                # column by column is much faster than a selection of the frame
                out = np.empty((frame.shape[0], len(series)), order="F")
                for j, column in enumerate(series):
                    out[:, j] = column.to_numpy()
                return out
            return frame if everything else frame.take(at, axis=1)
        return (frame if everything else frame[:, at]).to_native()


def _names(frame: Any) -> list[str]:
    columns = frame.columns
    names = columns.tolist() if isinstance(columns, pd.Index) else columns
    return [str(c) for c in names]


def _frame(data: Any) -> Any:
    """pandas frame as it is, another frame through narwhals, else None."""
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, np.ndarray | list | tuple) or data is None:
        return None
    try:
        frame = nw.from_native(data, eager_only=True, pass_through=True)
    except TypeError:
        return None
    return frame if isinstance(frame, nw.DataFrame) else None


def _series(data: Any) -> tuple[Any, Any] | None:
    if isinstance(data, pd.Series):
        labels = isinstance(data.dtype, pd.CategoricalDtype)
        return data.name, data.array if labels else _plain(data)
    if isinstance(data, np.ndarray | list | tuple):
        return None
    try:
        series = nw.from_native(data, series_only=True, pass_through=True)
    except TypeError:
        return None
    if isinstance(series, nw.Series):
        return (series.name or None), _enumerated(series)
    return None


def _enumerated(series: Any) -> Any:
    """Values of a column; of an Enum with its categories."""
    values = _numpy(series)
    if isinstance(series.dtype, nw.Enum):
        return pd.Categorical(values, series.dtype.categories)
    return values


def _values(frame: Any, at: int) -> Array:
    if isinstance(frame, pd.DataFrame):
        return _plain(_pandas_column(frame, at))
    return _numpy(frame[:, at])


def _numpy(series: Any) -> Array:
    """Values of a column; pyarrow converts no codes that are unsigned, as polars has."""
    if series.implementation.is_pyarrow() and series.dtype == nw.Categorical:
        native = series.to_native()
        return native.cast(native.type.value_type).to_numpy()
    return series.to_numpy()


def _pandas_column(frame: pd.DataFrame, at: int) -> pd.Series:
    """One column by position; by its name where that is quicker."""
    if frame.columns.nlevels == 1 and frame.columns.is_unique:
        return frame[frame.columns[at]]
    return frame.iloc[:, at]


def _plain(series: pd.Series) -> Any:
    """Values that ``pandas.factorize`` handles at full speed."""
    values = series.array
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy()
    if isinstance(series.dtype, pd.CategoricalDtype):
        return np.asarray(series)
    return values


def _as_array(X: Any) -> Array:
    """Array-like X; numbers beside text keep their type."""
    out = np.asarray(X)
    return np.asarray(X, dtype=object) if out.dtype.kind in "US" else out


def _label_matrix(groups: Any) -> Array:
    """Array-like labels as a 2-D array; tuples keep their labels' types."""
    if not isinstance(groups, np.ndarray | list | tuple):
        groups = np.asarray(groups)
    if not isinstance(groups, np.ndarray):
        rows = list(groups)
        if rows and isinstance(rows[0], tuple | list):
            out = np.empty((len(rows), len(rows[0])), dtype=object)
            for i, row in enumerate(rows):
                if len(row) != len(rows[0]):
                    raise ValueError(
                        f"groups has {len(rows[0])} labels in row 0 but {len(row)} in "
                        f"row {i}; every row needs one label per level."
                    )
                out[i] = row
            return out
        groups = np.asarray(rows)
    if groups.ndim == 1:
        return groups[:, None]
    if groups.ndim != 2:
        raise ValueError(
            f"groups must have one or two dimensions, got an array of shape "
            f"{groups.shape}."
        )
    return groups


def is_time(values: Any) -> bool:
    """Whether a column holds dates, times or durations."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        return dtype.kind in "mM"
    return isinstance(dtype, pd.DatetimeTZDtype | pd.PeriodDtype)


def missing_rows(values: Any) -> Array:
    """Which labels (or numbers) are missing."""
    return np.asarray(pd.isna(values), dtype=bool)
