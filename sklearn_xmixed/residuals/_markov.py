"""First-order autoregression and its continuous-time form, in O(n).

The correlation rho^|t - t'| has the Markov property, so that a row minus rho^dt
times the one before it in its group is independent of all earlier ones (Pinheiro &
Bates 2000, section 5.3.3; Jones 1993, chapter 2).
"""

from __future__ import annotations

import numpy as np

from ._groups import Groups
from ._structure import ATANH_END, ResidualParameter, ResidualStructure

__all__ = ["AR1", "Exponential", "Markov"]

Array = np.ndarray


class Markov(ResidualStructure):
    """Correlation phi(dt) between neighbours."""

    n_shape = 1
    #: psi beyond this is at the end of its range
    end = ATANH_END

    def powers(self, shape: Array, lags: Array) -> tuple[Array, Array, Array]:
        """phi = rho^lag, 1 - phi^2 and dphi/dpsi."""
        raise NotImplementedError

    def at_boundary(self, shape: Array) -> Array:
        return np.abs(shape) > self.end

    def kernel(self, groups: Groups) -> MarkovKernel:
        return MarkovKernel(self, groups)

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        lags = np.abs(a - b)
        return self.powers(shape, lags.ravel())[0].reshape(lags.shape)


class AR1(Markov):
    """rho = tanh(psi), integer lags."""

    name = "ar"
    time_kind = "integer"
    ordered = True

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> AR1:
        return cls()

    @property
    def label(self) -> str:
        return "AR(1)"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("coef", ("rho",), "atanh"),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.array([0.2])

    def powers(self, shape: Array, lags: Array) -> tuple[Array, Array, Array]:
        rho = np.tanh(shape[0])
        bend = 1.0 / np.cosh(shape[0]) ** 2
        phi, slope = _power(rho, lags), lags * _power(rho, lags - 1.0)
        # near lag 1 the difference 1 - phi^2 is formed without cancellation
        sums = np.where(lags == 1, bend, 1.0 - phi * phi)
        return phi, sums, slope * bend

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.array([shape[0], log_sd])


class Exponential(Markov):
    """rho = 1 / (1 + exp(-psi)), any lags."""

    name = "exponential"
    time_kind = "real"
    end = 16.0

    def __init__(self, step: float):
        self.step = step

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Exponential:
        assert groups.time is not None
        lags = np.diff(groups.time)[~groups.first[1:]]
        return cls(float(np.median(lags)) if len(lags) else 1.0)

    @property
    def label(self) -> str:
        return "Exponential"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("coef", ("rho",), "logit"),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        # a correlation of one half between typical neighbours
        log_rho = np.log(0.5) / self.step
        return np.array([log_rho - np.log(-np.expm1(log_rho))])

    def powers(self, shape: Array, lags: Array) -> tuple[Array, Array, Array]:
        psi = shape[0]
        log_rho = -np.log1p(np.exp(-psi)) if psi.real > -30 else psi
        share = 1.0 / (1.0 + np.exp(psi)) if psi.real < 700 else 0.0 * psi  # 1 - rho
        phi = np.exp(lags * log_rho)
        return phi, -np.expm1(2.0 * lags * log_rho), lags * phi * share

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.array([shape[0], log_sd])


class MarkovKernel:
    """Differences to the row before.

    Rows with the same lag share their numbers, and all that the slope needs of the
    data are three sums per distinct lag.
    """

    def __init__(self, structure: Markov, groups: Groups):
        assert groups.time is not None
        self.structure = structure
        self.later = np.flatnonzero(~groups.first)
        lags = groups.time[self.later] - groups.time[self.later - 1]
        self.lags, self.code = np.unique(lags, return_inverse=True)
        self.count = np.bincount(
            self.code, groups.row_count[self.later], minlength=len(self.lags)
        )

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        phi, rest, _ = self.structure.powers(shape, self.lags)
        w = W.astype(np.result_type(W, phi))
        scale = 1.0 / np.sqrt(rest)
        before = (phi * scale)[self.code][:, None] * W[self.later - 1]
        w[self.later] = scale[self.code][:, None] * W[self.later] - before
        return w, np.sum(self.count * np.log(rest))

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        phi, rest, dphi = self.structure.powers(shape, self.lags)
        at, before = self.later, self.later - 1
        own = np.einsum("nh,nh->n", left, right)
        cross = np.einsum("nh,nh->n", left[at], right[before])
        cross = cross + np.einsum("nh,nh->n", left[before], right[at])
        size = len(self.lags)
        P = _bincount(self.code, own[at], size)
        Q = _bincount(self.code, cross, size)
        S = _bincount(self.code, own[before], size)
        form = P - phi * Q + phi**2 * S
        first = np.sum(own) - np.sum(P)
        trace = first + np.sum(form / rest)
        slope = (2.0 * phi * S - Q) / rest + 2.0 * phi * form / rest**2
        if log_det:
            slope = slope - 2.0 * phi * self.count / rest
        return trace, np.array([np.sum(slope * dphi)])

    def solve(self, shape: Array, x: Array) -> Array:
        phi, rest, _ = self.structure.powers(shape, self.lags)
        w, _ = self.whiten(shape, x)
        scale = (1.0 / np.sqrt(rest))[self.code][:, None]
        later = w[self.later] * scale
        out = w.copy()
        out[self.later] = later
        # every row has at most one that follows it
        out[self.later - 1] -= phi[self.code][:, None] * later
        return out


def _bincount(code: Array, values: Array, size: int) -> Array:
    """Sums by code, of complex values too."""
    if np.iscomplexobj(values):
        real = np.bincount(code, values.real, minlength=size)
        return real + 1j * np.bincount(code, values.imag, minlength=size)
    return np.bincount(code, values, minlength=size)


def _power(rho: complex, lags: Array) -> Array:
    """rho^lag to first order in the imaginary part; numpy's has a branch cut."""
    value = np.real(rho) ** lags
    if not np.iscomplexobj(rho):
        return value
    with np.errstate(divide="ignore"):
        slope = np.where(lags == 0, 0.0, lags * np.real(rho) ** (lags - 1.0))
    return value + 1j * np.imag(rho) * slope
