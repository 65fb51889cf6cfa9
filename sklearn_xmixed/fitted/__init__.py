"""What an estimator keeps after ``fit``: the results, the effects, the way back to rows."""

from ._accessor import GroupEffects, RandomEffectsAccessor
from ._equations import FittedEquation
from ._fitted import FittedModel
from ._results_options import ResultsOptions
from ._specification import describe

__all__ = [
    "FittedEquation",
    "FittedModel",
    "GroupEffects",
    "RandomEffectsAccessor",
    "ResultsOptions",
    "describe",
]
