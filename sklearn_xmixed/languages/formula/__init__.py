"""Models in lme4's notation."""

from ._error import FormulaError
from ._estimator import FormulaRegressor
from ._from_formula import from_formula

__all__ = ["FormulaError", "FormulaRegressor", "from_formula"]
