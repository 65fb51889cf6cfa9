"""The groups of rows that are exchangeable, by their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..design._labels import Source, missing_rows
from ..design._validation import equations_of
from ._predictor import last_step

__all__ = ["Units"]


@dataclass(frozen=True)
class Units:
    """A level of grouping.

    Parameters
    ----------
    names : tuple of str
        The variable, after those of the levels above, whose groups its own are within.
    levels : tuple of str
        All levels of the model, by which ``groups`` without names is read.
    """

    names: tuple[str, ...]
    levels: tuple[str, ...]

    @classmethod
    def of(cls, estimator: Any, group: str | None) -> Units:
        """The level called ``group``, or the highest of the model.

        Raises
        ------
        ValueError
            Without ``group``, where the model does not say it.
        """
        spec = getattr(last_step(estimator), "random_effects", None)
        spec = getattr(spec, "spec", spec)  # of a fitted estimator
        equations = equations_of(spec)
        levels = tuple(dict.fromkeys(e.group for e in equations if e.group != "_all"))
        factors = [e.factor for e in equations if e.factor is not None]
        if group is None:
            if not levels or any(e.group == "_all" for e in equations):
                found = f"crosses the factors {factors}" if factors else "has no levels"
                raise ValueError(
                    "Groups are exchangeable, and the estimator does not say which: it "
                    f"{found}. Name the variable with their labels, group='...'."
                )
            group = levels[0]
        if group in levels:
            return cls(levels[: levels.index(group) + 1], levels)
        return cls((group,), levels)

    @property
    def name(self) -> str:
        """The variable."""
        return self.names[-1]

    def labels(self, X: Any, groups: Any) -> pd.Index | None:
        """Group of every row, with those above it; None without labels."""
        source = Source.of(X, groups)
        found = source.levels(self.levels or self.names)
        parts = []
        for name in self.names:
            values = found[name] if name in found else source.column(name)
            if values is None:
                return None
            parts.append(pd.Index(values))
        return parts[0] if len(parts) == 1 else pd.MultiIndex.from_arrays(parts)

    def require(self, X: Any, groups: Any) -> pd.Index:
        """The same, where every row has to have a label.

        Raises
        ------
        ValueError
            If one has none.
        """
        labels = self.labels(X, groups)
        if labels is None:
            raise ValueError(
                f"Groups of {self.name!r} are exchangeable, and there are no labels of "
                f"them. {Source.of(X, groups).describe()} Put the labels into X or "
                "groups, or name another variable by group=."
            )
        for number, name in enumerate(self.names):
            gone = missing_rows(labels.get_level_values(number))
            if gone.any():
                raise ValueError(
                    f"The label of {name!r} is missing in row {int(gone.argmax())}: "
                    "which rows belong together must be known. Fill in labels, or leave "
                    "such rows out."
                )
        return labels
