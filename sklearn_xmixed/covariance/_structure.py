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

__all__ = ["STRUCTURES", "Compound", "Structure", "get_compound", "get_structure"]

Array = np.ndarray


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


@dataclass(frozen=True, eq=False)
class Compound(Structure):
    """An exchangeable matrix of any size by its two eigenvalues.

    With variance v and covariance c of ``size`` effects these are v - c and
    v + (size - 1) c.  The matrix of this structure has them on its diagonal; what
    is reported is [[v, c], [c, v]].

    Parameters
    ----------
    size : int
    """

    size: int = 2

    @property
    def n_variances(self) -> int:
        """One, v."""
        return 1

    def reported(self, values: Array) -> Array:
        """[[v, c], [c, v]] of a matrix of eigenvalues."""
        low, high = np.diagonal(values)
        c = (high - low) / self.size
        return np.array([[low + c, c], [c, low + c]])


@lru_cache(maxsize=64)
def get_compound(size: int) -> Compound:
    """An exchangeable structure of ``size`` effects."""
    pattern = _independent(2)
    pattern.setflags(write=False)
    return Compound("exchangeable", pattern, size)


@lru_cache(maxsize=256)
def get_structure(name: str, q: int) -> Structure:
    """Structure ``name`` of dimension ``q``."""
    pattern = STRUCTURES[name](q)
    pattern.setflags(write=False)
    return Structure(name, pattern)
