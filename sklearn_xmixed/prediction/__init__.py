"""Predicted random effects and their uncertainty."""

from ._accessor import RandomEffectsAccessor
from ._posterior import Posterior

__all__ = ["Posterior", "RandomEffectsAccessor"]
