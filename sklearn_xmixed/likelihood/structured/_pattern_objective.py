"""-2 L of structured residuals from one tensor per pattern of times and random columns.

An evaluation costs what the patterns ask, whatever the number of groups.  With Phi the
derivative of weight * c + l in S = [X y]'V^-1 [X y], M[t, u] = tr(Phi C[t, u]), Q = V^-1
and N = Q M Q of every pattern, the gradient in V is n Q - N, and second derivatives are

    tr((2 N - n Q) dV Q dV) + tr((n Q - N) d2V)

and what the change of S itself adds (Eqs. 8-10 of the residuals page).  V is Lambda, or
Z D Z' + Lambda.  The search leaves out the smallest term of it where that is costly;
standard errors do not.

Where a V is all but singular sums of products lose their digits; rows are then taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ...residuals import NotPositiveDefiniteError
from .._model import VarianceModel
from .._pieces import Direction, Pieces, Root
from ..nested._tree import Tree
from ._matrices import coordinates
from ._objective import StructuredObjective
from ._pattern_variances import ErrorVariances, PatternVariances
from ._rows import Rows
from ._tensors import PatternTensors

__all__ = ["PatternObjective"]

Array = np.ndarray

#: inflation of a variance by the other times, up to which sums of products serve
INFLATION = 1e3
#: tensors of more numbers than this have a search start from some of the patterns
COSTLY = 1 << 16
#: products of numbers up to which a search has full second derivatives
CHEAP = 1 << 24
#: share of the groups whose patterns are searched first
LEADING = 0.5


class PatternObjective(StructuredObjective):
    """As ``StructuredObjective``, where groups of one pattern share V.

    Parameters
    ----------
    rows : Rows
        All rows, for what the tensors cannot tell.
    tensors : list of PatternTensors
        By category.
    model : VarianceModel
        With one level of effects, or without.
    reml, log_det_basis, log_det_rows
        As of ``Objective``.
    """

    def __init__(
        self,
        rows: Rows,
        tensors: list[PatternTensors],
        model: VarianceModel,
        *,
        reml: bool,
        log_det_basis: float,
        log_det_rows: float = 0.0,
    ):
        self.tensors = tensors
        self._at: dict[str, Any] = {
            "reml": reml,
            "log_det_basis": log_det_basis,
            "log_det_rows": log_det_rows,
        }
        self.size = sum(t.C.size for t in tensors)
        self.n = sum(float(t.count @ t.present.sum(axis=1)) for t in tensors)
        self.model = model  # a start may be so nearly singular that rows are taken
        super().__init__(rows, model, **self._at)

    @cached_property
    def rowwise(self) -> StructuredObjective:
        """The same function from rows, where a V is all but singular."""
        return StructuredObjective(self.rows.compressed(), self.model, **self._at)

    def covers(self, rows: Rows) -> bool:
        """Whether ``tree`` is that of these rows."""
        return self.rows is rows and not self.model.blocks

    def part(self) -> PatternObjective | None:
        """Of the patterns that most groups have; None where that saves nothing."""
        if self.size < COSTLY or (self.model.blocks and self._numbers <= CHEAP):
            return None
        some = [t.leading(LEADING) for t in self.tensors]
        if sum(t.C.size for t in some) > 0.5 * self.size:
            return None
        return PatternObjective(self.rows, some, self.model, **self._at)

    def single_rows(self) -> int | None:
        """Equation of the lowest level if its groups have one row each."""
        if not self.model.blocks:
            return None
        n_groups = sum(float(t.count.sum()) for t in self.tensors)
        return None if n_groups < self.n - 0.5 else 0

    def _grow(self, psi: Array) -> tuple[Tree, complex]:
        """What c is measured by in the place of the tree, and log|Lambda|.

        Of [X y]'Lambda^-1 [X y] nothing but the last element is asked for where there
        are effects.
        """
        parts = zip(self.tensors, coordinates(self.residual, psi), strict=True)
        self._errors = [ErrorVariances.of(*both) for both in parts]
        self._known: tuple[bytes, list[PatternVariances] | None] = b"", None
        inverses = [errors.inverse for errors in self._errors]
        S = np.zeros((self.tensors[0].m,) * 2)
        for tensors, (Q, _) in zip(self.tensors, inverses, strict=True):
            if self.model.blocks:
                S[-1, -1] += tensors.responses(Q)
            else:
                S += tensors.sum_of(Q)
        return Tree((), S, S, self.n), sum(log_det for _, log_det in inverses)

    def variances(self, D: list[Array]) -> list[PatternVariances] | None:
        """V of every category at D and the psi of the last ``settle``.

        None where rows are taken.
        """
        key = b"".join([b"-", *(d.tobytes() for d in D)])
        if self._known[0] != key:
            own = D[0] if D else None
            try:
                found = [errors.with_effects(own) for errors in self._errors]
            except NotPositiveDefiniteError:  # where a search ended at a border
                self._known = key, None
            else:
                good = max(one.inflation for one in found) <= INFLATION
                self._known = key, found if good else None
        return self._known[1]

    # -- derivatives of order one ----------------------------------------------------

    def pieces(self, D_blocks: list[Array], order: int = 1) -> Pieces:
        """c, l and their derivatives in D at given covariances."""
        D = self.model.floors(D_blocks)
        here = self.variances(D)
        if here is None:
            return self._rows_at(self.psi).pieces(D_blocks, order)
        return self._evaluated(here, D, order)[0]

    def _rows_at(self, psi: Array) -> StructuredObjective:
        """The function of rows at the same psi."""
        self.rowwise.settle(np.append(np.zeros(self.model.n_params), psi))
        return self.rowwise

    def _evaluated(
        self, here: list[PatternVariances], D: list[Array], order: int
    ) -> tuple[Pieces, list[tuple[Array, Array]]]:
        """Pieces, and n Q - N of l and N of c for every category."""
        S = sum((one.tensors.sum_of(one.Q) for one in here), np.zeros(()))
        root = Root.solve(S)
        l = sum(one.log_det for one in here) - self.log_det_Lambda
        if self.reml:
            l = l + root.log_det
        at = Pieces(root, S, root.c, l)
        if order == 0:
            return at, []
        p = len(root.beta)
        Phi = np.zeros((2, p + 1, p + 1))
        Phi[0] = np.outer(root.v, root.v)
        if self.reml:
            Phi[1, :p, :p] = root.F @ root.F.T
        weights = []
        for one in here:
            N, own = one.against(Phi), one.weighted
            weights.append((own - N[1] if self.reml else own, N[0]))
        if not D:
            return replace(at, c_D=[], l_D=[]), weights
        each = list(zip(here, weights, strict=True))
        c_D = -np.sum([one.in_D(N) for one, (_, N) in each], axis=0)
        l_D = np.sum([one.in_D(G) for one, (G, _) in each], axis=0)
        return replace(at, c_D=[c_D], l_D=[l_D]), weights

    def _slopes(
        self, tree: Tree, D: list[Array], psi: Array, weight: complex | None
    ) -> tuple[Pieces, Array]:
        """Pieces of order 1, and the gradient of weight * c + l in psi."""
        here = self.variances(D)
        if here is None:
            rows = self._rows_at(psi)
            return rows._slopes(rows.tree, D, psi, weight)
        at, weights = self._evaluated(here, D, 1)
        if not at.c > 0:
            raise NotPositiveDefiniteError
        w = self.nn / at.c if weight is None else weight
        slope = np.zeros(len(psi))
        for one, (G, N) in zip(here, weights, strict=True):
            total = (G - w * N).sum(axis=0)
            slope[one.errors.moving] += np.tensordot(one.errors.slopes, total, axes=2)
        return at, slope

    # -- second derivatives ----------------------------------------------------------

    def curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        """Second derivatives along directions of D and in psi."""
        return self._second(D_blocks, directions, exact=True)

    def _search_curvature(
        self, D_blocks: list[Array], directions: Sequence[Direction]
    ) -> Pieces:
        return self._second(D_blocks, directions, exact=self._cheap)

    @property
    def _cheap(self) -> bool:
        """Whether a search has exact second derivatives."""
        if not self.reml or self.model.blocks:
            return True
        return self._numbers <= CHEAP

    @property
    def _numbers(self) -> int:
        """What second derivatives multiply."""
        return self.size * len(self.psi)

    def _hessian(self, theta: Array) -> tuple[float, Array, Array]:
        out = super()._hessian(theta)
        if not self._cheap:  # standard errors are those of the exact ones
            at = self.last(theta)
            assert at is not None
            self._last = theta.tobytes(), replace(at, c_2=None, l_2=None, psi_2=None)
        return out

    def _second(
        self, D_blocks: list[Array], directions: Sequence[Direction], *, exact: bool
    ) -> Pieces:
        """Second derivatives; without ``exact`` less tr(S_xx^-1 dS S_xx^-1 dS)."""
        D = self.model.floors(D_blocks)
        here = self.variances(D)
        if here is None:
            return self._rows_at(self.psi).curvature(D_blocks, directions)
        at, weights = self._evaluated(here, D, 1)
        if not at.c > 0:
            raise NotPositiveDefiniteError
        root, n_d, p = at.root, len(directions), len(at.root.beta)
        w, k = self.nn / at.c, n_d + len(self.psi)
        M = np.array([M for _, M in directions]).reshape(
            n_d, *(D[0].shape if D else (0, 0))
        )
        c_2, H, slope = np.zeros((n_d, n_d)), np.zeros((k, k)), np.zeros(k)
        moved_v, moved = np.zeros((k, p + 1)), np.zeros((k, p, p))
        for one, (G, N) in zip(here, weights, strict=True):
            to = np.append(np.arange(n_d), n_d + one.errors.moving)
            total = G - w * N
            across = total.sum(axis=0)
            slope[to[n_d:]] += np.tensordot(one.errors.slopes, across, axes=2)
            H[np.ix_(to[n_d:], to[n_d:])] += one.errors.bend(across)
            B = one.weighted - 2.0 * total
            H[np.ix_(to, to)] += one.traces(B, M)
            if n_d:
                c_2 += one.traces_in_D(2.0 * N, M)
            if exact and self.reml:
                dS = one.moved_sums(M)
                moved_v[to] -= dS @ root.v
                moved[to] -= dS[:, :p, :p]
            else:
                moved_v[to] -= one.moved_times(M, root.v)
        half = moved_v[:, :p] @ root.F
        bow = 2.0 * half @ half.T
        c_2 -= bow[:n_d, :n_d]
        H -= w * bow
        if self.reml and exact:
            F = root.F.T @ moved @ root.F
            H -= np.einsum("kxy,lyx->kl", F, F)
        return replace(
            at,
            c_2=c_2,
            l_2=H[:n_d, :n_d] - w * c_2,
            c_psi=moved_v[n_d:] @ root.v,
            psi_1=slope[n_d:],
            psi_2=H[:, n_d:],
        )
