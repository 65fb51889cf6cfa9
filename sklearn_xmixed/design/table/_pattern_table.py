"""Structured residuals of a table: its groups by pattern, read batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from ..._spec import RandomEffects
from ...residuals import STRUCTURES, Within
from ...tables import LABEL, TableSums, WholeGroups
from .._design import Level
from .._encoder import Encoder, encode
from .._equations import Equations, lay_equations
from .._labels import Source
from .._validation import equation_names
from ..residuals._structure_checks import check_residuals
from ..residuals._within import compile_residuals, read_variables
from ._pattern_products import PatternBasis, PatternProducts
from ._patterns import GroupBatch, Pattern, PatternLimitError, PatternSums
from ._products import Groups, TableColumns

__all__ = ["check_patterns", "pattern_table"]

Array = np.ndarray

WAY_OUT = (
    "Read whole groups into memory, all or a sample of them, and fit to these: that is a "
    "data set of the same model."
)


def check_patterns(
    estimator: Any, equations: Sequence[RandomEffects], weight: str | None
) -> None:
    """Refuse what patterns of one level do not have."""
    residuals = estimator.residuals
    check_residuals(residuals, equations)
    levels = list(dict.fromkeys(e.group for e in equations))
    what = f"residuals={residuals!r} of a lazy table"
    one = (
        "Rows are read by whole groups of one level, which is that of the residuals "
        f"and of all random effects. {WAY_OUT}"
    )
    vce = "robust" if estimator.weight_type == "sampling" else estimator.vce
    reasons = {
        f"{what} without groups is not supported: every row would be read. Name "
        "groups without random effects, RandomEffects(group, intercept=False); or read "
        "the table into memory.": not levels,
        f"{what} with the levels {levels} is not supported. {one}": len(levels) > 1,
        f"{what} with the level '_all' is not supported: its one group has all "
        f"rows. {one}": levels == ["_all"],
        f"{what} with weights (sample_weight={weight!r}) is not supported. "
        f"{WAY_OUT}": weight is not None,
        f"{what} with weights of groups (weight= of an equation) is not supported. "
        f"{WAY_OUT}": any(e.weight is not None for e in equations),
        f"{what} with vce={vce!r} is not supported: the score of a cluster needs its "
        f"rows, of which sums by pattern alone are kept. Use vce='oim'. "
        f"{WAY_OUT}": vce != "oim",
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)


def pattern_table(
    estimator: Any,
    equations: list[RandomEffects],
    columns: TableColumns,
    sums: TableSums,
    level: str,
) -> tuple[Equations, Groups, PatternProducts]:
    """The equations, stand-ins for the groups, and their sums of products.

    Parameters
    ----------
    level : str
        Of the groups, which is the only one.
    """
    laid = lay_equations(equations, equation_names(equations), columns, [level], {})
    places = {p - 1 for equation in laid.compiled for p in equation.positions if p}
    basis = PatternBasis.of(
        columns.moments,
        int(columns.kept.sum()),
        intercept=bool(estimator.fit_intercept),
    )
    groups = WholeGroups.of(sums.table, level)
    reader = BatchReader(
        estimator.residuals, sums.names, basis, np.array(sorted(places), dtype=int)
    )
    found, labels = PatternSums(), []
    try:
        for batch in reader.batches(groups):
            found.add(batch)
            labels.append(np.asarray(batch.labels))
    except PatternLimitError as limit:
        reader.within(found.patterns, level)  # what is wrong with the times comes first
        raise NotImplementedError(
            f"residuals={estimator.residuals!r} of a lazy table takes groups that share "
            f"{reader.shared}, and the table has {limit}. {WAY_OUT} Fewer patterns, by "
            "rounded times say, would do as well."
        ) from None
    within = reader.within(found.patterns, level)
    code = _repeated(within.codes, found.patterns)[1]
    n = int(code.max()) + 1
    levels = [Level(level, code, n, np.zeros(n, dtype=np.intp))]
    encoder = Encoder(level, np.concatenate(labels), np.arange(groups.n_groups))
    products = PatternProducts(
        sums.n_rows,
        sums,
        np.zeros((0, 0)),
        np.zeros(0, dtype=int),
        np.zeros((0, 0, 0)),
        (),
        found=found,
        read=partial(reader.batches, groups),
        basis=basis,
        own=reader.own,
        within=within.take(*_repeated(within.codes, found.patterns)),
        shown=(level, groups.sizes, groups.copies),
    )
    return laid, Groups(levels, [encoder], np.ones(len(code)), None), products


def _repeated(code: Array, patterns: Sequence[Pattern]) -> tuple[Array, Array]:
    """Rows of one group of each pattern, once for every stand-in, and whose they are."""
    rows, codes, first = [], [], 0
    starts = np.searchsorted(code, np.arange(len(patterns)))
    for start, pattern in zip(starts, patterns, strict=True):
        g, s = pattern.n_stand_ins, pattern.size
        rows.append(np.tile(start + np.arange(s), g))
        codes.append(first + np.repeat(np.arange(g), s))
        first += g
    return np.concatenate(rows), np.concatenate(codes)


@dataclass(frozen=True, eq=False)
class BatchReader:
    """What is read of a table, and how groups are told apart.

    Parameters
    ----------
    residuals : Residuals
    names : tuple of str
        Raw columns [X, extra, y].
    basis : PatternBasis
    own : ndarray of int
        Raw columns that are random.
    """

    residuals: Any
    names: tuple[str, ...]
    basis: PatternBasis
    own: Array
    _numbers: dict[Any, int] = field(default_factory=dict)
    _categories: dict[str, dict[Any, None]] = field(default_factory=dict)

    @property
    def columns(self) -> list[nw.Expr]:
        """Of a batch: the raw columns, and the variables of the residuals."""
        raw = [
            nw.col(name).cast(nw.Float64).alias(f"__x{j}")
            for j, name in enumerate(self.names)
        ]
        return [*raw, *(nw.col(n) for n in dict.fromkeys(self._variables.values()))]

    @property
    def _variables(self) -> dict[str, str]:
        return dict(self.residuals.variables)

    @property
    def shared(self) -> str:
        """What groups of one pattern have in common, in words."""
        variables = [repr(name) for name in dict.fromkeys(self._variables.values())]
        random = [repr(self.names[j]) for j in self.own]
        return " and ".join(
            [
                *([f"the values of {', '.join(variables)}"] if variables else []),
                *([f"the random columns {', '.join(random)}"] if random else []),
                *([] if variables or random else ["their number of rows"]),
            ]
        )

    def batches(self, groups: WholeGroups) -> Iterator[GroupBatch]:
        """All rows, by one pass for every batch."""
        return map(self.batch, groups.read(self.columns))

    def batch(self, frame: Any) -> GroupBatch:
        """Rows of whole groups, sorted by group and within it."""
        source = Source.of(frame, None)
        encoder, code = encode(LABEL, source.levels([LABEL])[LABEL], None, len(frame))
        raw = np.column_stack(
            [
                np.asarray(source.column(f"__x{j}"), dtype=float)
                for j in range(len(self.names))
            ]
        )
        values = read_variables(source, self.residuals)
        keys = [self._key(role, column) for role, column in values.items()]
        keys = [*keys, *raw[:, self.own].T]
        order = np.lexsort((*keys[::-1], code))
        code, raw = code[order], raw[order]
        starts = np.searchsorted(code, np.arange(encoder.n_groups + 1))
        key = np.column_stack([*keys, code])[order][:, :-1] + 0.0  # no negative zeros
        self._shift(key, list(values), starts)
        return GroupBatch(
            starts,
            encoder.own_labels,
            np.ascontiguousarray(key),
            self.basis.rows(raw),
            raw[:, self.own],
            {role: column[order] for role, column in values.items()},
        )

    def _key(self, role: str, values: Any) -> Array:
        """Values as numbers that are the same in all batches."""
        if isinstance(values, pd.Categorical):
            self._categories.setdefault(role, {}).update(
                dict.fromkeys(values.categories.tolist())
            )
        elif np.asarray(values).dtype.kind in "biuf":
            return np.asarray(values, dtype=float)
        codes, found = pd.factorize(np.asarray(values, dtype=object))
        known = [self._numbers.setdefault(x, len(self._numbers)) for x in found]
        return np.array(known, dtype=float)[codes]

    def _shift(self, key: Array, roles: Sequence[str], starts: Array) -> None:
        """Times from the first of their group, where lags alone matter."""
        if not STRUCTURES[self.residuals.structure].lags_only:
            return
        at = [j for j, role in enumerate(roles) if role not in ("by", "variance")]
        first = np.repeat(key[starts[:-1]][:, at], np.diff(starts), axis=0)
        key[:, at] -= first

    def within(self, patterns: Sequence[Pattern], level: str) -> Within:
        """The structure over one group of each pattern.

        Raises
        ------
        ValueError
            On times that a structure does not take, with the group named.
        """
        sizes = [pattern.size for pattern in patterns]
        labels = np.empty(len(patterns), dtype=object)
        labels[:] = [pattern.label for pattern in patterns]
        made = compile_residuals(
            self.residuals,
            {role: self._all(role, patterns) for role in patterns[0].values},
            np.repeat(np.arange(len(patterns)), sizes),
            [Encoder(level, labels, np.arange(len(patterns)))],
        )
        assert made is not None
        return made

    def _all(self, role: str, patterns: Sequence[Pattern]) -> Any:
        """Values of one group of each pattern; categories in their order."""
        parts = [np.asarray(pattern.values[role]) for pattern in patterns]
        values = np.concatenate(parts)
        if role not in self._categories:
            return values
        return pd.Categorical(values, categories=list(self._categories[role]))
