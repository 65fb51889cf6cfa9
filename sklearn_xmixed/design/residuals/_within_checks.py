"""Rows that a residual structure cannot have: checks that name the group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._spec import Residuals
from ...residuals import Groups, Within, make_structure
from .._encoder import Encoder

__all__ = ["check_constant", "check_lags", "check_order", "check_repeats"]

Array = np.ndarray
#: longest time between two rows of a group, in steps, of structures by lag
LONGEST_LAG = 20_000


def path_of(encoders: Sequence[Encoder], code: int) -> str:
    """Labels of a lowest-level group, for messages."""
    parts = []
    at = code
    for encoder in reversed(encoders):
        if encoder.group != "_all":
            parts.append(f"{encoder.group}={np.asarray(encoder.own_labels)[at]!s}")
        at = int(encoder.parents[at])
    return ", ".join(reversed(parts)) or "the whole data set"


def check_constant(
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


def check_lags(
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


def check_repeats(
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


def check_order(within: Within, residuals: Residuals) -> None:
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
