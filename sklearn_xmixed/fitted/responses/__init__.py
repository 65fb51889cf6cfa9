"""What an estimator keeps after a fit to several responses."""

from ._effects import ResponseEffects
from ._estimates import ResponseEstimates
from ._part import ResponsePart
from ._responses import FittedResponses
from ._results import ResponseResults
from ._tests import ManySmallSamples, OneSmallSample

__all__ = [
    "FittedResponses",
    "ManySmallSamples",
    "OneSmallSample",
    "ResponseEffects",
    "ResponseEstimates",
    "ResponsePart",
    "ResponseResults",
]
