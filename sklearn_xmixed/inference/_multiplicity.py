"""Multiplicity: p-values adjusted for the number of tests."""

from __future__ import annotations

import numpy as np

__all__ = ["bonferroni", "false_discovery_rate", "holm"]

Array = np.ndarray


def bonferroni(p: Array, m: int) -> Array:
    """Times the number of tests."""
    return np.minimum(1.0, m * p)


def holm(p: Array, m: int) -> Array:
    """Bonferroni's method step by step, from the smallest p-value.

    Parameters
    ----------
    p : ndarray of shape (k,)
    m : int
        Number of tests asked for, which may be more than k.
    """
    order = np.argsort(p, kind="stable")
    out = np.empty_like(p)
    out[order] = np.maximum.accumulate(p[order] * (m - np.arange(len(p))))
    return np.minimum(1.0, out)


def false_discovery_rate(p: Array, m: int) -> Array:
    """Benjamini's and Hochberg's method, from the largest p-value; as ``holm``."""
    order = np.argsort(-p, kind="stable")
    out = np.empty_like(p)
    share = m / (len(p) - np.arange(len(p)))
    out[order] = np.minimum.accumulate(p[order] * share)
    return np.minimum(1.0, out)
