"""Prefix commands: procedures that fit a model many times."""

from ._bootstrap import bootstrap
from ._bootstrap_result import BootstrapResult
from ._by import FitsByCategory, by, rolling, statsby
from ._imputation import PooledResult, mi_estimate, pool
from ._jackknife import jackknife
from ._jackknife_result import JackknifeResult
from ._lrtest import lrtest
from ._refit import ResamplingWarning
from ._residuals import compare_residuals

__all__ = [
    "BootstrapResult",
    "FitsByCategory",
    "JackknifeResult",
    "PooledResult",
    "ResamplingWarning",
    "bootstrap",
    "by",
    "compare_residuals",
    "jackknife",
    "lrtest",
    "mi_estimate",
    "pool",
    "rolling",
    "statsby",
]
