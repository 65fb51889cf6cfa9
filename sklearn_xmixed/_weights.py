"""Weights of rows and groups: checks and the three scalings of sampling weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["group_weights", "row_weights", "scale_weights"]

Array = np.ndarray


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
