"""A covariance matrix with one standard deviation or correlation held fixed.

The others are free: signed standard deviations, elements of a Cholesky factor, the arc
sine of a common correlation.  All of these reach singular matrices and are smooth there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..covariance import Structure

__all__ = ["HeldCovariance"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class HeldCovariance:
    """Sigma as a function of free parameters and of the one that is held.

    Parameters
    ----------
    structure : Structure
    kind : {"", "sd", "corr"}
        What is held; empty where all is free.
    effects : tuple of int
        Effect (of a correlation: the two) that it belongs to.
    """

    structure: Structure
    kind: str = ""
    effects: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of free parameters."""
        return self.structure.n_params - bool(self.kind)

    @property
    def _diagonal(self) -> bool:
        return self.structure.n_params == self.structure.n_variances

    @property
    def _exchangeable(self) -> bool:
        return self.structure.q > 1 and self.structure.n_variances == 1

    @property
    def _order(self) -> list[int]:
        first = list(self.effects)
        return first + [j for j in range(self.structure.q) if j not in first]

    @property
    def _below(self) -> tuple[Array, Array]:
        """Free elements of the Cholesky factor."""
        rows, columns = np.tril_indices(self.structure.q)
        if self.kind == "sd":
            return rows[1:], columns[1:]
        if self.kind == "corr":  # the second row is a length and the correlation
            keep = ~((rows == 1) & (columns == 0))
            return rows[keep], columns[keep]
        return rows, columns

    @property
    def lowest(self) -> float:
        """Smallest value that a held correlation may have."""
        return -1.0 / (self.structure.q - 1) if self._exchangeable else -1.0

    def free(self, Sigma: Array) -> Array:
        """Free parameters of a given matrix."""
        sd = np.sqrt(np.diagonal(Sigma).clip(0.0))
        if self._diagonal:
            groups = np.diagonal(self.structure.pattern)
            values = np.array([sd[groups == g][0] for g in range(groups.max() + 1)])
            return np.delete(values, self._own_group) if self.kind else values
        if self._exchangeable:
            r = Sigma[0, 1] / Sigma[0, 0] if Sigma[0, 0] > 0 else 0.0
            middle, half = 0.5 * (1.0 + self.lowest), 0.5 * (1.0 - self.lowest)
            angle = np.arcsin(np.clip((r - middle) / half, -1.0, 1.0))
            both = np.array([sd[0], angle])
            return {"": both, "sd": both[1:], "corr": both[:1]}[self.kind]
        o = self._order
        L = _root(Sigma[np.ix_(o, o)])
        if self.kind == "corr":
            L[1, 1] = np.sqrt(L[1, 0] ** 2 + L[1, 1] ** 2)
        return L[self._below]

    @property
    def _own_group(self) -> int:
        return int(self.structure.pattern[self.effects[0], self.effects[0]])

    def build(self, free: Array, held: float) -> tuple[Array, Array]:
        """Sigma, and its derivatives along the free parameters, (m, q, q)."""
        q = self.structure.q
        if self._diagonal:
            groups = np.diagonal(self.structure.pattern)
            values = np.insert(free, self._own_group, held) if self.kind else free
            slopes = np.array(
                [np.diag(2.0 * values[g] * (groups == g)) for g in range(len(values))]
            )
            if self.kind:
                slopes = np.delete(slopes, self._own_group, axis=0)
            return np.diag(values[groups] ** 2), slopes
        if self._exchangeable:
            middle, half = 0.5 * (1.0 + self.lowest), 0.5 * (1.0 - self.lowest)
            sd = held if self.kind == "sd" else free[0]
            angle = free[-1] if self.kind != "corr" else 0.0
            r = held if self.kind == "corr" else middle + half * np.sin(angle)
            unit = np.eye(q) + r * (1.0 - np.eye(q))
            d_sd = 2.0 * sd * unit
            d_r = sd**2 * half * np.cos(angle) * (1.0 - np.eye(q))
            kept = {"": [d_sd, d_r], "sd": [d_r], "corr": [d_sd]}[self.kind]
            return sd**2 * unit, np.array(kept)
        L = np.zeros((q, q))
        rows, columns = self._below
        L[rows, columns] = free
        dL = np.zeros((len(free), q, q))
        dL[np.arange(len(free)), rows, columns] = 1.0
        if self.kind == "sd":
            L[0, 0] = held
        elif self.kind == "corr":
            both = np.array([held, np.sqrt(max(1.0 - held**2, 0.0))])
            L[1, :2] = L[1, 1] * both
            dL[:, 1, :2] = dL[:, 1, 1:2] * both
        half_slopes = dL @ L.T
        slopes = half_slopes + half_slopes.transpose(0, 2, 1)
        back = np.argsort(self._order)
        at = np.ix_(back, back)
        return (L @ L.T)[at], slopes[:, at[0], at[1]]


def _root(S: Array) -> Array:
    """Lower triangular L with L L' = S, for singular S too."""
    q = len(S)
    L = np.zeros((q, q))
    for j in range(q):
        pivot = S[j, j] - L[j, :j] @ L[j, :j]
        if pivot > 1e-14 * S[j, j]:
            L[j, j] = np.sqrt(pivot)
            L[j + 1 :, j] = (S[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
    return L
