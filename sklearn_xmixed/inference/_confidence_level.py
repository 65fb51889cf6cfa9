"""Confidence levels."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

__all__ = ["check_level"]


def check_level(confidence_level: Any) -> float:
    """A confidence level as a number.

    Raises
    ------
    ValueError
        If it does not lie between 0 and 1.
    """
    number = isinstance(confidence_level, Real) and not isinstance(
        confidence_level, bool
    )
    level = float(confidence_level) if number else math.nan
    if not 0 < level < 1:
        percent = 1 < level < 100
        hint = f" Write {level / 100:g} for {level:g} %." if percent else ""
        raise ValueError(
            f"confidence_level must lie between 0 and 1, got {confidence_level!r}.{hint}"
        )
    return level
