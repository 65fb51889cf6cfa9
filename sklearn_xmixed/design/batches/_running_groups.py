"""Sums by group of all rows that have come so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from .._design import Level
from .._encoder import Encoder, kind_of_labels
from .._levels import make_levels
from ..table._products import Grouped, labels_of_groups

__all__ = ["RunningGroups"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class RunningGroups:
    """Groups so far, in the order of their numbers, and their sums.

    Parameters
    ----------
    levels : list of Level
        Over the lowest groups; empty before any have come.
    encoders : list of Encoder
    n : ndarray of shape (G,)
        Rows.
    sums : ndarray of shape (l, w, G)
    """

    levels: list[Level]
    encoders: list[Encoder]
    n: Array
    sums: Array

    @classmethod
    def none(cls, left: int, right: int) -> RunningGroups:
        """No groups of sums of so many columns with so many."""
        return cls([], [], np.zeros(0), np.zeros((left, right, 0)))

    def plus(self, names: Sequence[str], got: Grouped) -> RunningGroups:
        """The same with the groups of further rows, known ones and new ones.

        Parameters
        ----------
        names : sequence of str
            Levels, top first.

        Raises
        ------
        TypeError
            If their labels are text where those so far are numbers, or the reverse.
        """
        known = labels_of_groups(self.encoders) if self.levels else {}
        labels = {name: _joined(name, known, got.labels) for name in names}
        levels, encoders = make_levels(labels, len(self.n) + len(got.n))
        codes, G = levels[-1].codes, levels[-1].n_groups
        n, sums = np.zeros(G), np.zeros((*self.sums.shape[:2], G))
        for old, own, values in (
            (slice(0, len(self.n)), self.n, self.sums),
            (slice(len(self.n), None), got.n, got.sums),
        ):
            n[codes[old]] += own  # a group comes once in each
            sums[:, :, codes[old]] += values
        # each group once, in the order of the numbers
        first = np.empty(G, dtype=np.intp)
        first[codes] = np.arange(len(codes))
        levels = [replace(level, codes=level.codes[first]) for level in levels]
        return RunningGroups(levels, encoders, n, sums)


def _joined(name: str, known: dict[str, Any], new: dict[str, Any]) -> Any:
    """Labels of the groups so far, then those of the groups that came."""
    if name not in known or new[name] is None:
        return new[name]
    was, now = kind_of_labels(known[name]), kind_of_labels(new[name])
    if was != now and "text" in (was, now):
        raise TypeError(
            f"The labels of level {name!r} are {now} here and were {was} in the rows so "
            "far. Convert them to the same type."
        )
    return pd.Index(known[name]).append(pd.Index(new[name])).to_numpy()
