"""Samples: the training data laid over a fit once more, rows and groups taken away."""

from ._deletion import Deletion
from ._onestep_result import OneStep
from ._sample import Sample
from ._training import sample_of

__all__ = [
    "Deletion",
    "OneStep",
    "Sample",
    "sample_of",
]
