"""Nested levels with structured residuals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...design._design import Design
from ...optimization import Optimum, newton
from .._basis import Pool
from .._border import Border
from .._cluster_rows import ClusterBlock, cluster_rows
from .._errors import Errors
from .._kind import Kind
from .._model import VarianceModel
from .._objective import FEW_ROWS
from .._pieces import Pieces, Root
from .._posterior import Posterior
from .._scores import Scores
from ..nested._kind import fits_within
from ..nested._tree import Tree
from ._error_blocks import ErrorBlocks
from ._errors import StructuredErrors
from ._group_objective import GroupObjective
from ._group_products import GroupProducts
from ._objective import StructuredObjective
from ._pattern_objective import PatternObjective
from ._pattern_sensitivity import PatternSensitivity
from ._posterior import StructuredPosterior
from ._rows import Rows
from ._scores import whitened_scores
from ._sensitivity import StructuredSensitivity
from ._tensor_sensitivity import TensorSensitivity
from ._tensors import tensors_of
from ._zero_variance import at_zero

__all__ = ["Structured"]

Array = np.ndarray

#: rows up to which V is formed to see what makes it singular
MANY_ROWS = 1500
#: points that are tried for each size of the variances, how far they lie apart in psi,
#: and how many of all are searched from
N_TRIED, SPREAD, N_SEARCHED = 8, 1.0, 4
#: variances off zero: beside the largest of their matrix, and beside that of residuals
LIFT, LEAST = 1e-2, 1e-3


class Structured(Kind):
    """A tree of whitened rows at every psi.

    Parameters
    ----------
    design : Design
    pool : Pool
    rows : Rows
        All rows.
    tree : Tree or None
        Of these at the first psi; None where it is not known.
    model : VarianceModel
    reml : bool
    """

    objective: StructuredObjective
    #: the start is that of moments, and second derivatives cost little more than these
    em_steps = 1

    def __init__(
        self,
        design: Design,
        pool: Pool,
        rows: Rows,
        tree: Tree | None,
        model: VarianceModel,
        *,
        reml: bool,
    ):
        at_X: dict[str, Any] = {
            "reml": reml,
            "log_det_basis": pool.log_det_R,
            "log_det_rows": design.log_det_rows,
        }
        super().__init__(design, pool, _objective(rows, model, at_X))
        self.rows = rows
        self._tree = rows.start.tobytes() if tree else b"", tree

    @property
    def psi(self) -> Array:
        """Parameters of the residuals' structure at the last ``settle``."""
        return self.objective.psi

    @property
    def tree(self) -> Tree:
        """The tree of all rows at this psi."""
        if self.objective.covers(self.rows):
            return self.objective.tree
        key = self.psi.tobytes()
        known, tree = self._tree
        if tree is None or known != key:
            tree = self.rows.tree(self.psi)[0]
            self._tree = key, tree
        return tree

    @property
    def linear(self) -> Array:
        """Cross-products of [X y] before any whitening."""
        return self.rows.total

    def _fits_within(self, noise: float) -> bool:
        return fits_within(self.tree, self.design.n_rows, noise)

    def closer(self, gamma: Array) -> Array:
        """Where a search among a part of the groups ends: a better start for all."""
        objective = self.objective
        small = objective.part()
        if small is None:
            return gamma
        found = newton(small, gamma, tol=1e-2, max_iter=20).gamma
        if not small.singular(found):
            return found if np.isfinite(objective.value(found)) else gamma
        # a variance may be zero among these groups alone: begin inside
        D_blocks = [_inside(D) for D in self.model.split(found)]
        lifted = objective.join(D_blocks, found)
        return lifted if objective.value(lifted) < objective.value(gamma) else gamma

    def other_starts(self) -> list[Array]:
        """The best few of many points, where there are few rows.

        One large random effect may then explain what a correlation does.
        """
        objective, residual = self.objective, self.rows.residual
        if objective.nn > FEW_ROWS or not residual.n_params:
            return []
        rng = np.random.default_rng(0)
        start = self.rows.start
        first = objective.start()
        thetas = []
        for size in (1.0, 0.01, 10.0) if first else (1.0,):
            gamma = self.model.join([size * D for D in first])
            spread = rng.normal(scale=SPREAD, size=(N_TRIED, len(start)))
            thetas += [np.append(gamma, psi) for psi in start + spread]
        values = np.array([objective.value(theta) for theta in thetas])
        best = np.argsort(values, kind="stable")[:N_SEARCHED]
        return [thetas[k] for k in best if np.isfinite(values[k])]

    def border(self, gamma: Array) -> Border | None:
        """What is singular where a search came to; None inside, and for many rows."""
        rows, m = self.rows, self.model.n_params
        if len(rows.W) > MANY_ROWS:
            return None
        self.objective.settle(gamma)
        unit, _ = rows.residual.whiten(self.psi, np.eye(len(rows.W)))
        root = np.linalg.inv(unit)
        Lambda = root @ root.T
        V = Lambda.copy()
        D = self.model.floors(self.model.split(gamma[:m]))
        for basis, d, codes in zip(self.pool.levels, D, rows.codes, strict=True):
            Z = rows.W[:, basis.members]
            V += (codes[:, None] == codes) * (Z @ d @ Z.T)
        X = rows.W[:, -self.pool.p - 1 : -1]
        estimates = rows.residual.estimates(0.0, self.psi)
        return Border.of(V, Lambda, X, estimates, reml=self.objective.reml)

    def at_the_end(self, found: Optimum) -> Optimum:
        """Parameters of the residuals that the search sends to infinity, taken there.

        Only where -2 L stays the same: a moving average at the border of the
        invertible ones, say.  And variances of categories that are zero.
        """
        objective, m = self.objective, self.model.n_params
        found = at_zero(objective, found)
        there = objective.limit(found.gamma)
        slack = 1e-8 * (1.0 + abs(found.value) / 1e4)
        if (there == found.gamma).all() or found.log[-1].stopped:
            return found
        if not abs(objective.value(there) - found.value) <= slack:
            return found
        value, g, H = objective.hessian(there)
        inside = np.append(
            np.ones(m, dtype=bool), ~objective.residual.at_boundary(there[m:])
        )
        g = np.where(inside, g, 0.0)  # nothing is left to gain at the end of a range
        H = np.where(np.outer(inside, inside), H, 0.0)
        return replace(found, gamma=there, value=value, gradient=g, hessian=H)

    def posterior(
        self, D: list[Array], pieces: Pieces, sigma2: float
    ) -> StructuredPosterior:
        """Random effects given the data, at the psi of the last ``settle``."""
        return StructuredPosterior(self.tree, D, pieces, self.pool, sigma2)

    def errors(self, posterior: Posterior) -> Errors:
        """Residual errors given the data."""
        if not posterior.sigma2 > 0:
            return super().errors(posterior)
        return StructuredErrors.of(self.rows, self.psi, posterior)

    def sensitivity(
        self, D_blocks: list[Array], pieces: Pieces
    ) -> StructuredSensitivity:
        """How X'V^-1X answers to covariance matrices and residuals."""
        rows, objective, F = self.rows, self.objective, pieces.root.F
        here = objective.variances(self.model.floors(D_blocks))
        if here is not None:
            return TensorSensitivity(
                here, rows, objective, self.tree, D_blocks, F, self.constants
            )
        whole = StructuredSensitivity if self.model.blocks else PatternSensitivity
        return whole(
            rows,
            objective.rowwise,
            self.tree,
            self.psi,
            D_blocks,
            F,
            self.constants,
        )

    def scores(
        self, D: list[Array], root: Root, sigma2: float, clusters: Array
    ) -> Scores:
        """Derivatives of the log likelihood by cluster (Eqs. 22 to 24)."""
        return whitened_scores(
            self.rows, self.tree, D, root, sigma2, clusters, self.psi
        )

    def cluster_blocks(
        self, D: list[Array], root: Root, clusters: Array, *, as_given: bool = False
    ) -> Iterator[ClusterBlock]:
        """Working covariance matrix, X and residuals of every cluster."""
        rows, psi = self.rows, self.psi
        for part in cluster_rows(
            self.design, self.pool, root, clusters, lambda at: rows.W[at]
        ):
            errors: Any = ErrorBlocks.of(rows, psi, part.positions)
            if as_given:
                part, errors = part.as_given(errors)
            yield from part.blocks(D, errors)


def _inside(D: Array) -> Array:
    """A covariance matrix with all variances off zero."""
    return D + (LIFT * float(np.diagonal(D).max()) + LEAST) * np.eye(len(D))


def _objective(
    rows: Rows, model: VarianceModel, at_X: dict[str, Any]
) -> StructuredObjective:
    """By patterns of V, by patterns of Lambda, or by rows: what costs least."""
    tensors = tensors_of(rows)
    if tensors is not None:
        return PatternObjective(rows, tensors, model, **at_X)
    products = GroupProducts.of(rows)
    if products is not None:
        return GroupObjective(products, model, **at_X)
    return StructuredObjective(rows.compressed(), model, **at_X)
