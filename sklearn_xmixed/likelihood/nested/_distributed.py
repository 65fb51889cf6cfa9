"""Nested levels whose groups are on the workers of a cluster.

A part of the tree, some top-level groups with all that is below them, is on a worker;
what the sweeps hand to the root, and the sums that derivatives are made of, add up over
the parts.  An evaluation sends the covariance matrices out, and a Newton step with all
its second derivatives is one round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ...design._design import Design
from ...design._products import GroupPart
from .._basis import Pool
from .._pieces import Pieces
from ._crossproducts import (
    left_within,
    own_columns,
    shard_of_groups,
    total_products,
)
from ._kind import Nested
from ._posterior import NestedPosterior
from ._sweeps import Sweep
from ._tree import Ascent, Shards, Tree

__all__ = [
    "DistributedNested",
    "DistributedPosterior",
    "DistributedTree",
    "TreePart",
    "distributed_tree",
]

Array = np.ndarray


class TreePart:
    """Some top-level groups with all that is below them, on a worker.

    Parameters
    ----------
    shards : tuple of Shard
        None where there are no groups.
    explained : ndarray of shape (p + 1, p + 1)
        Of the root's cross-products, by the lowest groups.
    labels : object
        What the groups are called.
    """

    def __init__(self, shards: Shards, explained: Array, labels: Any):
        self.shards, self.explained, self.labels = shards, explained, labels
        self._last: tuple[list[bytes], list[Ascent]] | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_last": None}

    def __sizeof__(self) -> int:
        """What it costs to move, which Dask asks."""
        floors = [floor for shard in self.shards for floor in shard.floors]
        return sum(floor.block.nbytes for floor in floors)

    @classmethod
    def of(cls, groups: GroupPart, design: Design, pool: Pool) -> TreePart:
        """From sums by group, whatever the design says of levels."""
        if not groups.levels:
            return cls((), np.zeros((pool.p + 1, pool.p + 1)), groups.labels)
        design = replace(design, levels=groups.levels).sorted()
        shard, explained = shard_of_groups(design, pool, groups.sums)
        return cls((shard,), explained, groups.labels)

    def changed(self, function: Callable[[Shards], Shards]) -> TreePart:
        """With other shards of the same likelihood."""
        return TreePart(function(self.shards), self.explained, self.labels)

    def measures(self, depth: int) -> tuple[Array, list[float]]:
        """What is explained, and the number of groups by floor."""
        counts = [
            sum((float(s.floors[k].count.sum()) for s in self.shards), 0.0)
            for k in range(depth)
        ]
        return self.explained, counts

    def up(
        self, sweep: Sweep, points: Sequence[list[Array]]
    ) -> list[tuple[Array, float]]:
        """What the shards hand to the root at every point."""
        out = []
        for number, D in enumerate(points):
            ascents = sweep.up(self.shards, D)
            if number == 0 and sweep.order:  # the way down begins where this ends
                self._last = [d.tobytes() for d in D], ascents
            out.append(sweep.handed_up(ascents))
        return out

    def down(
        self, sweep: Sweep, points: Sequence[list[Array]], roots: Sequence[tuple]
    ) -> list[Any]:
        """The sums that derivatives are made of at every point."""
        out = []
        for D, (_, root, _) in zip(points, roots, strict=True):
            ascents = self._ascents(sweep, D)
            out.append(sweep.down(self.shards, D, ascents, root))
        return out

    def _ascents(self, sweep: Sweep, D: list[Array]) -> list[Ascent]:
        last, self._last = self._last, None
        if last is not None and last[0] == [d.tobytes() for d in D]:
            return last[1]
        return sweep.up(self.shards, D)  # another worker, or another point, went up


@dataclass(frozen=True, eq=False)
class DistributedTree:
    """A ``Tree`` whose shards are elsewhere.

    Parameters
    ----------
    parts : Parts
        A ``TreePart`` each.
    within, total, n
        As of ``Tree``.
    counts : tuple of float
        Number of groups of every floor, lowest first.
    """

    parts: Any
    within: Array
    total: Array
    n: float
    counts: tuple[float, ...]

    @property
    def p(self) -> int:
        """Number of columns of X."""
        return self.within.shape[0] - 1

    @property
    def depth(self) -> int:
        """Number of levels of grouping."""
        return len(self.counts)

    def n_groups(self, floor: int) -> float:
        """Number of groups of a floor."""
        return self.counts[floor]

    def added(self, function: Callable[..., Any], *args: Any) -> Any:
        """The sum of ``function(shards, *args)`` over the parts."""
        return self.parts.added(_of_shards, function, args)

    def changed(self, function: Callable[[Shards], Shards]) -> DistributedTree:
        """The same with other shards of the same likelihood."""
        return replace(self, parts=self.parts.map(TreePart.changed, function))

    def swept(self, sweep: Sweep, points: Sequence[list[Array]]) -> list[tuple]:
        """Root's matrix and solution, l, and the sums down, by point, in one round."""
        up = partial(_up, sweep, points)
        if sweep.order == 0:
            given = self.parts.added(up)
            return [(*sweep.root(each), None) for each in given]
        roots, downs = self.parts.added_twice(
            up, partial(_roots, sweep), partial(_down, sweep, points)
        )
        return [(*root, down) for root, down in zip(roots, downs, strict=True)]


def _of_shards(part: TreePart, function: Callable[..., Any], args: tuple) -> Any:
    return function(part.shards, *args)


def _up(sweep: Sweep, points: Sequence[list[Array]], part: TreePart) -> Any:
    return part.up(sweep, points)


def _roots(sweep: Sweep, given: Sequence[tuple[Array, float]]) -> list[tuple]:
    return [sweep.root(each) for each in given]


def _down(
    sweep: Sweep, points: Sequence[list[Array]], part: TreePart, roots: Sequence[tuple]
) -> Any:
    return part.down(sweep, points, roots)


def distributed_tree(design: Design, pool: Pool) -> DistributedTree:
    """The tree of a design whose sums by group are elsewhere."""
    products = design.products
    assert products is not None
    total, n = total_products(design, pool, products)
    left = own_columns(pool).tolist()
    plain = replace(design, products=None, weights=None)
    parts = products.of_parts(pool.shift, pool.matrix, left, TreePart.of, plain, pool)
    explained, counts = parts.added(TreePart.measures, len(pool.levels))
    return DistributedTree(
        parts, left_within(total, explained), total, n, tuple(counts)
    )


class DistributedPosterior(NestedPosterior):
    """Random effects that are predicted where the groups are."""

    tree: Any
    elsewhere = True
    refusals: ClassVar[Mapping[str, str]] = {
        "replicates": "groups on the workers of a cluster"
    }

    @property
    def floors(self) -> Any:
        """Not here."""
        raise NotImplementedError(
            "The groups of this fit are on the workers of a Dask cluster: predict with a "
            "frame of Dask, and take random_effects_, which are such frames too."
        )

    @property
    def template(self) -> NestedPosterior:
        """The posterior of no groups, which is sent to them."""
        tree = self.tree
        empty = Tree((), tree.within, tree.total, tree.n)
        return NestedPosterior(empty, self.D, self.pieces, self.pool, self.sigma2)

    def frame(self, function: Callable[..., Any], *args: Any) -> Any:
        """A frame with the rows ``function(posterior, labels, *args)`` of every part."""
        return self.tree.parts.frame(_frame_of, self.template, function, args)


def _frame_of(
    part: TreePart,
    template: NestedPosterior,
    function: Callable[..., Any],
    args: tuple,
) -> Any:
    if not part.shards:
        return ()
    tree = replace(template.tree, shards=part.shards)
    return function(replace(template, tree=tree), part.labels, *args)


class DistributedNested(Nested):
    """The kind of model, with the groups elsewhere."""

    def posterior(
        self, D: list[Array], pieces: Pieces, sigma2: float
    ) -> DistributedPosterior:
        """Random effects given the data."""
        return DistributedPosterior(self.tree, D, pieces, self.pool, sigma2)
