"""Checks: what may be wrong with a fit, and a simpler model."""

from ._doctor import diagnose
from ._finding import Diagnosis, Finding
from ._proposal import code_of

__all__ = [
    "Diagnosis",
    "Finding",
    "code_of",
    "diagnose",
]
