"""One level of groups and any number of responses on it.

R, C of X and the cross-products of X are the same for all responses, so that all that is
a sum over groups of products with them is one matrix product for all responses at
once, whatever D each of them has; what is left are q x q matrices by group.  Groups of
equal design share these, and a few stand-ins take the place of their C (one response
more or less turns them by the same rotation).  Second derivatives are the closed
forms of page small_samples, where e and q are defined: no complex steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from .._eliminate import cross, forward, semidefinite_root
from ._compress import design_classes
from ._replicates import ManyPieces, identity_plus, left, right
from ._tree import Tree

__all__ = ["LevelResponses", "OneLevel"]

Array = np.ndarray

#: a singular value of C of X beside the largest that is rounding
ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class OneLevel:
    """What does not depend on the response.

    Parameters
    ----------
    R : ndarray of shape (q, q, K)
        Of each class of groups with the same design.
    count : ndarray of shape (K,)
        Groups in each class.
    C : ndarray of shape (q, p, J)
        Of X, of every group or stand-in, ordered by class.
    starts : ndarray of int, shape (K,)
        First group or stand-in of each class.
    within : ndarray of shape (p, p)
        Cross-products of X within the groups.
    n : float
        Number of observations.
    classes : tuple of (ndarray of int, ndarray of int), or None
        Groups in the order of their designs and where each design begins, where
        groups are not merged yet and designs repeat.
    """

    R: Array
    count: Array
    C: Array
    starts: Array
    within: Array
    n: float
    classes: tuple[Array, Array] | None = None

    @classmethod
    def of(cls, tree: Tree) -> OneLevel:
        """Of a tree with one floor and without weights."""
        (shard,) = tree.shards
        (floor,) = shard.floors
        q = floor.q
        C = np.ascontiguousarray(floor.block[:, q:-1])
        return cls(
            floor.block[:, :q],
            floor.count,
            C,
            np.arange(C.shape[2]),
            tree.within[:-1, :-1],
            float(tree.n),
            design_classes(floor),
        )

    @cached_property
    def merge(self) -> Merge | None:
        """How groups of equal design become fewer; None where it does not pay."""
        if self.classes is None:
            return None
        order, starts = self.classes
        q, p, G = self.C.shape
        if q * (p + 1) * len(starts) > 0.7 * G:
            return None
        members = [order[a:b] for a, b in pairwise([*starts, G])]
        made = [_stand_ins(self.C[:, :, at]) for at in members]
        C = np.concatenate([C for C, _ in made], axis=2)
        ends = np.cumsum([0, *(C.shape[2] for C, _ in made)])
        first = order[starts]
        merged = OneLevel(
            self.R[:, :, first],
            np.array([self.count[at].sum() for at in members]),
            C,
            ends[:-1],
            self.within,
            self.n,
        )
        return Merge(merged, tuple(members), tuple(U for _, U in made))

    @property
    def q(self) -> int:
        """Random effects of a group."""
        return self.C.shape[0]

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.C.shape[1]

    @cached_property
    def sizes(self) -> Array:
        """Groups or stand-ins of each class."""
        return np.diff(self.starts, append=self.C.shape[2])

    @cached_property
    def alone(self) -> bool:
        """Whether each class is one group or stand-in."""
        return len(self.starts) == self.C.shape[2]

    @cached_property
    def products(self) -> Array:
        """Sums of C_a' C_b by class, shape (q q K, p p)."""
        pairs = np.einsum("aig,bjg->abgij", self.C, self.C)
        if not self.alone:
            pairs = np.add.reduceat(pairs, self.starts, axis=2)
        return np.ascontiguousarray(pairs.reshape(-1, self.p**2))

    def spread(self, stack: Array) -> Array:
        """From classes to their groups, (..., K, B) -> (..., J, B)."""
        if self.alone or len(self.starts) == 1:
            return stack
        return np.repeat(stack, self.sizes, axis=-2)

    def total(self, stack: Array) -> Array:
        """Sums over the groups of a class, (..., J, B) -> (..., K, B)."""
        if self.alone:
            return stack
        return np.add.reduceat(stack, self.starts, axis=-2)

    def gram(self, weights: Array) -> Array:
        """Sum over the classes of C' weights C: (q, q, K, B) -> (p, p, B)."""
        B = weights.shape[-1]
        flat = np.ascontiguousarray(weights).reshape(-1, B)
        return (self.products.T @ flat).reshape(self.p, self.p, B)


@dataclass(frozen=True, eq=False)
class Merge:
    """A design with stand-ins, and the way to them.

    Parameters
    ----------
    design : OneLevel
    members : tuple of ndarray of int
        Groups of each class.
    rotations : tuple of (ndarray of shape (G_k, r) or None)
        Of the groups of a class to its stand-ins; None where they stay.
    """

    design: OneLevel
    members: tuple[Array, ...]
    rotations: tuple[Array | None, ...]


@dataclass(frozen=True, eq=False)
class LevelResponses:
    """B responses on one level.

    Parameters
    ----------
    design : OneLevel
    c_y : ndarray of shape (q, J, B)
        C of the responses.
    Xy : ndarray of shape (p, B)
        Cross-products with X within the groups.
    yy : ndarray of shape (B,)
    """

    design: OneLevel
    c_y: Array
    Xy: Array
    yy: Array

    def __len__(self) -> int:
        return len(self.yy)

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.design.p

    @property
    def n(self) -> Array:
        """Number of observations."""
        return np.full(len(self), self.design.n)

    def take(self, which: Array) -> LevelResponses:
        """Some of the responses."""
        return replace(
            self,
            c_y=self.c_y[..., which],
            Xy=self.Xy[:, which],
            yy=self.yy[which],
        )

    def merged(self) -> LevelResponses:
        """The same likelihood with stand-ins for groups of equal design."""
        merge = self.design.merge
        if merge is None:
            return self
        parts = [
            self.c_y[:, at] if U is None else _turned(U, self.c_y[:, at])
            for at, U in zip(merge.members, merge.rotations, strict=True)
        ]
        return replace(self, design=merge.design, c_y=np.concatenate(parts, axis=1))

    def pieces(
        self,
        D: list[Array],
        *,
        reml: bool,
        directions: Sequence[tuple[int, Array]] = (),
    ) -> ManyPieces:
        """c, l (Eqs. 12, 13), gradients (Eq. 14), second derivatives along directions.

        Parameters
        ----------
        D : list of one ndarray of shape (q, q, B)
        directions : sequence of (0, ndarray of shape (q, q, B))
        """
        design, at = self.design, _Solved.of(self, D[0])
        e = at.effects(self)
        EE = design.total(e[:, None] * e[None])
        l, l_D = at.logdet, np.tensordot(at.T, design.count, axes=([2], [0]))
        count_T = at.T * design.count[:, None]
        K = None
        if reml:
            l = l + 2.0 * np.log(at.pivots).sum(axis=0)
            K = at.spread_of_beta(design)
            l_D = l_D - K.sum(axis=2)
        found = ManyPieces(at.beta, at.c, l, at.share, at.F, [-EE.sum(axis=2)], [l_D])
        if not directions:
            return found
        bent = -count_T if K is None else 2.0 * K - count_T
        c_2 = 2.0 * _twofold(EE, at.T)
        u = at.with_X(design, e)
        c_2 -= 2.0 * np.einsum("eiB,fiB->efB", u, u)
        l_2 = _twofold(bent, at.T)
        if reml:
            slopes = at.slopes(design)
            flat = slopes.reshape(len(slopes), -1, len(self))
            l_2 -= np.einsum("eiB,fiB->efB", flat, flat)
        picked = self._picked(directions)
        return replace(found, c_2=_along(picked, c_2), l_2=_along(picked, l_2))

    def slopes(self, D: list[Array], directions: Sequence[tuple[int, Array]]) -> Array:
        """e(Y) of every direction, in the basis X F, (m, p, p, B)."""
        at = _Solved.of(self, D[0])
        return np.einsum(
            "meB,eijB->mijB", self._picked(directions), at.slopes(self.design)
        )

    def quadratics(
        self, D: list[Array], directions: Sequence[tuple[int, Array]], W: Array
    ) -> Array:
        """Sum of W_ij Q_ij over the directions, in the basis X F, (p, p, B).

        Parameters
        ----------
        W : ndarray of shape (m, m, B)
        """
        at, design = _Solved.of(self, D[0]), self.design
        inner = np.zeros_like(at.T)
        for i, (_, M) in enumerate(directions):
            other = sum(W[i, j] * N for j, (_, N) in enumerate(directions))
            inner += right(left(M[:, :, None], at.T), np.asarray(other)[:, :, None])
        moved = cross(at.G, cross(inner.swapaxes(0, 1), at.G))
        found = cross(at.F, cross(design.gram(moved), at.F))
        return 0.5 * (found + found.swapaxes(0, 1))

    def _picked(self, directions: Sequence[tuple[int, Array]]) -> Array:
        """Elements on and above the diagonal of every direction."""
        places = _elements(self.design.q)
        return np.array([[M[a, b] for a, b in places] for _, M in directions])

    def effects(self, D: list[Array], beta: Array) -> list[Array]:
        """Z'V^-1 (y - X beta) of every group, [(q, G, B)]; D times it are the effects."""
        return [_product(self, _Weights.of(self.design, D[0]).G, beta)]


@dataclass(frozen=True, eq=False)
class _Weights:
    """By class: N = I + R D R' = L L', with pivots, L^-1 and L^-1 R."""

    pivots: Array
    H: Array
    HR: Array

    @classmethod
    def of(cls, design: OneLevel, D: Array) -> _Weights:
        q, R = design.q, design.R[..., None]
        N = identity_plus(R, D[:, :, None])
        pivots, H = forward(N, np.eye(q).reshape(q, q, 1, 1))
        return cls(pivots, H, left(H, R))

    @property
    def G(self) -> Array:
        """R'N^-1, (q, q, K, B)."""
        return cross(self.HR, self.H)


@dataclass(frozen=True, eq=False)
class _Solved:
    """An evaluation: beta, c and what derivatives are made of.

    ``F`` as of ``ManyPieces``, ``share`` its pivot, ``G`` and ``T`` are R'N^-1 and
    R'N^-1 R of each class.
    """

    beta: Array
    c: Array
    logdet: Array
    pivots: Array
    share: Array
    F: Array
    G: Array
    T: Array

    @classmethod
    def of(cls, data: LevelResponses, D: Array) -> _Solved:
        design, p = data.design, data.p
        w = _Weights.of(design, D)
        inverse = cross(w.H, w.H)
        V = cross(design.spread(inverse), data.c_y[:, None])[:, 0]
        XX = design.within[..., None] + design.gram(inverse)
        Xy = data.Xy + np.tensordot(design.C, V, axes=([0, 2], [0, 1]))
        eye = np.broadcast_to(np.eye(p)[..., None], XX.shape)
        pivots, solved = forward(XX, np.concatenate([eye, Xy[:, None]], axis=1))
        half, F = solved[:, p], solved[:, :p].swapaxes(0, 1)
        yy = data.yy + np.einsum("qgB,qgB->B", data.c_y, V)
        size = np.einsum("iiB->iB", XX)
        return cls(
            cross(solved[:, :p], half[:, None])[:, 0] if p else half,
            yy - (half * half).sum(axis=0),
            2.0 * np.tensordot(design.count, np.log(w.pivots).sum(axis=0), axes=1),
            pivots,
            (pivots**2 / size).min(axis=0, initial=1.0),
            F,
            w.G,
            cross(w.HR, w.HR),
        )

    def effects(self, data: LevelResponses) -> Array:
        """e = Z'V^-1 (y - X beta), (q, J, B)."""
        return _product(data, self.G, self.beta)

    def spread_of_beta(self, design: OneLevel) -> Array:
        """E F F'E' by class with E = Z'V^-1 X, (q, q, K, B)."""
        q, B = design.q, self.c.shape[0]
        FF = cross(self.F.swapaxes(0, 1), self.F.swapaxes(0, 1))
        inner = (design.products @ FF.reshape(-1, B)).reshape(q, q, -1, B)
        return right(left(self.G, inner), self.G.swapaxes(0, 1))

    def with_X(self, design: OneLevel, e: Array) -> Array:
        """F'X'V^-1 Z M e of every element M, (elements, p, B)."""
        G, out = design.spread(self.G), []
        for a, b in _elements(design.q):
            moved = G[a] * e[b] if a == b else G[a] * e[b] + G[b] * e[a]
            out.append(np.tensordot(design.C, moved, axes=([0, 2], [0, 1])))
        u = np.array(out).swapaxes(0, 1)  # (p, elements, B)
        return cross(self.F, u).swapaxes(0, 1)

    def slopes(self, design: OneLevel) -> Array:
        """e(Y) = F'X'V^-1 Y V^-1 X F of every element, (elements, p, p, B)."""
        G, out = self.G, []
        for a, b in _elements(design.q):
            moved = G[a][:, None] * G[b][None]
            if a != b:
                moved = moved + moved.swapaxes(0, 1)
            out.append(cross(self.F, cross(design.gram(moved), self.F)))
        return np.array(out)


def _product(data: LevelResponses, G: Array, beta: Array) -> Array:
    """R'N^-1 (c_y - C beta) of every group."""
    design = data.design
    r = data.c_y - np.tensordot(design.C, beta, axes=([1], [0]))
    return left(design.spread(G), r[:, None])[:, 0]


def _elements(q: int) -> list[tuple[int, int]]:
    """Places on and above the diagonal."""
    return [(a, b) for a in range(q) for b in range(a, q)]


def _orders(a: int, b: int) -> list[tuple[int, int]]:
    return [(a, b)] if a == b else [(a, b), (b, a)]


def _twofold(Y: Array, T: Array) -> Array:
    """Sums over classes of tr(M T N Y) for all elements M, N, (elements, elements, B)."""
    q, B = len(T), T.shape[-1]
    A = np.empty((q, q, q, q, B))  # [d, a, b, c]: Y_da T_bc
    for a, d in _elements(q):
        for b, c in _elements(q):
            A[a, d, b, c] = np.einsum("kB,kB->B", Y[a, d], T[b, c])
            A[d, a, b, c] = A[a, d, c, b] = A[d, a, c, b] = A[a, d, b, c]
    elements = _elements(q)
    out = np.zeros((len(elements), len(elements), B))
    for e, first in enumerate(elements):
        for f, second in enumerate(elements[: e + 1]):
            for a, b in _orders(*first):
                for c, d in _orders(*second):
                    out[e, f] += A[d, a, b, c]
            out[f, e] = out[e, f]
    return out


def _along(picked: Array, H: Array) -> Array:
    """Second derivatives along combinations of the elements: (m, e, B), (e, e, B)."""
    half = np.einsum("meB,efB->mfB", picked, H)
    return np.einsum("mfB,nfB->mnB", half, picked)


def _stand_ins(C: Array) -> tuple[Array, Array | None]:
    """Fewer groups with the same sums, and the rotation to them; None where not fewer.

    What X has is shared by all responses and comes first; then q groups without X for
    what a response has for itself.
    """
    q, p, G = C.shape
    if q * (p + 1) >= G:
        return C, None
    flat = C.reshape(q * p, G)
    U, s, _ = np.linalg.svd(flat.T, full_matrices=False)
    U = U[:, s > ROUNDING * G * max(s[0], 1.0)]
    made = np.concatenate([flat @ U, np.zeros((q * p, q))], axis=1)
    return made.reshape(q, p, -1), U


def _turned(U: Array, c_y: Array) -> Array:
    """C of responses as its stand-ins have it: (q, G, B) -> (q, r + q, B)."""
    shared = np.tensordot(U, c_y, axes=([0], [1])).swapaxes(0, 1)
    own = c_y - np.tensordot(U, shared, axes=([1], [1])).swapaxes(0, 1)
    gram = np.einsum("agB,bgB->abB", own, own)
    rest = semidefinite_root(gram, len(c_y))  # its rows are stand-ins
    return np.concatenate([shared, rest.swapaxes(0, 1)], axis=1)
