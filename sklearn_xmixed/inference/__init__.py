"""Standard errors, intervals and tests; the results of a fit."""

from ._cluster_robust import ClusterRobust, cluster_robust
from ._combination import combine
from ._corrections import CORRECTIONS
from ._criteria import compare_fits, criteria_row, information_criteria
from ._icc import icc
from ._levels import group_table, level_covariances
from ._lrtest import lrtest
from ._montecarlo import MonteCarlo, monte_carlo
from ._parts import EquationSummary, GroupSummary, Specification
from ._results import Results
from ._robust import sandwich
from ._tests import LikelihoodRatio, check_level, likelihood_ratio, wald
from ._variance import (
    VarianceParameter,
    VarianceTable,
    natural_vcov,
    variance_table,
)
from ._wald import WaldTest, wald_test

__all__ = [
    "CORRECTIONS",
    "ClusterRobust",
    "EquationSummary",
    "GroupSummary",
    "LikelihoodRatio",
    "MonteCarlo",
    "Results",
    "Specification",
    "VarianceParameter",
    "VarianceTable",
    "WaldTest",
    "check_level",
    "cluster_robust",
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
    "natural_vcov",
    "sandwich",
    "variance_table",
    "wald",
    "wald_test",
]
