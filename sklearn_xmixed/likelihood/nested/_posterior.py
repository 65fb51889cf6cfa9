"""Random effects given the data: BLUPs and their standard errors.

With E = Z'V^-1 W of a node and v = (-beta, 1), the BLUP is Sigma E v / sigma^2 and its
variance sigma^2 (D - D T D), T = Z'V^-1 Z; the uncertainty of beta adds
D E_x (X'V^-1 X)^-1 E_x' D (Eqs. 19-21 of the likelihood page).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._basis import Pool
from .._pieces import Pieces
from .._posterior import Posterior, Stage
from ._tree import Tree, ascend, descend

__all__ = ["LevelEffects", "NestedPosterior"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class LevelEffects:
    """What the data say of one level's effects, in the tree's basis.

    Parameters
    ----------
    e : ndarray of shape (q, G)
        Z'V^-1 (y - X beta).
    T : ndarray of shape (q, q, G)
        Z'V^-1 Z.
    E : ndarray of shape (q, p, G)
        Z'V^-1 X F with F F' = (X'V^-1 X)^-1.
    """

    e: Array
    T: Array
    E: Array


@dataclass(eq=False)
class NestedPosterior(Posterior):
    """Random effects of every group at fixed variance parameters.

    Computed when first asked for, from the cross-products of the groups.

    Parameters
    ----------
    tree : Tree
    D : list of ndarray
        Per floor, lowest first.
    pieces : Pieces
    pool : Pool
    sigma2 : float
    """

    kind: ClassVar[str] = "nested"
    tree: Tree
    D: list[Array]
    pieces: Pieces
    pool: Pool
    sigma2: float
    _floors: list[LevelEffects] | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_floors": None}  # computed again when asked for

    @property
    def floors(self) -> list[LevelEffects]:
        """E v, T and E_x F of every floor, lowest first."""
        if self._floors is None:
            p, root = self.tree.p, self.pieces.root
            Phi = np.zeros((p + 1, p + 1))
            Phi[:, 0] = root.v
            Phi[:p, 1:] = root.F
            parts: list[list[LevelEffects]] = []
            for shard in self.tree.shards:
                down = descend(shard, self.D, ascend(shard, self.D, p + 1), Phi)
                parts.append(
                    [
                        LevelEffects(E[:, 0], T if drop is None else T - drop, E[:, 1:])
                        for T, drop, E in zip(down.T, down.drop, down.E, strict=True)
                    ]
                )
            self._floors = [
                LevelEffects(
                    *(
                        np.concatenate([getattr(f, name) for f in floor], axis=-1)
                        for name in ("e", "T", "E")
                    )
                )
                for floor in zip(*parts, strict=True)
            ]
        return self._floors

    def effects(
        self,
        floor: int,
        T_block: Array,
        Sigma: Array,
        *,
        fixed_known: bool | None = None,
    ) -> tuple[Array, Array]:
        """BLUPs of one equation and their standard errors."""
        at = self.floors[floor]
        if not self.sigma2 > 0:
            G = at.e.shape[-1]
            return np.zeros((G, Sigma.shape[0])), np.zeros((G, Sigma.shape[0]))
        gain = Sigma @ T_block.T / self.sigma2  # (q, q_floor)
        mean = gain @ at.e
        variance = np.diagonal(Sigma)[:, None] - self.sigma2 * np.einsum(
            "ia,abg,ib->ig", gain, at.T, gain
        )
        if not fixed_known:
            slope = np.tensordot(gain, at.E, axes=1)
            variance = variance + self.sigma2 * np.einsum("ixg,ixg->ig", slope, slope)
        return mean.T, np.sqrt(variance.clip(0.0)).T

    def linear(self, codes: Sequence[Array], Z: Sequence[Array]) -> Array:
        """Sum of Z u over the levels with a known group."""
        out = np.zeros(len(codes[0])) if len(codes) else np.zeros(0)
        for k, (code, z) in enumerate(zip(codes, Z, strict=True)):
            u = self.D[k] @ self.floors[k].e
            known = code >= 0
            out += np.where(known, np.einsum("na,an->n", z, u[:, code]), 0.0)
        return out

    def variance(self, codes: Sequence[Array], Z: Sequence[Array], X: Array) -> Array:
        """Variance of x'beta + sum z'u about its prediction."""
        n = X.shape[0]
        if not self.sigma2 > 0:
            return np.zeros(n)
        variance = np.zeros(n)
        # coefficients of the row on what is still to be eliminated:
        # its own columns of each floor, and X
        left = [z.astype(float).copy() for z in Z]
        x = X.copy()
        own = self.stages()
        for k, code in enumerate(codes):
            known = code >= 0
            z = left[k]
            at = np.where(known, code, 0)
            K, U_up, U_x = own[k].own, own[k].above, own[k].x
            prior = np.einsum("na,ab,nb->n", z, self.D[k], z)
            given = np.einsum("na,abn,nb->n", z, K[:, :, at], z)
            variance += np.where(known, given, prior)
            zk = np.where(known[:, None], z, 0.0)
            for up, U in enumerate(U_up):
                left[k + 1 + up] -= np.einsum("na,abn->nb", zk, U[:, :, at])
            x -= np.einsum("na,abn->nb", zk, U_x[:, :, at])
        half = x @ self.pieces.root.F
        return self.sigma2 * (variance + (half**2).sum(axis=1))

    def stages(self) -> list[Stage]:
        """What leads rows through the elimination, lowest floor first."""
        tree, D = self.tree, self.D
        m = tree.p + 1
        parts: list[list[tuple[Array, list[Array], Array]]] = []
        for shard in tree.shards:
            ascent = ascend(shard, D, m)
            row = []
            for k, floor in enumerate(shard.floors):
                q = floor.q
                YX = ascent.YX[k]
                Y = YX[:, :q]
                T = np.einsum("abg,acg->bcg", Y, Y)
                E = np.einsum("abg,acg->bcg", Y, YX[:, q:])
                K = D[k][:, :, None] - np.einsum("ab,bcg,cd->adg", D[k], T, D[k])
                U = np.einsum("ab,bcg->acg", D[k], E)
                row.append((K, [U[:, z] for z in floor.z_in_rest], U[:, -m:]))
            parts.append(row)
        out: list[Stage] = []
        for floors in zip(*parts, strict=True):
            K = np.concatenate([f[0] for f in floors], axis=-1)
            ups = [
                np.concatenate([f[1][i] for f in floors], axis=-1)
                for i in range(len(floors[0][1]))
            ]
            x = np.concatenate([f[2] for f in floors], axis=-1)
            out.append(Stage(K, ups, x[:, : tree.p]))
        return out
