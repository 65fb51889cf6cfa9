"""Standard errors, intervals and tests by what they are about; the results of a fit."""

from ._coefficients import coefficient_table, overall_test
from ._confidence_level import check_level
from ._criteria import compare_fits, criteria_row, information_criteria
from ._icc import icc
from ._levels import group_table, level_covariances
from ._monte_carlo import MonteCarlo, monte_carlo
from ._multiplicity import bonferroni, false_discovery_rate, holm
from ._parts import EquationSummary, GroupSummary, Specification
from ._reference import FTest, Reference
from ._results import Results
from ._student_t import t_p_value, t_quantile
from .hypotheses import (
    LinearHypothesis,
    WaldFTest,
    WaldTest,
    combine,
    linear_hypothesis,
    wald,
    wald_test,
)
from .likelihood_ratio import (
    ASSUMED,
    CONSERVATIVE,
    Border,
    Cone,
    LikelihoodRatio,
    NewEffects,
    chi_bar_square,
    compare_likelihoods,
    effective,
    in_order,
    likelihood_ratio,
)
from .robust import CORRECTIONS, ClusterRobust, cluster_robust, sandwich
from .terms import (
    Coding,
    FixedColumns,
    Hypotheses,
    Product,
    Term,
    anova,
    named_columns,
    single_columns,
)
from .variances import (
    FreeDirections,
    VarianceParameter,
    VarianceTable,
    natural_estimates,
    variance_table,
)

__all__ = [
    "ASSUMED",
    "CONSERVATIVE",
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
