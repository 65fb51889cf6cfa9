"""A structure of correlations with standard deviations that vary, Lambda = S R S.

Rows divided by their standard deviations have covariance R, which the structure knows;
the slope in log s of a row is a sum over that row.
"""

from __future__ import annotations

import numpy as np

from ._groups import Groups, apart
from ._structure import FAR, Kernel, ResidualParameter, ResidualStructure
from ._variance import Spread

__all__ = ["Scaled"]

Array = np.ndarray


class Scaled(ResidualStructure):
    """Any structure with the standard deviations of a ``Spread``.

    psi is the structure's, then that of the standard deviations; the last coordinate
    of a place is the value that these depend on.

    Parameters
    ----------
    inner : ResidualStructure
        With variances of one.
    spread : Spread
    """

    name = "scaled"
    lags_only = False

    def __init__(self, inner: ResidualStructure, spread: Spread):
        self.inner, self.spread = inner, spread
        self.n_shape = inner.n_shape + spread.n_params
        self.times, self.names = inner.times, inner.names
        #: where the one standard deviation stands among the structure's parameters
        self._sd = [q.kind for q in inner.parameters].index("sd")

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> ResidualStructure:
        raise NotImplementedError  # it is made of two others

    @property
    def diagonal(self) -> bool:  # type: ignore[override]
        """Whether Lambda is diagonal."""
        return self.inner.diagonal

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether the covariance matrix is linear in variances alone."""
        return self.inner.diagonal and self.spread.linear

    @property
    def order(self) -> int | None:
        """Of the correlations."""
        return getattr(self.inner, "order", getattr(self.inner, "band", None))

    @property
    def label(self) -> str:
        return f"{self.inner.label}, {self.spread.label}"

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        own = [_on_its_own(q) for q in self.inner.parameters]
        k = self._sd
        return (*own[:k], *self.spread.parameters, *own[k + 1 :])

    def _apart(self, shape: Array) -> tuple[Array, Array]:
        return shape[: self.inner.n_shape], shape[self.inner.n_shape :]

    def _join(self, inner: Array, spread: Array) -> Array:
        return np.concatenate([inner[: self._sd], spread, inner[self._sd + 1 :]])

    def start(self) -> Array:
        return np.append(self.inner.start(), np.zeros(self.spread.n_params))

    def near(self, residual: Array, groups: Groups) -> tuple[float, Array]:
        inner, values = groups.apart()
        log_sd, psi = self.spread.near(residual, groups.row_count, values)
        white = residual * np.exp(-self.spread.logs(psi, values))
        return log_sd, np.append(self.inner.near(white, inner)[1], psi)

    def beyond(self, shape: Array) -> bool:
        own, psi = self._apart(shape)
        return self.inner.beyond(own) or bool(np.abs(psi).max(initial=0.0) > FAR)

    def kernel(self, groups: Groups) -> Kernel:
        return ScaledKernel(self, groups)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        own, psi = self._apart(shape)
        return self._join(
            self.inner.estimates(0.0, own), self.spread.estimates(log_sd, psi)
        )

    def natural(self, log_sd: complex, shape: Array) -> Array:
        own, psi = self._apart(shape)
        return self._join(
            self.inner.natural(0.0, own), self.spread.natural(log_sd, psi)
        )

    def covariance(self, shape: Array, a: Array, b: Array) -> Array:
        own, psi = self._apart(shape)
        (a, first), (b, second) = apart(a), apart(b)
        logs = self.spread.logs(psi, first) + self.spread.logs(psi, second)
        return np.exp(logs) * self.inner.covariance(own, a, b)

    def variances(self, shape: Array, places: Array) -> Array:
        own, psi = self._apart(shape)
        inner, values = apart(places)
        logs = self.spread.logs(psi, values)
        return np.exp(2.0 * logs) * self.inner.variances(own, inner)

    def matrix(self, shape: Array, times: Array) -> Array:
        own, psi = self._apart(shape)
        inner, values = apart(times)
        sd = np.exp(self.spread.logs(psi, values))
        return self.inner.matrix(own, inner) * sd[:, :, None] * sd[:, None, :]

    def at_boundary(self, shape: Array) -> Array:
        own, psi = self._apart(shape)
        return np.append(self.inner.at_boundary(own), np.zeros(len(psi), dtype=bool))

    def limit(self, shape: Array) -> Array:
        own, psi = self._apart(shape)
        return np.append(self.inner.limit(own), psi)

    def degenerate(self, shape: Array) -> bool:
        own, psi = self._apart(shape)
        return self.inner.degenerate(own) or self.spread.degenerate(psi)


def _on_its_own(parameter: ResidualParameter) -> ResidualParameter:
    """A correlation that belongs to no one pair of standard deviations."""
    if parameter.kind != "corr":
        return parameter
    return ResidualParameter("coef", ("rho",), parameter.transform)


class ScaledKernel:
    """Rows over their standard deviations, in the structure's own kernel."""

    def __init__(self, structure: Scaled, groups: Groups):
        inner, values = groups.apart()
        self.structure, self.groups = structure, groups
        self.inner = structure.inner.kernel(inner)
        self.values = values
        self.columns = structure.spread.columns(values)

    def _sds(self, shape: Array) -> tuple[Array, Array, Array]:
        """The structure's shape, log sd and 1 / sd of each row."""
        own, psi = self.structure._apart(shape)
        logs = self.structure.spread.logs(psi, self.values)
        return own, logs, np.exp(-logs)[:, None]

    def whiten(self, shape: Array, W: Array) -> tuple[Array, complex]:
        """See ``Kernel``."""
        own, logs, scale = self._sds(shape)
        w, log_det = self.inner.whiten(own, W * scale)
        return w, log_det + 2.0 * np.sum(self.groups.row_count * logs)

    def _by_row(self, own: Array, left: Array, right: Array) -> Array:
        """How much tr(right' R^-1 left) falls with the log sd of each row."""
        out = np.einsum("ij,ij->i", left, self.inner.solve(own, right))
        return out + np.einsum("ij,ij->i", self.inner.solve(own, left), right)

    def slope(
        self, shape: Array, left: Array, right: Array, *, log_det: bool
    ) -> tuple[complex, Array]:
        """See ``Kernel``."""
        own, _, scale = self._sds(shape)
        left, right = left * scale, right * scale
        trace, slope = self.inner.slope(own, left, right, log_det=log_det)
        if not self.columns:
            return trace, slope
        rows = -self._by_row(own, left, right)
        if log_det:
            rows = rows + 2.0 * self.groups.row_count
        return trace, np.append(slope, [rows @ column for column in self.columns])

    def slopes(self, shape: Array, left: Array, right: Array) -> tuple[Array, Array]:
        """See ``Kernel``."""
        own, _, scale = self._sds(shape)
        left, right = left * scale, right * scale
        traces, slopes = self.inner.slopes(own, left, right)
        rows = 2.0 * self.groups.row_count - self._by_row(own, left, right)
        more = [self.groups.sums(rows * column) for column in self.columns]
        return traces, np.column_stack([slopes, *more])

    def solve(self, shape: Array, x: Array) -> Array:
        """See ``Kernel``."""
        own, _, scale = self._sds(shape)
        return scale * self.inner.solve(own, x * scale)
