"""The Monte Carlo noise of an estimated log determinant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Noise"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Noise:
    """What the probes say one by one about log|V|.

    Parameters
    ----------
    values : ndarray of shape (count,)
    slopes : list of ndarray of shape (count, q, q)
        Derivatives in the D of each term.
    known : float
    known_slopes : list of ndarray of shape (q, q)
        The same of the common shifts, without noise.
    steps : int
        Longest Krylov space.
    residual : float
        Largest relative residual of a system that was solved by conjugate gradients.
    """

    values: Array
    slopes: list[Array]
    known: float
    known_slopes: list[Array]
    steps: int
    residual: float = 0.0

    @property
    def count(self) -> int:
        """Number of probes."""
        return len(self.values)
