# what type checkers cannot see: __init__.py gives the room this name
from .languages.formula import (
    FormulaError,
    FormulaRegressor,
    from_formula,
)

__all__ = [
    "FormulaError",
    "FormulaRegressor",
    "from_formula",
]
