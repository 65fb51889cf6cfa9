"""Sigma of one random-effects equation: structures and parameterisations."""

from ._compound import Compound, get_compound
from ._natural import to_sd_corr
from ._parameterization import PARAMETERIZATIONS, Parameterization
from ._structure import STRUCTURES, Structure, get_structure

__all__ = [
    "PARAMETERIZATIONS",
    "STRUCTURES",
    "Compound",
    "Parameterization",
    "Structure",
    "get_compound",
    "get_structure",
    "to_sd_corr",
]
