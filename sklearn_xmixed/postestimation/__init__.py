"""What can be asked of a fitted model, beyond ``predict`` and ``score``.

Thin methods, by what they answer: each checks that the estimator is fitted, reads its
input and hands over to the room that knows how.
"""

from ._attributes import FittedAttributes
from ._diagnostics import DiagnosticMethods
from ._intervals import IntervalMethods
from ._means import MeansMethods
from ._rows import RowMethods
from ._tables import TableMethods
from ._tests import TestMethods
from ._variances import VarianceMethods

__all__ = ["PostEstimation"]


class PostEstimation(
    FittedAttributes,
    RowMethods,
    TableMethods,
    IntervalMethods,
    TestMethods,
    MeansMethods,
    VarianceMethods,
    DiagnosticMethods,
):
    """Methods of a fitted ``MixedLinearRegressor``."""
