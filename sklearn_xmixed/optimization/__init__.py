"""Optimisers: they know a function, not a model."""

from ._certificate import Certificate, certify
from ._decompositions import eigen, inverse_factor, orthogonal, upper_factor
from ._em import em
from ._many import ManyOptima, newton_many
from ._newton import newton, newton_decrement
from ._quasi import lbfgs
from ._state import Iteration, Optimum, Watcher

__all__ = [
    "Certificate",
    "Iteration",
    "ManyOptima",
    "Optimum",
    "Watcher",
    "certify",
    "eigen",
    "em",
    "inverse_factor",
    "lbfgs",
    "newton",
    "newton_decrement",
    "newton_many",
    "orthogonal",
    "upper_factor",
]
