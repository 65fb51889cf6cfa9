"""Categories replaced by predicted effects, as a transformer."""

from ._encoder import MixedEffectsEncoder

__all__ = ["MixedEffectsEncoder"]
