"""-2 L of structured residuals from sums of products of every group.

Where the groups of a pattern of times have random columns of their own, or there are
several levels, V is not one matrix per pattern; but Lambda is, and all that a tree is
grown from is linear in Q = Lambda^-1.  Along a direction of psi these sums move by those
of -Q dLambda Q, and so the second derivatives in psi are those of the tree, in closed form
for one level of groups, else a complex step of its sums, and with R of Eq. (5) summed
over a pattern's groups, N = Q R Q,

    tr((2 N - n Q) dLambda Q dLambda) + tr((n Q - N) d2Lambda)

as without random effects (Eqs. 8-10 of the residuals page).  No row is whitened, and
none is touched by a complex step.

Where a Lambda is all but singular rows are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...residuals import NotPositiveDefiniteError
from .._model import VarianceModel
from .._pieces import STEP, Direction, Pieces
from ..nested._block_curvature import BlockCurvature
from ..nested._block_weights import block_weights
from ..nested._sweeps import CLOSED_FORM_Q, evaluate
from ..nested._tree import Tree
from ._group_products import GroupProducts, GroupSums, moved_inverses
from ._matrices import coordinates
from ._objective import StructuredObjective
from ._pattern_objective import INFLATION
from ._pattern_variances import ErrorVariances, PatternVariances
from ._rows import Rows

__all__ = ["GroupObjective"]

Array = np.ndarray

NO_DIRECTIONS = np.zeros((0, 0, 0))


class GroupObjective(StructuredObjective):
    """As ``StructuredObjective``, where groups of one pattern share Lambda.

    Parameters
    ----------
    products : GroupProducts
    model : VarianceModel
    reml, log_det_basis, log_det_rows
        As of ``Objective``.
    """

    def __init__(
        self,
        products: GroupProducts,
        model: VarianceModel,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        self.products = products
        self._here: list[PatternVariances] | None = None
        super().__init__(
            products.rows,
            model,
            reml=reml,
            log_det_basis=log_det_basis,
            log_det_rows=log_det_rows,
        )

    def part(self) -> StructuredObjective | None:
        """The same of a part of the groups, to start from; None for few rows."""
        sample = self.rows.sample()
        products = None if sample is None else GroupProducts.of(sample)
        if products is None:
            return super().part()
        return GroupObjective(products, self.model, reml=self.reml, log_det_basis=0.0)

    def _grow(self, psi: Array) -> tuple[Tree, complex]:
        """The tree at psi, and log|Lambda|."""
        products = self.products
        parts = zip(products.tensors, coordinates(self.residual, psi), strict=True)
        here = [ErrorVariances.of(*both).with_effects(None) for both in parts]
        good = max(one.inflation for one in here) <= INFLATION
        self._here = here if good else None
        if not good:
            return super()._grow(psi)
        total = np.sum([one.tensors.sum_of(one.Q) for one in here], axis=0)
        self._sums = products.sums([one.Q[None] for one in here], total[None])
        floors = [block[0] for block in self._sums.floors]
        return products.tree(floors, total), sum(one.log_det for one in here)

    @property
    def by_group(self) -> bool:
        """Whether sums serve at the psi of the last ``settle``."""
        return self._here is not None

    def covers(self, rows: Rows) -> bool:
        """Whether ``tree`` is that of these rows."""
        return self.rows is rows

    def _moves(self, here: list[PatternVariances]) -> GroupSums:
        """How the sums move with every element of psi."""
        k, m = len(self.psi), self.tree.p + 1
        totals = np.zeros((k, m, m))
        Qs = [np.zeros((k, *one.Q.shape)) for one in here]
        for Q, one in zip(Qs, here, strict=True):
            moving = one.errors.moving
            Q[moving] = moved_inverses(one)
            totals[moving] -= one.moved_sums(NO_DIRECTIONS)
        return self.products.sums(Qs, totals)

    def _log_det_slopes(self, here: list[PatternVariances]) -> Array:
        """Derivatives of log|Lambda|."""
        out = np.zeros(len(self.psi))
        for one in here:
            across = one.weighted.sum(axis=0)
            out[one.errors.moving] += np.tensordot(one.errors.slopes, across, axes=2)
        return out

    def _slopes(
        self, tree: Tree, D: list[Array], psi: Array, weight: complex | None
    ) -> tuple[Pieces, Array]:
        """Pieces of order 1, and the gradient of weight * c + l in psi."""
        here = self._here
        if here is None:
            return super()._slopes(tree, D, psi, weight)
        keep: list = []
        at = evaluate(tree, D, reml=self.reml, order=1, keep=keep)
        if not at.c > 0:
            raise NotPositiveDefiniteError
        w = self.nn / at.c if weight is None else weight
        of_c, of_l = block_weights(tree, D, at.root, keep, reml=self.reml)
        slope = self._moves(here).dot(of_l.plus(of_c, w))
        return at, slope + self._log_det_slopes(here)

    def curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """Second derivatives along directions of D and in psi."""
        here = self._here
        if here is None:
            return super().curvature(D_blocks, directions)
        D, reml = self.model.floors(D_blocks), self.reml
        keep: list = []
        at = evaluate(
            self.tree, D, reml=reml, order=2, directions=directions, keep=keep
        )
        if not at.c > 0:
            raise NotPositiveDefiniteError
        weight, moves = self.nn / at.c, self._moves(here)
        of_c, of_l = block_weights(self.tree, D, at.root, keep, reml=reml)
        weights = of_l.plus(of_c, weight)
        if self.tree.depth == 1 and len(D[0]) <= CLOSED_FORM_Q:
            second = BlockCurvature.of(
                self.tree, D[0], at.root, keep[0][1], moves.floors[0], moves.total
            ).second(directions, weight, reml=reml)
        else:
            second = self._as_sums_move(moves, D, directions, weight)
        n_d = len(directions)
        for one, R in zip(here, self.products.moments(weights), strict=True):
            N = one.Q @ R @ one.Q
            to = np.ix_(n_d + one.errors.moving, one.errors.moving)
            second[to] += one.errors.bend((one.weighted - N).sum(axis=0))
            second[to] += one.traces(2.0 * N - one.weighted, NO_DIRECTIONS)
        return replace(
            at,
            c_psi=moves.dot(of_c),
            psi_1=moves.dot(weights) + self._log_det_slopes(here),
            psi_2=second,
        )

    def _as_sums_move(
        self,
        moves: GroupSums,
        D: list[Array],
        directions: Sequence[Direction],
        weight: float,
    ) -> Array:
        """How gradients in D and in the sums change as these move with psi."""
        n_d, k = len(directions), len(self.psi)
        second = np.empty((n_d + k, k))
        for j in range(k):
            floors = [
                own[0] + 1j * STEP * move[j]
                for own, move in zip(self._sums.floors, moves.floors, strict=True)
            ]
            total = self._sums.total[0] + 1j * STEP * moves.total[j]
            tree = self.products.tree(floors, total)
            keep: list = []
            there = evaluate(tree, D, reml=self.reml, order=1, keep=keep)
            assert there.c_D is not None
            assert there.l_D is not None
            for i, (floor, M) in enumerate(directions):
                slope = weight * there.c_D[floor].imag + there.l_D[floor].imag
                second[i, j] = np.sum(slope * M) / STEP
            of_c, of_l = block_weights(tree, D, there.root, keep, reml=self.reml)
            second[n_d:, j] = moves.dot(of_l.plus(of_c, weight).imag) / STEP
        return second
