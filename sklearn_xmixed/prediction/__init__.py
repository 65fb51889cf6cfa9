"""Predicted random effects and their uncertainty."""

from ._accessor import GroupEffects, RandomEffectsAccessor
from ._crossed import CrossedPosterior
from ._errors import Errors
from ._posterior import Posterior

__all__ = [
    "CrossedPosterior",
    "Errors",
    "GroupEffects",
    "Posterior",
    "RandomEffectsAccessor",
]
