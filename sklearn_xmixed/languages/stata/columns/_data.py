"""The user's table as the command sees it: numbers, texts and labelled values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ....design._labels import Source

__all__ = ["Data", "Labelled"]

Array = np.ndarray
_EPOCH = pd.Timestamp("1960-01-01")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Categories with names: numbered 1, 2, ... in their order.

    Parameters
    ----------
    codes : ndarray of float
        Categories that are numbers themselves; nan is missing.
    texts : ndarray of object
        Their names; "" is missing.
    names : tuple of str
        Of all categories, in their order.
    """

    codes: Array
    texts: Array
    names: tuple[str, ...]


class Data:
    """Columns by name, of a data frame or a mapping of arrays.

    Parameters
    ----------
    data : data frame, or mapping of names to arrays
    groups : data frame or Series, default=None
        More columns.

    Raises
    ------
    TypeError
        If the columns have no names.
    """

    def __init__(self, data: Any, groups: Any = None):
        if isinstance(data, Data):
            self.__dict__.update(data.__dict__)
            return
        if isinstance(data, Mapping):
            data = pd.DataFrame(dict(data))
        source = Source.of(data, groups)
        if not source.named:
            raise TypeError(
                "The data of a command need names: pass a data frame or a dict of "
                f"columns, not {type(data).__name__}."
            )
        self._source = source
        self._frame = data
        self.n_rows = source.n_rows
        self.names = list(source.columns) + [
            name for name in source._group_columns or [] if name not in source.columns
        ]
        self._cache: dict[str, Array | Labelled] = {}

    def raw(self, name: str) -> Any:
        """A column as it is."""
        return self._source.column(name)

    def labels(self, name: str) -> Any:
        """A column as it is, with its categories where these have an order."""
        return self._source.categorized(name)

    def values(self, name: str) -> Array | Labelled:
        """A column as float64 (nan is missing), texts ("" is) or labelled values."""
        if name not in self._cache:
            self._cache[name] = self._read(name)
        return self._cache[name]

    def _read(self, name: str) -> Array | Labelled:
        frame = self._frame
        if isinstance(frame, pd.DataFrame) and name in frame.columns:
            column = frame[name]
            if isinstance(column.dtype, pd.CategoricalDtype):
                return _labelled(column)
        return _as_values(pd.Series(self.raw(name)))

    def numbers(self, name: str) -> Array | None:
        """A column as float64; None where it holds texts."""
        values = self.values(name)
        if isinstance(values, Labelled):
            return values.codes
        return None if values.dtype.kind == "O" else values

    def missing(self, name: str) -> Array:
        """Rows in which a column is missing."""
        values = self.values(name)
        if isinstance(values, Labelled):
            return np.isnan(values.codes)
        return values == "" if values.dtype.kind == "O" else np.isnan(values)


def _labelled(column: pd.Series) -> Array | Labelled:
    categories = column.cat.categories
    codes = column.cat.codes.to_numpy()
    gone = codes < 0
    if pd.api.types.is_numeric_dtype(categories.dtype):
        numbers = np.asarray(categories, dtype=float)
        if not len(numbers):
            return np.full(len(codes), np.nan)
        return np.where(gone, np.nan, numbers[codes])
    names = tuple(map(str, categories))
    texts = np.array([*names, ""], dtype=object)[codes]
    return Labelled(np.where(gone, np.nan, codes + 1.0), texts, names)


def _as_values(column: pd.Series) -> Array:
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        naive = column.dt.tz_localize(None) if column.dt.tz is not None else column
        return ((naive - _EPOCH) / pd.Timedelta(days=1)).to_numpy(dtype=float)
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(
        column.dtype
    ):
        if pd.api.types.is_complex_dtype(column.dtype):
            return np.full(len(column), np.nan)
        out = column.to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(out), out, np.nan)
    gone = column.isna().to_numpy(dtype=bool)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if gone.all() or kind in ("integer", "floating", "mixed-integer-float", "boolean"):
        return _as_values(pd.to_numeric(column, errors="coerce").astype(float))
    texts = column.astype(str).to_numpy(dtype=object, copy=True)
    texts[gone] = ""
    return texts
