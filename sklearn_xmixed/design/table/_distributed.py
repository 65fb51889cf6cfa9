"""Sums by group that stay on the workers of a cluster, cut by top-level group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from ...tables import GroupSums, Parts, TableSums, most_collected
from .._compiled import Compiled
from .._design import Equation, Level
from .._equations import levels_with_effects
from .._products import GroupPart
from .._weights import group_sizes
from ._products import TableProducts, labels_of_groups, numbered_groups

__all__ = ["DistantEncoder", "Distributed", "DistributedProducts"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Reader:
    """From an engine's sums by group to groups that are numbered, on a worker.

    Parameters
    ----------
    names : tuple of str
        Levels, top first.
    equations : tuple of Equation
    copies : bool
        Whether rows have weights that count them: what is then the sum of the first
        standard column, a constant.
    """

    names: tuple[str, ...]
    equations: tuple[Equation, ...]
    copies: bool

    def part(self, got: GroupSums) -> tuple[GroupPart, list[GroupSizes]]:
        """The groups in the order of their numbers, and the sizes of every level."""
        if not len(got.n):
            none = [GroupSizes()] * len(self.names)
            return GroupPart((), got.sums, ()), none
        levels, encoders, got = numbered_groups(got, self.names)
        sizes = got.sums[0, 0] if self.copies else got.n
        shown = group_sizes(levels, sizes, True)
        final, *_ = levels_with_effects(levels, self.equations, None)
        part = GroupPart(final, got.sums, (tuple(encoders), got.n))
        return part, [GroupSizes.of(each) for _, each, _ in shown]

    def group_part(self, got: GroupSums) -> GroupPart:
        """The first of the two."""
        return self.part(got)[0]


@dataclass(frozen=True)
class GroupSizes:
    """Observations per group: number of groups, smallest, largest, all; they add up."""

    n: int = 0
    smallest: float = np.inf
    largest: float = 0.0
    total: float = 0.0

    @classmethod
    def of(cls, sizes: Array) -> GroupSizes:
        """Of some groups."""
        return cls(
            len(sizes), float(sizes.min()), float(sizes.max()), float(sizes.sum())
        )

    def __add__(self, other: GroupSizes) -> GroupSizes:
        return GroupSizes(
            self.n + other.n,
            min(self.smallest, other.smallest),
            max(self.largest, other.largest),
            self.total + other.total,
        )

    @property
    def shown(self) -> tuple[Array, Array]:
        """A few sizes that stand for all, and how many groups each stands for."""
        if self.n == 1:
            return np.array([self.total]), np.ones(1)
        ends, rest = np.array([self.smallest, self.largest]), self.n - 2
        if not rest:
            return ends, np.ones(2)
        others = (self.total - ends.sum()) / rest
        return np.append(ends, others), np.array([1.0, 1.0, rest])


@dataclass(frozen=True, eq=False)
class DistantEncoder:
    """A level whose labels are on the workers.

    Parameters
    ----------
    group : str
    n_groups : int
    """

    group: str
    n_groups: int

    def transform(self, values: Any, parents: Array) -> Array:
        """Rows in memory cannot be looked up."""
        self._refuse()

    @property
    def parents(self) -> Array:
        """Not here."""
        self._refuse()

    @property
    def own_labels(self) -> Array:
        """Not here."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError(
            f"The {self.n_groups} groups of level {self.group!r} are on the workers of a "
            "Dask cluster, and rows in memory cannot be looked up there. Pass a frame of "
            "Dask, such as dask.dataframe.from_pandas(X, npartitions=1), or kind='fixed' "
            "for the fixed part."
        )


@dataclass(frozen=True, eq=False)
class DistributedProducts(TableProducts):
    """The same of groups that are on the workers.

    Parameters
    ----------
    there : Distributed
        In the standard columns; its parts are forgotten as soon as others were made of
        them.
    """

    there: Distributed = field(kw_only=True)

    elsewhere = True

    def counted(self, compiled: Compiled) -> Compiled:
        """A design with the numbers of the groups on the workers."""
        return self.there.counted(compiled)

    def by_group(self, shift: Array, matrix: Array, left: Sequence[int]) -> Array:
        """Not here."""
        raise NotImplementedError("These sums are on the workers of a cluster.")

    def of_parts(
        self,
        shift: Array,
        matrix: Array,
        left: Sequence[int],
        function: Callable[..., Any],
        *args: Any,
    ) -> Parts:
        """``function(part, *args)`` of every part."""
        parts = self.there.parts
        if self.coarse or not len(parts):
            then = partial(_read_then, self.there.reader, function, args)
            parts.forget()
            return self.sums.on_workers(parts.client, shift, matrix, left, then)
        C = self._from_standard(shift, matrix)
        own = C[np.ix_(self.left, np.asarray(left, dtype=int))]
        made = parts.map(_turned_then, own, C, function, args)
        parts.forget()  # what is made of them is made again from the rows
        return made


def _read_then(
    reader: Reader, function: Callable[..., Any], args: tuple, got: GroupSums
) -> Any:
    return function(reader.group_part(got), *args)


def _turned_then(
    part: tuple[GroupPart, Any],
    own: Array,
    C: Array,
    function: Callable[..., Any],
    args: tuple,
) -> Any:
    groups = part[0]
    half = np.tensordot(own, groups.sums, axes=(0, 0))
    sums = np.moveaxis(np.tensordot(C, half, axes=(0, 1)), 0, 1)
    return function(replace(groups, sums=sums), *args)


@dataclass(frozen=True, eq=False)
class Distributed:
    """A table's sums by group, a ``GroupPart`` and its sizes on the workers each.

    Parameters
    ----------
    parts : Parts
    sizes : list of GroupSizes
        By level, top first.
    reader : Reader
    n_bytes : int
        Of all sums.
    """

    parts: Parts
    sizes: list[GroupSizes]
    reader: Reader
    n_bytes: int

    @classmethod
    def of(
        cls,
        sums: TableSums,
        names: Sequence[str],
        equations: Sequence[Equation],
        left: Array,
        *,
        copies: bool,
    ) -> Distributed | None:
        """None where there is no cluster, or no need to look how many groups there are.

        Parameters
        ----------
        names : sequence of str
            Levels, top first; of a level of one group there are no parts.
        left : ndarray of int
            Standard columns with random coefficients.
        copies : bool
            Whether weights are numbers of equal rows.
        """
        client = sums.table.client
        if client is None or names[0] == "_all":
            return None
        size = 8 * (len(left) * (len(sums.names) + 1) + 1)  # of a group
        if size * sums.n_rows <= most_collected():
            return None
        counted = copies and sums.weight is not None
        reader = Reader(tuple(names), tuple(equations), counted)
        parts = sums.on_workers(
            client, sums.centre, sums.standard, [int(a) for a in left], reader.part
        )
        sizes = parts.added(_sizes)
        out = cls(parts, sizes, reader, size * sizes[-1].n)
        if sums.table.progress is not None:
            sums.table.progress.say(f"{out}.")
        return out

    def __str__(self) -> str:
        where = "stay on the workers" if self.stay else "come from the workers"
        return (
            f"The sums of {self.sizes[-1].n:,} groups by {', '.join(self.reader.names)}, "
            f"{self.n_bytes / 1e9:.2g} GB, {where}"
        )

    @property
    def stay(self) -> bool:
        """Whether the sums stay where they are."""
        return self.n_bytes > most_collected()

    def collected(self) -> GroupSums:
        """All of them."""
        found = [got for got in self.parts.map(_named).gather() if len(got.n)]
        return GroupSums(
            pd.concat([got.labels for got in found], ignore_index=True),
            np.concatenate([got.n for got in found]),
            np.concatenate([got.sums for got in found], axis=2),
        )

    @property
    def levels(self) -> list[Level]:
        """Without the groups themselves."""
        none = np.zeros(0, dtype=np.intp)
        return [Level(name, none, 0, none) for name in self.reader.names]

    @property
    def encoders(self) -> list[Any]:
        """The number of groups alone."""
        return [
            DistantEncoder(name, each.n)
            for name, each in zip(self.reader.names, self.sizes, strict=True)
        ]

    def counted(self, compiled: Compiled) -> Compiled:
        """A design over these groups with their numbers."""
        levels = tuple(
            replace(level, n_groups=self.sizes[number].n)
            for level, number in zip(
                compiled.design.levels, compiled.level_numbers, strict=True
            )
        )
        shown = tuple(
            (name, *each.shown)
            for name, each in zip(self.reader.names, self.sizes, strict=True)
        )
        design = replace(compiled.design, levels=levels)
        return replace(compiled, design=design, shown=shown)


def _sizes(part: tuple[GroupPart, list[GroupSizes]]) -> list[GroupSizes]:
    return part[1]


def _named(part: tuple[GroupPart, list[GroupSizes]]) -> GroupSums:
    """The sums of a part with their labels."""
    groups = part[0]
    if not groups.levels:
        return GroupSums(pd.DataFrame(), np.zeros(0), groups.sums)
    encoders, n = groups.labels
    labels = labels_of_groups(encoders)
    named = {name: own for name, own in labels.items() if own is not None}
    return GroupSums(pd.DataFrame(named), n, groups.sums)
