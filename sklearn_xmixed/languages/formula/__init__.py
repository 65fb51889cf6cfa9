"""Models in lme4's notation."""

from ._estimator import FormulaRegressor, from_formula
from ._parser import FormulaError

__all__ = ["FormulaError", "FormulaRegressor", "from_formula"]
