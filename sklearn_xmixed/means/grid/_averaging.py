"""Averaging over a reference grid: which means there are, and what they go over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ._values import names_of
from ._variables import FixedVariables

__all__ = ["FixedRows", "averaged_over", "resolved", "targets_of"]

Array = np.ndarray
#: rows of the fixed part's columns, constant included, and what they have of combinations
#: of levels that are no columns of the model
FixedRows = Callable[[pd.DataFrame], tuple[Array, Array]]


def resolved(rows: Array, unknown: Array) -> tuple[Array, Array]:
    """Averages over no rows at all are unknown, each for itself."""
    gone = np.isnan(rows).any(axis=1)
    if not gone.any():
        return rows, unknown
    mark = np.eye(len(rows))[:, gone]
    return (
        np.where(gone[:, None], 0.0, rows),
        np.hstack([np.where(gone[:, None], 0.0, unknown), mark]),
    )


def targets_of(specs: Any, by: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    specs, by = names_of(specs, "specs"), names_of(by, "by")
    both = [n for n in specs if n in by]
    if both:
        raise ValueError(f"{both[0]!r} stands in specs and in by; name it once.")
    return specs, by


_HOW = {
    "equal": "equally",
    "proportional": "in proportion to their frequencies",
    "outer": "in proportion to the product of their frequencies",
    "cells": "in proportion to the frequencies of the cells",
}


def averaged_over(
    known: FixedVariables, targets: Sequence[str], at: Any, weights: str
) -> str:
    """What the means are averaged over, in a sentence."""
    nesting = known.nesting
    there = (
        nesting.describe() if {*nesting.parents, *nesting.outer} & {*targets} else ""
    )
    if weights == "observed":
        return f"Averages over the observed rows. {there}".strip()
    if isinstance(at, pd.DataFrame):
        return "Averages over the rows of the frame given."
    at = at or {}
    settled = {outer for n in targets for outer in nesting.within(n)}
    factors = [
        f"{n} (within {', '.join(nesting.within(n))})" if nesting.within(n) else n
        for n in known.factors
        if n not in targets and n not in at and n not in settled
    ]
    held = [
        f"{n} = {v.mean:.6g}"
        for n, v in known.variables.items()
        if v.levels is None and n not in targets and n not in at
    ]
    told = []
    if factors:
        told.append(f"Averaged over {', '.join(factors)}, {_HOW[weights]}.")
    if held and len(held) <= 6:
        told.append(f"At the means of covariates: {', '.join(held)}.")
    if any(n in targets for n in nesting.parents):
        told.append(f"Combinations are those in the data: {nesting.describe()}")
    return " ".join(told)
