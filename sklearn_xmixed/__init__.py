"""Multilevel mixed-effects linear regression as a scikit-learn estimator."""

import sys

from . import datasets
from ._regressor import MixedLinearRegressor
from ._spec import RandomEffects, Residuals
from .conformal import ConformalMixedRegressor
from .encoding import MixedEffectsEncoder
from .inference import compare_fits
from .languages import formula, stata, translation
from .languages.formula import from_formula
from .languages.stata import xtmixed
from .languages.translation import to_lme4, to_nlme, to_sas
from .means import to_marginaleffects
from .planning import power
from .resampling import (
    bootstrap,
    by,
    compare_residuals,
    jackknife,
    lrtest,
    mi_estimate,
    rolling,
    statsby,
)

__version__ = "0.1.0"

__all__ = [
    "ConformalMixedRegressor",
    "MixedEffectsEncoder",
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
    "power",
    "rolling",
    "statsby",
    "to_lme4",
    "to_marginaleffects",
    "to_nlme",
    "to_sas",
    "xtmixed",
]

# their public names: the languages are neighbours in one room
for _language in (formula, stata, translation):
    sys.modules[f"{__name__}.{_language.__name__.rpartition('.')[2]}"] = _language
