"""Times of the rows: numbers, or occasions that have names.

Structures that take a time for a label (``time_kind`` "identifier") know occasions by
name: the names are numbered in their order, and all that follows sees the numbers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from ..._spec import Residuals
from ...residuals import STRUCTURES, ResidualModel, shown_time
from .._labels import is_time

__all__ = ["Times", "read_times", "word"]

Array = np.ndarray

#: occasions that a message names
SHOWN = 8
#: roles of variables that are no times
NO_TIMES = ("by", "variance")


@dataclass(frozen=True, eq=False)
class Times:
    """The time of each row.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        Times; of occasions with names the place of each among ``names``.
    names : tuple of str
        Of the occasions, in their order; empty where times are numbers.
    """

    values: Array
    names: tuple[str, ...] = ()


def read_times(
    values: Mapping[str, Any], residuals: Residuals, known: ResidualModel | None = None
) -> Times | None:
    """The time variables as what the structure needs; None without any.

    Parameters
    ----------
    values : mapping
        From ``read_variables``, without missing values.
    residuals : Residuals
    known : ResidualModel, optional
        A fitted structure whose occasions the rows are to be found among.

    Raises
    ------
    ValueError
        On dates, on texts where times have distances, and on occasions that are not
        among those known.
    """
    names = {k: v for k, v in residuals.variables.items() if k not in NO_TIMES}
    columns = [
        _read(values[role], name, residuals, known)
        for role, name in names.items()
        if role in values
    ]
    if len(columns) < 2:
        return columns[0] if columns else None
    return Times(np.column_stack([column.values for column in columns]))


def _read(
    values: Any, name: str, residuals: Residuals, known: ResidualModel | None
) -> Times:
    """One time variable."""
    kind = STRUCTURES[residuals.structure].time_kind
    if is_time(values):
        what = {
            "real": "numbers",
            "identifier": "names, by t.astype(str) say, or nonnegative integers",
        }.get(str(kind), "integers, the number of the day say")
        raise ValueError(
            f"The time variable {name!r} of residuals holds dates or times; "
            f"{residuals.structure} residuals need {what}: "
            f"(t - t.min()) / pandas.Timedelta('1D')."
        )
    if kind == "identifier":
        named = _are_names(values, residuals) if known is None else known.named
        if named:
            return _occasions(values, residuals, known)
    return Times(_numbers(values, name, residuals, known))


def word(label: Any) -> str:
    """A label as text; whole numbers without decimals."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


# -- names -----------------------------------------------------------------------------


def _are_names(values: Any, residuals: Residuals) -> bool:
    """Whether times are labels; texts that are whole numbers all count as numbers."""
    if isinstance(values, pd.Categorical):
        return True
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        return False
    values = np.asarray(values)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind == "boolean":
        return True
    if kind == "string":
        try:
            time = values.astype(float)
        except ValueError:
            return True
        return not bool((np.isfinite(time) & (time >= 0) & (time % 1 == 0)).all())
    texts = [isinstance(v, str) for v in values.tolist()] if kind != "integer" else []
    if any(texts):
        row, other = texts.index(True), texts.index(False)
        raise ValueError(
            f"The time variable {residuals.time!r} of residuals holds text "
            f"({values[row]!r} in row {row}) beside other values ({values[other]!r} in "
            f"row {other}). {residuals.structure} residuals take nonnegative integers, or "
            "names: texts, booleans or categories. Make all of them texts, or a "
            "pandas.Categorical with the categories in their order."
        )
    return False


def _occasions(values: Any, residuals: Residuals, known: ResidualModel | None) -> Times:
    """Occasions by name, in the order of their categories or sorted."""
    codes, labels = _numbered(values)
    names = tuple(word(label) for label in labels)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"The time variable {residuals.time!r} of residuals has two categories that "
            f"both read {twice!r}; occasions need names that differ. Rename one of them."
        )
    if known is None:
        ordered = STRUCTURES[residuals.structure].ordered_times
        if ordered and not isinstance(values, pd.Categorical):
            _warn_of_order(names, residuals)
        return Times(codes.astype(float), names)
    place = {name: float(k) for k, name in enumerate(known.occasions)}
    lost = [name for name in names if name not in place]
    if lost:
        _refuse_unknown(lost, residuals, known.occasions)
    return Times(np.array([place[name] for name in names])[codes], known.occasions)


def _numbered(values: Any) -> tuple[Array, Any]:
    """Codes and the distinct labels, categories that do not occur left out."""
    if not isinstance(values, pd.Categorical):
        return pd.factorize(np.asarray(values, dtype=object), sort=True)
    used = np.unique(values.codes)
    return np.searchsorted(used, values.codes), values.categories[used].tolist()


def _refuse_unknown(
    lost: list[str], residuals: Residuals, known: Sequence[str]
) -> NoReturn:
    raise ValueError(
        f"The time variable {residuals.time!r} of residuals has the occasions "
        f"{_listed(lost)}, for which {residuals.structure} residuals have no parameters: "
        f"the training data have {_listed(known, most=len(known))}. Leave these rows out, "
        "or fit to data that have these occasions."
    )


def _listed(names: Sequence[str], most: int = SHOWN) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more


def _warn_of_order(names: tuple[str, ...], residuals: Residuals) -> None:
    """Texts sort VIS10 before VIS2, and which occasions are neighbours matters here."""

    def by_number(name: str) -> list[tuple[bool, int, str]]:
        parts = re.findall(r"\d+|\D+", name)
        return [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]

    matters = residuals.structure != "banded" or residuals.order is not None
    if matters and list(names) != sorted(names, key=by_number):
        warnings.warn(
            f"How occasions of {residuals.structure} residuals are correlated depends on "
            f"their order, and the texts of {residuals.time!r} are sorted: "
            f"{_listed(names)}. Pass a pandas.Categorical with the categories in their "
            "order if that is another.",
            UserWarning,
            stacklevel=2,
        )


# -- numbers ---------------------------------------------------------------------------


def _numbers(
    values: Any, name: str, residuals: Residuals, known: ResidualModel | None
) -> Array:
    kind = STRUCTURES[residuals.structure].time_kind
    try:
        time = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        _refuse_texts(values, name, residuals, known)
    if not np.isfinite(time).all():
        raise ValueError(
            f"The time variable {name!r} of residuals is infinite somewhere."
        )
    if kind == "real":
        return time
    whole = time == np.round(time)
    if not whole.all():
        row = int(np.argmin(whole))
        raise ValueError(
            f"{residuals.structure} residuals need an integer-valued time; {name!r} is "
            f"{time[row]:g} in row {row}. Exponential residuals take real times."
        )
    if kind == "identifier" and (time < 0).any():
        row = int(np.argmax(time < 0))
        raise ValueError(
            f"{residuals.structure} residuals need nonnegative integers to identify "
            f"the rows of a group; {name!r} is {time[row]:g} in row {row}."
        )
    if kind == "identifier" and known is not None:
        words = [shown_time(t, ()) for t in np.unique(time)]
        lost = [x for x in words if x not in known.occasions]
        if lost:
            _refuse_unknown(lost, residuals, known.occasions)
    return time


def _refuse_texts(
    values: Any, name: str, residuals: Residuals, known: ResidualModel | None
) -> NoReturn:
    """Of values that are no numbers, where numbers are needed."""
    given = np.asarray(values, dtype=object)
    bad = pd.isna(pd.to_numeric(pd.Series(given), errors="coerce")).to_numpy()
    texts = list(dict.fromkeys(word(v) for v in given[bad]))
    kind = STRUCTURES[residuals.structure].time_kind
    if kind == "identifier" and known is not None:
        _refuse_unknown(texts, residuals, known.occasions)
    row = int(np.argmax(bad))
    if kind == "identifier":
        raise ValueError(
            f"The time variable {name!r} of residuals holds {given[row]!r} in "
            f"row {row}; {residuals.structure} residuals take nonnegative integers, or "
            "names: texts, booleans or categories. Make them texts, by astype(str) say."
        )
    takers = [k for k, s in STRUCTURES.items() if s.time_kind == "identifier"]
    raise ValueError(
        f"The time variable {name!r} of residuals must hold numbers, found "
        f"{given[row]!r} in row {row}: the correlation of {residuals.structure} "
        "residuals depends on the distance between two times, which names do not have. "
        f"Number the occasions, X[{name!r}].map({{{texts[0]!r}: 1, ...}}) "
        f"say, or use residuals that take names: {' or '.join(takers)}."
    )
