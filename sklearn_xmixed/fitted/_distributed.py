"""Predicted effects of groups on the workers of a cluster: frames of Dask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..design._levels import path_frame
from ._equations import FittedEquation

__all__ = ["effect_frames", "level_frame"]


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


def level_frame(
    posterior: Any, floor: int, number: int, keys: Sequence[str], names: Sequence[str]
) -> Any:
    """Effects of a level's groups in the pool's columns, to be joined with rows.

    Parameters
    ----------
    floor, number : int
        Of the tree, and among the levels asked for.
    keys, names : sequence of str
        What the columns of labels and of effects are called.
    """
    return posterior.frame(_level, floor, number, list(keys), list(names))


def _level(
    posterior: Any,
    labels: tuple,
    floor: int,
    number: int,
    keys: list[str],
    names: list[str],
) -> pd.DataFrame:
    frame = path_frame(labels[0], number).to_frame(index=False)
    frame.columns = pd.Index(keys)
    effects = posterior.D[floor] @ posterior.floors[floor].e
    for name, column in zip(names, effects, strict=True):
        frame[name] = column
    return frame
