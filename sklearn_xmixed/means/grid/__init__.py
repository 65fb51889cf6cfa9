"""The reference grid: variables, values, nesting, weights, and averages over it."""

from ._averaging import FixedRows, averaged_over, resolved, targets_of
from ._grid import ReferenceGrid, make_grid
from ._values import names_of
from ._variables import DeferredVariables, FixedVariables, Variable

__all__ = [
    "DeferredVariables",
    "FixedRows",
    "FixedVariables",
    "ReferenceGrid",
    "Variable",
    "averaged_over",
    "make_grid",
    "names_of",
    "resolved",
    "targets_of",
]
