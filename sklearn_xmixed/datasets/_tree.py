"""A nested design: how many children each group has, and the labels that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd

Size = int | tuple[int, int]


def check_size(size: Size, name: str) -> tuple[int, int]:
    """Return a size, given as a number or as a range, as the range (low, high)."""
    pair = (size, size) if isinstance(size, Integral) else size
    if (
        isinstance(pair, Sequence)
        and len(pair) == 2
        and all(isinstance(s, Integral) and not isinstance(s, bool) for s in pair)
        and 1 <= pair[0] <= pair[1]
    ):
        return int(pair[0]), int(pair[1])
    raise ValueError(
        f"{name} must be a positive integer, or a pair (low, high) of positive "
        f"integers with low <= high; found {size!r}."
    )


def draw_sizes(bounds: tuple[int, int], n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n sizes from low..high, both included; fixed sizes take no draw."""
    low, high = bounds
    if low == high:
        return np.full(n, low)
    return rng.integers(low, high, size=n, endpoint=True)


@dataclass(frozen=True)
class Tree:
    """Groups within groups; arrays have one element per group of their level.

    Attributes
    ----------
    level_names : list of str
        Top level first.
    labels : list of ndarray of shape (n_groups[k],)
        The label of each group, in the order of the rows.
    children : list of ndarray of shape (n_groups[k],)
        How many groups of the next level a group has; at the last level, how many
        rows.
    """

    level_names: list[str]
    labels: list[np.ndarray]
    children: list[np.ndarray]

    @classmethod
    def draw(
        cls,
        level_names: list[str],
        n_groups: Sequence[tuple[int, int]],
        n_per_group: tuple[int, int],
        *,
        reuse_labels: bool,
        rng: np.random.Generator,
    ) -> Tree:
        """Draw the sizes from the top down and label the groups 0, 1, ..."""
        labels, children = [], []
        siblings = draw_sizes(n_groups[0], 1, rng)
        for bounds in [*n_groups[1:], n_per_group]:
            label = np.arange(siblings.sum())
            if reuse_labels:
                label -= np.repeat(siblings.cumsum() - siblings, siblings)
            labels.append(label)
            siblings = draw_sizes(bounds, label.size, rng)
            children.append(siblings)
        return cls(level_names, labels, children)

    def rows_per_group(self) -> list[np.ndarray]:
        """Count the rows of each group, one array per level."""
        rows = [self.children[-1]]
        for children in reversed(self.children[:-1]):
            first = children.cumsum() - children
            rows.insert(0, np.add.reduceat(rows[0], first))
        return rows

    def index(self, level: int) -> pd.Index:
        """Return the paths of a level's groups: labels from the top down to it."""
        path = [self._spread(above, level) for above in range(level + 1)]
        names = self.level_names[: level + 1]
        if level == 0:
            return pd.Index(path[0], name=names[0])
        return pd.MultiIndex.from_arrays(path, names=names)

    def _spread(self, above: int, level: int) -> np.ndarray:
        """Repeat the labels of level `above` for each descendant at `level`."""
        values = self.labels[above]
        for between in range(above, level):
            values = np.repeat(values, self.children[between])
        return values
