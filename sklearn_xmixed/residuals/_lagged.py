"""Structures whose correlations depend on the lag alone: AR(p), MA(q), Toeplitz."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ._groups import Groups
from ._partial import autocorrelations, autoregression, moving_average
from ._pattern import PatternKernel, PatternStructure
from ._regression import RegressionKernel, SplitKernel, gapless
from ._structure import ATANH_END, Kernel, ResidualParameter

__all__ = [
    "AutoRegressive",
    "AutoRegressiveMovingAverage",
    "Lagged",
    "MovingAverage",
    "Toeplitz",
    "observed_lags",
]

Array = np.ndarray

#: a slope of all autocorrelations below this is none
IDLE = 1e-9


def observed_lags(groups: Groups) -> Array:
    """Distinct distances between two rows of one group, ascending, without 0."""
    assert groups.time is not None
    found = [np.zeros(0)]
    most = int(groups.sizes.max(initial=1))
    for step in range(1, most):
        same = np.repeat(np.arange(groups.n_groups), groups.sizes)
        pair = same[step:] == same[:-step]
        if not pair.any():
            break
        found.append(np.unique((groups.time[step:] - groups.time[:-step])[pair]))
    return np.unique(np.concatenate(found)).astype(int)


class Lagged(PatternStructure):
    """Correlations by lag.

    Parameters
    ----------
    order : int
    """

    time_kind = "integer"
    ordered = True

    def __init__(self, order: int):
        self.order = order

    @property
    def n_shape(self) -> int:  # type: ignore[override]
        return self.order

    def table(self, shape: Array) -> Array:
        return self._correlations(shape, self._longest)[0]

    def pull(self, shape: Array, weight: Array) -> Array:
        return weight @ self._correlations(shape, self._longest)[1]

    def places(self, a: Array, b: Array) -> Array:
        lags = np.abs(a - b).astype(int)
        self._longest = max(self._longest, int(lags.max(initial=0)))
        return lags

    _longest = 0
    end = ATANH_END

    def at_boundary(self, shape: Array) -> Array:
        """Also those that say nothing any more: phi_1 (1 - phi_2) at phi_2 = 1."""
        J = self._correlations(shape, self.order)[1]
        return super().at_boundary(shape) | (np.abs(J).max(axis=0) < IDLE)

    def _correlations(self, shape: Array, n_lags: int) -> tuple[Array, Array]:
        """Correlations at lags 0 .. n_lags and their derivatives."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        return f"{self.word}({self.order})"

    word: str


def _padded(r: Array, J: Array, n_lags: int) -> tuple[Array, Array]:
    """Zero beyond the last lag that has a correlation."""
    have = len(r)
    if n_lags < have:
        return r[: n_lags + 1], J[: n_lags + 1]
    more = n_lags + 1 - have
    return np.append(r, np.zeros(more)), np.concatenate(
        [J, np.zeros((more, J.shape[1]))]
    )


class AutoRegressive(Lagged):
    """AR(p); psi = atanh of the partial autocorrelations."""

    name = "ar"
    word = "AR"

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> AutoRegressive:
        return cls(1 if order is None else order)

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            *(
                ResidualParameter("coef", (f"phi{k + 1}",), "natural")
                for k in range(self.order)
            ),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.append(0.2, np.zeros(self.order - 1))

    def kernel(self, groups: Groups) -> Kernel:
        """By regression where a group's times have no gaps, else by pattern."""
        easy = gapless(groups)
        if not easy.any():
            return PatternKernel(self, groups)
        if easy.all():
            return RegressionKernel(self._partials, self.order, groups)
        rows, some = groups.take(easy)
        others, rest = groups.take(~easy)
        return SplitKernel(
            [
                (
                    rows,
                    np.flatnonzero(easy),
                    RegressionKernel(self._partials, self.order, some),
                ),
                (others, np.flatnonzero(~easy), PatternKernel(self, rest)),
            ]
        )

    @staticmethod
    def _partials(shape: Array) -> tuple[Array, Array]:
        partial = np.tanh(shape)
        return partial, 1.0 - partial**2

    def _correlations(self, shape: Array, n_lags: int) -> tuple[Array, Array]:
        partial = np.tanh(shape)
        r, J = autocorrelations(partial, n_lags)
        return r, J * (1.0 - partial**2)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.append(autoregression(np.tanh(shape))[0], log_sd)

    def natural(self, log_sd: complex, shape: Array) -> Array:
        phi = autoregression(np.tanh(shape))[0]
        return np.append(phi, np.exp(2.0 * log_sd))


class MovingAverage(Lagged):
    """MA(q), invertible."""

    name = "ma"
    word = "MA"

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> MovingAverage:
        return cls(1 if order is None else order)

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        metric = "atanh" if self.order == 1 else "natural"
        return (
            *(
                ResidualParameter("coef", (f"theta{k + 1}",), metric)
                for k in range(self.order)
            ),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.append(0.2, np.zeros(self.order - 1))

    def _correlations(self, shape: Array, n_lags: int) -> tuple[Array, Array]:
        partial = -np.tanh(shape)
        _, r, J = moving_average(partial)
        return _padded(r, J * (partial**2 - 1.0), n_lags)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        theta = moving_average(-np.tanh(shape))[0]
        return np.append(np.arctanh(theta) if self.order == 1 else theta, log_sd)

    def natural(self, log_sd: complex, shape: Array) -> Array:
        theta = moving_average(-np.tanh(shape))[0]
        return np.append(theta, np.exp(2.0 * log_sd))


class AutoRegressiveMovingAverage(Lagged):
    """ARMA(1, 1): correlation gamma phi^(lag - 1) beyond lag 0; psi = atanh of phi, theta.

    gamma = (1 + phi theta)(phi + theta) / (1 + 2 phi theta + theta^2) (Box, Jenkins &
    Reinsel 1994, section 3.4.3), which for invertible theta takes every value that
    keeps groups of any size positive definite.
    """

    name = "arma"
    ordered = False
    n_shape = 2

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> AutoRegressiveMovingAverage:
        return cls(1)

    @property
    def label(self) -> str:
        return "ARMA(1,1)"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("coef", ("phi1",), "atanh"),
            ResidualParameter("coef", ("theta1",), "atanh"),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.array([0.3, 0.0])

    @staticmethod
    def _gamma(phi: complex, theta: complex) -> tuple[complex, complex, complex]:
        """The correlation at lag 1 and its derivatives in phi and theta."""
        up = (1.0 + phi * theta) * (phi + theta)
        down = 1.0 + 2.0 * phi * theta + theta**2
        gamma = up / down
        on_phi = theta * (phi + theta) + 1.0 + phi * theta - 2.0 * theta * gamma
        on_theta = phi * (phi + theta) + 1.0 + phi * theta - 2.0 * (phi + theta) * gamma
        return gamma, on_phi / down, on_theta / down

    def _correlations(self, shape: Array, n_lags: int) -> tuple[Array, Array]:
        phi, theta = np.tanh(shape)
        gamma, on_phi, on_theta = self._gamma(phi, theta)
        r = np.ones(n_lags + 1, dtype=shape.dtype)
        J = np.zeros((n_lags + 1, 2), dtype=shape.dtype)
        power, slope = phi**0, 0.0 * phi  # phi^k and k phi^(k - 1)
        for k in range(1, n_lags + 1):
            r[k] = gamma * power
            J[k] = on_phi * power + gamma * slope, on_theta * power
            power, slope = power * phi, power + slope * phi
        return r, J / np.cosh(shape) ** 2

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.append(shape, log_sd)

    def natural(self, log_sd: complex, shape: Array) -> Array:
        phi, theta = np.tanh(shape)
        gamma = self._gamma(phi, theta)[0]
        return np.array([phi, gamma, np.exp(2.0 * log_sd)])


class Toeplitz(Lagged):
    """One correlation per observed lag up to the order; psi = atanh of each.

    The matrices are positive definite in a part of the space only; the search
    turns back at its border.

    Parameters
    ----------
    order : int
    lags : ndarray of int
        Observed lags that are at most ``order``.
    """

    name = "toeplitz"
    word = "Toeplitz"
    linear = True

    def __init__(self, order: int, lags: Array):
        super().__init__(order)
        self.lags = lags

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Toeplitz:
        lags = observed_lags(groups)
        longest = int(lags.max(initial=0))
        if order is None:
            order = longest
        if not 1 <= order <= longest:
            raise ValueError(
                f"the order must lie between 1 and the longest observed lag, {longest}"
            )
        return cls(order, lags[lags <= order])

    @property
    def n_shape(self) -> int:  # type: ignore[override]
        return len(self.lags)

    @cached_property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            *(ResidualParameter("coef", (f"rho{k}",), "atanh") for k in self.lags),
            ResidualParameter("sd", ("e",), "log"),
        )

    def start(self) -> Array:
        return np.zeros(self.n_shape)

    def _correlations(self, shape: Array, n_lags: int) -> tuple[Array, Array]:
        n_lags = max(n_lags, self.order)
        r = np.zeros(n_lags + 1, dtype=shape.dtype)
        J = np.zeros((n_lags + 1, self.n_shape), dtype=shape.dtype)
        r[0] = 1.0
        r[self.lags] = np.tanh(shape)
        J[self.lags, np.arange(self.n_shape)] = 1.0 - np.tanh(shape) ** 2
        return r, J

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.append(shape, log_sd)

    def natural(self, log_sd: complex, shape: Array) -> Array:
        return np.exp(2.0 * log_sd) * np.append(np.tanh(shape), 1.0)
