"""Sigma of one random-effects equation: structures and parameterisations."""

from ._natural import natural_derivatives, to_natural, to_sd_corr
from ._parameterization import PARAMETERIZATIONS, Parameterization
from ._structure import (
    STRUCTURES,
    Compound,
    Structure,
    get_compound,
    get_structure,
)

__all__ = [
    "PARAMETERIZATIONS",
    "STRUCTURES",
    "Compound",
    "Parameterization",
    "Structure",
    "get_compound",
    "get_structure",
    "natural_derivatives",
    "to_natural",
    "to_sd_corr",
]
