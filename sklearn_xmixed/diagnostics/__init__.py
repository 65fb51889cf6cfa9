"""What a fit hangs on, what may be wrong with it, how sure a parameter is."""

from ._conditional_aic import conditional_aic
from ._influence import Influence
from ._profile import Profile, profile
from ._within_correlation import within_correlation
from .checks import Diagnosis, Finding, diagnose

__all__ = [
    "Diagnosis",
    "Finding",
    "Influence",
    "Profile",
    "conditional_aic",
    "diagnose",
    "profile",
    "within_correlation",
]
