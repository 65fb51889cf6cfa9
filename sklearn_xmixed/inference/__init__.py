"""Standard errors, intervals and tests; the results of a fit."""

from ._anova import anova, named_columns
from ._border import Border, NewEffects
from ._chibar import Cone, chi_bar_square, effective
from ._cluster_robust import ClusterRobust, cluster_robust
from ._coefficients import coefficient_table, overall_test
from ._combination import combine
from ._corrections import CORRECTIONS
from ._criteria import compare_fits, criteria_row, information_criteria
from ._free_directions import FreeDirections
from ._hypotheses import FixedColumns, Hypotheses
from ._icc import icc
from ._levels import group_table, level_covariances
from ._linear_hypothesis import LinearHypothesis, linear_hypothesis
from ._lrtest import compare_likelihoods, in_order
from ._montecarlo import MonteCarlo, monte_carlo
from ._multiplicity import bonferroni, false_discovery_rate, holm
from ._natural_estimates import natural_estimates
from ._parts import EquationSummary, GroupSummary, Specification
from ._reference import FTest, Reference
from ._results import Results
from ._robust import sandwich
from ._student_t import t_p_value, t_quantile
from ._terms import Coding, Product, Term, single_columns
from ._tests import ASSUMED, LikelihoodRatio, check_level, likelihood_ratio, wald
from ._variance_parameters import VarianceParameter
from ._variance_table import VarianceTable, variance_table
from ._wald import wald_test
from ._wald_tests import WaldFTest, WaldTest

__all__ = [
    "ASSUMED",
    "CORRECTIONS",
    "Border",
    "ClusterRobust",
    "Coding",
    "Cone",
    "EquationSummary",
    "FTest",
    "FixedColumns",
    "FreeDirections",
    "GroupSummary",
    "Hypotheses",
    "LikelihoodRatio",
    "LinearHypothesis",
    "MonteCarlo",
    "NewEffects",
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
    "bonferroni",
    "check_level",
    "chi_bar_square",
    "cluster_robust",
    "coefficient_table",
    "combine",
    "compare_fits",
    "compare_likelihoods",
    "criteria_row",
    "effective",
    "false_discovery_rate",
    "group_table",
    "holm",
    "icc",
    "in_order",
    "information_criteria",
    "level_covariances",
    "likelihood_ratio",
    "linear_hypothesis",
    "monte_carlo",
    "named_columns",
    "natural_estimates",
    "overall_test",
    "sandwich",
    "single_columns",
    "t_p_value",
    "t_quantile",
    "variance_table",
    "wald",
    "wald_test",
]
