"""Likelihood-ratio tests, and their distribution at the border of the parameters."""

from ._border import Border, NewEffects
from ._chibar import Cone, chi_bar_square, effective
from ._comparison import compare_likelihoods, in_order
from ._likelihood_ratio import ASSUMED, CONSERVATIVE, LikelihoodRatio, likelihood_ratio

__all__ = [
    "ASSUMED",
    "CONSERVATIVE",
    "Border",
    "Cone",
    "LikelihoodRatio",
    "NewEffects",
    "chi_bar_square",
    "compare_likelihoods",
    "effective",
    "in_order",
    "likelihood_ratio",
]
