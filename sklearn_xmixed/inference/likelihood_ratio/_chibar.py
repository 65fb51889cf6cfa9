"""Chi-bar-square distribution of a likelihood-ratio statistic at the border.

Under the null hypothesis the statistic is the squared length of the projection of a
normal vector on a cone (Self and Liang 1987): covariance matrices of the new effects
that are positive semidefinite, and a linear space for what may have any sign.  Length
and direction of the vector are independent, and only directions have to be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls
from scipy.special import chdtrc

from ...covariance import Structure

__all__ = ["Cone", "chi_bar_square", "effective"]

Array = np.ndarray

#: a projection has been found when no coordinate moves more than this
SETTLED = 1e-7


@dataclass(frozen=True, eq=False)
class Cone:
    """Positive semidefinite matrices of some structures, side by side.

    Parameters
    ----------
    structures : tuple of Structure
    information : ndarray of shape (m, m)
        About their elements, everything else estimated.
    """

    structures: tuple[Structure, ...]
    information: Array

    @property
    def dim(self) -> int:
        """Number of elements."""
        return len(self.information)

    def shares(self, g: Array) -> Array:
        """Squared lengths of the projections of standard normal rows, (n, dim)."""
        root, counts = self._scaled()
        A = root @ root.T
        z = solve_triangular(root.T, g.T).T
        step = 1.0 / np.linalg.eigvalsh(A)[-1]
        found = ahead = self._project(z, counts)
        weight = 1.0
        for _ in range(2000):  # accelerated projected gradient
            new = self._project(ahead - step * (ahead - z) @ A, counts)
            moved = new - found
            if np.abs(moved).max(initial=0.0) < SETTLED:
                break
            if np.sum((ahead - new) * moved) > 0:  # it overshot: start anew
                weight = 1.0
            next_weight = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * weight**2))
            ahead = new + (weight - 1.0) / next_weight * moved
            found, weight = new, next_weight
        return np.asarray(((found @ root) ** 2).sum(axis=1))

    def _scaled(self) -> tuple[Array, Array]:
        """Root of the information about elements of like size, and their places."""
        scales, counts, at = [], [], 0
        size = np.diagonal(self.information) ** 0.25
        for structure in self.structures:
            own = size[at : at + structure.n_params]
            effect = own[structure.pattern.diagonal()]  # a congruence keeps the cone
            scales += [effect[i] * effect[j] for i, j in structure.places]
            counts += structure.basis.sum(axis=(1, 2)).tolist()
            at += structure.n_params
        units = np.array(scales) * np.sqrt(counts)
        A = self.information / np.outer(units, units)
        return np.linalg.cholesky(A), np.sqrt(counts)

    def _project(self, x: Array, counts: Array) -> Array:
        """Nearest elements of the cone, rows by rows."""
        out, at = np.empty_like(x), 0
        for structure in self.structures:
            s = slice(at, at + structure.n_params)
            at += structure.n_params
            if structure.n_variances == structure.n_params:  # diagonal
                out[:, s] = x[:, s].clip(0.0)
                continue
            M = np.tensordot(x[:, s] / counts[s], structure.basis, axes=1)
            values, vectors = np.linalg.eigh(M)
            M = (vectors * values.clip(0.0)[:, None]) @ vectors.swapaxes(1, 2)
            flat = M.reshape(len(M), -1) @ structure.averages.T
            out[:, s] = flat * counts[s]
        return out


def chi_bar_square(
    statistic: float, cone: Cone, n_free: int, n_draws: int, rng: np.random.Generator
) -> tuple[float, tuple[float, ...]]:
    """Tail of the mixture of chi-squares, and its weights.

    Parameters
    ----------
    n_free : int
        Parameters besides those of the cone that may have any sign.
    n_draws : int
        Directions to draw; none are needed for a single variance.

    Returns
    -------
    p_value : float
    weights : tuple of float, n_free + cone.dim + 1 of them
        Of chi2(0), chi2(1), ...
    """
    d = n_free + cone.dim
    if cone.dim == 1:
        weights = np.zeros(d + 1)
        weights[n_free:] = 0.5
        return float(weights @ _tails(statistic, d)), tuple(weights.tolist())
    g = rng.standard_normal((n_draws, d))
    share = (g[:, :n_free] ** 2).sum(axis=1) + cone.shares(g[:, n_free:])
    share /= (g**2).sum(axis=1)

    def tail(t: float) -> float:
        with np.errstate(divide="ignore"):
            return float(chdtrc(d, t / share).mean())

    grid = np.linspace(0.0, 3.0 * d, 60)[1:]
    curves = np.array([_tails(t, d)[n_free:] for t in grid])
    heights = np.array([tail(t) for t in grid])
    # they sum to one, those of even and those of odd dimensions to a half
    odd = np.arange(cone.dim + 1) % 2
    curves = np.vstack([curves, 1e3 * odd, 1e3 * (1 - odd)])
    found, _ = nnls(curves, np.append(heights, [500.0, 500.0]))
    weights = np.append(np.zeros(n_free), found / found.sum())
    p_value = 1.0 if statistic <= 0 else tail(statistic)
    return p_value, tuple(weights.tolist())


def _tails(t: float, d: int) -> Array:
    """P(chi2(j) >= t) for j = 0, ..., d."""
    return np.array([float(t <= 0), *(chdtrc(j, t) for j in range(1, d + 1))])


def effective(information: Array, inside: Array) -> Array:
    """Information about some parameters, the others estimated."""
    size = np.sqrt(np.diagonal(information))
    scaled = information / np.outer(size, size)
    a, b = np.flatnonzero(inside), np.flatnonzero(~inside)
    cross = scaled[np.ix_(b, a)]
    left = scaled[np.ix_(a, a)] - cross.T @ np.linalg.solve(scaled[np.ix_(b, b)], cross)
    return left * np.outer(size[a], size[a])
