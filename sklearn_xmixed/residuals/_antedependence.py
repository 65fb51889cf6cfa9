"""First-order antedependence: every two neighbouring occasions have a correlation.

The errors are a Markov chain, so that the correlation of two occasions is the product
of those along the path between them (Zimmerman & Nunez-Anton 2010, chapter 2).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ._groups import Groups
from ._markov import Markov
from ._structure import ResidualParameter, error_name

__all__ = ["Antedependence"]

Array = np.ndarray


class Antedependence(Markov):
    """psi = atanh of the correlations of neighbours.

    Parameters
    ----------
    times : ndarray of shape (T,)
        Distinct times, ascending.
    names : tuple of str
        Of the occasions that the times number; empty where times are the user's.
    """

    name = "antedependence"
    time_kind = "identifier"
    ordered_times = True
    lags_only = False

    def __init__(self, times: Array, names: tuple[str, ...] = ()):
        self.times, self.names = times, names
        self.n_shape = len(times) - 1

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Antedependence:
        assert groups.time is not None
        return cls(np.unique(groups.time), groups.occasions)

    @property
    def label(self) -> str:
        return "Antedependence(1)"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        names = [error_name(self.shown(t)) for t in self.times]
        pairs = pairwise(names)
        return (
            *(
                ResidualParameter("coef", (f"corr({a},{b})",), "atanh")
                for a, b in pairs
            ),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.full(self.n_shape, 0.2)

    def steps(self, before: Array, after: Array) -> Array:
        """A number of each pair of occasions, the earlier one first."""
        i, j = self.number(before), self.number(after)
        return np.minimum(i, j) * len(self.times) + np.maximum(i, j)

    def _paths(self, steps: Array) -> tuple[Array, Array, Array]:
        """First and last occasion of steps, and which correlations lie between."""
        first, last = np.divmod(steps.astype(int), len(self.times))
        k = np.arange(self.n_shape)
        return first, last, (first[:, None] <= k) & (k < last[:, None])

    def powers(self, shape: Array, steps: Array) -> tuple[Array, Array, Array]:
        first, last, on = self._paths(steps)
        rho, bend = np.tanh(shape), 1.0 / np.cosh(shape) ** 2
        factors = np.where(on, rho, 1.0)
        phi = factors.prod(axis=1)
        slope = np.zeros(on.shape, dtype=shape.dtype)
        for k in range(self.n_shape):  # a correlation may be zero: no quotients
            others = np.delete(factors, k, axis=1).prod(axis=1)
            slope[:, k] = np.where(on[:, k], others * bend[k], 0.0)
        near = last - first == 1
        rest = 1.0 - phi * phi
        rest[near] = bend[first[near]]  # without cancellation
        return phi, rest, slope

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        T = len(self.times)
        table = np.ones((T, T), dtype=shape.dtype)
        rho = np.tanh(shape)
        for i in range(T):
            table[i, i + 1 :] = np.cumprod(rho[i:])
        return table.ravel()[self.steps(a, b)]

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.append(shape, log_sd)

    def natural(self, log_sd: complex, shape: Array) -> Array:
        return np.append(np.tanh(shape), np.exp(2.0 * log_sd))
