"""Marginal means: averages of the fixed part over a reference grid, and contrasts.

What a fit says of the levels of its factors, other variables held or averaged over, with
the degrees of freedom of any reference distribution.  Known elsewhere as least-squares
means or estimated marginal means.
"""

from ._asymptotic import Asymptotic
from ._contrasts import Contrasts
from ._estimates import FixedPart
from ._marginaleffects import to_marginaleffects
from ._means import FixedRows, MarginalMeans, marginal_means, marginal_trends
from ._shown import BackTransformed
from ._variables import FixedVariables, Variable

__all__ = [
    "Asymptotic",
    "BackTransformed",
    "Contrasts",
    "FixedPart",
    "FixedRows",
    "FixedVariables",
    "MarginalMeans",
    "Variable",
    "marginal_means",
    "marginal_trends",
    "to_marginaleffects",
]
