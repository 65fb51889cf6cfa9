"""Which groupings nest in which, as the data have it, and the levels that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...design._labels import missing_rows

__all__ = ["Grouping", "arrange"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Grouping:
    """One partition of the rows into groups.

    Parameters
    ----------
    variables : tuple of str
    codes : ndarray of int, shape (n,)
        -1 where a label is missing.
    n_groups : int
    """

    variables: tuple[str, ...]
    codes: Array
    n_groups: int

    @classmethod
    def of(cls, variables: tuple[str, ...], frame: pd.DataFrame) -> Grouping:
        """Number the combinations of some columns."""
        codes = np.zeros(len(frame), dtype=np.int64)
        lost = np.zeros(len(frame), dtype=bool)
        for name in variables:
            own, labels = pd.factorize(frame[name])
            codes = codes * max(1, len(labels)) + own
            lost |= own < 0
        codes, found = pd.factorize(np.where(lost, -1, codes))
        if lost.any():  # -1 was numbered too
            gone = codes[np.argmax(lost)]
            codes = np.where(lost, -1, codes - (codes > gone))
        return cls(variables, codes, len(found) - bool(lost.any()))

    def within(self, other: Grouping) -> bool:
        """Whether every group lies in one group of the other."""
        known = (self.codes >= 0) & (other.codes >= 0)
        pairs = self.codes[known] * np.int64(other.n_groups) + other.codes[known]
        return len(pd.unique(pairs)) == len(pd.unique(self.codes[known]))

    @property
    def name(self) -> str:
        """Its variables joined by a colon."""
        return ":".join(self.variables)


@dataclass(frozen=True)
class Arrangement:
    """Groupings as levels and crossed factors.

    Parameters
    ----------
    chain : tuple of (tuple of str, str)
        Nested levels, top first: variables, and the name of the level's labels.
    crossed : tuple of tuple of str
        Those that nest in no other and hold none.
    """

    chain: tuple[tuple[tuple[str, ...], str], ...]
    crossed: tuple[tuple[str, ...], ...]


def arrange(groupings: Sequence[Grouping], slopes: set[tuple[str, ...]]) -> Arrangement:
    """Levels from groupings.

    The finest of those with random slopes and all that nest with it, one after
    another, become levels; the rest cross.

    Parameters
    ----------
    groupings : sequence of Grouping
    slopes : set of tuple of str
        Variables of the groupings with more than a random intercept.
    """
    chain: list[Grouping] = []
    crossed: list[Grouping] = []
    order = sorted(groupings, key=lambda g: (g.variables not in slopes, -g.n_groups))
    for g in order:
        nests = all(g.within(c) or c.within(g) for c in chain)
        (chain if nests else crossed).append(g)
    # coarse first; where two are the same partition, the one with fewer variables
    chain.sort(key=lambda g: (g.n_groups, len(g.variables)))
    crossed.sort(key=lambda g: g.n_groups)
    levels = []
    above: set[str] = set()
    for g in chain:
        left = [v for v in g.variables if v not in above]
        # labels are read within the groups above, whose variables need not be repeated
        name = (
            left[0]
            if len(left) == 1 and set(g.variables) - set(left) <= above
            else g.name
        )
        levels.append((g.variables, name))
        above |= set(g.variables)
    return Arrangement(tuple(levels), tuple(g.variables for g in crossed))


def labels_of(variables: Sequence[str], name: str, frame: pd.DataFrame) -> Any:
    """Labels of a level or factor: of a variable, or of combinations as text."""
    if name in variables:
        return frame[name].array
    parts = [frame[v] for v in variables]
    lost = np.logical_or.reduce([missing_rows(p.array) for p in parts])
    joined = parts[0].astype(str)
    for part in parts[1:]:
        joined = joined + ":" + part.astype(str)
    return joined.astype(object).where(~lost, None).to_numpy()
