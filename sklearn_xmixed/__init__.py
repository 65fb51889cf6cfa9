"""Multilevel mixed-effects linear regression as a scikit-learn estimator."""

from . import datasets
from ._regressor import MixedLinearRegressor
from ._spec import RandomEffects, Residuals
from .inference import lrtest

__version__ = "0.1.0"

__all__ = [
    "MixedLinearRegressor",
    "RandomEffects",
    "Residuals",
    "__version__",
    "datasets",
    "lrtest",
]
