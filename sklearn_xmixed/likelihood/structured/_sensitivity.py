"""How X'V^-1X answers to covariance matrices and to structured residuals.

With A = W^-1 X F row by row and dLambda of every group, e(dLambda) = A'dLambda A.  For
q, the rows U = Y A take the place of X in the tree, which gives U'W^-1 U.  Traces
follow from the exact gradient of l at complex parameters, and from

    tr(G M) = tr(Lambda^-1 M) - tr((Lambda^-1 left)'M (Lambda^-1 right)),

left right' being what the random effects and X take away within a group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from .._basis import LevelBasis
from .._pieces import STEP, Pieces
from .._sensitivity import Sensitivity
from ..nested._crossproducts import tree_of_blocks
from ..nested._sensitivity import gram_of_floors
from ..nested._sweeps import evaluate
from ..nested._tree import Tree, ascend
from ._matrices import CategoryMatrices, Chunk, matrices_of
from ._objective import StructuredObjective
from ._rows import Rows

__all__ = ["StructuredSensitivity"]

Array = np.ndarray
#: what a pattern's matrices are multiplied by, and the derivatives' matrices
Term = Callable[[CategoryMatrices, Chunk], Array]


class StructuredSensitivity(Sensitivity):
    """Sums over the rows and patterns of a design.

    Parameters
    ----------
    rows : Rows
        All rows.
    objective : StructuredObjective
    tree : Tree
        Of all rows at psi.
    psi : ndarray
    D_blocks, F, constants
        As of ``Sensitivity``.
    """

    def __init__(
        self,
        rows: Rows,
        objective: StructuredObjective,
        tree: Tree,
        psi: Array,
        D_blocks: list[Array],
        F: Array,
        constants: list[Array | None],
    ):
        super().__init__(objective.model, D_blocks, F, float(tree.n), constants)
        self.rows, self.objective, self.tree, self.psi = rows, objective, tree, psi

    @property
    def portable(self) -> None:
        """It holds rows."""
        return None

    def of_fit(
        self, D_blocks: list[Array], psi: Array, F: Array, tree: Tree
    ) -> StructuredSensitivity:
        """The same rows at the estimates of another response."""
        at = self.rows, self.objective, tree, psi, D_blocks, F, self.constants
        return type(self)(*at)

    @property
    def n_directions(self) -> int:
        """Elements of the D_b, then of psi."""
        return self.model.n_params + len(self.psi)

    @cached_property
    def _categories(self) -> list[CategoryMatrices]:
        return matrices_of(self.rows.residual, self.psi)

    def _apart(self, x: Array) -> tuple[Array, Array]:
        m = self.model.n_params
        return x[:m], x[m:]

    # -- rows ----------------------------------------------------------------------

    def _given(
        self, tree: Tree, D: list[Array], at: Pieces, keep: list
    ) -> tuple[Array, Array]:
        """What is taken away within the groups, from sweeps of the tree."""
        left, right = self.rows.given(tree, D, at.root, keep, 0.0, reml=True)
        return left[:, 1:], right[:, 1:]

    @cached_property
    def _swept(self) -> tuple[Pieces, list]:
        """l and its slopes in D, and the sweeps behind them."""
        keep: list = []
        return evaluate(self.tree, self.D, reml=True, order=1, keep=keep), keep

    @cached_property
    def _here(self) -> tuple[Array, Array]:
        """Lambda^-1 left and Lambda^-1 right."""
        left, right = self._given(self.tree, self.D, *self._swept)
        residual = self.rows.residual
        return residual.solve(self.psi, left), residual.solve(self.psi, right)

    @property
    def _A(self) -> Array:
        """W^-1 X F, shape (n, p)."""
        return self._here[0][:, : self.p]

    @cached_property
    def _gram(self) -> list[Array]:
        return gram_of_floors(self.tree, self.D, self.F)

    def _times(self, term: Term, x: Array) -> Array:
        """Matrices of all groups times rows."""
        out = np.zeros(x.shape)
        for category in self._categories:
            for chunk in category.chunks:
                chunk.apply(term(category, chunk), x, out)
        return out

    def _form(self, term: Term) -> Array:
        """A'M A over all groups."""
        share = self.rows.share
        MA = self._times(term, self._A)
        return self._A.T @ (MA if share is None else MA * share[:, None])

    # -- e and q -------------------------------------------------------------------

    @cached_property
    def slopes(self) -> Array:
        """e(Y) of the elements of the D_b and of psi."""
        p = self.p
        out = [
            sum(
                np.einsum("ab,axby->xy", M, g)
                for M, g in zip(self.floors(unit), self._gram, strict=True)
            )
            for unit in np.eye(self.model.n_params)
        ]
        on_psi = np.zeros((len(self.psi), p, p))
        for category in self._categories:
            own = np.zeros((len(category.z), p, p))
            for chunk in category.chunks:
                first = category.first(chunk.times)
                x = self._A[chunk.rows]
                y = x if self.rows.share is None else x * self._share_of(chunk)
                for k, matrices in enumerate(first):
                    moved = matrices[chunk.pattern] @ x
                    own[k] += np.einsum("gsx,gsy->xy", y, moved, optimize=True)
            on_psi += np.tensordot(category.places[:, :-1].T, own, axes=1)
        return np.concatenate([np.array(out).reshape(-1, p, p), on_psi])

    def _share_of(self, chunk: Chunk) -> Array:
        assert self.rows.share is not None
        return self.rows.share[chunk.rows][:, :, None]

    def quadratic(self, direction: Array) -> Array:
        """q(Y) of a combination of the elements and of psi."""
        elements, psi = self._apart(direction)
        z = np.append(psi, 0.0)

        def moved(category: CategoryMatrices, chunk: Chunk) -> Array:
            along = category.places @ z
            return np.tensordot(along, category.first(chunk.times), axes=1)

        U = self._times(moved, self._A)
        E = self._E
        for k, N in enumerate(self.floors(elements)):
            members = self.rows.pool.levels[k].members
            NE = np.tensordot(N, E[k], axes=1)  # (q, p, G)
            code = self.rows.codes[k]
            for a, member in enumerate(members):
                U += self.rows.W[:, member][:, None] * NE[a].T[code]
        return self._form_of_rows(U)

    @cached_property
    def _E(self) -> list[Array]:
        """Z'W^-1 X F of every floor, shape (q, p, G)."""
        sweeps = self._swept[1]
        return [E[:, 1:] for E in sweeps[0][1].E] if sweeps else []

    def _form_of_rows(self, U: Array) -> Array:
        """U'W^-1 U: the rows take the place of X in the tree."""
        rows, p = self.rows, self.p
        width = rows.W.shape[1]
        pool = replace(
            rows.pool,
            matrix=np.empty((len(rows.pool.matrix), width + p + 1)),
            levels=tuple(LevelBasis(b.members % width, b.T) for b in rows.pool.levels),
        )
        W = np.concatenate([rows.W, U, np.zeros((len(U), 1))], axis=1)
        white = rows.residual.whiten(self.psi, np.asfortranarray(W))[0]
        tree = tree_of_blocks(
            rows.design, pool, rows._stream(white), n=rows.n, count=rows.count
        )
        S = tree.within
        for shard in tree.shards:
            S = S + ascend(shard, self.D, p + 1).S
        return S[:p, :p]

    # -- traces --------------------------------------------------------------------

    def _trace(self, term: Term, left: Array, right: Array) -> float:
        """tr(G M), with Lambda^-1 left and Lambda^-1 right."""
        out = 0.0
        for category in self._categories:
            for chunk in category.chunks:
                M = term(category, chunk)
                inverse = np.linalg.inv(category.value(chunk.times))
                out += float(np.einsum("pab,pba,p->", inverse, M, chunk.count))
        return out - float(np.sum(self._times(term, left) * right))

    @cached_property
    def traces(self) -> tuple[Array, Array]:
        """tr(G Y_i) and half of tr(G Y_i G Y_j)."""
        m, k = self.model.n_params, len(self.psi)
        elements = self.model.elements()
        first, second = np.zeros(m + k), np.zeros((m + k, m + k))
        at = evaluate(self.tree, self.D, reml=True, order=2, directions=elements)
        assert at.l_D is not None
        assert at.l_2 is not None
        first[:m] = [np.sum(at.l_D[f] * M) for f, M in elements]
        second[:m, :m] = -at.l_2
        few = self.objective
        few.settle(np.append(np.zeros(m), self.psi))
        first[m:] = self._l_slopes(few.tree, self.psi)[1].real
        for j in range(k):
            moved = self.psi.astype(complex)
            moved[j] += 1j * STEP
            there, bend = self._l_slopes(few.rows.tree(moved)[0], moved)
            second[:m, m + j] = [-np.sum(there[f].imag * M) / STEP for f, M in elements]
            second[m:, m + j] = -bend.imag / STEP
        second[m:, :m] = second[:m, m:].T
        second[m:, m:] = 0.5 * (second[m:, m:] + second[m:, m:].T)
        second[m:, m:] += self._bent_traces(first[m:])
        return first, 0.5 * second

    def _l_slopes(self, tree: Tree, psi: Array) -> tuple[list[Array], Array]:
        """Gradient of l in the floors' D and in psi, from the fewest rows."""
        few = self.objective
        keep: list = []
        at = evaluate(tree, self.D, reml=True, order=1, keep=keep)
        assert at.l_D is not None
        left, right = few.rows.given(tree, self.D, at.root, keep, 0.0, reml=True)
        return at.l_D, few.residual.slope(psi, left, right, log_det=True)

    def _bent_traces(self, first: Array) -> Array:
        """tr(G V_ab) in psi.

        Where V is linear in its natural parameters these are moves of psi and the
        traces of its first derivatives.
        """
        k = len(self.psi)
        out = np.zeros((k, k))
        left, right = self._here
        for category in self._categories:
            places = category.places[:, :-1]
            size = len(category.z)
            own = np.zeros((size, size))
            if category.structure.linear:
                back = np.linalg.pinv(places.T)
                scale = self._scale_trace(category)
                t = back @ first
                t[0] = scale
                own = np.tensordot(t, category.bend, axes=1)
            else:
                for a in range(size):
                    for b in range(a + 1):
                        weights = np.zeros((size, size))
                        weights[a, b] = 1.0
                        own[a, b] = own[b, a] = self._one_trace(
                            category, weights, left, right
                        )
            out += places.T @ own @ places
        return out

    def _scale_trace(self, category: CategoryMatrices) -> float:
        """tr(G Lambda) of one category."""
        left, right = self._here
        out = 0.0
        product = np.zeros(left.shape)
        for chunk in category.chunks:
            value = category.value(chunk.times)
            out += float(chunk.count.sum()) * value.shape[1]
            chunk.apply(value, left, product)
        return out - float(np.sum(product * right))

    def _one_trace(
        self, category: CategoryMatrices, weights: Array, left: Array, right: Array
    ) -> float:
        out = 0.0
        product = np.zeros(left.shape)
        for chunk in category.chunks:
            M = category.second_along(chunk.times, weights)
            inverse = np.linalg.inv(category.value(chunk.times))
            out += float(np.einsum("pab,pba,p->", inverse, M, chunk.count))
            chunk.apply(M, left, product)
        return out - float(np.sum(product * right))

    # -- second derivatives --------------------------------------------------------

    def bend(self, W: Array) -> tuple[Array, float, Array]:
        """What second derivatives of V in its natural parameters add."""
        if all(c.structure.linear for c in self._categories):
            return super().bend(W)
        m = self.model.n_params
        on_residuals = W[m:, m:]

        def M(category: CategoryMatrices, chunk: Chunk) -> Array:
            s = chunk.times.shape[1]
            if category.structure.linear:
                return np.zeros((len(chunk.times), s, s))
            return category.curvature(chunk.times, on_residuals)

        trace = self._trace(M, *self._here)
        moves = [-self._trace_slope(M, j) for j in range(self.n_directions)]
        return self._form(M), trace, np.array(moves)

    def _trace_slope(self, M: Term, j: int) -> float:
        """Derivative of tr(G M), M held fixed, in an element or in psi."""
        unit = np.zeros(self.n_directions)
        unit[j] = 1.0
        elements, on_psi = self._apart(unit)
        psi = self.psi + 1j * STEP * on_psi
        D = [
            d + 1j * STEP * N
            for d, N in zip(self.D, self.floors(elements), strict=True)
        ]
        tree = self.rows.tree(psi)[0] if on_psi.any() else self.tree
        keep: list = []
        at = evaluate(tree, D, reml=True, order=1, keep=keep)
        left, right = self._given(tree, D, at, keep)
        out = 0.0
        for category, moved in zip(
            self._categories, matrices_of(self.rows.residual, psi), strict=True
        ):
            for chunk in category.chunks:
                inverse = np.linalg.inv(moved.value(chunk.times))
                matrices = M(category, chunk)
                out += np.einsum("pab,pba,p->", inverse, matrices, chunk.count).imag
                x = inverse[chunk.pattern] @ left[chunk.rows]
                y = inverse[chunk.pattern] @ right[chunk.rows]
                out -= np.sum((matrices[chunk.pattern] @ x) * y).imag
        return float(out) / STEP

    # -- what varies where -----------------------------------------------------------

    @property
    def groupings(self) -> list[tuple[float, Array | None]]:
        """Levels with random effects, and the groups of the residuals."""
        rows = self.rows
        assert rows.design.residual is not None
        codes = [*rows.codes[::-1], rows.design.residual.codes[rows.order]]
        out: list[tuple[float, Array | None]] = []
        X = rows.W[:, -self.p - 1 : -1]
        own, scaled = rows.design.precision, X
        if own is not None:
            own = own[rows.order]
            scaled = X * np.sqrt(own)[:, None]
        for code in codes:
            sums = np.zeros((int(code.max()) + 1, self.p))
            np.add.at(sums, code, scaled)
            size = np.bincount(code, own)
            there = size > 0
            means = sums[there] / np.sqrt(size[there])[:, None]
            stand_ins = rows.count
            count = float(there.sum() if stand_ins is None else stand_ins.sum())
            if not out or out[-1][0] != count:
                out.append((count, X.T @ X - means.T @ means))
        return out

    @property
    def total(self) -> Array:
        """Cross-products of X in the pool's basis, not whitened."""
        X = self.rows.W[:, -self.p - 1 : -1]
        return X.T @ X

    def within(self, floor: int) -> Array | None:
        """What is left of them within the groups of a floor."""
        if self.constants[floor] is None:
            return None
        return self.groupings[len(self.D) - 1 - floor][1]

    def n_groups(self, floor: int) -> float:
        """Number of groups of a floor."""
        return self.tree.n_groups(floor)

    def pieces(self, D: list[Array]) -> Pieces:
        """c, l under REML and their derivatives at any D of the floors."""
        return evaluate(self.tree, D, reml=True)
