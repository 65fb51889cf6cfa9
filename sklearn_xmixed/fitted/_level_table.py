"""Random effects of one level or factor as a table to join with rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from ..design._factors import factor_index
from ..design._levels import path_frame
from ..likelihood import Stage
from ..tables import Table
from ._fitted import FittedModel

__all__ = ["LevelTable", "check_kind", "combined", "stage_columns_of"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class LevelTable:
    """Random effects of one level or factor, a row per group.

    Parameters
    ----------
    title : str
        How a message speaks of it.
    level : int
        Among those asked for, top level 0; of a factor the level that owns it.
    keys : list of str
        Columns whose labels make the path of a group; empty for one group of all rows.
    index : Index
        Paths of the groups.
    effects : ndarray of shape (G, q)
        In the pool's columns: there intercepts and slopes do not cancel.
    columns : ndarray of shape (k + 1, q)
        These as combinations of [1, raw - shift].
    term : int
        Among the posterior's floors and terms.
    beside : dict of str to ndarray of shape (G,)
        What else is asked for of the groups, by name of column.
    """

    title: str
    level: int
    keys: list[str]
    index: pd.Index
    effects: Array
    columns: Array
    term: int
    beside: dict[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, fitted: FittedModel) -> Iterator[LevelTable]:
        """Every level with random effects, top level first, then every factor."""
        names = [encoder.group for encoder in fitted.encoders]
        depth = len(fitted.level_numbers)
        for level, number in enumerate(fitted.level_numbers):
            yield cls._of_level(fitted, depth - 1 - level, number)
        for equation in fitted.equations:
            factor = equation.factor
            if factor is None:
                continue
            above = [name for name in names[: factor.owner + 1] if name != "_all"]
            yield cls(
                repr(factor.variable),
                factor.owner,
                [*above, factor.variable],
                factor_index(fitted.encoders, factor),
                *_of_term(fitted, equation.floor, factor.encoder.n_groups),
                equation.floor,
            )
            if factor.common:  # what the levels of a group share
                yield cls._of_level(fitted, equation.floor + 1, factor.owner)

    @classmethod
    def _of_level(cls, fitted: FittedModel, term: int, number: int) -> LevelTable:
        """Effects of the groups of a level."""
        encoders = fitted.encoders[: number + 1]
        return cls(
            f"level {encoders[-1].group!r}",
            number,
            [encoder.group for encoder in encoders if encoder.group != "_all"],
            path_frame(encoders, number),
            *_of_term(fitted, term, encoders[-1].n_groups),
            term,
        )

    def join(
        self, frame: nw.LazyFrame, table: Table
    ) -> tuple[nw.LazyFrame, nw.Expr, nw.Expr]:
        """The effects beside the rows, their sum, and where there are none."""
        own = [f"__u{self.term}_{j}" for j in range(self.columns.shape[1])]
        if not self.keys:
            numbers = dict(zip(own, self.effects.T, strict=True)) | self.beside
            one = [nw.lit(float(u[0])).alias(name) for name, u in numbers.items()]
            frame = frame.with_columns(*one)
            return frame, self._sum([nw.col(name) for name in own]), nw.lit(False)
        keys = [f"__k{self.term}_{i}" for i in range(len(self.keys))]
        made = [_key(table, n).alias(k) for k, n in zip(keys, self.keys, strict=True)]
        frame = frame.with_columns(*made)
        types = frame.collect_schema()
        other = self.lent(table, keys, own)
        other = other.with_columns(*[nw.col(k).cast(types[k]) for k in keys])
        frame = frame.join(other, on=keys, how="left")
        known = [nw.col(name).fill_null(0.0) for name in own]
        return frame, self._sum(known), nw.col(own[0]).is_null()

    def lent(
        self, table: Table, keys: Sequence[str], own: Sequence[str]
    ) -> nw.LazyFrame:
        """Labels, effects and what is beside them as a table of the same engine.

        Parameters
        ----------
        keys, own : sequence of str
            What the columns of labels and of effects are called.
        """
        labels = {
            key: _plain(table, name, self.index.get_level_values(name))
            for key, name in zip(keys, self.keys, strict=True)
        }
        effects = dict(zip(own, self.effects.T, strict=True))
        return table.lend(labels | effects | self.beside)

    def with_stage(self, stage: Stage | None) -> LevelTable:
        """The same with what the elimination keeps of the groups."""
        assert stage is not None
        return replace(self, beside=stage_columns_of(stage, self.term))

    def _sum(self, u: list[nw.Expr]) -> nw.Expr:
        """z'u of the rows."""
        total = nw.lit(0.0)
        for column, effect in zip(self.columns.T, u, strict=True):
            total = total + effect * combined(column)
        return total


def stage_columns_of(stage: Stage, term: int) -> dict[str, Array]:
    """What leads rows through the elimination of a term, by name of column."""
    out: dict[str, Array] = {}
    for a, row in enumerate(stage.own):
        out |= {f"__v{term}_{a}_{b}": row[b] for b in range(a + 1)}
        for up, on in enumerate(stage.above):
            out |= {f"__a{term}_{up}_{a}_{b}": u for b, u in enumerate(on[a])}
        out |= {f"__b{term}_{a}_{i}": u for i, u in enumerate(stage.x[a])}
    return out


def combined(column: Array) -> nw.Expr:
    """A combination of [1, raw - shift], the latter in columns x0, x1, ..."""
    z = nw.lit(float(column[0]))
    for j in column[1:].nonzero()[0]:
        z = z + nw.col(f"__x{j}") * float(column[1 + j])
    return z


def _of_term(fitted: FittedModel, floor: int, n_groups: int) -> tuple[Array, Array]:
    """Random effects of a term's groups, what the posterior says of unit rows.

    Returns
    -------
    effects : ndarray of shape (G, q)
    columns : ndarray of shape (k + 1, q)
        That they go with.
    """
    matrix, members = fitted.pool.matrix, fitted.pool.members
    widths = [1 if m is None else len(m) for m in members]
    codes = [np.full(n_groups, -1) for _ in widths]
    codes[floor] = np.arange(n_groups)
    out = []
    for a in range(widths[floor]):
        Z = [np.zeros((n_groups, q)) for q in widths]
        Z[floor][:, a] = 1.0
        out.append(fitted.posterior.linear(codes, Z))
    own = members[floor]
    columns = np.eye(len(matrix), 1) if own is None else matrix[:, own]
    return np.column_stack(out), columns


def _key(table: Table, name: str) -> nw.Expr:
    """Labels to join by; of categories their text."""
    column = nw.col(name)
    if table.schema[name] in (nw.Categorical, nw.Enum):
        return column.cast(nw.String)
    return column


def _plain(table: Table, name: str, labels: pd.Index) -> Any:
    """Labels in a form that every engine takes.

    Raises
    ------
    TypeError
        If they are numbers there and text here.
    """
    numeric = pd.api.types.is_numeric_dtype(labels) or labels.dtype == bool
    check_kind(table, name, numeric=numeric)
    return labels.to_numpy() if numeric else list(labels)


def check_kind(table: Table, name: str, *, numeric: bool) -> None:
    """Labels of a level are numbers both in the table and in the training data.

    Raises
    ------
    TypeError
    """
    if numeric != (table.kind(name) == "numbers"):
        here, there = ("text", "numbers") if numeric else ("numbers", "text")
        raise TypeError(
            f"The labels of level {name!r} are {here} here and were {there} in the "
            "training data. Convert them to the same type."
        )
