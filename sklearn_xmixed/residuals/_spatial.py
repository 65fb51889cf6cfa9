"""Correlations by the distance of two places, along a line or in several coordinates."""

from __future__ import annotations

import numpy as np

from ._groups import Groups
from ._pattern import PatternKernel
from ._structure import Kernel, ResidualParameter, ResidualStructure
from ._typical import TypicalExponential, log_typical

__all__ = ["Gaussian", "Spatial", "SpatialExponential"]

Array = np.ndarray


class Spatial(ResidualStructure):
    """The correlation at a typical distance is c = 1 / (1 + exp(-psi)).

    That distance, ``step``, makes psi what it is in any unit of length.  At distance d
    the correlation is c^((d / step)^power).

    Parameters
    ----------
    step : float
    several : bool
        Whether a place has several coordinates.
    """

    time_kind = "real"
    several_times = True
    n_shape = 1
    end = 16.0
    power: float

    def __init__(self, step: float, several: bool):
        self.step, self.several = step, several

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Spatial:
        assert groups.time is not None
        several = groups.time.ndim == 2
        near = _distance(groups.time[1:], groups.time[:-1], several)[~groups.first[1:]]
        near = near[near > 0]
        return cls(float(np.median(near)) if len(near) else 1.0, several)

    def start(self) -> Array:
        return np.zeros(1)

    def distance(self, a: Array, b: Array) -> Array:
        """Between places (broadcast)."""
        return _distance(a, b, self.several)

    def by_distance(self, shape: Array, distances: Array) -> tuple[Array, Array]:
        """Correlations at distances, and their slope in psi."""
        far = (distances / self.step) ** self.power
        r = np.exp(far * log_typical(shape[0]))
        return r, far * r / (1.0 + np.exp(shape[0]))

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        return self.by_distance(shape, self.distance(a, b))[0]

    def kernel(self, groups: Groups) -> Kernel:
        return PatternKernel(DistanceTable(self), groups)


def _distance(a: Array, b: Array, several: bool) -> Array:
    return np.sqrt(((a - b) ** 2).sum(axis=-1)) if several else np.abs(a - b)


class DistanceTable:
    """The distances within some groups as the table of a ``PatternKernel``."""

    lags_only = True

    def __init__(self, structure: Spatial):
        self.structure = structure
        self.distances = np.empty(0)

    def places(self, a: Array, b: Array) -> Array:
        """Position of each distance among all, which it is added to."""
        found = self.structure.distance(a, b)
        distinct, at = np.unique(found, return_inverse=True)
        at = at.reshape(found.shape) + len(self.distances)
        self.distances = np.append(self.distances, distinct)
        return at

    def table(self, shape: Array) -> Array:
        """Correlations."""
        return self.structure.by_distance(shape, self.distances)[0]

    def pull(self, shape: Array, weight: Array) -> Array:
        """Their slope, weighted."""
        return np.array([weight @ self.structure.by_distance(shape, self.distances)[1]])


class SpatialExponential(TypicalExponential, Spatial):
    """Correlation rho^d."""

    name = "exponential"
    power = 1.0


class Gaussian(Spatial):
    """Correlation exp(-(d / r)^2)."""

    name = "gaussian"
    power = 2.0

    @property
    def label(self) -> str:
        return "Gaussian"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("coef", ("range",), "log"),
            ResidualParameter("sd", ("e",), "log"),
        )

    def _log_range(self, psi: complex) -> complex:
        return np.log(self.step) - 0.5 * np.log(-log_typical(psi))

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.array([self._log_range(shape[0]), log_sd])

    def natural(self, log_sd: complex, shape: Array) -> Array:
        return np.exp(np.array([self._log_range(shape[0]), 2.0 * log_sd]))
