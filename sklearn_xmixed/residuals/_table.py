"""The structures by the user's word."""

from __future__ import annotations

from collections.abc import Callable

from ._exchangeable import Exchangeable
from ._groups import Groups
from ._independent import Independent
from ._lagged import AutoRegressive, MovingAverage, Toeplitz
from ._markov import AR1, Exponential
from ._structure import ResidualStructure
from ._unstructured import Banded, Unstructured

__all__ = ["STRUCTURES", "make_structure"]

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
}


def make_structure(name: str, order: int | None, groups: Groups) -> ResidualStructure:
    """The structure for given groups; of order one in its fast form."""
    kind: Callable[[int | None, Groups], ResidualStructure] = STRUCTURES[name].of
    if name == "ar" and order in (None, 1):
        kind = AR1.of
    return kind(order, groups)
