"""Predicted effects of categories: a fit of the public estimator, read by row."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._regressor import MixedLinearRegressor
from .._spec import RandomEffects
from ..exceptions import ExactFitWarning, UnboundedLikelihoodWarning

__all__ = ["Effects", "Told"]

Array = np.ndarray

#: what categories that explain the response without a remainder are told by
EXACT = (ExactFitWarning, UnboundedLikelihoodWarning)

#: standard deviation of the noise that stands for none, in those of the response
LITTLE = 1e-3

#: warnings of the fits, one of each category
Told = dict[type[Warning], Warning]


@dataclass(frozen=True)
class Effects:
    """The effects of one fit."""

    model: MixedLinearRegressor
    equations: tuple[RandomEffects, ...]

    @classmethod
    def of(
        cls,
        model: MixedLinearRegressor,
        equations: Sequence[RandomEffects],
        frame: pd.DataFrame,
        y: Array,
        told: Told,
    ) -> Effects:
        """Fit, and where nothing is left for the residuals take the limit.

        As the residual variance goes to zero the likelihood has no maximum, while
        predicted effects have a limit, the means without shrinkage.  Rows that are
        repeated a little above and a little below their response give it.
        """
        heard = _fit(model, frame, y)
        spread = LITTLE * float(np.std(y))
        if spread > 0 and _is_exact(model, heard, spread):
            twice = pd.concat([frame, frame], ignore_index=True)
            heard = _fit(model, twice, np.concatenate([y - spread, y + spread]))
        for kind, message in heard.items():
            told.setdefault(kind, message)
        return cls(model, tuple(equations))

    @property
    def outputs(self) -> list[tuple[str, str, str]]:
        """Equation, term, and variable with the categories, of each column."""
        out = []
        for equation, (name, table) in zip(
            self.equations, self.model.random_effects_.items(), strict=True
        ):
            label = equation.factor or equation.group
            slopes = [c for c in equation.columns if c in table]
            own = [c for c in table if c not in slopes]  # the intercept goes first
            out += [(name, str(term), label) for term in own]
            out += [(name, slope, label) for slope in slopes]
        return out

    def rows(self, frame: pd.DataFrame, outputs: Sequence[tuple[str, str, str]]) -> Any:
        """Effects of the categories of each row, zero of those that are not known."""
        out = np.zeros((len(frame), len(outputs)))
        tables = self.model.random_effects_
        place: dict[str, Array] = {}
        for j, (name, term, _) in enumerate(outputs):
            table = tables[name]
            if term not in table:  # collinear in these rows
                continue
            if name not in place:
                place[name] = _find(table.index, frame)
            found = place[name] >= 0
            out[found, j] = table[term].to_numpy()[place[name][found]]
        return out


def _is_exact(model: MixedLinearRegressor, heard: Told, spread: float) -> bool:
    """Whether nothing is left for the residuals, as far as that can be told."""
    return any(issubclass(kind, EXACT) for kind in heard) or (
        not model.converged_ and model.sigma_ < LITTLE * spread
    )


def _find(index: pd.Index, frame: pd.DataFrame) -> Array:
    """Positions in the index of the labels of each row, -1 where there is none."""
    names = [str(name) for name in index.names]
    if len(names) == 1:
        return index.get_indexer(pd.Index(frame[names[0]]))
    return index.get_indexer(pd.MultiIndex.from_frame(frame[names]))


def _fit(model: MixedLinearRegressor, frame: pd.DataFrame, y: Array) -> Told:
    """Fit, and return what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(frame, y)
    return {w.category: w.message for w in caught if isinstance(w.message, Warning)}
