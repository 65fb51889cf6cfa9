"""Unstructured and banded residuals: Lambda over the distinct times is L L'.

A positive definite matrix with q off-diagonal bands has a Cholesky factor
with q bands below its diagonal, and the other way round, so the banded
structure needs no constraint either.
"""

from __future__ import annotations

import re

import numpy as np

from ._groups import Groups
from ._pattern import PatternStructure
from ._structure import ResidualParameter

__all__ = ["Banded", "Unstructured"]

Array = np.ndarray

#: a standard deviation this small beside another is none; so is that of a combination
#: of the standardised errors
DEGENERATE = 1e-5
#: names of occasions that need no quotes
PLAIN = re.compile(r"[\w.+-]+")


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

    @property
    def label(self) -> str:
        return "Unstructured"

    def _name(self, i: int) -> str:
        if self.names:
            name = self.names[int(self.times[i])]
            # other characters would read as two errors, sd(e1 e2), or end the name
            return f"e{name}" if PLAIN.fullmatch(name) else f"e{_quoted(name)}"
        t = float(self.times[i])
        return f"e{int(t)}" if t.is_integer() else f"e{t!r}"

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
        for t in (a, b):
            lost = np.unique(t[~np.isin(t, self.times)])
            if len(lost):
                raise ValueError(
                    f"{self.label} residuals have no parameters for time "
                    f"{', '.join(map(self.shown, lost))}; the times that they were "
                    f"fitted to are {', '.join(map(self.shown, self.times))}."
                )
        i, j = np.searchsorted(self.times, a), np.searchsorted(self.times, b)
        return i * len(self.times) + j

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


class Banded(Unstructured):
    """The same with zeros beyond the first q off-diagonals."""

    name = "banded"
    ordered = True

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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
