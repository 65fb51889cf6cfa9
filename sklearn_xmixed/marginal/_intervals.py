"""Intervals for new observations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ._rows import Rows

__all__ = ["prediction_interval"]


def prediction_interval(
    rows: Rows, confidence_level: float, kind: str | None
) -> pd.DataFrame:
    """Mean, standard deviation and limits of a new observation per row.

    See ``MixedLinearRegressor.prediction_interval``.
    """
    fitted, estimator, source = rows.fitted, rows.estimator, rows.source
    mean, std = fitted.predict(
        estimator, source, kind=kind, level=None, return_std=True
    )
    variance = std**2 + rows.residual_variance()
    if kind == "fixed" or (kind is None and not fitted.has_labels(source)):
        # the group is not known: the whole variance of its random effects
        variance = variance + rows.random_variance()
    std = np.sqrt(variance)
    z = float(ndtri(0.5 + 0.5 * confidence_level))
    return pd.DataFrame(
        {"mean": mean, "std": std, "lower": mean - z * std, "upper": mean + z * std}
    )
