"""The equations of a fit, with their places in the tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..design._compile import Compiled
from ..design._factors import Factor
from ..estimation._estimate import Estimate
from ..likelihood import LevelBasis, constant_size

__all__ = ["FittedEquation", "fitted_equations"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class FittedEquation:
    """One equation, with its place in the tree.

    Parameters
    ----------
    name : str
    level : int
        Level of the design, top 0.
    floor : int
        Floor of the tree, lowest 0.
    effects : tuple of str
    T : ndarray of shape (q_floor, q)
        From the effects to the tree's basis.
    Sigma : ndarray of shape (q, q)
    factor : Factor or None
        With effects over its levels: then the terms from ``floor`` on are its own.
    """

    name: str
    level: int
    floor: int
    effects: tuple[str, ...]
    T: Array
    Sigma: Array
    factor: Factor | None = None


def fitted_equations(compiled: Compiled, found: Estimate) -> tuple[FittedEquation, ...]:
    """All equations with random effects, in the user's order."""
    design, pool = compiled.design, found.pool
    depth = len(design.levels)
    out = []
    for equation, Sigma, factor in zip(
        design.equations, found.Sigmas, compiled.factors, strict=True
    ):
        if factor is None:
            level, floor = equation.level, depth - 1 - equation.level
            basis: LevelBasis | None = pool.levels[floor]
            places = design.levels[level].positions
        else:
            own, *_ = equation.terms
            level, floor = -1, depth + own
            basis, places = pool.terms[own], design.terms[own].positions
        if factor is None or factor.slopes:
            assert basis is not None
            T = basis.T[:, [places.index(p) for p in equation.positions]]
        else:
            T = np.eye(1) * constant_size(basis)
        out.append(
            FittedEquation(
                equation.name, level, floor, equation.effects, T, Sigma, factor
            )
        )
    return tuple(out)
