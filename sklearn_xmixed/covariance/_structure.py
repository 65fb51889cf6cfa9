"""Covariance structures of one random-effects equation, as patterns.

A structure says which elements of a symmetric q x q matrix are the same free
parameter and which are zero.  That is one integer matrix, the *pattern*:
``pattern[i, j]`` is the number of the parameter in that place, or -1 for a
structural zero; parameters on the diagonal (variances) are numbered before those off
it (covariances).  The four patterns are closed under multiplication, so a
matrix square root or logarithm has the pattern of the matrix itself, and the
average over equal places is the M step of EM.

A new structure is one function that returns its pattern and one line in
``STRUCTURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..optimization import eigen
from ._natural import natural_derivatives, natural_slopes, to_natural

__all__ = ["STRUCTURES", "Structure", "get_structure"]

Array = np.ndarray

#: an eigenvalue of a matrix in columns of unit size below this is zero
ZERO = 1e-9


def _identity(q: int) -> Array:
    return np.where(np.eye(q, dtype=bool), 0, -1)


def _independent(q: int) -> Array:
    return np.where(np.eye(q, dtype=bool), np.arange(q), -1)


def _exchangeable(q: int) -> Array:
    return np.where(np.eye(q, dtype=bool), 0, 1)


def _unstructured(q: int) -> Array:
    pattern = np.empty((q, q), dtype=int)
    np.fill_diagonal(pattern, np.arange(q))
    upper = np.triu_indices(q, 1)
    pattern[upper] = q + np.arange(len(upper[0]))
    pattern[upper[1], upper[0]] = pattern[upper]
    return pattern


#: pattern makers by the user's word
STRUCTURES: dict[str, Callable[[int], Array]] = {
    "identity": _identity,
    "independent": _independent,
    "exchangeable": _exchangeable,
    "unstructured": _unstructured,
}


@dataclass(frozen=True, eq=False)
class Structure:
    """A covariance structure of dimension q.

    Parameters
    ----------
    name : str
        A key of ``STRUCTURES``.
    pattern : ndarray of shape (q, q)
        Parameter number per element, -1 for a structural zero.
    """

    name: str
    pattern: Array

    @cached_property
    def q(self) -> int:
        """Number of random effects."""
        return self.pattern.shape[0]

    @cached_property
    def n_params(self) -> int:
        """Number of free parameters."""
        return int(self.pattern.max()) + 1

    @cached_property
    def n_variances(self) -> int:
        """How many of the parameters are variances; they come first."""
        return int(self.pattern.diagonal().max()) + 1

    @property
    def label(self) -> str:
        """Word printed beside the level's name.

        One random effect has no structure but a multiple of the identity,
        whatever was asked for.
        """
        return "Identity" if self.q == 1 else self.name.capitalize()

    @cached_property
    def basis(self) -> Array:
        """Indicator matrices of the parameters, shape (n_params, q, q)."""
        numbers = np.arange(self.n_params)[:, None, None]
        basis = (self.pattern[None] == numbers).astype(float)
        basis.setflags(write=False)
        return basis

    @cached_property
    def averages(self) -> Array:
        """Rows that average the elements of a parameter, shape (n_params, q * q)."""
        flat = self.basis.reshape(self.n_params, -1)
        return flat / flat.sum(axis=1, keepdims=True)

    def spread(self, values: Array) -> Array:
        """Symmetric matrix with ``values[k]`` wherever the pattern says k."""
        out = values[self.pattern]
        if self._zeros is not None:
            out[self._zeros] = 0.0
        return out

    @cached_property
    def _zeros(self) -> Array | None:
        """Where the pattern has structural zeros; None without."""
        zeros = self.pattern < 0
        return zeros if zeros.any() else None

    def gather(self, matrix: Array) -> Array:
        """Average of ``matrix`` over the places of each parameter."""
        return self.averages @ matrix.ravel()

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """First (row, column), row <= column, of each parameter."""
        found: list[tuple[int, int]] = []
        for k in range(self.n_params):
            i, j = np.argwhere(np.triu(self.pattern == k))[0]
            found.append((int(i), int(j)))
        return found

    @cached_property
    def members(self) -> list[list[int]]:
        """Effects that each parameter belongs to."""
        return [
            np.flatnonzero((self.pattern == k).any(axis=0)).tolist()
            for k in range(self.n_params)
        ]

    @cached_property
    def indices(self) -> tuple[Array, Array]:
        """Rows and columns of ``places``."""
        i, j = np.array(self.places, dtype=int).reshape(-1, 2).T
        return i, j

    # -- what is reported ----------------------------------------------------------

    def reported(self, Sigma: Array) -> Array:
        """What is shown of a matrix of this structure: the matrix itself."""
        return Sigma

    def to_natural(self, Sigma: Array) -> Array:
        """alpha (log sds, then atanh correlations) of a reported matrix.

        -inf or +-inf on the boundary.
        """
        return to_natural(self, Sigma)

    def natural_derivatives(self, Sigma: Array) -> tuple[Array, list[list[Array]]]:
        """First and second derivatives of the matrix in alpha.

        Parameters
        ----------
        Sigma : ndarray of shape (q, q)
            As reported.

        Returns
        -------
        first : ndarray of shape (m, q, q)
        second : list of lists of ndarray of shape (q, q)
        """
        return natural_derivatives(self, Sigma)

    def natural_slopes(
        self, Sigma: Array, metric: Array, sigma2: float
    ) -> tuple[Array, Array]:
        """How alpha moves with the matrix's elements over sigma^2, and with log sigma.

        Parameters
        ----------
        Sigma : ndarray of shape (q, q)
            As reported.
        metric : ndarray of shape (q, q)
            Sigma = sigma^2 metric D metric'; the elements are those of D.
        sigma2 : float

        Returns
        -------
        ndarray of shape (m, m), ndarray of shape (m,)
            A correlation that rounds to one has no slope: nan.
        """
        return natural_slopes(self, Sigma, sigma2 * metric @ self.basis @ metric.T)

    def inside(self, D: Array, metric: Array) -> Array:
        """Which alpha are off the boundary, judged by D in columns of unit size.

        The user's columns may be of any size and, calendar years say, have any
        correlation of their effects.
        """
        values, vectors = eigen(D)
        null = vectors[:, values <= ZERO * max(1.0, values[-1])]
        if not null.size:
            return np.ones(self.n_params, dtype=bool)
        whole = np.diagonal(metric @ metric.T)
        kept = np.diagonal(metric @ D @ metric.T)
        zero = kept <= ZERO * whole
        live = int((~zero).sum())
        singular = null.shape[1] > D.shape[0] - live
        return np.array(
            [
                not zero[i] and not zero[j] and (i == j or not singular)
                for i, j in self.places
            ],
            dtype=bool,
        )


@lru_cache(maxsize=256)
def get_structure(name: str, q: int) -> Structure:
    """Structure ``name`` of dimension ``q``."""
    pattern = STRUCTURES[name](q)
    pattern.setflags(write=False)
    return Structure(name, pattern)
