"""Why a replicate has no estimate of a column that all rows together have one of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..fitted._fitted import FittedModel

__all__ = ["why_lost"]

Array = np.ndarray

#: a multiple of another column that counts as none, or as one
NEAR = 1e-8


def why_lost(fitted: FittedModel, lost: Iterable[str]) -> str:
    """What became of columns in the rows of a replicate, in a few words.

    Parameters
    ----------
    fitted : FittedModel
        Of the replicate.
    lost : iterable of str
        Columns that it leaves out and the fit of all rows does not.
    """
    lost = set(lost)
    names = np.array(fitted.fixed_names, dtype=object)
    gone = np.flatnonzero(~fitted.kept)
    has_constant = len(fitted.dependence) > int(fitted.kept.sum())
    reasons: dict[str, list[str]] = {}
    for name, parts in zip(names[gone], fitted.dependence.T, strict=True):
        if name in lost:
            constant = float(parts[0]) if has_constant else 0.0
            others = parts[1:] if has_constant else parts
            reasons.setdefault(_reason(constant, others), []).append(name)
    return "; ".join(f"{', '.join(n)} {reason}" for reason, n in reasons.items())


def _reason(constant: float, others: Array) -> str:
    """Of a column that is the constant times a number and multiples of others."""
    if np.abs(others).max(initial=0.0) < NEAR:
        if abs(constant) < NEAR:
            return "is zero in all rows (a category without rows?)"
        return "is constant"
    # zeros and ones of which every row has a one: none is of the reference
    ones = np.minimum(np.abs(others), np.abs(others + 1.0))
    if abs(constant - 1.0) < NEAR and ones.max() < NEAR:
        return "is compared with a category without rows"
    return "is collinear"
