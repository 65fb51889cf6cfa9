"""What a fitted model says of rows before their group is known: variances, shares."""

from ._covariance import marginal_covariance
from ._intervals import prediction_interval
from ._r2 import r2
from ._rows import Rows

__all__ = ["Rows", "marginal_covariance", "prediction_interval", "r2"]
