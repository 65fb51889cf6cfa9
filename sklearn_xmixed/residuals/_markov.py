"""First-order autoregression and its continuous-time form, in O(n).

The correlation rho^|t - t'| has the Markov property, so that a row minus rho^dt
times the one before it in its group is independent of all earlier ones (Pinheiro &
Bates 2000, section 5.3.3; Jones 1993, chapter 2).
"""

from __future__ import annotations

import numpy as np

from ._groups import Groups
from ._lookup import Lookup
from ._structure import ATANH_END, ResidualParameter, ResidualStructure
from ._typical import TypicalExponential, log_typical

__all__ = ["AR1", "Exponential", "Markov"]

Array = np.ndarray


class Markov(ResidualStructure):
    """Correlation phi(dt) between neighbours."""

    n_shape = 1
    end = ATANH_END

    def steps(self, before: Array, after: Array) -> Array:
        """What the correlation of two times depends on (broadcast): their distance."""
        return np.abs(after - before)

    def powers(self, shape: Array, steps: Array) -> tuple[Array, Array, Array]:
        """phi, 1 - phi^2 and dphi/dpsi, shape (steps, n_shape)."""
        raise NotImplementedError

    def kernel(self, groups: Groups) -> MarkovKernel:
        return MarkovKernel(self, groups)

    def lookup(self, times: Array) -> Lookup:
        steps, places = np.unique(
            self.steps(times[:, None], times[None]), return_inverse=True
        )
        places = places.reshape(len(times), len(times))
        np.fill_diagonal(places, len(steps))  # one, whatever the shape

        def table(shape: Array) -> Array:
            return np.append(self.powers(shape, steps)[0], 1.0)

        def pull(shape: Array, weight: Array) -> Array:
            return weight[:-1] @ self.powers(shape, steps)[2]

        return Lookup(places, table, pull)

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        steps = self.steps(a, b)
        return self.powers(shape, steps.ravel())[0].reshape(steps.shape)


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
        # at lag 0 the power is constant: any finite exponent does
        phi, slope = _power(rho, lags), lags * _power(rho, np.maximum(lags - 1.0, 0.0))
        # near lag 1 the difference 1 - phi^2 is formed without cancellation
        sums = np.where(lags == 1, bend, 1.0 - phi * phi)
        return phi, sums, (slope * bend)[:, None]

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.array([shape[0], log_sd])

    def natural(self, log_sd: complex, shape: Array) -> Array:
        return np.array([np.tanh(shape[0]), np.exp(2.0 * log_sd)])


class Exponential(TypicalExponential, Markov):
    """The correlation at a typical distance is 1 / (1 + exp(-psi)), any lags.

    That distance, ``step``, makes psi what it is in any unit of time.
    """

    name = "exponential"
    time_kind = "real"
    several_times = True
    end = 16.0

    def __init__(self, step: float):
        self.step = step

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Exponential:
        assert groups.time is not None
        lags = np.diff(groups.time)[~groups.first[1:]]
        return cls(float(np.median(lags)) if len(lags) else 1.0)

    def powers(self, shape: Array, lags: Array) -> tuple[Array, Array, Array]:
        log_r, lags = log_typical(shape[0]), lags / self.step
        phi = np.exp(lags * log_r)
        slope = 1.0 / (1.0 + np.exp(shape[0]))  # 1 - r
        return phi, -np.expm1(2.0 * lags * log_r), (lags * phi * slope)[:, None]


class MarkovKernel:
    """Differences to the row before.

    Rows with the same step share their numbers, and all that the slope needs of the
    data are three sums per distinct step.  Neighbours are taken from all rows; the
    first row of a group has the last code, which stands for no lag.
    """

    def __init__(self, structure: Markov, groups: Groups):
        assert groups.time is not None
        self.structure = structure
        self.groups = groups
        first = groups.first[1:]
        steps = structure.steps(groups.time[:-1], groups.time[1:])
        self.steps, code = np.unique(steps[~first], return_inverse=True)
        self.code = np.full(len(steps), len(self.steps))
        self.code[~first] = code
        self.count = np.bincount(
            self.code, groups.row_count[1:], minlength=len(self.steps) + 1
        )[:-1]

    def _factors(self, shape: Array) -> tuple[Array, Array, Array]:
        """Factors of each row and of the one before it, and 1 - phi^2 by lag."""
        phi, rest, _ = self.structure.powers(shape, self.steps)
        scale = 1.0 / np.sqrt(rest)
        own = np.append(scale, 1.0)[self.code]
        before = np.append(-phi * scale, 0.0)[self.code]
        return own, before, rest

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        own, before, rest = self._factors(shape)
        # column by column: long rows of numbers are faster than short ones
        out = np.empty((W.shape[1], W.shape[0]), dtype=np.result_type(W, own))
        for w, column in zip(out, W.T, strict=True):
            w[0] = column[0]
            np.multiply(column[1:], own, out=w[1:])
            w[1:] += column[:-1] * before
        return out.T, np.sum(self.count * np.log(rest))

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        phi, rest, dphi = self.structure.powers(shape, self.steps)
        dtype = np.result_type(left, right)
        own = np.zeros(len(left), dtype=dtype)
        cross = np.zeros(max(0, len(left) - 1), dtype=dtype)
        for x, y in zip(left.T, right.T, strict=True):
            own += x * y
            cross += x[1:] * y[:-1]
            cross += x[:-1] * y[1:]
        size = len(self.steps)
        P = _bincount(self.code, own[1:], size)
        Q = _bincount(self.code, cross, size)
        S = _bincount(self.code, own[:-1], size)
        form = P - phi * Q + phi**2 * S
        first = np.sum(own) - np.sum(P)
        trace = first + np.sum(form / rest)
        slope = (2.0 * phi * S - Q) / rest + 2.0 * phi * form / rest**2
        if log_det:
            slope = slope - 2.0 * phi * self.count / rest
        return trace, slope @ dphi

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        phi, rest, dphi = self.structure.powers(shape, self.steps)
        phi, rest = np.append(phi, 0.0)[self.code], np.append(rest, 1.0)[self.code]
        dphi = np.concatenate([dphi, np.zeros((1, dphi.shape[1]))])[self.code]
        own = np.einsum("ij,ij->i", left, right)
        cross = np.einsum("ij,ij->i", left[1:], right[:-1])
        cross += np.einsum("ij,ij->i", left[:-1], right[1:])
        form = own[1:] - phi * cross + phi**2 * own[:-1]
        slope = (2.0 * phi * own[:-1] - cross) / rest + 2.0 * phi * form / rest**2
        slope -= 2.0 * phi * self.groups.row_count[1:] / rest
        # the first row of all has none before it
        traces = np.append(own[:1], form / rest)
        none = np.zeros((min(1, len(own)), dphi.shape[1]))
        slopes = np.concatenate([none, slope[:, None] * dphi])
        return self.groups.sums(traces), self.groups.sums(slopes)

    def solve(self, shape: Array, x: Array) -> Array:
        own, before, _ = self._factors(shape)
        w, _ = self.whiten(shape, x)
        out = w.copy()
        out[1:] *= own[:, None]
        # every row has at most one that follows it
        out[:-1] += before[:, None] * w[1:]
        return out


def _bincount(code: Array, values: Array, size: int) -> Array:
    """Sums by code below ``size``, of complex values too."""
    if np.iscomplexobj(values):
        real = np.bincount(code, values.real, minlength=size + 1)[:size]
        return real + 1j * np.bincount(code, values.imag, minlength=size + 1)[:size]
    return np.bincount(code, values, minlength=size + 1)[:size]


def _power(rho: complex, lags: Array) -> Array:
    """rho^lag to first order in the imaginary part; numpy's has a branch cut."""
    value = np.real(rho) ** lags
    if not np.iscomplexobj(rho):
        return value
    slope = lags * np.real(rho) ** np.maximum(lags - 1.0, 0.0)
    return value + 1j * np.imag(rho) * slope
