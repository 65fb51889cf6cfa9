"""Covariance structures of the residuals within lowest-level groups."""

from ._function import Exponential, Power, VarianceFunction
from ._groups import Groups, patterns
from ._model import LOG_END, ResidualModel
from ._structure import (
    NotPositiveDefiniteError,
    ResidualParameter,
    ResidualStructure,
    shown_time,
)
from ._table import STRUCTURES, make_structure
from ._variance import by_category, by_covariate
from ._white import WhiteResiduals
from ._within import Within

__all__ = [
    "LOG_END",
    "STRUCTURES",
    "Exponential",
    "Groups",
    "NotPositiveDefiniteError",
    "Power",
    "ResidualModel",
    "ResidualParameter",
    "ResidualStructure",
    "VarianceFunction",
    "WhiteResiduals",
    "Within",
    "by_category",
    "by_covariate",
    "make_structure",
    "patterns",
    "shown_time",
]
