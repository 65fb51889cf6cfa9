"""Optimisers: they know a function, not a model."""

from ._certificate import Certificate, certify
from ._decompositions import (
    eigen,
    inverse_factor,
    log_abs_det,
    orthogonal,
    solve,
    upper_factor,
    upper_inverse,
)
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
    "log_abs_det",
    "newton",
    "newton_decrement",
    "newton_many",
    "orthogonal",
    "solve",
    "upper_factor",
    "upper_inverse",
]
