"""Names and sums as R writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["quoted"]


def quoted(name: str) -> str:
    """A name of R, in backquotes where it needs them."""
    plain = re.fullmatch(r"[^\W\d_][\w.]*", name) and name not in _RESERVED
    return name if plain else f"`{name}`"


def joined(names: Sequence[str], constant: bool) -> str:
    """Right side of an R formula."""
    parts = [] if constant else ["0"]
    parts += [quoted(n) for n in names]
    return " + ".join(parts) or "1"


_RESERVED = {
    "if", "else", "repeat", "while", "function", "for", "in", "next", "break", "TRUE",
    "FALSE", "NULL", "Inf", "NaN", "NA",
}  # fmt: skip
