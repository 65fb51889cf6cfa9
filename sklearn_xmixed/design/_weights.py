"""Weights of rows and groups: reading, checks, the three scalings of sampling weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from .._spec import RandomEffects
from ._design import Level, total_weights
from ._encoder import Encoder
from ._labels import Source, missing_rows
from ._levels import make_levels, path_frame, shown_path

__all__ = [
    "check_scaling",
    "check_zeros",
    "group_sizes",
    "group_weights",
    "level_weight_names",
    "read_level_weights",
    "read_sample_weight",
    "row_weights",
    "scale_weights",
    "weigh",
    "weights_of_groups",
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
    try:
        if drop_missing:
            sample_weight = _zero_for_missing(sample_weight)
        weights = _check_sample_weight(
            sample_weight, y, dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(f"sample_weight must be numbers: {error}.") from error
    return row_weights(weights, "The weights sample_weight")


def read_level_weights(
    source: Source | None,
    equations: list[RandomEffects],
    drop_missing: bool,
    *,
    precision: bool = False,
) -> dict[str, Array]:
    """Weights per row of the levels that have them, nan where missing."""
    found: dict[str, Array] = {}
    for group, name in level_weight_names(equations, precision=precision).items():
        assert source is not None
        values = source.column(name)
        if values is None:
            raise ValueError(
                f"The weight {name!r} of level {group!r} is no column of X or "
                f"groups. {source.describe()}"
            )
        try:
            weights = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(
                f"The weights {name!r} of level {group!r} must be numbers, "
                f"found {np.asarray(values).tolist()[0]!r}."
            ) from None
        row_weights(
            _zero_for_missing(weights) if drop_missing else weights,
            f"The weights {name!r} of level {group!r}",
        )
        found[group] = weights
    return found


def level_weight_names(
    equations: Sequence[RandomEffects], *, precision: bool
) -> dict[str, str]:
    """Columns of the levels that have weights.

    Raises
    ------
    ValueError
        If a level names two, or weights say how exact rows are.
    """
    found: dict[str, str] = {}
    for equation in equations:
        name, group = equation.weight, equation.group
        if name is None:
            continue
        if precision:
            raise ValueError(
                f"weight={name!r} of level {group!r} with weight_type='precision'"
                ": a precision weight says how exact an observation is, and groups have "
                "none. Leave weight= out, or use frequency or sampling weights."
            )
        if found.setdefault(group, name) != name:
            raise ValueError(
                f"The equations of level {group!r} name two weights, "
                f"{found[group]!r} and {name!r}; a level has one."
            )
    return found


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
        raise ValueError(f"{what} are zero in all rows: one must be positive.")
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


def check_zeros(
    labels: dict[str, Any],
    level_weights: dict[str, Array],
    equations: list[RandomEffects],
) -> None:
    """Raise ValueError if a weight is zero in a part of a group.

    These rows would be left out and what is left would be in order.

    Parameters
    ----------
    labels, level_weights : dict
        By level, of all rows, before any are left out.
    """
    names = {e.group: e.weight for e in equations if e.weight is not None}
    for group, values in level_weights.items():
        if not (values == 0).any():
            continue
        path = dict(list(labels.items())[: list(labels).index(group) + 1])
        known = ~np.isnan(values)
        for own in path.values():
            if own is not None:
                known &= ~missing_rows(own)
        path = {g: None if v is None else np.asarray(v)[known] for g, v in path.items()}
        levels, encoders = make_levels(path, int(known.sum()))
        weights_of_groups(values[known], levels[-1], encoders, names[group])


def weights_of_groups(
    values: Array, level: Level, encoders: Sequence[Encoder], what: str
) -> Array:
    """One weight per group of the last level."""

    def label(k: int) -> str:
        return shown_path(path_frame(encoders, len(encoders) - 1)[k])

    return group_weights(values, level.codes, level.n_groups, what, label)


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
            own = weights_of_groups(
                level_weights[level.group],
                level,
                encoders[: number + 1],
                names[level.group],
            )
            level = replace(level, weights=own)
        weighted.append(level)
    if scaling is not None:
        check_scaling(scaling, [level.group for level in levels])
        if weights is None:  # all are one, which every scaling leaves as they are
            return None, weighted
        level = weighted[0]
        own = np.ones(level.n_groups) if level.weights is None else level.weights
        weights, own = scale_weights(scaling, weights, own, level.codes)
        weighted = [replace(level, weights=own)]
    return weights, weighted


def check_scaling(scaling: str, names: Sequence[str]) -> None:
    """Raise ValueError unless these levels are one level of groups."""
    if len(names) != 1 or names[0] == "_all":
        raise ValueError(
            f"weight_scaling={scaling!r} is defined for models with one level of "
            f"groups, this one has {len(names)}: no scaling across more levels is "
            "agreed upon. Pass weights that are conditional on the level above, and "
            "weight_scaling=None."
        )


def scale_weights(
    method: str, rows: Array, groups: Array, codes: Array
) -> tuple[Array | None, Array]:
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
    rows : ndarray or None
        None where all are one.
    groups : ndarray
    """
    G = len(groups)
    size = np.bincount(codes, minlength=G)
    total = np.bincount(codes, rows, minlength=G)
    if method == "size":
        return rows * (size / total)[codes], groups
    if method == "effective":
        squares = np.bincount(codes, rows**2, minlength=G)
        return rows * (total / squares)[codes], groups
    return None, groups * total / size


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
