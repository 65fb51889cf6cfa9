"""Batches of whole groups, from an engine's rows to numbers that tell patterns apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from ...residuals import STRUCTURES, Within
from ...tables import LABEL, WholeGroups
from .._encoder import Encoder, encode
from .._labels import Source
from ..residuals._within import compile_residuals, read_variables
from ._pattern_products import PatternBasis
from ._patterns import GroupBatch, Pattern

__all__ = ["BatchReader"]

Array = np.ndarray


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
