"""Marginal means: averages of the fixed part over a reference grid, and contrasts.

What a fit says of the levels of its factors, other variables held or averaged over, with
the degrees of freedom of any reference distribution.  Known elsewhere as least-squares
means or estimated marginal means.
"""

from ._asymptotic import Asymptotic, p_value
from ._coefficients import contrast_coefficients, label_of
from ._contrasts import Contrasts
from ._estimates import FixedPart
from ._marginaleffects import to_marginaleffects
from ._means import MarginalMeans, marginal_means
from ._shown import BackTransformed
from ._stack import MarginalEffects, effects_of, stack_means, within_levels
from ._trends import marginal_trends
from .grid import DeferredVariables, FixedRows, FixedVariables, Variable

__all__ = [
    "Asymptotic",
    "BackTransformed",
    "Contrasts",
    "DeferredVariables",
    "FixedPart",
    "FixedRows",
    "FixedVariables",
    "MarginalEffects",
    "MarginalMeans",
    "Variable",
    "contrast_coefficients",
    "effects_of",
    "label_of",
    "marginal_means",
    "marginal_trends",
    "p_value",
    "stack_means",
    "to_marginaleffects",
    "within_levels",
]
