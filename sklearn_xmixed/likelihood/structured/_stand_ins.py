"""Structured residuals from a few groups that stand for all of a table's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from ...design._design import Design
from .._basis import LevelBasis, Pool
from .._border import Border
from .._errors import Errors
from .._pieces import Pieces
from .._posterior import Posterior
from ._errors import StructuredErrors
from ._kind import Structured
from ._posterior import StructuredPosterior
from ._rows import Rows

__all__ = ["StandInStructured", "stand_in_rows"]

Array = np.ndarray

NOT_KEPT = (
    "Of a lazy table with structured residuals sums by pattern are kept, and not the rows "
    "of its groups, which {what} need. Predict the fixed part by kind='fixed', or fit to "
    "whole groups in memory."
)


def stand_in_rows(design: Design, pool: Pool) -> Rows:
    """The rows of the stand-ins, whose random columns are apart from [X y].

    A column that is both is that of its pattern as a random one, and a root of sums of
    products in X.
    """
    within, products = design.residual, design.products
    assert within is not None
    assert products is not None
    m = pool.p + 1
    members = pool.levels[0].members if pool.levels else np.zeros(0, dtype=int)
    q = len(members)
    own = np.append(members, np.arange(pool.width - m, pool.width))
    pool = replace(
        pool,
        matrix=pool.matrix[:, own],
        levels=tuple(LevelBasis(np.arange(q), b.T) for b in pool.levels),
    )
    found = products.stand_ins(pool.shift, pool.matrix, q)
    n = len(found.W)
    design = replace(design, products=None, y=np.zeros(n))
    order = np.arange(n) if design.order is None else design.order
    each = found.count[within.codes[order]]
    model = within.model(order, each)
    W = np.asfortranarray(found.W[order])
    return Rows(design, pool, W, model, float(each.sum()), found.count)


class StandInPosterior(StructuredPosterior):
    """Random effects of groups that were not kept."""

    refusals: ClassVar[Mapping[str, str]] = {
        "replicates": "structured residuals of a lazy table",
        "stages": NOT_KEPT.format(what="random effects and their errors"),
    }

    @property
    def floors(self) -> Any:
        """Not kept."""
        raise NotImplementedError(NOT_KEPT.format(what="random effects"))


class StandInErrors(StructuredErrors):
    """Residual errors, of which none is known."""

    def forecast(self, codes: Array, time: Array | None) -> NoReturn:
        """Not kept."""
        raise NotImplementedError(NOT_KEPT.format(what="forecasts"))


class StandInStructured(Structured):
    """The kind of model of stand-ins."""

    def border(self, gamma: Array) -> Border | None:
        """Not looked for: V of the stand-ins is not that of the groups."""
        return None

    def posterior(
        self, D: list[Array], pieces: Pieces, sigma2: float
    ) -> StandInPosterior:
        """Random effects given the data, which are not kept."""
        return StandInPosterior(self.tree, D, pieces, self.pool, sigma2)

    def errors(self, posterior: Posterior) -> Errors:
        """What structure says of residual errors."""
        if not posterior.sigma2 > 0:
            return super().errors(posterior)
        none = np.zeros(0, dtype=int)
        return StandInErrors(
            self.rows.residual,
            self.psi,
            posterior.sigma2,
            none,
            None,
            none,
            np.zeros(0),
        )
