"""What a fitted regressor says of rows: where they lie, and how far they may scatter."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["centre_and_scale", "last_step"]

Array = np.ndarray


def last_step(estimator: Any) -> Any:
    """The regressor itself, at the end of a pipeline too."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def centre_and_scale(
    model: Any, X: Any, groups: Any, *, normalized: bool
) -> tuple[Array, Array]:
    """Predictions, and what a residual is divided by, row by row.

    Raises
    ------
    ValueError
        If scores are to be normalised and the estimator does not say by what.
    """
    given = {} if groups is None else {"groups": groups}
    if not normalized:
        centre = np.asarray(model.predict(X, **given), dtype=float)
        return centre, np.ones(len(centre))
    last = last_step(model)
    if not hasattr(last, "prediction_interval"):
        raise ValueError(
            "conformity_score='normalized' divides by the standard deviation of a new "
            f"observation, and {type(last).__name__} has no prediction_interval that says "
            "it. Use conformity_score='absolute'."
        )
    if last is not model:
        X = model[:-1].transform(X)
    frame = last.prediction_interval(X, **given)
    scale = frame["std"].to_numpy()
    # an exact fit has no scatter: residuals are as they are
    return frame["mean"].to_numpy(), np.where(scale == 0, 1.0, scale)
