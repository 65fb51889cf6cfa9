"""How the parameters of the equations make up D of each floor.

An equation b of a level has its own covariance matrix D_b in its own
scaled columns; the floor's D in the tree's basis is the sum over its
equations of Lambda_b D_b Lambda_b'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..covariance import Parameterization, Structure

__all__ = ["Block", "VarianceModel"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Block:
    """One random-effects equation as the engine sees it.

    Parameters
    ----------
    floor : int
        Floor of the tree, lowest 0.
    structure : Structure
    Lambda : ndarray of shape (q_floor, q)
        From the equation's scaled effects to the tree's basis.
    metric : ndarray of shape (q, q)
        From the equation's scaled effects to those of the user's columns:
        Sigma_user = metric Sigma_scaled metric'.
    n_groups : float or ndarray of shape (q, q)
        Groups at this level (sum of their weights), by element where they differ.
    """

    floor: int
    structure: Structure
    Lambda: Array
    metric: Array
    n_groups: float | Array

    def spread(self, D_b: Array) -> list[tuple[int, Array]]:
        """What a D_b adds to the floors: (floor, matrix)."""
        return [(self.floor, self.Lambda @ D_b @ self.Lambda.T)]

    def pull(self, G_floors: list[Array]) -> Array:
        """Derivative matrix in D_b from those in the floors' D."""
        return self.Lambda.T @ G_floors[self.floor] @ self.Lambda


class VarianceModel:
    """Map between gamma, the D_b of the equations and the D of the floors."""

    def __init__(
        self, blocks: list[Block], depth: int, parameterization: Parameterization
    ):
        self.blocks = blocks
        self.parameterization = parameterization
        sizes = [b.structure.n_params for b in blocks]
        ends = np.cumsum([0, *sizes])
        self.slices = [slice(ends[i], ends[i + 1]) for i in range(len(blocks))]
        self.n_params = int(ends[-1])
        self._q = [0] * depth
        for b in blocks:
            self._q[b.floor] = b.Lambda.shape[0]

    def floors(self, D_blocks: list[Array]) -> list[Array]:
        """D of each floor from the D_b of the equations."""
        D = [np.zeros((q, q)) for q in self._q]
        for block, D_b in zip(self.blocks, D_blocks, strict=True):
            for floor, part in block.spread(D_b):
                D[floor] += part
        return D

    def split(self, gamma: Array) -> list[Array]:
        """D_b of each equation."""
        return [
            self.parameterization.value(b.structure, gamma[s])
            for b, s in zip(self.blocks, self.slices, strict=True)
        ]

    def join(self, D_blocks: list[Array]) -> Array:
        """gamma of given D_b."""
        parts = [
            self.parameterization.inverse(b.structure, D_b)
            for b, D_b in zip(self.blocks, D_blocks, strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def pull(self, G_floors: list[Array]) -> list[Array]:
        """Derivative matrices of the equations from those of the floors."""
        return [b.pull(G_floors) for b in self.blocks]

    def first(self, gamma: Array) -> list[Array]:
        """dD_b of each equation along its gamma, stacked."""
        return [
            self.parameterization.first(b.structure, gamma[s])
            for b, s in zip(self.blocks, self.slices, strict=True)
        ]

    def directions(self, gamma: Array) -> list[tuple[int, Array]]:
        """dD of the floors along each gamma."""
        return self.along(self.first(gamma))

    def along(self, first: list[Array]) -> list[tuple[int, Array]]:
        """The same from the changes of the D_b."""
        return [
            (b.floor, M)
            for b, J in zip(self.blocks, first, strict=True)
            for M in b.Lambda @ J @ b.Lambda.T
        ]

    def elements(self) -> list[tuple[int, Array]]:
        """dD of the floors along each element of the structures."""
        return [
            (b.floor, b.Lambda @ M @ b.Lambda.T)
            for b in self.blocks
            for M in b.structure.basis
        ]
