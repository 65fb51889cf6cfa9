"""Factors over a table: their groups, and sums by the pairs of groups that have rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..._spec import RandomEffects
from ...tables import GroupSums, TableSums
from .._design import Equation, Level, Term
from .._encoder import Encoder
from .._equations import Equations, lay_equations
from .._factors import Factor, compile_factors
from .._labels import Source
from .._validation import equation_names
from ._memory import check_memory, count_of
from ._products import (
    Groups,
    TableColumns,
    TableProducts,
    group_table,
    labels_of,
)

__all__ = ["Grouping", "TableCrossing", "cross_table"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Grouping:
    """One grouping of a table's rows: a level, or a factor within its groups.

    Parameters
    ----------
    encoders : tuple of Encoder
        Of the levels above it, top first, and its own.
    left : ndarray of int
        Standard columns whose products are known, the constant first.
    sums : ndarray of shape (len(left), k + 1, G)
        Their products with all.
    """

    encoders: tuple[Encoder, ...]
    left: Array
    sums: Array

    @property
    def keys(self) -> list[str]:
        """Columns of labels."""
        return [e.group for e in self.encoders if e.group != "_all"]

    def codes(self, got: GroupSums) -> Array:
        """Group of each row of an answer by these keys, and perhaps by others."""
        labels = labels_of(got, [e.group for e in self.encoders])
        codes = np.zeros(len(got.n), dtype=np.intp)
        for encoder in self.encoders:
            codes = encoder.transform(labels[encoder.group], codes)
        return codes


@dataclass(frozen=True, eq=False)
class TableCrossing(TableProducts):
    """Products by term, and by the pairs of groups of two terms.

    Parameters
    ----------
    terms : tuple of Grouping
        Levels with random effects, the lowest first, then the terms of factors.
    """

    terms: tuple[Grouping, ...] = ()

    def by_term(
        self, term: int, shift: Array, matrix: Array, left: Sequence[int]
    ) -> Array:
        """Sums of products by the groups of a term."""
        own = self.terms[term]
        if not self.coarse:
            return self.changed(own.left, own.sums, (shift, matrix), left)
        got = self._keyed(own.keys).by_group(shift, matrix, left)
        return got.sums[:, :, np.argsort(own.codes(got))]

    def by_pair(
        self, terms: tuple[int, int], shift: Array, left: Array, right: Array
    ) -> tuple[Array, Array, Array]:
        """Sums of products by the pairs of groups of two terms that have rows."""
        own, other = (self.terms[t] for t in terms)
        q, h = left.shape[1], right.shape[1]
        matrix = np.concatenate([left, right], axis=1)
        keys = list(dict.fromkeys([*own.keys, *other.keys]))
        pairs = own.sums.shape[-1] * other.sums.shape[-1]
        check_memory(self.sums, keys, q * h, pairs)
        got = self._keyed(keys).by_group(shift, matrix, range(q), range(q, q + h))
        return own.codes(got), other.codes(got), got.sums

    def _keyed(self, keys: Sequence[str]) -> TableSums:
        return replace(self.sums, keys=tuple(keys))


def cross_table(
    equations: list[RandomEffects],
    columns: TableColumns,
    sums: TableSums,
    names: list[str],
    gram: Array,
) -> tuple[Equations, Groups, TableProducts]:
    """Levels and factors of a table, and the sums by their groups.

    Parameters
    ----------
    names : list of str
        Levels, top first.
    gram : ndarray of shape (k + 1, k + 1)
        Of the standard columns, all rows.
    """
    index = {name: 1 + j for j, name in enumerate(columns.names)}
    of_levels = [e for e in equations if e.factor is None]
    left = _places(of_levels, index)
    check_memory(sums, sums.keys, count_of(len(left), len(gram)))
    levels, encoders, got = group_table(sums, names, left, gram)
    found, terms, of_factors = _factors(equations, sums, levels, encoders, index)
    laid = lay_equations(equations, equation_names(equations), columns, names, found)
    used = [k for k in range(len(levels)) if any(e.level == k for e in laid.compiled)]
    groupings = [
        Grouping(tuple(encoders[: k + 1]), left, _summed(got.sums, levels[k]))
        for k in used[::-1]
    ]
    products = TableCrossing(
        sums.n_rows,
        sums,
        gram,
        left,
        got.sums,
        tuple(encoders),
        terms=(*groupings, *of_factors),
    )
    weights = None if sums.weight is None else got.sums[0, 0]
    return laid, Groups(levels, encoders, got.n, weights, terms), products


def _places(equations: Sequence[RandomEffects], index: dict[str, int]) -> Array:
    """Standard columns with random coefficients, the constant first."""
    return np.array(
        sorted({0, *(index[c] for e in equations for c in e.columns)}), dtype=int
    )


def _summed(sums: Array, level: Level) -> Array:
    """Sums by the lowest groups added up to those of a level."""
    out = np.zeros((*sums.shape[:2], level.n_groups))
    for at in np.ndindex(*sums.shape[:2]):
        out[at] = np.bincount(level.codes, sums[at], minlength=level.n_groups)
    return out


def _factors(
    equations: Sequence[RandomEffects],
    sums: TableSums,
    levels: Sequence[Level],
    encoders: Sequence[Encoder],
    index: dict[str, int],
) -> tuple[dict[int, tuple[Equation, Factor]], tuple[Term, ...], list[Grouping]]:
    """The factors' equations by place, their terms, and the terms' groupings."""
    found: dict[int, tuple[Equation, Factor]] = {}
    terms: list[Term] = []
    groupings: list[Grouping] = []
    groups = [level.group for level in levels]
    every = equation_names(equations)
    for place, (spec, name) in enumerate(zip(equations, every, strict=True)):
        if spec.factor is None:
            continue
        above = tuple(encoders[: groups.index(spec.group) + 1])
        keys = [e.group for e in above if e.group != "_all"]
        left = _places([spec], index)
        keyed = replace(sums, keys=tuple(dict.fromkeys([*keys, spec.factor])))
        check_memory(keyed, keyed.keys, count_of(len(left), len(sums.standard)))
        got = keyed.by_group(sums.centre, sums.standard, left.tolist())
        values = Source.of(got.labels).column(spec.factor)
        over = _over(levels, above, got)
        laid, own = compile_factors([spec], [name], {spec.factor: values}, over)
        equation, factor = laid[0]
        own = _within(own, levels[0], over[0].codes)
        order = np.argsort(own[0].codes)
        groupings.append(
            Grouping((*above, factor.encoder), left, got.sums[:, :, order])
        )
        if factor.common:
            level = replace(levels[factor.owner], codes=own[1].codes)
            groupings.append(Grouping(above, left, _summed(got.sums, level)))
        at = tuple(len(terms) + t for t in equation.terms)
        found[place] = replace(equation, terms=at), factor
        terms += [replace(term, codes=np.zeros(0, dtype=np.intp)) for term in own]
    return found, tuple(terms), groupings


def _within(terms: Sequence[Term], top: Level, codes: Array) -> tuple[Term, ...]:
    """Terms that know a lowest-level group of the top-level group of each group.

    Parameters
    ----------
    codes : ndarray of int
        Top-level group of each row of an answer, which the terms' codes speak of.
    """
    first = np.empty(top.n_groups, dtype=np.intp)
    first[top.codes] = np.arange(len(top.codes))
    out = []
    for term in terms:
        within = np.empty(term.n_groups, dtype=np.intp)
        within[term.codes] = first[codes]
        out.append(replace(term, within=within))
    return tuple(out)


def _over(
    levels: Sequence[Level], above: Sequence[Encoder], got: GroupSums
) -> list[Level]:
    """The levels down to a factor's, with codes of the groups of an answer."""
    labels = labels_of(got, [e.group for e in above])
    codes = np.zeros(len(got.n), dtype=np.intp)
    out = []
    for level, encoder in zip(levels, above, strict=False):
        codes = encoder.transform(labels[encoder.group], codes)
        out.append(replace(level, codes=codes))
    return out
