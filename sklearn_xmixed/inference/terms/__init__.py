"""Terms of the fixed part: of what they are made, their hypotheses, analysis of variance."""

from ._anova import anova, named_columns
from ._hypotheses import FixedColumns, Hypotheses
from ._terms import Coding, Product, Term, single_columns

__all__ = [
    "Coding",
    "FixedColumns",
    "Hypotheses",
    "Product",
    "Term",
    "anova",
    "named_columns",
    "single_columns",
]
