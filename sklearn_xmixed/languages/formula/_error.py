"""What is raised where a formula cannot be understood."""

from __future__ import annotations

from ...exceptions import CommandError

__all__ = ["FormulaError"]


class FormulaError(CommandError):
    """A formula that cannot be understood, or that its data do not fit.

    Prints what is wrong, the formula with the place marked, and what to do; see
    ``CommandError`` for its attributes.
    """
