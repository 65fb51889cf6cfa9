"""Abbreviations: capitals are the shortest, so that ``COVariance`` may be written ``cov``."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["choose", "shortest"]


def shortest(spelling: str) -> str:
    """The shortest abbreviation that a spelling allows."""
    found = re.match(r"[A-Z0-9]+", spelling)
    return found.group().lower() if found else spelling.lower()


def choose(word: str, spellings: Iterable[str]) -> str | None:
    """Full name of what a word abbreviates; None if it is none of them."""
    for spelling in spellings:
        full = spelling.lower()
        if full.startswith(word) and len(word) >= len(shortest(spelling)):
            return full
    return None
