"""Terms that stand alone between the summands, like ``offset(x)``."""

from __future__ import annotations

import re

from ._error import FormulaError
from ._text import Span

__all__ = ["parentheses_of"]


def parentheses_of(
    name: str, text: str, depths: list[int], term: Span, problem: str, hint: str
) -> Span | None:
    """Where the parentheses of a summand ``name(...)`` open and close.

    None where the name is not called in it.

    Raises
    ------
    FormulaError
        If the call is a part of the summand.
    """
    start, stop = term
    heads = re.compile(rf"(?<![\w.]){name}\s*\(").finditer(text, start, stop)
    head = next((h for h in heads if depths[h.start()] >= 0), None)
    if head is None:
        return None
    opening = head.end() - 1
    closing = next(
        i
        for i in range(opening, stop)
        if text[i] == ")" and depths[i] == depths[opening]
    )
    if head.start() != start or closing != stop - 1:
        raise FormulaError(problem, text, term, hint)
    return opening, closing
