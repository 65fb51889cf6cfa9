"""Covariance structures of the residuals within lowest-level groups."""

from ._groups import Groups, patterns
from ._model import ResidualModel, Within
from ._structure import (
    NotPositiveDefiniteError,
    ResidualParameter,
    ResidualStructure,
    shown_time,
)
from ._table import STRUCTURES, make_structure
from ._white import WhiteResiduals

__all__ = [
    "STRUCTURES",
    "Groups",
    "NotPositiveDefiniteError",
    "ResidualModel",
    "ResidualParameter",
    "ResidualStructure",
    "WhiteResiduals",
    "Within",
    "make_structure",
    "patterns",
    "shown_time",
]
