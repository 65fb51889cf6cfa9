"""The structures by the user's word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._antedependence import Antedependence
from ._exchangeable import Exchangeable
from ._groups import Groups
from ._independent import Independent
from ._lagged import (
    AutoRegressive,
    AutoRegressiveMovingAverage,
    MovingAverage,
    Toeplitz,
)
from ._markov import AR1, Exponential
from ._scaled import Scaled
from ._spatial import Gaussian, SpatialExponential
from ._structure import ResidualStructure
from ._unstructured import Banded, Unstructured
from ._variance import Spread

__all__ = ["STRUCTURES", "make_structure"]

Array = np.ndarray

#: a new structure is one class and one line here
STRUCTURES: dict[str, type[ResidualStructure]] = {
    "independent": Independent,
    "exchangeable": Exchangeable,
    "ar": AutoRegressive,
    "ma": MovingAverage,
    "unstructured": Unstructured,
    "banded": Banded,
    "toeplitz": Toeplitz,
    "exponential": Exponential,
    "gaussian": Gaussian,
    "antedependence": Antedependence,
    "arma": AutoRegressiveMovingAverage,
}


def make_structure(
    name: str,
    order: int | None,
    groups: Groups,
    variance: Callable[[Array], Spread] | None = None,
) -> ResidualStructure:
    """The structure for given groups; of order one in its fast form.

    Parameters
    ----------
    name : str
    order : int or None
    groups : Groups
    variance : callable, optional
        What makes standard deviations of the last coordinates of the groups' places.
    """
    if variance is not None:
        inner, values = groups.apart()
        correlations = make_structure(name, order, inner).correlations()
        return Scaled(correlations, variance(values))
    kind: Callable[[int | None, Groups], ResidualStructure] = STRUCTURES[name].of
    if name == "ar" and order in (None, 1):
        kind = AR1.of
    if name == "exponential" and groups.time is not None and groups.time.ndim == 2:
        kind = SpatialExponential.of
    return kind(order, groups)
