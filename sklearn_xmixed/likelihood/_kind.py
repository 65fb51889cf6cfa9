"""The contract of a kind of model.

Nested levels, structured residuals, crossed factors by dense factors and by products:
each answers in its own folder what is asked here, and nobody outside ``_factory`` asks
which of them it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..design._design import Design
from ..optimization import Optimum
from ._basis import Pool
from ._border import Border
from ._cluster_rows import ClusterBlock, cluster_rows
from ._errors import Errors, WhiteErrors
from ._model import VarianceModel
from ._objective import Objective
from ._pieces import Pieces, Root
from ._posterior import Posterior
from ._scores import Scores
from ._sensitivity import Sensitivity

__all__ = ["Kind"]

Array = np.ndarray


class Kind(ABC):
    """A model of one kind laid over a design.

    Parameters
    ----------
    design : Design
        Sorted.
    pool : Pool
    objective : Objective
        Value, gradient, Hessian, starts and EM step of -2 L.
    """

    #: EM iterations that pay before the gradient search
    em_steps = 3

    def __init__(self, design: Design, pool: Pool, objective: Objective):
        self.design, self.pool, self.objective = design, pool, objective

    @property
    def model(self) -> VarianceModel:
        """Map between the parameters and the covariance matrices."""
        return self.objective.model

    @property
    def searched(self) -> bool:
        """Whether there is anything to search for."""
        return self.objective.n_params > 0

    # -- the data ------------------------------------------------------------------

    @property
    @abstractmethod
    def tree(self) -> Any:
        """Cross-products of all groups, at the psi of the last ``settle``."""

    @property
    def linear(self) -> Array:
        """Cross-products of [X y] from which linear regression follows."""
        return self.tree.total

    def leaves_nothing(self) -> str:
        """Why the likelihood has no maximum; empty where it has one.

        "fixed" where the fixed part fits y; "within" where it does so within the
        lowest-level groups although these have more rows than random effects.
        """
        y = self.design.moments
        if not self.objective.nn > 0 or self.design.n_rows <= self.pool.p:
            return "fixed"
        size = y.centred[-1, -1] + y.n * y.mean[-1] ** 2
        noise = (np.finfo(float).eps * 64) ** 2 * size
        if not self.tree.total[-1, -1] > noise:
            return "fixed"
        return "within" if self._fits_within(noise) else ""

    def _fits_within(self, noise: float) -> bool:
        """Whether y does not vary within the lowest-level groups beyond ``noise``."""
        return False

    def runs_out(self, D_blocks: list[Array], pieces: Pieces) -> bool:
        """Whether the residual variance goes to zero where a search came to.

        Fixed part and random effects together then fit the response, and the likelihood
        grows without bound.

        Parameters
        ----------
        D_blocks : list of ndarray
        pieces : Pieces
            At these.
        """
        return False

    def sharpen(self, pieces: Pieces) -> bool:
        """Whether products with y were formed anew, for a search that goes further.

        Parameters
        ----------
        pieces : Pieces
            Where a search came to.
        """
        return False

    @property
    def way(self) -> str:
        """How the fit is computed, where there is more than one way; else empty."""
        return ""

    @property
    def constants(self) -> list[Array | None]:
        """Per floor or term the combination of its columns that is one in every row."""
        design, pool = self.design, self.pool
        out: list[Array | None] = [
            basis.T[:, 0] if level.constant else None
            for level, basis in zip(design.levels[::-1], pool.levels, strict=True)
        ]
        for term, own in zip(design.terms, pool.terms, strict=True):
            if own is None:
                out.append(np.ones(1))
            else:
                constant = 0 in term.positions or not term.positions
                out.append(own.T[:, 0] if constant else None)
        return out

    # -- the search ----------------------------------------------------------------

    def rough(self, D_blocks: list[Array]) -> Array | None:
        """gamma from a cheaper version of the likelihood; None where there is none."""
        return None

    def scored(self, D_blocks: list[Array]) -> tuple[float, float, list[Array]] | None:
        """``Objective.scoring_step`` where it is better than EM to begin with."""
        return None

    def closer(self, gamma: Array) -> Array:
        """A better start than ``gamma`` from part of the groups, or ``gamma``."""
        return gamma

    def other_starts(self) -> list[Array]:
        """More points to search from, where there may be several maxima."""
        return []

    def border(self, gamma: Array) -> Border | None:
        """What is singular where a search came to; None inside."""
        return None

    def at_the_end(self, found: Optimum) -> Optimum:
        """Parameters that the search sends to infinity, taken there."""
        return found

    # -- by-products of the elimination --------------------------------------------

    @property
    def psi(self) -> Array:
        """Parameters of the residuals' structure at the last ``settle``."""
        return np.empty(0)

    @abstractmethod
    def posterior(self, D: list[Array], pieces: Pieces, sigma2: float) -> Posterior:
        """Random effects given the data, at the psi of the last ``settle``."""

    def errors(self, posterior: Posterior) -> Errors:
        """Residual errors given the data."""
        return WhiteErrors(posterior.sigma2)

    @abstractmethod
    def sensitivity(self, D_blocks: list[Array], pieces: Pieces) -> Sensitivity:
        """How X'V^-1X answers to the variance parameters, at the last ``settle``."""

    @abstractmethod
    def scores(
        self, D: list[Array], root: Root, sigma2: float, clusters: Array
    ) -> Scores:
        """Derivatives of the log likelihood by cluster (Eqs. 22 to 24).

        Parameters
        ----------
        D : list of ndarray
            Per floor or term.
        root : Root
            At D.
        sigma2 : float
        clusters : ndarray of int, shape (n,)
            Cluster of each row of the design, from 0; top-level groups are nested in
            them.
        """

    def cluster_blocks(
        self, D: list[Array], root: Root, clusters: Array, *, as_given: bool = False
    ) -> Iterator[ClusterBlock]:
        """Working covariance matrix, X and residuals of every cluster.

        Parameters as of ``scores``; here as there the groups of a factor lie in one
        cluster.  Rows of precision weights are multiplied by the roots of these unless
        they are wanted ``as_given``.
        """
        for rows in cluster_rows(self.design, self.pool, root, clusters):
            if as_given:
                rows, errors = rows.as_given()
                yield from rows.blocks(D, errors)
            else:
                yield from rows.blocks(D)

    def expected_information(self, D_blocks: list[Array]) -> Array:
        """Expected information about the elements of the D_b and log sigma^2.

        See ``Objective.information``.
        """
        at = self.objective.curvature(D_blocks, self.model.elements())
        return self.objective.information(at)
