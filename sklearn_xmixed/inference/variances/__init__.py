"""Variance parameters: estimates in the metric of their standard errors, and tables."""

from ._free_directions import FreeDirections
from ._natural_estimates import natural_estimates
from ._parameters import VarianceParameter
from ._table import VarianceTable, variance_table

__all__ = [
    "FreeDirections",
    "VarianceParameter",
    "VarianceTable",
    "natural_estimates",
    "variance_table",
]
