"""Words of dfmethod() for the methods of degrees of freedom, and the way back."""

from __future__ import annotations

__all__ = ["INFORMATION", "METHODS", "word_of"]

#: by the word, shortest abbreviation in capitals
METHODS = {
    "RESidual": "residual",
    "REPeated": "between-within",
    "ANova": "containment",
    "SATterthwaite": "satterthwaite",
    "KRoger": "kenward-roger",
}
#: what kroger adds to its name by the information matrix that it is computed from
INFORMATION = {"EIM": "", "OIM": "-observed"}


def word_of(method: str) -> str | None:
    """What stands in dfmethod() for a method; None where nothing does."""
    for spelling, name in METHODS.items():
        if method == name:
            return spelling.lower()
    if method == "kenward-roger-observed":
        return "kroger, oim"
    return None
