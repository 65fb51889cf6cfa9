"""Predicted effects of groups on the workers of a cluster: frames of Dask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..design._levels import path_frame
from ._equations import FittedEquation

__all__ = ["effect_frames"]


def effect_frames(
    posterior: Any,
    equations: Sequence[FittedEquation],
    level_numbers: Sequence[int],
    *,
    std: bool,
    known: bool,
) -> dict[str, Any]:
    """BLUPs, or their standard errors, of every equation; labels are columns."""
    return {
        e.name: posterior.frame(_effects, e, level_numbers[e.level], std, known)
        for e in equations
    }


def _effects(
    posterior: Any,
    labels: tuple,
    equation: FittedEquation,
    number: int,
    std: bool,
    known: bool,
) -> pd.DataFrame:
    mean, errors = posterior.effects(
        equation.floor, equation.T, equation.Sigma, fixed_known=known
    )
    frame = path_frame(labels[0], number).to_frame(index=False)
    for name, column in zip(equation.effects, (errors if std else mean).T, strict=True):
        frame[name] = column
    return frame
