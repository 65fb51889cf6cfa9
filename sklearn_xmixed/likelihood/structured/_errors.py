"""Residual errors given the data: forecasts and standardised residuals.

For an error e* of a known group, E(e* | y) = cov(e*, e_g) Lambda_g^-1 (y_g - X_g beta -
Z_g u_hat) / sigma^2, because V^-1 (y - X beta) of the group is Lambda_g^-1 times its
conditional residual (Eq. 7 of the residuals page).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...residuals import ResidualModel, Within
from .._errors import Errors
from .._posterior import Posterior
from ._rows import Rows

__all__ = ["StructuredErrors"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class StructuredErrors(Errors):
    """Residuals of the training data by lowest-level group.

    Parameters
    ----------
    model : ResidualModel
    psi : ndarray
    sigma2 : float
    starts : ndarray of int, shape (G + 1,)
        First row of each group, sorted by group and time.
    time : ndarray of shape (n,) or (n, k), or None
        What the structure is told of a row.
    category : ndarray of int, shape (n,)
    solved : ndarray of shape (n,)
        Lambda^-1 (y - X beta - Z u_hat).
    """

    white: ClassVar[bool] = False
    model: ResidualModel
    psi: Array
    sigma2: float
    starts: Array
    time: Array | None
    category: Array
    solved: Array

    @classmethod
    def of(cls, rows: Rows, psi: Array, posterior: Posterior) -> StructuredErrors:
        """Collect them at the optimum."""
        within = rows.design.residual
        assert within is not None
        order = rows.order
        p = rows.pool.p
        left = rows.W[:, -p - 1 :] @ posterior.pieces.root.v
        if rows.codes:
            Z = [rows.W[:, b.members] for b in rows.pool.levels]
            left = left - posterior.linear(rows.codes, Z)
        codes = within.codes[order]
        n_groups = int(codes.max()) + 1
        return cls(
            rows.residual,
            psi,
            posterior.sigma2,
            np.searchsorted(codes, np.arange(n_groups + 1)),
            None if within.place is None else within.place[order],
            np.zeros(len(codes), dtype=int) if within.by is None else within.by[order],
            rows.residual.solve(psi, left[:, None])[:, 0],
        )

    def forecast(self, codes: Array, time: Array | None) -> Array:
        """E(e* | y) of new rows; 0 in groups that are not known.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            Lowest-level group, -1 where unknown.
        time : ndarray of shape (n,) or None
        """
        known = np.flatnonzero(codes >= 0)
        out = np.zeros(len(codes))
        if not len(known):
            return out
        first, last = self.starts[codes[known]], self.starts[codes[known] + 1]
        size = last - first
        # all pairs of a new row and a row of its group
        new = np.repeat(np.arange(len(known)), size)
        ends = np.cumsum(size)
        old = (
            np.arange(ends[-1]) - np.repeat(ends - size, size) + np.repeat(first, size)
        )
        own = np.zeros(len(old)) if self.time is None else self.time[old]
        at = np.zeros(len(old)) if time is None else time[known][new]
        weight = np.zeros(len(old))
        category = self.category[old]
        for b in np.unique(category):
            mine = category == b
            weight[mine] = self.model.covariance(self.psi, int(b), at[mine], own[mine])
        out[known] = np.bincount(new, weight * self.solved[old], minlength=len(known))
        return out

    def standardize(self, within: Within | None, residual: Array) -> Array:
        """Lambda^-1/2 residual / sigma of any rows, in their order."""
        assert within is not None
        order = within.order_of_rows
        sorted_ = residual[order]
        white = np.empty(len(residual))
        for b, (rows, groups) in enumerate(within.layout(order)):
            if not groups.n_rows:
                continue
            at, s = self.model.slices[b]
            kernel = self.model.parts[b].structure.kernel(groups)
            w, _ = kernel.whiten(self.psi[s], sorted_[rows][:, None])
            white[rows] = w[:, 0] * (1.0 if at is None else np.exp(-self.psi[at]))
        out = np.empty(len(residual))
        out[order] = white / np.sqrt(self.sigma2)
        return out

    def variance(self, time: Array | None, category: Array) -> Array:
        """Variance of the errors of any rows.

        Parameters
        ----------
        time : ndarray of shape (n,) or None
        category : ndarray of int, shape (n,)
        """
        out = np.empty(len(category))
        for b in np.unique(category):
            mine = category == b
            t = np.zeros(mine.sum()) if time is None else time[mine]
            out[mine] = self.model.variances(self.psi, int(b), t)
        return self.sigma2 * out

    def covariance(self, codes: Array, time: Array | None, category: Array) -> Array:
        """Covariance matrix of the errors of any rows.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            Lowest-level group; errors of different groups are independent.
        time, category
            As of ``variance``.
        """
        n = len(codes)
        V = np.zeros((n, n))
        t = np.zeros(n) if time is None else time
        for b in np.unique(category):
            mine = np.flatnonzero(category == b)
            same = codes[mine, None] == codes[None, mine]
            R = self.model.covariance(self.psi, int(b), t[mine, None], t[None, mine])
            V[np.ix_(mine, mine)] = np.where(same, self.sigma2 * R, 0.0)
        np.fill_diagonal(V, self.variance(time, category))
        return V

    def roots(self, within: Within | None) -> list[tuple[Array, Array]]:
        """Lambda^1/2 of every group by group size.

        The structures know Lambda^-1/2 times rows; applied to unit vectors that is the
        inverse of what is wanted.
        """
        assert within is not None
        order = within.order_of_rows
        out = []
        for b, (rows, groups) in enumerate(within.layout(order)):
            if not groups.n_rows:
                continue
            mine = order[rows]
            at, s = self.model.slices[b]
            sizes = groups.sizes
            place = np.arange(groups.n_rows) - np.repeat(groups.starts[:-1], sizes)
            units = np.zeros((groups.n_rows, int(sizes.max())))
            units[np.arange(groups.n_rows), place] = 1.0
            white, _ = (
                self.model.parts[b].structure.kernel(groups).whiten(self.psi[s], units)
            )
            white = white * (1.0 if at is None else np.exp(-self.psi[at]))
            for size in np.unique(sizes[sizes > 0]):
                first = groups.starts[:-1][sizes == size]
                here = first[:, None] + np.arange(size)
                out.append((mine[here], np.linalg.inv(white[here, :size])))
        return out
