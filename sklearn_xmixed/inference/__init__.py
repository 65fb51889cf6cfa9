"""Standard errors, intervals and tests; the results of a fit."""

from ._lrtest import lrtest
from ._results import EquationSummary, GroupSummary, Results
from ._robust import sandwich
from ._tests import LikelihoodRatio, check_level, likelihood_ratio, wald
from ._variance import (
    VarianceParameter,
    VarianceTable,
    natural_vcov,
    variance_table,
)

__all__ = [
    "EquationSummary",
    "GroupSummary",
    "LikelihoodRatio",
    "Results",
    "VarianceParameter",
    "VarianceTable",
    "check_level",
    "likelihood_ratio",
    "lrtest",
    "natural_vcov",
    "sandwich",
    "variance_table",
    "wald",
]
