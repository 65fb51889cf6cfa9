"""What -2 L makes of the sums of products that a tree is grown from.

The derivatives of c and l in the joint cross-products of [Z_1 Z_2 ... X y] of a group are
sums of outer products: of (-u_hat, v) for c; for l, under REML, of those that belong to
X F, and of K, the posterior covariance of each level's effects over sigma^2 with what
they draw from the effects of the levels below.  Only sums and products are formed:
complex steps differentiate them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._pieces import Root
from ._tree import Ascent, Descent, Floor, Tree

__all__ = ["BlockWeights", "block_weights"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class BlockWeights:
    """A derivative in the sums of products.

    Parameters
    ----------
    floors : list of ndarray of shape (q, q + r, G)
        In [A B] of every level, lowest first.
    total : ndarray of shape (p + 1, p + 1)
        In those of [X y].
    """

    floors: list[Array]
    total: Array

    def plus(self, other: BlockWeights, share: complex) -> BlockWeights:
        """This and a multiple of another."""
        floors = [a + share * b for a, b in zip(self.floors, other.floors, strict=True)]
        return BlockWeights(floors, self.total + share * other.total)

    @property
    def imag(self) -> BlockWeights:
        """The imaginary parts."""
        return BlockWeights([x.imag for x in self.floors], self.total.imag)


def block_weights(
    tree: Tree,
    D: list[Array],
    root: Root,
    sweeps: Sequence[tuple[Ascent, Descent]],
    *,
    reml: bool,
) -> tuple[BlockWeights, BlockWeights]:
    """Derivatives of c and of l.

    Parameters
    ----------
    tree : Tree
        With one shard and without weights of groups.
    D : list of ndarray
    root : Root
    sweeps : sequence of (Ascent, Descent)
    reml : bool
    """
    (shard,), ((ascent, down),) = tree.shards, sweeps
    floors, p = shard.floors, tree.p
    effects = [-np.tensordot(d, E, axes=1) for d, E in zip(D, down.E, strict=True)]
    first = [u[:, :1] for u in effects]
    of_c = _outer(floors, first, root.v[:, None])
    F = np.zeros((p + 1, p if reml else 0), dtype=root.F.dtype)
    if reml:
        F[:p] = root.F
    rest = [u[:, 1 : 1 + F.shape[1]] for u in effects]
    of_l = _outer(floors, rest, F)
    for k, floor in enumerate(floors):
        K = [
            d[:, :, None] - _twice(d, T) for d, T in zip(D[k:], down.T[k:], strict=True)
        ]
        _add_spread(of_l.floors[k], floor, K, _drawn(floors, D, ascent, k))
    return of_c, of_l


def _outer(floors: Sequence[Floor], effects: list[Array], Phi: Array) -> BlockWeights:
    """Of the sum of outer products of (effects, Phi)."""
    out = []
    for k, floor in enumerate(floors):
        x, q, m = effects[k], floor.q, len(Phi)
        shape = q, floor.block.shape[1], x.shape[2]
        own = np.zeros(shape, dtype=np.result_type(x, Phi))
        for h in range(x.shape[1]):
            own[:, :q] += x[:, None, h] * x[None, :, h]
        own[:, -m:] = 2.0 * np.matmul(Phi, x)
        above = zip(floor.ancestors, floor.z_in_rest, strict=True)
        for up, (node, z) in enumerate(above):
            y = effects[k + 1 + up][:, :, node]
            for h in range(x.shape[1]):
                own[:, q + z] += 2.0 * x[:, None, h] * y[None, :, h]
        out.append(own)
    return BlockWeights(out, Phi @ Phi.T)


def _add_spread(
    out: Array, floor: Floor, K: list[Array], drawn: list[list[Array]]
) -> None:
    """Add what the effects' posterior covariances make of a floor."""
    q = floor.q
    out[:, :q] += K[0]
    for j, (node, chain) in enumerate(zip(floor.ancestors, drawn, strict=True)):
        V = _times(chain[0], K[1 + j][:, :, node])
        out[:, :q] += _times(V, chain[0].transpose(1, 0, 2))
        out[:, q + floor.z_in_rest[j]] += 2.0 * V
        for i, between in enumerate(chain[1:]):
            z = q + floor.z_in_rest[i]
            out[:, z] += 2.0 * _times(V, between.transpose(1, 0, 2))


def _drawn(
    floors: Sequence[Floor], D: list[Array], ascent: Ascent, k: int
) -> list[list[Array]]:
    """What a unit of each ancestor's effects makes of those of floor k and above.

    The element [j][i] is of floor k + i and the ancestor k + 1 + j, at the nodes of
    floor k: (q_i, q_j, G_k).
    """
    out = []
    at: list[Array | slice] = [slice(None), *floors[k].ancestors]
    for j in range(k + 1, len(floors)):
        chain: list[Array] = []  # the nearest below the ancestor first
        for i in range(j - 1, k - 1, -1):
            own = floors[i], D[i], ascent.YX[i]
            total = _pull(*own, j - i - 1)[:, :, at[i - k]]
            for b, lower in zip(range(j - 1, i, -1), chain, strict=True):
                total = total + _times(_pull(*own, b - i - 1)[:, :, at[i - k]], lower)
            chain.append(total)
        out.append(chain[::-1])
    return out


def _pull(floor: Floor, d: Array, YX: Array, up: int) -> Array:
    """What a unit of an ancestor's effects makes of a floor's own, (q, q_up, G)."""
    q, z = floor.q, floor.z_in_rest[up]
    inner = np.einsum("abg,acg->bcg", YX[:, :q], YX[:, q + z])
    return -np.tensordot(d, inner, axes=1)


def _times(a: Array, b: Array) -> Array:
    """a b for every group."""
    out = a[:, 0][:, None] * b[0][None]
    for k in range(1, len(b)):
        out += a[:, k][:, None] * b[k][None]
    return out


def _twice(d: Array, T: Array) -> Array:
    """d T d for every group."""
    left = np.tensordot(d, T, axes=1)  # (q, q, G)
    return np.tensordot(left, d, axes=(1, 0)).transpose(0, 2, 1)
