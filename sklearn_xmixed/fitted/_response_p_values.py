"""P-values adjusted for the number of responses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import false_discovery_control

__all__ = ["ADJUSTMENTS", "adjusted"]

Array = np.ndarray
#: how p-values may be adjusted for the number of responses
ADJUSTMENTS = (None, "fdr", "holm", "bonferroni")


def _bonferroni(p: Array) -> Array:
    return np.minimum(1.0, len(p) * p)


def _holm(p: Array) -> Array:
    """Bonferroni's method step by step, from the smallest p-value."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order])
    out = np.empty_like(p)
    out[order] = np.minimum(1.0, stepped)
    return out


_METHODS: dict[str, Callable[[Array], Array]] = {
    "fdr": false_discovery_control,
    "holm": _holm,
    "bonferroni": _bonferroni,
}


def adjusted(p: Array, how: str) -> Array:
    """p-values of every column adjusted for their number; nan stays."""
    out = np.full_like(p, np.nan)
    for k, column in enumerate(p.T):
        known = ~np.isnan(column)
        if not known.any():
            continue
        out[known, k] = _METHODS[how](column[known])
    return out
