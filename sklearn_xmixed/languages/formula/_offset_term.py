"""The offset term of a formula, ``offset(x)``: added with a coefficient of one.

What stands in its parentheses is arithmetic, as in R: ``offset(x + z)`` is a sum and
``offset(log(n))`` a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ._error import FormulaError
from ._lone_term import parentheses_of
from ._text import Span, stripped

__all__ = ["OffsetTerm", "read_offset_term"]


@dataclass(frozen=True)
class OffsetTerm:
    """One offset of a formula.

    Parameters
    ----------
    expression : str
        What is added.
    span : tuple of int
    """

    expression: str
    span: Span = field(default=(0, 0), compare=False)

    @property
    def text(self) -> str:
        """The term."""
        return f"offset({self.expression})"

    @property
    def column(self) -> str:
        """Its column in formulaic's notation, which takes ``x + z`` apart otherwise."""
        return f"0 + I({self.expression})"


def read_offset_term(
    text: str, depths: list[int], start: int, stop: int
) -> OffsetTerm | None:
    """The offset term that a summand is; None for any other.

    Raises
    ------
    FormulaError
        If it is part of another term, or says nothing.
    """
    found = parentheses_of(
        "offset",
        text,
        depths,
        (start, stop),
        "An offset stands alone, joined to other terms by '+'.",
        "It has no coefficient, and so no product with other terms and no random effect.",
    )
    if found is None:
        return None
    opening, closing = found
    inside = stripped(text, opening + 1, closing)
    expression = text[slice(*inside)]
    if not expression.strip():
        raise FormulaError(
            "Nothing stands in the parentheses of the offset.",
            text,
            (start, stop),
            "Write offset(x), or offset(log(n)).",
        )
    return OffsetTerm(expression, (start, stop))
