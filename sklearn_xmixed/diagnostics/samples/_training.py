"""Which sample the training data of an estimator make: the one place that chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from ...design._compile import compile_design
from ...design._labels import Source
from ...fitted._fitted import FittedModel
from ._crossed import CrossedSample
from ._nested_sample import NestedSample
from ._sample import Sample
from ._structured import StructuredSample

__all__ = ["NOT_THE_SAME", "sample_of"]

#: by kind of model
SAMPLES: dict[str, type[Sample]] = {
    "nested": NestedSample,
    "structured": StructuredSample,
    "crossed": CrossedSample,
}


def sample_of(
    estimator: Any, X: Any, y: Any, sample_weight: Any, groups: Any
) -> Sample:
    """Lay the training data over a fitted estimator.

    Raises
    ------
    ValueError
        If they are not those of the fit.
    """
    fitted: FittedModel = estimator._fitted
    if not fitted.sigma2 > 0:
        raise ValueError(
            "Influence needs a positive residual variance; this fit leaves none."
        )
    estimator._check_offset("Influence and correlations of residuals")
    X, y, sample_weight, groups = estimator._as_compiled(X, y, sample_weight, groups)
    compiled = compile_design(clone(estimator), X, y, sample_weight, groups)
    crossed = fitted.posterior.kind == "crossed"
    same = (
        compiled.fixed_names == fitted.fixed_names
        and bool((compiled.kept == fitted.kept).all())
        and compiled.level_numbers == fitted.level_numbers
        and bool(compiled.design.terms) == crossed
    )
    if not same:
        raise ValueError(NOT_THE_SAME)
    sample = SAMPLES[fitted.posterior.kind].of(fitted, compiled, Source.of(X, groups))
    root = fitted.posterior.pieces.root
    scale = np.sqrt(np.append(np.ones(sample.p), root.c))
    S = sample.total / np.outer(scale, scale)
    if not np.allclose(S, np.eye(len(S)), atol=1e-5):
        raise ValueError(NOT_THE_SAME)
    return sample


NOT_THE_SAME = (
    "X, y (and sample_weight, groups) are not the data that the model was fitted to. "
    "Pass exactly what was passed to fit; a fitted model keeps no rows."
)
