"""Predicted random effects and their uncertainty."""

from ._accessor import GroupEffects, RandomEffectsAccessor
from ._posterior import Posterior

__all__ = ["GroupEffects", "Posterior", "RandomEffectsAccessor"]
