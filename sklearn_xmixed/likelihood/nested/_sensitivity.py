"""How X'V^-1X of nested levels answers to their covariance matrices.

W is linear in D, so that with E = Z'W^-1 X F of every group e(Z N Z') is the sum of
E'N E, and q(Z N Z') that of E'N (Z'W^-1Z) N E, which for one level is a closed form.
For more, where Z'W^-1Z reaches from group to group, it is minus half the derivative of
e along N.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from .._model import VarianceModel
from .._pieces import STEP, Pieces
from .._sensitivity import Sensitivity
from ._sweeps import evaluate
from ._tree import Shards, Tree, ascend, descend

__all__ = ["NestedSensitivity", "gram_of_floors"]

Array = np.ndarray


class NestedSensitivity(Sensitivity):
    """Sums over the groups of a tree.

    Parameters
    ----------
    tree : Tree
    model, D_blocks, F, constants
        As of ``Sensitivity``.
    """

    def __init__(
        self,
        tree: Tree,
        model: VarianceModel,
        D_blocks: list[Array],
        F: Array,
        constants: list[Array | None],
    ):
        super().__init__(model, D_blocks, F, float(tree.n), constants)
        self.tree = tree

    def __getstate__(self) -> dict:
        lost = ("_gram", "traces", "slopes", "total")
        return {k: v for k, v in self.__dict__.items() if k not in lost}

    def moved(self, D_blocks: list[Array], F: Array) -> NestedSensitivity:
        """The same design at other estimates."""
        return NestedSensitivity(self.tree, self.model, D_blocks, F, self.constants)

    @cached_property
    def _gram(self) -> list[Array]:
        return gram_of_floors(self.tree, self.D, self.F)

    @cached_property
    def slopes(self) -> Array:
        """e(Y) of every element, shape (m, p, p)."""
        unit = np.eye(self.n_directions)
        return np.array([_along(self.floors(u), self._gram) for u in unit]).reshape(
            len(unit), self.p, self.p
        )

    def quadratic(self, direction: Array) -> Array:
        """q(Y) of a combination of the elements."""
        N = self.floors(direction)
        if self.tree.depth == 1:
            return np.asarray(self.tree.added(_one_level, self.D[0], N[0], self.F))
        moved = [d + 1j * STEP * M for d, M in zip(self.D, N, strict=True)]
        bent = _along(N, gram_of_floors(self.tree, moved, self.F))
        return -0.5 * bent.imag / STEP

    @cached_property
    def traces(self) -> tuple[Array, Array]:
        """tr(G Y_i) and half of tr(G Y_i G Y_j)."""
        directions = self.model.elements()
        at = evaluate(self.tree, self.D, reml=True, order=2, directions=directions)
        assert at.l_D is not None
        assert at.l_2 is not None
        first = np.array([np.sum(at.l_D[k] * M) for k, M in directions])
        return first, -0.5 * at.l_2

    def n_groups(self, floor: int) -> float:
        """Number of groups of a floor."""
        return self.tree.n_groups(floor)

    def pieces(self, D: list[Array]) -> Pieces:
        """c, l under REML and their derivatives at any D of the floors."""
        return evaluate(self.tree, D, reml=True)


def gram_of_floors(tree: Tree, D: list[Array], F: Array) -> list[Array]:
    """Sums of E_ax E_by over the groups of each floor, shape (q, p, q, p)."""
    return list(tree.added(_gram_of_shards, D, F))


def _gram_of_shards(shards: Shards, D: list[Array], F: Array) -> list[Array]:
    p = len(F)
    Phi = np.concatenate([F, np.zeros((1, p))])
    out: list[Array] = [np.zeros((len(d), p, len(d), p)) for d in D]
    for shard in shards:
        ascent = ascend(shard, D, p + 1)
        for k, (floor, E) in enumerate(
            zip(shard.floors, descend(shard, D, ascent, Phi).E, strict=True)
        ):
            q, _, G = E.shape
            flat = E.reshape(q * p, G)
            share = floor.shares[-1]
            other = flat if share is None else flat * share
            out[k] = out[k] + (flat @ other.T).reshape(q, p, q, p)
    return out


def _along(N: list[Array], gram: list[Array]) -> Array:
    """Sum of E'N E over all floors."""
    return sum(
        (np.einsum("ab,axby->xy", M, g) for M, g in zip(N, gram, strict=True)),
        np.zeros(()),
    )


def _one_level(shards: Shards, D: Array, N: Array, F: Array) -> Array:
    """Sum of E'N T N E over the groups of the only level."""
    p = len(F)
    Phi = np.concatenate([F, np.zeros((1, p))])
    out = np.zeros((p, p))
    for shard in shards:
        down = descend(shard, [D], ascend(shard, [D], p + 1), Phi)
        T, E = down.T[0], down.E[0]
        q, _, G = E.shape
        B = (N @ E.reshape(q, p * G)).reshape(q, p, G)
        share = shard.floors[0].shares[-1]
        for a in range(q):
            TB = T[a, 0] * B[0]
            for b in range(1, q):
                TB += T[a, b] * B[b]
            out += B[a] @ (TB if share is None else TB * share).T
    return out
