"""Offsets: parts of the linear predictor whose coefficient is known to be one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import narwhals.stable.v2 as nw
import numpy as np
from sklearn.utils.validation import _num_samples

from ..tables import Summary, Table
from ._labels import Source

__all__ = ["column_offset", "offset_name", "read_offset", "take_offset"]

Array = np.ndarray


def read_offset(
    estimator: Any, source: Source | None, given: Any, n_rows: int
) -> Array | None:
    """The offset of ``fit``: an array, or the column that ``offset`` names.

    Missing values are left in where ``missing="drop"`` leaves their rows out.

    Raises
    ------
    ValueError
        If both are there, the column is not, or values are no finite numbers.
    """
    name = estimator.offset
    if name is None:
        if given is None:
            return None
        return _values(given, "offset", n_rows, estimator.missing == "drop")
    if given is not None:
        _refuse_two(name, "array")
    assert source is not None
    return column_offset(estimator, source, name)


def _refuse_two(name: str, given: str) -> NoReturn:
    raise ValueError(
        f"There are two offsets: the constructor's offset={name!r} and the {given} "
        "passed as offset. Use one of them; for both, pass their sum."
    )


def offset_name(
    name: str | None, table: Table, given: Any, y: str | None
) -> str | None:
    """The column of a table with the offset: the one passed, or the constructor's.

    Parameters
    ----------
    name : str or None
        The constructor's.
    given : object
        What was passed.
    y : str or None
        Name of the response.

    Raises
    ------
    TypeError
        If it is no name.
    ValueError
        If both are there, the column is not, or it is the response.
    """
    if name is not None and given is not None:
        _refuse_two(name, f"column {given!r}")
    known = given if name is None else name
    if known is None:
        return None
    known = table.require(known, "the offset")
    if known == y:
        raise ValueError(
            f"The offset {known!r} is the response, of which nothing would be left. Name "
            "another column."
        )
    return known


def take_offset(
    table: Table, summary: Summary, y: str, offset: str | None
) -> tuple[Table, Summary]:
    """Complete rows with the response less the offset, and the ranges of that."""
    if offset is None:
        return table, summary
    left = nw.col(y).cast(nw.Float64) - nw.col(offset).cast(nw.Float64)
    table = replace(table, frame=table.frame.with_columns(left.alias(y)))
    own = Summary.of(table, [y], [])
    return table, replace(
        summary,
        low=summary.low | own.low,
        high=summary.high | own.high,
        mean=summary.mean | own.mean,
    )


def column_offset(estimator: Any, source: Source, name: str) -> Array:
    """Values of the column with the offset."""
    values = source.column(name)
    if values is None:
        raise ValueError(
            f"The offset {name!r} is no column of X or groups. {source.describe()}"
        )
    what = f"The offset {name!r}"
    return _values(values, what, source.n_rows, estimator.missing == "drop")


def _values(values: Any, what: str, n_rows: int, allow_nan: bool) -> Array:
    """One finite number per row; missing ones only where these are allowed."""
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} must be numbers, found {np.asarray(values).ravel()[0]!r}."
        ) from None
    if out.ndim == 2 and out.shape[1] == 1:
        out = out[:, 0]
    if out.ndim != 1 or _num_samples(out) != n_rows:
        raise ValueError(
            f"{what} must be one number per row, got an array of shape {out.shape} for "
            f"{n_rows} rows."
        )
    bad = np.isinf(out) if allow_nan else ~np.isfinite(out)
    if bad.any():
        row = int(np.argmax(bad))
        way = "" if allow_nan else ", or set missing='drop' for missing values"
        raise ValueError(
            f"{what} must be finite; {int(bad.sum())} values are not, the first is "
            f"{out[row]} in row {row}. Correct them{way}."
        )
    return out
