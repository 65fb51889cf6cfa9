"""Planning a study: simulated power."""

from ._power import power
from ._result import PowerResult

__all__ = ["PowerResult", "power"]
