"""Nested levels with independent residuals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...design._design import Design
from ...optimization import eigen
from .._basis import Pool
from .._cluster_rows import ClusterBlock, cluster_rows
from .._kind import Kind
from .._model import VarianceModel
from .._pieces import Pieces, Root
from .._scores import Scores
from ._cluster_sums import rows_of_sums
from ._compress import worth_merging
from ._objective import NestedObjective
from ._posterior import NestedPosterior
from ._scores import tree_scores
from ._sensitivity import NestedSensitivity
from ._sweeps import has_closed_form
from ._tree import Shards, Tree

__all__ = ["Nested"]

Array = np.ndarray


class Nested(Kind):
    """The elimination tree; linear regression is a tree without floors.

    Parameters
    ----------
    design : Design
    pool : Pool
    tree : Tree or DistributedTree
        All nodes, not compressed.
    model : VarianceModel
    reml : bool
    """

    def __init__(
        self,
        design: Design,
        pool: Pool,
        tree: Any,
        model: VarianceModel,
        *,
        reml: bool,
    ):
        objective = NestedObjective(
            tree.changed(worth_merging),
            model,
            reml=reml,
            log_det_basis=pool.log_det_R,
            log_det_rows=design.log_det_rows,
        )
        super().__init__(design, pool, objective)
        self._tree = tree

    @property
    def tree(self) -> Any:
        """All nodes, not compressed."""
        return self._tree

    def scored(self, D_blocks: list[Array]) -> tuple[float, float, list[Array]] | None:
        """One step of scoring, where second derivatives have a closed form."""
        if not has_closed_form(self.tree, self.model.floors(D_blocks)):
            return None
        return self.objective.scoring_step(D_blocks)

    def _fits_within(self, noise: float) -> bool:
        return fits_within(self.tree, self.design.n_rows, noise)

    def posterior(
        self, D: list[Array], pieces: Pieces, sigma2: float
    ) -> NestedPosterior:
        """Random effects given the data."""
        return NestedPosterior(self.tree, D, pieces, self.pool, sigma2)

    def sensitivity(self, D_blocks: list[Array], pieces: Pieces) -> NestedSensitivity:
        """How X'V^-1X answers to the covariance matrices."""
        return NestedSensitivity(
            self.tree, self.model, D_blocks, pieces.root.F, self.constants
        )

    def scores(
        self, D: list[Array], root: Root, sigma2: float, clusters: Array
    ) -> Scores:
        """Derivatives of the log likelihood by cluster (Eqs. 22 and 23)."""
        return tree_scores(self.design, self.pool, self.tree, D, root, sigma2, clusters)

    def cluster_blocks(
        self, D: list[Array], root: Root, clusters: Array, *, as_given: bool = False
    ) -> Iterator[ClusterBlock]:
        """Working covariance matrix, X and residuals of every cluster."""
        if self.design.products is not None:
            for rows in rows_of_sums(self.design, self.pool, self.tree, root, clusters):
                yield from rows.blocks(D)
            return
        if as_given and self.design.precision is not None:
            yield from super().cluster_blocks(D, root, clusters, as_given=True)
            return
        levels = self.design.levels
        several = bool(levels) and levels[-1].n_groups > int(clusters.max()) + 1
        for rows in cluster_rows(self.design, self.pool, root, clusters):
            yield from (rows.reduced() if several else rows).blocks(D)


def fits_within(tree: Tree, n_rows: int, noise: float) -> bool:
    """Whether the fixed part leaves nothing within the lowest-level groups.

    Although these have more rows than random effects.
    """
    if not tree.depth:
        return False
    p, W = tree.p, tree.within
    values, vectors = eigen(W[:p, :p])
    size = np.abs(values)
    varies = size > 1e-12 * size.max(initial=0.0)
    along = W[p, :p] @ vectors[:, varies]
    within = W[p, p] - along @ (along / values[varies])
    if within > max(noise, 1e-13 * tree.total[-1, -1]):
        return False
    used = tree.added(_rows_used)
    left = n_rows - int((size > 1e-12 * tree.n).sum())
    return bool(left > used)


def _rows_used(shards: Shards) -> int:
    """Random effects of the lowest groups that their rows tell apart."""
    lowest = [shard.floors[0] for shard in shards]
    return sum(int((np.einsum("aag->ag", f.block[:, : f.q]) > 0).sum()) for f in lowest)
