"""Sobol's points: scipy before 1.15 calls the generator ``seed``."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

__all__ = ["sobol"]


def sobol(d: int, n: int, generator: np.random.Generator) -> np.ndarray:
    """Scrambled points in the unit cube.

    Parameters
    ----------
    d : int
        Dimensions.
    n : int
        Points.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, d)
    """
    try:
        points = qmc.Sobol(d, scramble=True, rng=generator)
    except TypeError:
        points = qmc.Sobol(d, scramble=True, seed=generator)
    return points.random(n)
