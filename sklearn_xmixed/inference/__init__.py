"""Standard errors, intervals and tests; the results of a fit."""

from ._anova import anova, named_columns
from ._cluster_robust import ClusterRobust, cluster_robust
from ._coefficients import coefficient_table, overall_test, t_p_value, t_quantile
from ._combination import combine
from ._corrections import CORRECTIONS
from ._criteria import compare_fits, criteria_row, information_criteria
from ._hypotheses import FixedColumns, Hypotheses
from ._icc import icc
from ._levels import group_table, level_covariances
from ._lrtest import lrtest
from ._montecarlo import MonteCarlo, monte_carlo
from ._parts import EquationSummary, GroupSummary, Specification
from ._reference import FTest, Reference
from ._results import Results
from ._robust import sandwich
from ._terms import Coding, Product, Term, single_columns
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
    "CORRECTIONS",
    "ClusterRobust",
    "Coding",
    "EquationSummary",
    "FTest",
    "FixedColumns",
    "FreeDirections",
    "GroupSummary",
    "Hypotheses",
    "LikelihoodRatio",
    "MonteCarlo",
    "Product",
    "Reference",
    "Results",
    "Specification",
    "Term",
    "VarianceParameter",
    "VarianceTable",
    "WaldFTest",
    "WaldTest",
    "anova",
    "check_level",
    "cluster_robust",
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
    "named_columns",
    "natural_estimates",
    "natural_vcov",
    "overall_test",
    "sandwich",
    "single_columns",
    "t_p_value",
    "t_quantile",
    "variance_table",
    "wald",
    "wald_test",
]
