"""Predicted random effects and their uncertainty."""

from ._accessor import GroupEffects, RandomEffectsAccessor
from ._errors import Errors
from ._posterior import Posterior

__all__ = ["Errors", "GroupEffects", "Posterior", "RandomEffectsAccessor"]
