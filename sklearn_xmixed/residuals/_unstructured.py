"""Unstructured and banded residuals: Lambda over the distinct times is L L'.

A positive definite matrix with q off-diagonal bands has a Cholesky factor
with q bands below its diagonal, and the other way round, so the banded
structure needs no constraint either.
"""

from __future__ import annotations

import numpy as np

from ._groups import Groups
from ._pattern import PatternStructure
from ._structure import DEGENERATE, ResidualParameter, error_name, mean_log_sd

__all__ = ["Banded", "Correlations", "Unstructured"]

Array = np.ndarray

#: eigenvalue of correlations to begin with
SMALLEST = 1e-9


class Unstructured(PatternStructure):
    """psi = logs of the diagonal of L (the first is zero), then its lower elements.

    Parameters
    ----------
    times : ndarray of int, shape (T,)
        Distinct times, ascending.
    band : int
        Bands below the diagonal.
    names : tuple of str
        Of the occasions that the times number; empty where times are the user's.
    """

    name = "unstructured"
    time_kind = "identifier"
    lags_only = False
    linear = True
    own_variances = True

    def __init__(self, times: Array, band: int, names: tuple[str, ...] = ()):
        self.times = times
        self.names = names
        self.band = band
        T = len(times)
        i, j = np.tril_indices(T, -1)
        near = i - j <= band
        order = np.lexsort((i[near], j[near]))  # by column, as they are printed
        self.lower = i[near][order], j[near][order]
        self.n_shape = T - 1 + len(order)

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Unstructured:
        assert groups.time is not None
        times = np.unique(groups.time)
        return cls(times, len(times) - 1, groups.occasions)

    def correlations(self) -> Correlations:
        return Correlations.like(self)

    @property
    def label(self) -> str:
        return "Unstructured"

    def _name(self, i: int) -> str:
        return error_name(self.shown(self.times[i]))

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        T = len(self.times)
        sds = [ResidualParameter("sd", (self._name(i),), "log") for i in range(T)]
        corrs = [
            ResidualParameter("corr", (self._name(j), self._name(i)), "atanh")
            for i, j in zip(*self.lower, strict=True)
        ]
        return (*sds, *corrs)

    def start(self) -> Array:
        return np.zeros(self.n_shape)

    def near(self, residual: Array, groups: Groups) -> tuple[float, Array]:
        sd, R = self._moments(residual, groups)
        L = sd[:, None] * np.linalg.cholesky(safely(self._banded(R)))
        logs = np.log(np.diagonal(L))
        shape = np.append(logs[1:] - logs[0], L[self.lower] / L[0, 0])
        return float(logs[0]), shape

    def _moments(self, residual: Array, groups: Groups) -> tuple[Array, Array]:
        assert groups.time is not None
        return moments(self.number(groups.time), len(self.times), residual, groups)

    def _banded(self, R: Array) -> Array:
        i, j = np.indices(R.shape)
        return np.where(np.abs(i - j) <= self.band, R, 0.0)

    def beyond(self, shape: Array) -> bool:
        # the lower elements of L are as large as the variances have them
        return super().beyond(shape[: len(self.times) - 1])

    def factor(self, shape: Array) -> Array:
        """L, with L[0, 0] = 1."""
        T = len(self.times)
        L = np.zeros((T, T), dtype=shape.dtype)
        L[np.arange(T), np.arange(T)] = np.exp(np.append(0.0, shape[: T - 1]))
        L[self.lower] = shape[T - 1 :]
        return L

    def degenerate(self, shape: Array) -> bool:
        L = self.factor(shape)
        size = np.sqrt((L**2).sum(axis=1))
        if size.min() < DEGENERATE * size.max():
            return True
        return bool(np.linalg.svd(L / size[:, None])[1][-1] < DEGENERATE)

    def table(self, shape: Array) -> Array:
        L = self.factor(shape)
        return (L @ L.T).ravel()

    def pull(self, shape: Array, weight: Array) -> Array:
        T = len(self.times)
        L = self.factor(shape)
        M = weight.reshape(T, T)
        G = (M + M.T) @ L
        at = np.arange(1, T)
        return np.concatenate([G[at, at] * L[at, at], G[self.lower]])

    def places(self, a: Array, b: Array) -> Array:
        return self.number(a) * len(self.times) + self.number(b)

    def variances(self, shape: Array, places: Array) -> Array:
        return self.covariance(shape, places, places)

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        T = len(self.times)
        Lambda = self.table(shape).reshape(T, T)
        logs = 0.5 * np.log(np.diagonal(Lambda))
        i, j = self.lower
        r = Lambda[i, j] * np.exp(-logs[i] - logs[j])
        return np.concatenate([log_sd + logs, np.arctanh(r)])

    def natural(self, log_sd: complex, shape: Array) -> Array:
        T = len(self.times)
        Lambda = self.table(shape).reshape(T, T)
        elements = np.append(np.diagonal(Lambda), Lambda[self.lower])
        return np.exp(2.0 * log_sd) * elements


def moments(at: Array, T: int, residual: Array, groups: Groups) -> tuple[Array, Array]:
    """Standard deviations and correlations of T occasions, by the residuals' products.

    Of groups with all occasions if these are many, which makes the matrix positive
    definite; else of all that have both.
    """
    owner = np.repeat(np.arange(groups.n_groups), groups.sizes)
    rows, there = np.zeros((groups.n_groups, T)), np.zeros((groups.n_groups, T))
    rows[owner, at], there[owner, at] = residual, 1.0
    count = groups.counts
    whole = there.all(axis=1)
    if count[whole].sum() >= 2 * T:
        rows, there, count = rows[whole], there[whole], count[whole]
    pairs = there.T @ (there * count[:, None])
    S = rows.T @ (rows * count[:, None]) / np.where(pairs > 0, pairs, 1.0)
    v = np.diagonal(S)
    few = (np.diagonal(pairs) < 2) | (v <= 1e-8 * v.max())
    v = np.where(few, v.mean() if v.any() else 1.0, v)
    sd = np.sqrt(v)
    R = np.clip(S / np.outer(sd, sd), -1.0, 1.0)
    np.fill_diagonal(R, 1.0)
    return sd, R


def safely(R: Array) -> Array:
    """Correlations, shrunk as little as makes them positive definite."""
    for share in (0.0, 0.01, 0.1, 0.3, 0.6):
        out = (1.0 - share) * R + share * np.eye(len(R))
        if np.linalg.eigvalsh(out)[0] > SMALLEST:
            return out
    return np.eye(len(R))


class Banded(Unstructured):
    """The same with zeros beyond the first q off-diagonals."""

    name = "banded"
    ordered = True
    ordered_times = True

    @classmethod
    def of(cls, order: int | None, groups: Groups) -> Banded:
        assert groups.time is not None
        times = np.unique(groups.time)
        most = len(times) - 1
        if order is None:
            order = most
        if not 0 <= order <= most:
            raise ValueError(
                "the order must lie between 0 and the number of distinct times minus "
                f"one, {most}"
            )
        return cls(times, order, groups.occasions)

    @property
    def label(self) -> str:
        return f"Banded({self.band})"


class Correlations(Unstructured):
    """Unstructured or banded with variances of one: Lambda = U U', rows of unit length.

    psi = the lower elements of L, whose diagonal is one; U is L, row by row over its
    length.
    """

    linear = False
    own_variances = False

    def __init__(self, times: Array, band: int, names: tuple[str, ...], label: str):
        super().__init__(times, band, names)
        self.n_shape = len(self.lower[0])
        self._label = label

    @classmethod
    def like(cls, other: Unstructured) -> Correlations:
        """The correlations of another structure."""
        return cls(other.times, other.band, other.names, other.label)

    @property
    def label(self) -> str:
        return self._label

    @property
    def parameters(self) -> tuple[ResidualParameter, ...]:
        corrs = [
            ResidualParameter(
                "coef", (f"corr({self._name(j)},{self._name(i)})",), "atanh"
            )
            for i, j in zip(*self.lower, strict=True)
        ]
        return (*corrs, ResidualParameter("sd", ("e",), "log"))

    def near(self, residual: Array, groups: Groups) -> tuple[float, Array]:
        R = self._moments(residual, groups)[1]
        L = np.linalg.cholesky(safely(self._banded(R)))
        lower = (L / np.diagonal(L)[:, None])[self.lower]
        return mean_log_sd(residual, groups.row_count), lower

    def beyond(self, shape: Array) -> bool:
        return False

    def _rows(self, shape: Array) -> tuple[Array, Array]:
        """U, and the lengths of the rows of L."""
        L = np.eye(len(self.times), dtype=shape.dtype)
        L[self.lower] = shape
        length = np.sqrt((L**2).sum(axis=1))[:, None]
        return L / length, length

    def degenerate(self, shape: Array) -> bool:
        return bool(np.linalg.svd(self._rows(shape)[0])[1][-1] < DEGENERATE)

    def table(self, shape: Array) -> Array:
        U, _ = self._rows(shape)
        return (U @ U.T).ravel()

    def pull(self, shape: Array, weight: Array) -> Array:
        T = len(self.times)
        U, length = self._rows(shape)
        M = weight.reshape(T, T)
        G = (M + M.T) @ U
        along = (G * U).sum(axis=1, keepdims=True)
        return ((G - U * along) / length)[self.lower]

    def _correlations(self, shape: Array) -> Array:
        T = len(self.times)
        return self.table(shape).reshape(T, T)[self.lower]

    def estimates(self, log_sd: complex, shape: Array) -> Array:
        return np.append(np.arctanh(self._correlations(shape)), log_sd)

    def natural(self, log_sd: complex, shape: Array) -> Array:
        return np.append(self._correlations(shape), np.exp(2.0 * log_sd))
