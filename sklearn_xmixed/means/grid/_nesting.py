"""Factors nested in others: every level of one within a single level of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Nesting"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Nesting:
    """Which factors are nested in which.

    Parameters
    ----------
    parents : dict of str to dict of str to ndarray of int
        Of every nested factor, by the factors it is nested in: the level of the outer
        factor that each of its levels belongs to.
    """

    parents: dict[str, dict[str, Array]]

    @classmethod
    def of(cls, factors: Sequence[str], cells: Array) -> Nesting:
        """Found from the combinations of levels that occur.

        Two factors whose levels go together one by one are the same thing twice, and a
        factor with a single level holds all others: neither is nesting.

        Parameters
        ----------
        factors : sequence of str
        cells : ndarray of int, shape (n_cells, n_factors)

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_xmixed.means.grid._nesting import Nesting
        >>> cells = np.array([[0, 0], [1, 0], [2, 1]])
        >>> found = Nesting.of(["teacher", "school"], cells)
        >>> {f: list(outer) for f, outer in found.parents.items()}
        {'teacher': ['school']}
        """
        sizes = [int(cells[:, k].max()) + 1 for k in range(len(factors))]
        parents: dict[str, dict[str, Array]] = {}
        for i, inner in enumerate(factors):
            for j, outer in enumerate(factors):
                if not sizes[i] > sizes[j] > 1:
                    continue
                level = np.zeros(sizes[i], dtype=int)
                level[cells[:, i]] = cells[:, j]
                if np.array_equal(level[cells[:, i]], cells[:, j]):
                    parents.setdefault(inner, {})[outer] = level
        return cls(parents)

    @property
    def outer(self) -> set[str]:
        """Factors that others are nested in."""
        return {name for levels in self.parents.values() for name in levels}

    def within(self, name: str) -> tuple[str, ...]:
        """The factors that one is nested in."""
        return tuple(self.parents.get(name, ()))

    def families(self, name: str) -> Array:
        """Levels of a nested factor, numbered alike where they have the same parents."""
        levels = np.column_stack(list(self.parents[name].values()))
        return np.unique(levels, axis=0, return_inverse=True)[1].ravel()

    def describe(self) -> str:
        """A sentence, empty where nothing is nested."""
        told = [f"{f} is nested in {', '.join(o)}" for f, o in self.parents.items()]
        return "; ".join(told) + "." if told else ""
