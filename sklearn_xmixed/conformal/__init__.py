"""Intervals whose coverage rests on exchangeable rows or groups, not on the model."""

from ._regressor import ConformalMixedRegressor

__all__ = ["ConformalMixedRegressor"]
