"""Exchangeable residuals: one variance, one correlation, in closed form.

With Lambda = (1 - r) I + r J of size s the eigenvalues are 1 - r, on deviations
from the group's mean, and 1 + (s - 1) r on the mean (e.g. Searle, Casella &
McCulloch 1992, appendix M).
"""

from __future__ import annotations

import numpy as np

from ._groups import Groups
from ._lookup import Lookup
from ._structure import ResidualParameter, ResidualStructure

__all__ = ["Exchangeable"]

Array = np.ndarray


class Exchangeable(ResidualStructure):
    """Correlation r between -1 / (s - 1) and 1, s the largest group size."""

    name = "exchangeable"
    linear = True
    n_shape = 1

    def __init__(self, low: float):
        self.low = low

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Exchangeable:
        return cls(-1.0 / max(1, int(groups.sizes.max()) - 1))

    @property
    def label(self) -> str:
        return "Exchangeable"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        return (
            ResidualParameter("sd", ("e",), "log"),
            ResidualParameter("corr", ("e",), "atanh"),
        )

    def correlation(self, shape: Array) -> tuple[complex, complex, complex]:
        """r, 1 - r and dr/dpsi."""
        e = np.exp(-shape[0])
        share = 1.0 / (1.0 + e)
        rest = (1.0 - self.low) * e * share  # 1 - r
        return 1.0 - rest, rest, (1.0 - self.low) * share * e * share

    def start(self) -> Array:
        r = max(0.1, 0.5 * self.low)
        share = (r - self.low) / (1.0 - self.low)
        return np.array([np.log(share / (1.0 - share))])

    def kernel(self, groups: Groups) -> ExchangeableKernel:
        return ExchangeableKernel(self, groups)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        r, _, _ = self.correlation(shape)
        return np.array([log_sd, np.arctanh(r)])

    def natural(self, log_sd: complex, shape: Array) -> Array:
        variance = np.exp(2.0 * log_sd)
        return np.array([variance, variance * self.correlation(shape)[0]])

    def lookup(self, times: Array) -> Lookup:
        def table(shape: Array) -> Array:
            return np.array([self.correlation(shape)[0], 1.0])

        def pull(shape: Array, weight: Array) -> Array:
            return weight[:1] * self.correlation(shape)[2]

        return Lookup(np.eye(len(times), dtype=np.intp), table, pull)

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        shared = np.broadcast_shapes(a.shape, b.shape)
        return np.full(shared, self.correlation(shape)[0])


class ExchangeableKernel:
    """Deviations and means of the groups."""

    def __init__(self, structure: Exchangeable, groups: Groups):
        self.structure = structure
        self.groups = groups
        self.sizes = groups.sizes.astype(float)
        self.owner = np.repeat(np.arange(groups.n_groups), groups.sizes)

    def _means(self, W: Array) -> Array:
        if not len(W):
            return W
        return self.groups.sums(W) / self.sizes[:, None]

    def _on_mean(self, shape: Array) -> Array:
        """1 + (s - 1) r: zero in the largest groups at the lower end, and never below."""
        low, more = self.structure.low, self.sizes - 1.0
        at_low = np.where(more * low <= -1.0, 0.0, 1.0 + more * low)
        return at_low + more * (1.0 - low) / (1.0 + np.exp(-shape[0]))

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        _, rest, _ = self.structure.correlation(shape)
        on_mean = self._on_mean(shape)
        gain = 1.0 - np.sqrt(rest / on_mean)
        mean = self._means(W) * gain[:, None]
        w = (W - mean[self.owner]) / np.sqrt(rest)
        count = self.groups.counts
        log_det = np.sum(count * (self.sizes - 1.0)) * np.log(rest)
        return w, log_det + np.sum(count * np.log(on_mean))

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        _, rest, dr = self.structure.correlation(shape)
        s, on_mean = self.sizes, self._on_mean(shape)
        means = s * np.sum(self._means(left) * self._means(right), axis=1)
        deviations = np.sum(left * right) - np.sum(means)
        trace = deviations / rest + np.sum(means / on_mean)
        slope = deviations / rest**2 - np.sum((s - 1.0) * means / on_mean**2)
        if log_det:
            count = self.groups.counts
            slope += np.sum(count * (s - 1.0) * (1.0 / on_mean - 1.0 / rest))
        return trace, np.array([slope * dr])

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        _, rest, dr = self.structure.correlation(shape)
        s, count = self.sizes, self.groups.counts
        on_mean = self._on_mean(shape)
        means = s * np.sum(self._means(left) * self._means(right), axis=1)
        deviations = self.groups.sums(np.einsum("ij,ij->i", left, right)) - means
        slope = deviations / rest**2 - (s - 1.0) * means / on_mean**2
        slope += count * (s - 1.0) * (1.0 / on_mean - 1.0 / rest)
        return deviations / rest + means / on_mean, (slope * dr)[:, None]

    def solve(self, shape: Array, x: Array) -> Array:
        _, rest, _ = self.structure.correlation(shape)
        on_mean = self._on_mean(shape)
        mean = self._means(x) * (1.0 - rest / on_mean)[:, None]
        return (x - mean[self.owner]) / rest
