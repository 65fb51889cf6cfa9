"""Fits without a group, for comparison with what follows from one fit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed

from .samples import Sample

__all__ = ["refit"]

Array = np.ndarray


def refit(
    data: tuple[Any, ...],
    sample: Sample,
    number: int,
    known: pd.Index,
    labels: Any,
    n_jobs: int | None,
) -> pd.DataFrame:
    """See ``Influence.refit``."""
    chosen = known if labels is None else pd.Index(labels, name=known.name)
    if isinstance(known, pd.MultiIndex) and labels is not None:
        chosen = pd.MultiIndex.from_tuples(list(labels), names=known.names)
    at = known.get_indexer(chosen)
    if (at < 0).any():
        raise ValueError(
            f"labels must be groups of the table's index; {chosen[int(np.argmin(at))]!r} "
            "is not among them."
        )
    codes = np.full(sample.n_passed, -1)
    codes[sample.order] = sample.codes[number]
    rows = Parallel(n_jobs=n_jobs)(
        delayed(_one)(data, np.flatnonzero(codes != u)) for u in at
    )
    columns = pd.MultiIndex.from_tuples(rows[0][0], names=["equation", "term"])
    return pd.DataFrame([values for _, values in rows], index=chosen, columns=columns)


def _one(data: tuple[Any, ...], rows: Array) -> tuple[list, list]:
    estimator, X, y, weight, groups = data
    other = clone(estimator).set_params(verbose=0, lr_test=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.fit(
            _safe_indexing(X, rows),
            None if y is None else _safe_indexing(y, rows),
            None if weight is None else _safe_indexing(weight, rows),
            groups=None if groups is None else _safe_indexing(groups, rows),
        )
        r = other.results_
        variances = other.variance_components_["estimate"]
    names = [(r.target, name) for name in r.fixed_names] + list(variances.index)
    names += [("", "log_likelihood"), ("", "converged")]
    return names, [*r.beta, *variances, r.log_likelihood, r.converged]
