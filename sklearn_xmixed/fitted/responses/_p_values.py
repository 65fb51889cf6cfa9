"""P-values adjusted for the number of responses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...inference import bonferroni, false_discovery_rate, holm

__all__ = ["ADJUSTMENTS", "adjusted"]

Array = np.ndarray
#: how p-values may be adjusted for the number of responses
ADJUSTMENTS = (None, "fdr", "holm", "bonferroni")


_METHODS: dict[str, Callable[[Array, int], Array]] = {
    "fdr": false_discovery_rate,
    "holm": holm,
    "bonferroni": bonferroni,
}


def adjusted(p: Array, how: str) -> Array:
    """p-values of every column adjusted for their number; nan stays."""
    out = np.full_like(p, np.nan)
    for k, column in enumerate(p.T):
        known = ~np.isnan(column)
        if not known.any():
            continue
        out[known, k] = _METHODS[how](column[known], int(known.sum()))
    return out
