"""Independent residuals."""

from __future__ import annotations

import numpy as np

from ._groups import Groups
from ._structure import ResidualParameter, ResidualStructure

__all__ = ["Independent"]

Array = np.ndarray


class Independent(ResidualStructure):
    """One variance, no correlation; by-categories may vary within groups."""

    name = "independent"
    within_groups = False
    diagonal = True
    linear = True
    n_shape = 0

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Independent:
        return cls()

    @property
    def label(self) -> str:
        return "Independent"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (ResidualParameter("sd", ("e",), "log"),)

    def start(self) -> Array:
        return np.empty(0)

    def kernel(self, groups: Groups) -> IndependentKernel:
        return IndependentKernel(groups)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.array([log_sd])

    def natural(self, log_sd: complex, shape: Array) -> Array:
        return np.array([np.exp(2.0 * log_sd)])

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        return np.zeros(np.broadcast_shapes(a.shape, b.shape))


class IndependentKernel:
    """Nothing to do: the variance is taken care of outside."""

    def __init__(self, groups: Groups):
        self.groups = groups

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        return W, 0.0

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        return np.sum(left * right), np.empty(0)

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        traces = self.groups.sums(np.einsum("ij,ij->i", left, right))
        return traces, np.empty((len(traces), 0))

    def solve(self, shape: Array, x: Array) -> Array:
        return x
