"""Rows of a table that are read into memory by whole groups, some groups at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from ._table import Table

__all__ = ["LABEL", "WholeGroups"]

Array = np.ndarray

#: rows of a batch, but for what its last group has beyond them
BATCH_ROWS = 1_000_000
#: name of the labels in a batch
LABEL = "__label"


@dataclass(frozen=True, eq=False)
class WholeGroups:
    """A table cut by ranges of a label.

    Parameters
    ----------
    table : Table
    key : str
        Column of the labels.
    starts : list
        Smallest label of every batch, ascending.
    rows, groups : ndarray of int
        How many there are in every batch.
    sizes, copies : ndarray
        Distinct numbers of rows of a group, and how many groups have each.
    """

    table: Table
    key: str
    starts: list[Any]
    rows: Array
    groups: Array
    sizes: Array
    copies: Array

    @classmethod
    def of(cls, table: Table, key: str) -> WholeGroups:
        """By one pass over the labels."""
        label = _label(table, key).alias(LABEL)
        counts = table.frame.select(label).group_by(LABEL).agg(nw.len().alias("n"))
        if not table.elementary:
            counts = counts.sort(LABEL)
        answer = nw.from_native(
            table.collect(counts, f"groups by {key}"), eager_only=True
        )
        if table.elementary:
            answer = answer.sort(LABEL)
        n = np.asarray(answer["n"].to_numpy(), dtype=np.int64)
        batch = (np.cumsum(n) - n) // BATCH_ROWS
        first = np.flatnonzero(np.diff(batch, prepend=-1))
        labels = answer[LABEL]
        sizes, copies = np.unique(n, return_counts=True)
        return cls(
            table,
            key,
            [_bound(labels[int(i)]) for i in first],
            np.add.reduceat(n, first),
            np.diff(np.append(first, len(n))),
            sizes.astype(float),
            copies.astype(float),
        )

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return int(self.groups.sum())

    def read(self, columns: Sequence[nw.Expr]) -> Iterator[Any]:
        """Batches as data frames in memory: the labels, and what else is asked for.

        Raises
        ------
        ValueError
            If a batch has other rows than were counted.
        """
        label, last = _label(self.table, self.key), len(self.starts) - 1
        for number, start in enumerate(self.starts):
            inside = [label >= start] if number else []
            inside += [label < self.starts[number + 1]] if number < last else []
            frame = self.table.frame
            frame = frame.filter(*inside) if inside else frame
            what = f"rows of {self.groups[number]:,} groups by {self.key}"
            rows = self.table.collect(frame.select(label.alias(LABEL), *columns), what)
            if len(rows) != self.rows[number]:
                raise ValueError(
                    f"{len(rows)} rows of the table have a label {self.key!r} from "
                    f"{start!r} on where {self.rows[number]} were counted before: the "
                    "table changes while it is read, or its engine does not compare "
                    "labels as it sorts them. Write it to Parquet files with integer "
                    "labels, and pass their path."
                )
            yield rows


def _label(table: Table, key: str) -> nw.Expr:
    """Labels that have an order: categories as their text."""
    label = nw.col(key)
    if table.schema[key] in (nw.Categorical, nw.Enum):
        return label.cast(nw.String)
    return label


def _bound(label: Any) -> Any:
    """A label that an engine can be asked to compare with."""
    if isinstance(label, np.generic):
        return label.item()
    return label.to_pydatetime() if hasattr(label, "to_pydatetime") else label
