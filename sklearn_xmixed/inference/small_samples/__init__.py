"""Degrees of freedom for small samples: one contract, one file for each method."""

from ._coordinates import Coordinates
from ._kenward_roger import KenwardRoger
from ._methods import METHODS, SmallSample, check_method
from ._moments import Moments
from ._partition import Contained

__all__ = [
    "METHODS",
    "Contained",
    "Coordinates",
    "KenwardRoger",
    "Moments",
    "SmallSample",
    "check_method",
]
