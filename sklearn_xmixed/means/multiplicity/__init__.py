"""Comparisons that are looked at together: p-values, intervals, letters."""

from ._family import ADJUSTMENTS, TITLES, Family
from ._letters import compact_letters

__all__ = [
    "ADJUSTMENTS",
    "TITLES",
    "Family",
    "compact_letters",
]
