"""Crossed factors, by dense factors and by products alone."""

from __future__ import annotations

import numpy as np

from ...design._design import Design
from .._basis import Pool
from .._kind import Kind
from .._pieces import Pieces, Root
from .._scores import Scores
from ._centre import taken_off
from ._crossing import Crossing, remainder
from ._objective import CrossedObjective
from ._plan import Plan
from ._posterior import CrossedPosterior
from ._scores import crossed_scores
from ._sensitivity import CrossedSensitivity
from ._trial import FEW_COLUMNS, PROBES, Trial

__all__ = ["Crossed"]

Array = np.ndarray
#: shares of the response's sum of squares: above the first a residual variance is not on
#: its way to zero, what rows leave below the second is nothing
LITTLE, NOTHING = 1e-6, 1e-13
#: below this share cross-products with y have too few digits for the residuals
SMALL = 1e-3


class Crossed(Kind):
    """Cross-products of all pairs of terms; its objective is exact or iterative.

    Parameters
    ----------
    design : Design
    pool : Pool
    objective : CrossedObjective
    plan : Plan
        What was decided about the way to fit.
    trial : Trial, optional
        The search with few probes, where the plan needed it.
    """

    em_steps = 1
    objective: CrossedObjective

    def __init__(
        self,
        design: Design,
        pool: Pool,
        objective: CrossedObjective,
        plan: Plan,
        trial: Trial | None = None,
    ):
        super().__init__(design, pool, objective)
        self._linear = objective.tree.total
        self.plan, self._trial = plan, trial

    @property
    def linear(self) -> Array:
        """Cross-products of [X y], before any effects were taken off."""
        return self._linear

    @property
    def way(self) -> str:
        """How the fit was computed, and why so."""
        return str(self.plan)

    @property
    def tree(self) -> Crossing:
        """The cross-products."""
        return self.objective.tree

    def rough(self, D_blocks: list[Array]) -> Array | None:
        """Where a search with a few probes ends.

        None where sweeps cost next to nothing.
        """
        if self.tree.N < FEW_COLUMNS:
            return None
        if self._trial is None:
            self._trial = Trial.of(self.objective.rough(PROBES), D_blocks)
        return self._trial.gamma

    def runs_out(self, D_blocks: list[Array], pieces: Pieces) -> bool:
        """Whether the residual variance goes to zero where a search came to.

        Sums of products without rows have too few digits to tell that.
        """
        objective, whole = self.objective, float(self.tree.total[-1, -1])
        if self.design.products is not None:
            return False
        if not 0.0 < pieces.c < LITTLE * whole:
            return False
        before = objective.pieces([1e-2 * D for D in D_blocks], order=0)
        gained = objective.nn * np.log(before.c / pieces.c) + before.l - pieces.l
        return bool(gained > 1.0) and remainder(self.design, self.pool) < NOTHING

    def sharpen(self, pieces: Pieces) -> bool:
        """Take effects from y where residuals are small beside them."""
        tree = self.tree
        if self.design.products is not None or tree.taken is not None:
            return False
        if not 0.0 < pieces.c < SMALL * float(self.linear[-1, -1]):
            return False
        tree, self.pool = taken_off(self.design, self.pool, tree)
        self.objective = self.objective.over(tree)
        return True

    def posterior(
        self, D: list[Array], pieces: Pieces, sigma2: float
    ) -> CrossedPosterior:
        """Random effects given the data."""
        return CrossedPosterior(
            self.tree, D, pieces, self.pool, sigma2, self.objective.seeds
        )

    def sensitivity(self, D_blocks: list[Array], pieces: Pieces) -> CrossedSensitivity:
        """How X'V^-1X answers to the variances."""
        return CrossedSensitivity(
            self.tree,
            self.model,
            self.objective.seeds,
            D_blocks,
            pieces.root.F,
            self.constants,
        )

    def scores(
        self, D: list[Array], root: Root, sigma2: float, clusters: Array
    ) -> Scores:
        """Derivatives of the log likelihood by cluster (Eqs. 22 and 23)."""
        sweep = self.objective.sweep(D)
        return crossed_scores(self.design, self.pool, sweep, D, root, sigma2, clusters)
