"""Structured residuals from a few groups that stand for all of a table's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, NoReturn

import numpy as np

from ...design._design import Design
from .._basis import LevelBasis, Pool
from .._border import Border
from .._errors import Errors
from .._pieces import Pieces
from .._posterior import Posterior, Stage
from ..nested._crossproducts import tree_of_sums
from ..nested._posterior import LevelEffects
from ..nested._tree import Tree
from ._errors import StructuredErrors
from ._kind import Structured
from ._posterior import StructuredPosterior
from ._rows import Rows

__all__ = ["StandInStructured", "stand_in_rows"]

Array = np.ndarray

NOT_KEPT = (
    "Of a lazy table with structured residuals the rows of single groups are not kept, "
    "which forecasts need: predict does without them, or fit to whole groups in memory."
)
NOT_SAVED = (
    "The random effects of a fit to a lazy table with structured residuals are found by "
    "reading the table once more, which a saved or copied estimator does not have. Ask "
    "for random_effects_['...'] before it is saved, or predict with kind='fixed'."
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


def whole_tree(kind: Structured, psi: Array, tree: Tree) -> Tree:
    """The tree of all groups at psi, by reading them.

    Parameters
    ----------
    tree : Tree
        Of the stand-ins.
    """
    rows, design, pool = kind.rows, kind.design, kind.pool
    within, products = design.residual, design.products
    assert within is not None
    assert products is not None
    # the inverse of Lambda, row by row of the stand-ins
    first = np.searchsorted(within.codes, np.arange(within.codes[-1] + 1))
    place = np.arange(len(within.codes)) - first[within.codes]
    unit = np.zeros((len(place), int(place.max()) + 1))
    unit[np.arange(len(place)), place] = 1.0
    inverse = np.empty_like(unit)
    inverse[rows.order] = rows.residual.solve(psi, unit[rows.order])
    q = len(pool.levels[0].members)
    sums = products.weighted(pool.shift, pool.matrix, q, inverse)
    G = sums.shape[2]
    level = replace(design.levels[0], n_groups=G, parents=np.zeros(G, dtype=np.intp))
    whole = replace(design, levels=(level,), order=None, starts=None)
    return tree_of_sums(whole, pool, [sums], tree.total, tree.n)


@dataclass(eq=False)
class StandInPosterior(StructuredPosterior):
    """Random effects of groups that are read when these are asked for.

    Parameters
    ----------
    read : callable or None
        Makes the tree of all groups; None where the table is gone.
    """

    refusals: ClassVar[Mapping[str, str]] = {
        "replicates": "structured residuals of a lazy table"
    }
    read: Callable[[], Tree] | None = None
    _whole: StructuredPosterior | None = None

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "read": None}

    @property
    def whole(self) -> StructuredPosterior:
        """The posterior of all groups."""
        if self._whole is None:
            if self.read is None:
                raise NotImplementedError(NOT_SAVED)
            self._whole = StructuredPosterior(
                self.read(), self.D, self.pieces, self.pool, self.sigma2
            )
        return self._whole

    @property
    def floors(self) -> list[LevelEffects]:
        """Of all groups."""
        return self.whole.floors

    def stages(self) -> list[Stage]:
        """Of all groups."""
        return self.whole.stages()


class StandInErrors(StructuredErrors):
    """Residual errors, of which none is known."""

    def forecast(self, codes: Array, time: Array | None) -> NoReturn:
        """Not kept."""
        raise NotImplementedError(NOT_KEPT)


class StandInStructured(Structured):
    """The kind of model of stand-ins."""

    def border(self, gamma: Array) -> Border | None:
        """Not looked for where V of the stand-ins is not that of the groups."""
        assert self.rows.count is not None
        return super().border(gamma) if (self.rows.count == 1.0).all() else None

    def posterior(
        self, D: list[Array], pieces: Pieces, sigma2: float
    ) -> StandInPosterior:
        """Random effects given the data, at the psi of the last ``settle``."""
        tree, read = self.tree, None
        if self.design.levels:
            read = partial(whole_tree, self, self.psi.copy(), tree)
        return StandInPosterior(tree, D, pieces, self.pool, sigma2, read=read)

    def errors(self, posterior: Posterior) -> Errors:
        """What the structure says of residual errors."""
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
