"""The residual structure laid over the data: times, by-categories, checks."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._spec import RandomEffects, Residuals
from ..residuals import (
    STRUCTURES,
    Groups,
    ResidualModel,
    VarianceFunction,
    Within,
    make_structure,
)
from ._labels import Encoder, Source, missing_rows
from ._spreads import read_spread
from ._times import read_times, word

__all__ = [
    "category_numbers",
    "check_residuals",
    "compile_residuals",
    "read_places",
    "read_variables",
    "rows_with_values",
]

Array = np.ndarray

#: longest time between two rows of a group, in steps, of structures by lag
LONGEST_LAG = 20_000


def check_residuals(residuals: Residuals, equations: Sequence[RandomEffects]) -> None:
    """Raise ValueError on a residual structure that contradicts itself."""
    name = residuals.structure
    if not isinstance(name, str) or name not in STRUCTURES:
        raise ValueError(
            f"The structure of residuals must be one of {', '.join(STRUCTURES)}; got "
            f"{name!r}."
        )
    kind = STRUCTURES[name]
    order = residuals.order
    if order is not None:
        if not kind.ordered:
            raise ValueError(
                f"{name} residuals have no order, got order={order!r}. Structures with "
                f"one are {', '.join(k for k, v in STRUCTURES.items() if v.ordered)}."
            )
        least = 0 if name == "banded" else 1
        if not isinstance(order, numbers.Integral) or order < least:
            raise ValueError(
                f"The order of {name} residuals must be an integer that is at least "
                f"{least}, got {order!r}."
            )
    _check_variables(residuals)
    if kind.time_kind is not None and residuals.time is None:
        what = {
            "integer": "an integer-valued time that orders the rows of a group",
            "real": "a real-valued time",
            "identifier": "nonnegative integers, or names, that say which rows of "
            "different groups correspond",
        }[kind.time_kind]
        raise ValueError(
            f"{name} residuals need time, the name of a variable with {what}: "
            f"Residuals({name!r}, time=...)."
        )
    if kind.within_groups and not equations:
        raise ValueError(
            f"{name} residuals are correlated within groups, but random_effects names "
            "no group. Pass random_effects=RandomEffects(group, intercept=False) for "
            "groups without random effects."
        )


def _check_variables(residuals: Residuals) -> None:
    """Names of variables, and where several may stand."""
    time = residuals.time
    if time is not None and not isinstance(time, str):
        listed = isinstance(time, list | tuple) and len(time) > 0
        if not listed or not all(isinstance(name, str) for name in time):
            raise TypeError(
                "The time of residuals must be the name of a variable, or a list of names, "
                f"the coordinates of a place; got {time!r}."
            )
        if not STRUCTURES[residuals.structure].several_times:
            takers = [k for k, s in STRUCTURES.items() if s.several_times]
            raise ValueError(
                f"{residuals.structure} residuals have one time, got the list {time!r}. "
                f"Residuals by the distance of places are {' or '.join(takers)}."
            )
        if len(set(time)) < len(time):
            raise ValueError(f"The coordinates {time!r} name a variable twice.")
    if residuals.by is not None and not isinstance(residuals.by, str):
        raise TypeError(
            f"The by of residuals must be the name of a variable, got {residuals.by!r}."
        )
    variance = residuals.variance
    named = getattr(variance, "variable", variance)
    function = isinstance(variance, VarianceFunction)
    if variance is None or (isinstance(named, str) and (function or named is variance)):
        return
    raise TypeError(
        "The variance of residuals must be the name of a variable, each category of "
        "which has a variance, or Power(name) or Exponential(name) from "
        f"sklearn_xmixed.residuals; got {variance!r}."
    )


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
        _check_constant(by, codes, residuals, encoders, categories)
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
    _check_repeats(within, residuals, encoders)
    _check_lags(within, residuals, encoders)
    if known is None:
        _check_order(within, residuals)
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


def path_of(encoders: Sequence[Encoder], code: int) -> str:
    """Labels of a lowest-level group, for messages."""
    parts = []
    at = code
    for encoder in reversed(encoders):
        if encoder.group != "_all":
            parts.append(f"{encoder.group}={np.asarray(encoder.own_labels)[at]!s}")
        at = int(encoder.parents[at])
    return ", ".join(reversed(parts)) or "the whole data set"


def _check_constant(
    by: Array,
    codes: Array,
    residuals: Residuals,
    encoders: Sequence[Encoder],
    categories: tuple[str, ...],
) -> None:
    size = int(codes.max()) + 1
    low = np.full(size, len(categories))
    high = np.full(size, -1)
    np.minimum.at(low, codes, by)
    np.maximum.at(high, codes, by)
    bad = np.flatnonzero((high > low) & (high >= 0))
    if len(bad):
        g = int(bad[0])
        raise ValueError(
            f"by={residuals.by!r} varies within {len(bad)} lowest-level groups: group "
            f"{path_of(encoders, g)} has both {categories[low[g]]!r} and "
            f"{categories[high[g]]!r}. With {residuals.structure} residuals it must be "
            "constant within groups; only independent residuals allow it to vary."
        )


def _check_lags(
    within: Within, residuals: Residuals, encoders: Sequence[Encoder]
) -> None:
    """Structures with a correlation for every lag need lags of a reasonable number."""
    by_lag = within.structure in ("ma", "arma", "toeplitz") or (
        within.structure == "ar" and (within.order or 1) > 1
    )
    if not by_lag or within.time is None:
        return
    first = np.full(int(within.codes.max()) + 1, np.inf)
    last = -first
    np.minimum.at(first, within.codes, within.time)
    np.maximum.at(last, within.codes, within.time)
    g = int(np.argmax(last - first))
    if last[g] - first[g] > LONGEST_LAG:
        raise ValueError(
            f"The time {residuals.time!r} of group {path_of(encoders, g)} runs from "
            f"{first[g]:.10g} to {last[g]:.10g}: {within.structure} residuals take lags "
            f"of up to {LONGEST_LAG}. Divide it by its step, so that neighbours are 1 "
            "apart, or use exponential residuals."
        )


def _check_repeats(
    within: Within, residuals: Residuals, encoders: Sequence[Encoder]
) -> None:
    if within.time is None:
        return
    order = within.order_of_rows
    c = within.codes[order]
    repeated = c[1:] == c[:-1]
    for column in within.coordinates:
        t = column[order]
        repeated &= t[1:] == t[:-1]
    same = np.flatnonzero(repeated)
    if len(same):
        first = order[same[0]]
        at = [within.shown(column[first]) for column in within.coordinates]
        g, value = int(c[same[0]]), at[0] if len(at) == 1 else f"({', '.join(at)})"
        raise ValueError(
            f"The time {residuals.time!r} = {value} is repeated within group "
            f"{path_of(encoders, g)} ({len(same)} repetitions in all), which makes the "
            f"covariance matrix of {residuals.structure} residuals singular. Times must "
            "be distinct within the lowest-level groups; is a level of grouping missing?"
        )


def _check_order(within: Within, residuals: Residuals) -> None:
    """Orders whose range depends on the data."""
    if residuals.structure not in ("toeplitz", "banded") or within.order is None:
        return
    order = within.order_of_rows
    by = None if within.by is None else within.by[order]
    for b, category in enumerate(within.categories):
        rows = slice(None) if by is None else by == b
        codes = within.codes[order][rows]
        starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        assert within.time is not None
        groups = Groups(np.append(starts, len(codes)), within.time[order][rows])
        try:
            make_structure(within.structure, within.order, groups)
        except ValueError as error:
            where = f" for {within.by_name} = {category}" if category else ""
            raise ValueError(
                f"order={within.order} of {within.structure} residuals is out of "
                f"range{where}: {error}."
            ) from None
