"""What a fit hangs on, and what may be wrong with it."""

from ._influence import Influence

__all__ = ["Influence"]
