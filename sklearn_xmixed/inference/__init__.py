"""Standard errors, intervals and tests; the results of a fit."""

from ._results import EquationSummary, GroupSummary, Results
from ._tests import LikelihoodRatio, likelihood_ratio, wald
from ._variance import (
    VarianceParameter,
    VarianceTable,
    natural_vcov,
)

__all__ = [
    "EquationSummary",
    "GroupSummary",
    "LikelihoodRatio",
    "Results",
    "VarianceParameter",
    "VarianceTable",
    "likelihood_ratio",
    "natural_vcov",
    "wald",
]
