"""Sums of products of a table's columns: of all its rows, and by group.

One pass for counts and ranges, one for products about the means in units of the range,
one by group.  Well-conditioned sums are taken to other columns by linear algebra; where
that would lose digits, the engine sums again in the columns that are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from ._parts import Parts
from ._table import Table

__all__ = ["GroupSums", "Summary", "TableSums", "is_missing"]

Array = np.ndarray

#: whole numbers up to which floats have every one
EXACT = 2.0**53


@dataclass(frozen=True, eq=False)
class Summary:
    """Counts and ranges of columns, one number each.

    Parameters
    ----------
    n : int
        Number of rows.
    missing, infinite : dict of str to int
        By column; labels have missing values only.
    low, high, mean : dict of str to float
        Of the numbers.
    """

    n: int
    missing: dict[str, int]
    infinite: dict[str, int]
    low: dict[str, float]
    high: dict[str, float]
    mean: dict[str, float]

    @classmethod
    def of(cls, table: Table, numbers: Sequence[str], labels: Sequence[str]) -> Summary:
        """One pass over the rows.

        Parameters
        ----------
        numbers, labels : sequence of str
            Names of columns.
        """
        asked = [nw.len().alias("n")]
        for j, name in enumerate(numbers):
            x = nw.col(name).cast(nw.Float64)
            gone = is_missing(table, name)
            asked += [
                gone.cast(nw.Int64).sum().alias(f"missing{j}"),
                ((x == np.inf) | (x == -np.inf))
                .fill_null(False)
                .cast(nw.Int64)
                .sum()
                .alias(f"infinite{j}"),
                x.min().alias(f"low{j}"),
                x.max().alias(f"high{j}"),
                x.mean().alias(f"mean{j}"),
            ]
        for j, name in enumerate(labels, len(numbers)):
            asked.append(
                is_missing(table, name).cast(nw.Int64).sum().alias(f"missing{j}")
            )
        got = table.one(asked, what="counts and ranges")

        def each(what: str, names: Sequence[str]) -> dict[str, float]:
            return {name: got[f"{what}{j}"] for j, name in enumerate(names)}

        def count(what: str, names: Sequence[str]) -> dict[str, int]:
            # of a table without rows there is no sum
            return {k: int(np.nan_to_num(v)) for k, v in each(what, names).items()}

        return cls(
            int(got["n"]),
            count("missing", [*numbers, *labels]),
            count("infinite", numbers),
            each("low", numbers),
            each("high", numbers),
            each("mean", numbers),
        )


def is_missing(table: Table, name: str) -> nw.Expr:
    """Whether a value is null, or no number."""
    column = nw.col(name)
    if table.schema[name].is_float():
        return column.is_null() | column.is_nan().fill_null(True)
    return column.is_null()


@dataclass(frozen=True, eq=False)
class TableSums:
    """Sums of products of some columns of a table's rows, which are all complete.

    Parameters
    ----------
    table : Table
    names : tuple of str
        Raw columns, k of them.
    keys : tuple of str
        Columns of labels by which rows are grouped; empty for one group.
    weight : str or None
        Name of the rows' weights.
    centre, unit : ndarray of shape (k,)
        Near the mean of each column, and its largest deviation.
    n_rows : int
    total_weight : str or None
        Name of the products of the weights of rows and their groups, which count in
        sums over groups; None where groups have none.
    """

    table: Table
    names: tuple[str, ...]
    keys: tuple[str, ...]
    weight: str | None
    centre: Array
    unit: Array
    n_rows: int
    total_weight: str | None = None

    @property
    def over_groups(self) -> TableSums:
        """The same with the weights of the groups in them."""
        if self.total_weight is None:
            return self
        return replace(self, weight=self.total_weight, total_weight=None)

    @property
    def standard(self) -> Array:
        """The matrix that makes [1, (raw - centre) / unit]."""
        return np.diag(np.append(1.0, 1.0 / self.unit))

    def total(self, shift: Array, matrix: Array) -> Array:
        """Sums of products of all columns ``[1, raw - shift] @ matrix``.

        Parameters
        ----------
        shift : ndarray of shape (k,)
        matrix : ndarray of shape (k + 1, w)

        Returns
        -------
        ndarray of shape (w, w)
        """
        if self.total_weight is not None:
            return self.over_groups.total(shift, matrix)
        w = matrix.shape[1]
        pairs = [(a, b) for a in range(w) for b in range(a, w)]
        got = self.table.one(
            self._products(matrix, pairs),
            self._columns(shift, matrix),
            f"{len(pairs)} sums of products",
        )
        out = np.empty((w, w))
        for a, b in pairs:
            out[a, b] = out[b, a] = got[f"s{a}_{b}"]
        return out

    def by_group(
        self,
        shift: Array,
        matrix: Array,
        left: Sequence[int],
        right: Sequence[int] | None = None,
    ) -> GroupSums:
        """The same by group, of the columns ``left`` with ``right``, by default all."""
        frame = self._columns(shift, matrix)
        right = range(matrix.shape[1]) if right is None else right
        pairs = _pairs(left, right)
        keys = [f"k{i}" for i in range(len(self.keys))]
        asked = self._products(matrix, pairs)
        if self.table.elementary and keys:
            frame = frame.with_columns(*self._products(matrix, pairs, summed=False))
            names = [f"s{a}_{b}" for a, b in pairs]
            asked = [nw.col(name).sum() for name in names]
        asked = [*asked, nw.len().alias("n")]
        by = f" by {', '.join(self.keys)}" if keys else ""
        answer = self.table.collect(
            frame.group_by(*keys).agg(*asked) if keys else frame.select(*asked),
            f"{len(pairs)} sums of products{by}",
        )
        return _read(self.keys, left, right, answer)

    def on_workers(
        self,
        client: Any,
        shift: Array,
        matrix: Array,
        left: Sequence[int],
        function: Callable[[GroupSums], Any],
    ) -> Parts:
        """The same where it is computed, cut by the first key: ``function`` of each part.

        Parameters
        ----------
        client : distributed.Client
            Of the cluster that the table is computed on.
        """
        keys = [f"k{i}" for i in range(len(self.keys))]
        right = range(matrix.shape[1])
        pairs = _pairs(left, right)
        frame = self._columns(shift, matrix).with_columns(
            *self._products(matrix, pairs, summed=False), nw.lit(1.0).alias("n")
        )
        names = [f"s{a}_{b}" for a, b in pairs]
        rows = frame.select(*keys, *names, "n").to_native()
        moved = rows.map_partitions(_summed, keys).shuffle(
            keys[0], npartitions=Parts.number(client)
        )
        read = partial(_read, self.keys, tuple(left), right)
        return Parts.of(
            client, moved.map_partitions(_summed, keys), _read_by, read, function
        )

    def most_groups(self) -> int | None:
        """How many groups whole numbers as labels allow, by a pass for their ranges.

        None where labels are of another kind, or too large to be told apart as floats.
        """
        keys = list(dict.fromkeys(self.keys))
        if not all(self.table.schema[key].is_integer() for key in keys):
            return None
        asked = []
        for i, key in enumerate(keys):
            asked += [
                nw.col(key).min().alias(f"a{i}"),
                nw.col(key).max().alias(f"b{i}"),
            ]
        got = self.table.one(asked, what=f"ranges of {', '.join(keys)}")
        if max(map(abs, got.values())) > EXACT:
            return None
        spans = (int(got[f"b{i}"]) - int(got[f"a{i}"]) + 1 for i in range(len(keys)))
        return math.prod(spans)

    def count_groups(self) -> int:
        """How many groups there are, by a pass over the labels."""
        rows = self.table.frame.select(*dict.fromkeys(self.keys)).unique()
        what = f"groups by {', '.join(self.keys)}"
        return int(self.table.one([nw.len().alias("n")], rows, what)["n"])

    def _columns(self, shift: Array, matrix: Array) -> nw.LazyFrame:
        """Labels k0, k1, ..., columns c0, c1, ... but the constant, and the weight w."""
        kept = [nw.col(k).alias(f"k{i}") for i, k in enumerate(self.keys)]
        if self.weight is not None:
            kept.append(nw.col(self.weight).cast(nw.Float64).alias("w"))
        raw = [
            (nw.col(name).cast(nw.Float64) - float(s)).alias(f"x{j}")
            for j, (name, s) in enumerate(zip(self.names, shift, strict=True))
        ]
        made = [
            _combination(column).alias(f"c{j}")
            for j, column in enumerate(matrix.T)
            if not _is_one(column)
        ]
        names = [f"k{i}" for i in range(len(self.keys))]
        names += [] if self.weight is None else ["w"]
        return self.table.frame.select(*kept, *raw).select(*names, *made)

    def _products(
        self,
        matrix: Array,
        pairs: Sequence[tuple[int, int]],
        *,
        summed: bool = True,
    ) -> list[nw.Expr]:
        """Sums of products, or the products themselves."""
        ones = [_is_one(column) for column in matrix.T]
        out = []
        for a, b in pairs:
            names = [f"c{j}" for j in (a, b) if not ones[j]]
            names += [] if self.weight is None else ["w"]
            if summed:
                product = nw.len() if not names else _product(names).sum()
            else:
                product = nw.lit(1.0) if not names else _product(names)
            out.append(product.alias(f"s{a}_{b}"))
        return out


def _summed(rows: Any, keys: list[str]) -> Any:
    """Sums by group of some rows, a pandas frame; categories by their labels."""
    for key in keys:
        if rows[key].dtype == "category":
            rows = rows.assign(
                **{key: rows[key].astype(rows[key].cat.categories.dtype)}
            )
    return rows.groupby(keys, sort=False, dropna=False).sum().reset_index()


def _read(
    keys: Sequence[str], left: Sequence[int], right: Sequence[int], answer: Any
) -> GroupSums:
    """Sums out of an engine's answer, a data frame in memory."""
    labels = None
    if keys:
        labels = answer[[f"k{i}" for i in range(len(keys))]]
        labels.columns = list(keys)
    n = np.asarray(answer["n"], dtype=float)
    sums = np.empty((len(left), len(right), len(n)))
    known = set(_pairs(left, right))
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            pair = (a, b) if (a, b) in known else (b, a)
            sums[i, j] = answer[f"s{pair[0]}_{pair[1]}"]
    return GroupSums(labels, n, sums)


def _read_by(
    answer: Any,
    read: Callable[[Any], GroupSums],
    function: Callable[[GroupSums], Any],
) -> Any:
    return function(read(answer))


@dataclass(frozen=True, eq=False)
class GroupSums:
    """An engine's answer, a row per group in any order.

    Parameters
    ----------
    labels : data frame of shape (G, number of keys) or None
        None without keys.
    n : ndarray of shape (G,)
        Number of rows.
    sums : ndarray of shape (len(left), len(right), G)
    """

    labels: Any
    n: Array
    sums: Array


def _pairs(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]]:
    """Every product of one of ``left`` with one of ``right``, once."""
    pairs: dict[tuple[int, int], None] = {}
    for a in left:
        for b in right:
            if (b, a) not in pairs:
                pairs[a, b] = None
    return list(pairs)


def _is_one(column: Array) -> bool:
    return bool(column[0] == 1.0 and not column[1:].any())


def _product(names: Sequence[str]) -> nw.Expr:
    out = nw.col(names[0])
    for name in names[1:]:
        out = out * nw.col(name)
    return out


def _combination(column: Array) -> nw.Expr:
    """One column of ``[1, x] @ matrix`` as an expression."""
    terms = [nw.col(f"x{j}") * float(column[1 + j]) for j in column[1:].nonzero()[0]]
    if column[0] or not terms:
        terms.append(nw.lit(float(column[0])))
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return out
