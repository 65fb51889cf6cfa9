"""The residual structure laid over the data: its variables, times and by-categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..._spec import Residuals
from ...residuals import STRUCTURES, ResidualModel, Within
from .._encoder import Encoder
from .._labels import Source, missing_rows
from ._spreads import read_spread
from ._times import read_times, word
from ._within_checks import check_constant, check_lags, check_order, check_repeats

__all__ = [
    "category_numbers",
    "compile_residuals",
    "read_places",
    "read_variables",
    "rows_with_values",
]

Array = np.ndarray


def read_variables(
    source: Source | None, residuals: Residuals | None
) -> dict[str, Any]:
    """Values of the variables of residuals, by role."""
    out: dict[str, Any] = {}
    if residuals is None:
        return out
    kind = STRUCTURES[residuals.structure]
    for role, name in residuals.variables.items():
        if role == "time" and kind.time_kind is None:
            continue  # allowed, but of no use
        if role == "variance" and not _has_spread(residuals):
            continue
        assert source is not None
        labels = role == "time" and kind.time_kind == "identifier"
        labels |= role == "variance" and name is residuals.variance
        values = source.categorized(name) if labels else source.column(name)
        if values is None:
            raise ValueError(
                f"The {role} variable {name!r} of residuals is no column of X or groups. "
                f"{source.describe()}"
            )
        out[role] = values
    return out


def _has_spread(residuals: Residuals) -> bool:
    """Whether standard deviations depend on more than the structure has them do."""
    own = STRUCTURES[residuals.structure].own_variances
    same = residuals.variance == residuals.time
    return residuals.variance is not None and not (own and same)


def rows_with_values(
    values: dict[str, Any], residuals: Residuals | None, missing: str
) -> Array | None:
    """Rows in which no variable of the residuals is missing; None for all.

    Raises
    ------
    ValueError
        If some are and ``missing`` is "raise".
    """
    keep: Array | None = None
    for role, column in values.items():
        gone = missing_rows(column)
        if not gone.any():
            continue
        if missing != "drop":
            raise ValueError(
                f"The {role} variable {_name(residuals, role)!r} of residuals is "
                f"missing in {int(gone.sum())} rows (the first is row "
                f"{int(np.argmax(gone))}). Fill it in, or set missing='drop' to leave "
                "these rows out."
            )
        keep = ~gone if keep is None else keep & ~gone
    return keep


def _name(residuals: Residuals | None, role: str) -> str:
    return "" if residuals is None else residuals.variables[role]


def compile_residuals(
    residuals: Residuals | None,
    values: dict[str, Any],
    codes: Array,
    encoders: Sequence[Encoder],
    *,
    weighted: bool = False,
    known: ResidualModel | None = None,
) -> Within | None:
    """The structure over the rows; None for independent ones of one variance.

    Parameters
    ----------
    values : dict
        From ``read_variables``, rows that are left out removed.
    codes : ndarray of int, shape (n,)
        Lowest-level group of each row.
    weighted : bool
        Whether rows have weights.
    known : ResidualModel, optional
        A fitted structure whose by-categories and occasions the rows are to be found
        among; default those of the rows.

    Raises
    ------
    ValueError
        On times that are no integers where they must be, repeated times and
        by-categories that vary within a group, with the group named.
    """
    if residuals is None:
        return None
    kind = STRUCTURES[residuals.structure]
    name = residuals.structure
    by: Array | None = None
    categories: tuple[str, ...] = ("",)
    if "by" in values:
        by, categories = _categories(values["by"])
        if known is not None:
            by = _renumber(by, categories, known.categories, residuals)
            categories = known.categories
    if by is None and name == "independent" and "variance" not in values:
        return None
    group = encoders[-1].group if encoders else ""
    if weighted and kind.within_groups:
        raise ValueError(
            f"{name} residuals have no weights of single observations, because these are "
            "correlated within their group. Give weights to whole groups by "
            "RandomEffects(..., weight=...), or use independent residuals."
        )
    if by is not None and kind.within_groups:
        check_constant(by, codes, residuals, encoders, categories)
    time = read_times(values, residuals, known)
    spread = read_spread(values, residuals, known)
    within = Within(
        name,
        None if residuals.order is None else int(residuals.order),
        group,
        np.asarray(codes),
        None if time is None else time.values,
        by,
        residuals.by if by is not None else None,
        categories,
        () if time is None else time.names,
        None if spread is None else spread.values,
        None if spread is None else spread.variance,
    )
    check_repeats(within, residuals, encoders)
    check_lags(within, residuals, encoders)
    if known is None:
        check_order(within, residuals)
    return within


def _categories(values: Any) -> tuple[Array, tuple[str, ...]]:
    try:
        codes, labels = pd.factorize(values, sort=True)
    except TypeError:
        codes, labels = pd.factorize(values)
    return codes, tuple(word(x) for x in labels)


def read_places(
    values: dict[str, Any], residuals: Residuals, known: ResidualModel
) -> Array | None:
    """What a fitted structure is told of rows; None where it is told nothing."""
    time = read_times(values, residuals, known)
    spread = read_spread(values, residuals, known)
    n = len(next(iter(values.values()))) if values else 0
    return Within(
        residuals.structure,
        None,
        "",
        np.zeros(n, dtype=int),
        None if time is None else time.values,
        spread=None if spread is None else spread.values,
    ).place


def category_numbers(
    values: Any, known: tuple[str, ...], residuals: Residuals
) -> Array:
    """By-categories of any rows as numbers of those of the training data.

    Raises
    ------
    ValueError
        If there are others.
    """
    by, found = _categories(values)
    return _renumber(by, found, known, residuals)


def _renumber(
    by: Array, found: tuple[str, ...], known: tuple[str, ...], residuals: Residuals
) -> Array:
    lost = [word for word in found if word not in known]
    if lost:
        raise ValueError(
            f"The by-variable {residuals.by!r} of residuals has categories {lost} that "
            f"were not in the training data; those have {list(known)}."
        )
    return np.array([known.index(word) for word in found])[by]
