"""Standard errors, intervals and tests; the results of a fit."""

from ._coefficients import coefficient_table, overall_test, t_p_value, t_quantile
from ._combination import combine
from ._criteria import compare_fits, criteria_row, information_criteria
from ._icc import icc
from ._levels import group_table, level_covariances
from ._lrtest import lrtest
from ._montecarlo import MonteCarlo, monte_carlo
from ._parts import EquationSummary, GroupSummary, Specification
from ._reference import FTest, Reference
from ._results import Results
from ._robust import sandwich
from ._tests import LikelihoodRatio, check_level, likelihood_ratio, wald
from ._variance import (
    FreeDirections,
    VarianceParameter,
    VarianceTable,
    natural_estimates,
    variance_table,
)
from ._wald import WaldFTest, WaldTest, wald_test

__all__ = [
    "EquationSummary",
    "FTest",
    "FreeDirections",
    "GroupSummary",
    "LikelihoodRatio",
    "MonteCarlo",
    "Reference",
    "Results",
    "Specification",
    "VarianceParameter",
    "VarianceTable",
    "WaldFTest",
    "WaldTest",
    "check_level",
    "coefficient_table",
    "combine",
    "compare_fits",
    "criteria_row",
    "group_table",
    "icc",
    "information_criteria",
    "level_covariances",
    "likelihood_ratio",
    "lrtest",
    "monte_carlo",
    "natural_estimates",
    "overall_test",
    "sandwich",
    "t_p_value",
    "t_quantile",
    "variance_table",
    "wald",
    "wald_test",
]
