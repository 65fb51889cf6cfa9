"""Pictures of a fit, as scikit-learn's displays; matplotlib is the extra ``plot``."""

from ._group_curves import GroupCurvesDisplay
from ._marginal_means import MarginalMeansDisplay
from ._power_curve import PowerCurveDisplay
from ._profile import ProfileDisplay
from ._qq import QQDisplay
from ._random_effects import RandomEffectsDisplay
from ._residuals import ResidualsDisplay
from ._within_correlation import WithinCorrelationDisplay

__all__ = [
    "GroupCurvesDisplay",
    "MarginalMeansDisplay",
    "PowerCurveDisplay",
    "ProfileDisplay",
    "QQDisplay",
    "RandomEffectsDisplay",
    "ResidualsDisplay",
    "WithinCorrelationDisplay",
]
