"""What a fit hangs on, and what may be wrong with it."""

from ._doctor import diagnose
from ._finding import Diagnosis, Finding
from ._influence import Influence

__all__ = ["Diagnosis", "Finding", "Influence", "diagnose"]
