"""One fit: start values, EM, search, certificate; its log and its messages."""

from ._callbacks import FitTasks
from ._estimate import Estimate, SearchOptions, estimate
from ._log import IterationLog
from ._messages import convergence_message

__all__ = [
    "Estimate",
    "FitTasks",
    "IterationLog",
    "SearchOptions",
    "convergence_message",
    "estimate",
]
