"""Weights of rows and groups: reading, checks, the three scalings of sampling weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from ._design import Level, total_weights
from ._labels import Encoder, Source
from ._levels import path_frame, shown_path
from ._spec import RandomEffects

__all__ = [
    "group_sizes",
    "group_weights",
    "read_level_weights",
    "read_sample_weight",
    "row_weights",
    "scale_weights",
    "weigh",
]

Array = np.ndarray


def read_sample_weight(
    sample_weight: Any, y: Array, drop_missing: bool
) -> Array | None:
    """Weights of the rows, validated; None without.

    A row without a weight is left out like one of weight zero where missing values
    are dropped.
    """
    if sample_weight is None:
        return None
    if drop_missing:
        sample_weight = _zero_for_missing(sample_weight)
    weights = _check_sample_weight(
        sample_weight, y, dtype=np.float64, ensure_non_negative=True
    )
    return row_weights(weights, "sample_weight")


def read_level_weights(
    source: Source | None, equations: list[RandomEffects], drop_missing: bool
) -> dict[str, Array]:
    """Weights per row of the levels that have them."""
    found: dict[str, tuple[str, Array]] = {}
    for equation in equations:
        name = equation.weight
        if name is None:
            continue
        if equation.group in found and found[equation.group][0] != name:
            raise ValueError(
                f"The equations of level {equation.group!r} name two weights, "
                f"{found[equation.group][0]!r} and {name!r}; a level has one."
            )
        assert source is not None
        values = source.column(name)
        if values is None:
            raise ValueError(
                f"The weight {name!r} of level {equation.group!r} is no column of X or "
                f"groups. {source.describe()}"
            )
        if drop_missing:
            values = _zero_for_missing(values)
        weights = row_weights(np.asarray(values), f"weight {name!r}")
        found[equation.group] = name, weights
    return {group: values for group, (_, values) in found.items()}


def _zero_for_missing(weights: Any) -> Array:
    out = np.asarray(weights, dtype=np.float64)
    return np.where(np.isnan(out), 0.0, out)


def row_weights(values: Array, what: str) -> Array:
    """Weights as finite, nonnegative numbers, not all zero.

    Raises
    ------
    ValueError
        Where they are not; ``what`` names them in the message.
    """
    weights = np.asarray(values, dtype=float)
    if weights.ndim != 1:
        raise ValueError(
            f"{what} must be one number per row, got an array of shape {weights.shape}."
        )
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{what} must be finite and not negative; {int(bad.sum())} are not, the "
            f"first is {weights[row]} in row {row}."
        )
    if not weights.any():
        raise ValueError(
            f"All weights in {what} are zero: at least one must be positive."
        )
    return weights


def group_weights(
    values: Array, codes: Array, n_groups: int, what: str, name: Callable[[int], str]
) -> Array:
    """One weight per group from weights per row.

    Parameters
    ----------
    values : ndarray of shape (n,)
    codes : ndarray of int, shape (n,)
    what : str
        Name of the weight variable.
    name : callable
        Says how group number k is called.

    Raises
    ------
    ValueError
        If a weight varies within its group.
    """
    out = np.empty(n_groups)
    out[codes] = values
    differs = out[codes] != values
    if differs.any():
        group = int(codes[np.argmax(differs)])
        found = np.unique(values[codes == group])
        raise ValueError(
            f"The weight {what!r} must be constant within its groups, but in group "
            f"{name(group)} it takes the values {found[:5].tolist()}. Weights of single "
            "observations go into sample_weight."
        )
    return out


def weigh(
    scaling: str | None,
    weights: Array | None,
    level_weights: dict[str, Array],
    levels: list[Level],
    encoders: list[Encoder],
    equations: list[RandomEffects],
) -> tuple[Array | None, list[Level]]:
    """Put the weights of the groups into the levels, scaled as asked for."""
    names = {e.group: e.weight for e in equations if e.weight is not None}
    weighted = []
    for number, level in enumerate(levels):
        if level.group in level_weights:

            def label(k: int, number: int = number) -> str:
                return shown_path(path_frame(encoders, number)[k])

            own = group_weights(
                level_weights[level.group],
                level.codes,
                level.n_groups,
                names[level.group],
                label,
            )
            level = replace(level, weights=own)
        weighted.append(level)
    if scaling is not None:
        if len(levels) != 1 or levels[0].group == "_all":
            raise ValueError(
                f"weight_scaling={scaling!r} is defined for models with one level of "
                f"groups, this one has {len(levels)}: no scaling across more levels is "
                "agreed upon. Pass weights that are conditional on the level above, and "
                "weight_scaling=None."
            )
        level = weighted[0]
        rows = np.ones(len(level.codes)) if weights is None else weights
        own = np.ones(level.n_groups) if level.weights is None else level.weights
        weights, own = scale_weights(scaling, rows, own, level.codes)
        weighted = [replace(level, weights=own)]
    return weights, weighted


def scale_weights(
    method: str, rows: Array, groups: Array, codes: Array
) -> tuple[Array, Array]:
    """Scale the sampling weights of a two-level model.

    Parameters
    ----------
    method : {"size", "effective", "gk"}
        Observations' weights sum to the group's size, to its effective size, or
        all weight is moved to the groups (Graubard and Korn 1996); formulas in the
        manual's *Methods and formulas*.
    rows : ndarray of shape (n,)
        Weights of the observations, given their group.
    groups : ndarray of shape (G,)
        Weights of the groups.
    codes : ndarray of int, shape (n,)

    Returns
    -------
    rows, groups : ndarray
    """
    G = len(groups)
    size = np.bincount(codes, minlength=G)
    total = np.bincount(codes, rows, minlength=G)
    if method == "size":
        return rows * (size / total)[codes], groups
    if method == "effective":
        squares = np.bincount(codes, rows**2, minlength=G)
        return rows * (total / squares)[codes], groups
    return np.ones_like(rows), groups * total / size


def group_sizes(
    levels: list[Level], weights: Array | None, frequency: bool
) -> tuple[tuple[str, Array, Array], ...]:
    """Observations per group and copies of each group, level by level."""
    out: list[tuple[str, Array, Array]] = []
    rows = weights if frequency else None
    for k in reversed(range(len(levels))):
        level = levels[k]
        sizes = np.bincount(level.codes, rows, minlength=level.n_groups)
        copies = np.ones(level.n_groups)
        if frequency:
            at = np.arange(level.n_groups)
            for above in levels[k::-1]:
                if above.weights is not None:
                    copies = copies * above.weights[at]
                at = above.parents[at]
            rows = total_weights(rows, [level])
        out.append((level.group, sizes, copies))
    return tuple(out[::-1])
