"""Unconstrained parameters of a covariance matrix for the optimiser.

D = Sigma / sigma^2 is either the square of a symmetric matrix S (``matsqrt``)
or its exponential (``matlog``); S carries the structure's pattern and its free
elements are the parameters gamma.  ``matsqrt`` reaches singular matrices,
``matlog`` only approaches them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.linalg import expm

from ..optimization import eigen
from ._structure import Structure

__all__ = ["PARAMETERIZATIONS", "MatLog", "MatSqrt", "Parameterization"]

Array = np.ndarray


class Parameterization(Protocol):
    """Map gamma -> D of one structure, with its derivatives."""

    name: str

    def value(self, structure: Structure, gamma: Array) -> Array:
        """D, shape (q, q)."""
        ...

    def first(self, structure: Structure, gamma: Array) -> Array:
        """dD/dgamma, shape (m, q, q)."""
        ...

    def second(self, structure: Structure, gamma: Array, weight: Array) -> Array:
        """sum(weight * d2D/dgamma2), shape (m, m), for a symmetric weight."""
        ...

    def inverse(self, structure: Structure, D: Array) -> Array:
        """A gamma with value D (D is averaged to the pattern first)."""
        ...

    def scale(self, structure: Structure, gamma: Array) -> Array:
        """Size of a noticeable change of each gamma, at least one."""
        ...


class MatSqrt:
    """D = S S with S symmetric."""

    name = "matsqrt"

    def value(self, structure: Structure, gamma: Array) -> Array:
        S = structure.spread(gamma)
        return S @ S

    def first(self, structure: Structure, gamma: Array) -> Array:
        half = structure.basis @ structure.spread(gamma)
        return half + half.transpose(0, 2, 1)

    def second(self, structure: Structure, gamma: Array, weight: Array) -> Array:
        basis, m = structure.basis, structure.n_params
        # tr(G (Bi Bj + Bj Bi)) with G and the B symmetric
        return 2.0 * (weight @ basis).reshape(m, -1) @ basis.reshape(m, -1).T

    def inverse(self, structure: Structure, D: Array) -> Array:
        values, vectors = eigen(structure.spread(structure.gather(D)))
        root = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
        return structure.gather(root)

    def scale(self, structure: Structure, gamma: Array) -> Array:
        size = np.sqrt(np.maximum(1.0, np.abs(structure.spread(gamma).diagonal())))
        rows, columns = structure.indices
        return size[rows] * size[columns]


class MatLog:
    """D = exp(S) with S symmetric."""

    name = "matlog"
    #: eigenvalues of D below this share of the largest are raised to it
    floor = 1e-12

    def value(self, structure: Structure, gamma: Array) -> Array:
        values, vectors = eigen(structure.spread(gamma))
        return (vectors * np.exp(values.clip(-700.0, 700.0))) @ vectors.T

    def first(self, structure: Structure, gamma: Array) -> Array:
        S, q = structure.spread(gamma), structure.q
        out = np.empty((structure.n_params, q, q))
        for k, B in enumerate(structure.basis):
            block = np.block([[S, B], [np.zeros((q, q)), S]])
            out[k] = expm(block)[:q, q:]
        return out

    def second(self, structure: Structure, gamma: Array, weight: Array) -> Array:
        S, q, m = structure.spread(gamma), structure.q, structure.n_params
        basis, zero = structure.basis, np.zeros((q, q))
        out = np.empty((m, m))
        for i in range(m):
            for j in range(i + 1):
                block = np.block(
                    [[S, basis[i], zero], [zero, S, basis[j]], [zero, zero, S]]
                )
                corner = expm(block)[:q, 2 * q :]
                out[i, j] = out[j, i] = 2.0 * np.sum(weight * corner)
        return out

    def inverse(self, structure: Structure, D: Array) -> Array:
        values, vectors = eigen(structure.spread(structure.gather(D)))
        values = np.maximum(values, max(self.floor * values[-1], 1e-30))
        return structure.gather((vectors * np.log(values)) @ vectors.T)

    def scale(self, structure: Structure, gamma: Array) -> Array:
        return np.ones(structure.n_params)


PARAMETERIZATIONS: dict[str, Parameterization] = {
    "matsqrt": MatSqrt(),
    "matlog": MatLog(),
}
