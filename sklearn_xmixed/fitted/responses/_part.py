"""Some of the responses of a fit, and what answers for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._fitted import FittedModel
from ._tests import ResponseTests

__all__ = ["ResponsePart"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ResponsePart:
    """Some of the responses, and what answers for them.

    Parameters
    ----------
    numbers : ndarray of int
    model : FittedModel
        A fit of one response, or that of the template with coefficients and effects of
        several.
    tests : ResponseTests
    """

    numbers: Array
    model: FittedModel
    tests: ResponseTests

    def effects(self, equation: Any) -> tuple[Array, pd.Index]:
        """Effects of an equation, (B, G, q), and its groups."""
        if np.ndim(self.model.sigma2):
            posterior: Any = self.model.posterior
            values = posterior.of(equation.name, equation.floor)
            return values, self.model.group_index(equation)
        frame = self.model.random_effects()[equation.name]
        return frame.to_numpy()[None], frame.index
