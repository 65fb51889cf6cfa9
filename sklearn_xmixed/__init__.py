"""Multilevel mixed-effects linear regression as a scikit-learn estimator."""

from . import datasets
from ._compare import compare_residuals
from ._regressor import MixedLinearRegressor
from ._spec import RandomEffects, Residuals
from .formula import from_formula
from .inference import compare_fits, lrtest
from .resampling import bootstrap, by, jackknife, mi_estimate, rolling, statsby
from .stata import xtmixed
from .translation import to_lme4, to_nlme, to_sas

__version__ = "0.1.0"

__all__ = [
    "MixedLinearRegressor",
    "RandomEffects",
    "Residuals",
    "__version__",
    "bootstrap",
    "by",
    "compare_fits",
    "compare_residuals",
    "datasets",
    "from_formula",
    "jackknife",
    "lrtest",
    "mi_estimate",
    "rolling",
    "statsby",
    "to_lme4",
    "to_nlme",
    "to_sas",
    "xtmixed",
]
