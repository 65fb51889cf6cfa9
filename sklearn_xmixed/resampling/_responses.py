"""One model fitted to every column of Y."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils.validation import check_array, check_consistent_length

from ..design._compile import compile_design
from ..exceptions import MixedModelWarning
from ..fitted._fitted import FittedModel
from ..fitted._response_tests import ManySmallSamples, OneSmallSample
from ..fitted._responses import (
    FittedResponses,
    ResponseEffects,
    ResponseEstimates,
    ResponsePart,
    ResponseResults,
)
from ._together import Together, concatenate

__all__ = ["fit_responses", "several_responses"]

Array = np.ndarray
#: some of the responses and their estimates
Part = tuple[ResponsePart, ResponseEstimates]

#: responses of one pattern of missing rows from which fitting them together pays
FEW = 3


def several_responses(y: Any) -> bool:
    """Whether y has columns: a frame, or an array of two dimensions."""
    if isinstance(y, list | tuple):
        return bool(y) and isinstance(y[0], list | tuple | np.ndarray)
    return len(getattr(y, "shape", ())) == 2


def fit_responses(
    estimator: Any, X: Any, Y: Any, sample_weight: Any = None, groups: Any = None
) -> tuple[FittedResponses, Any]:
    """Fit a model to every column of Y.

    Responses with the same rows missing share the work; what is not certified
    together, and models whose responses cannot share it, are fitted one by one (in
    parallel under ``joblib.parallel_config``).

    Parameters
    ----------
    estimator : MixedLinearRegressor
    Y : array-like or data frame of shape (n_samples, n_responses)

    Returns
    -------
    fitted : FittedResponses
    one : MixedLinearRegressor
        The fit of one response.
    """
    names, values = _read(estimator, X, Y)
    values = np.asfortranarray(values)
    alone = _Alone(estimator, X, values, sample_weight, groups)
    parts: list[Part] = []
    first = None
    gone = np.isnan(values)
    for numbers in _patterns(gone):
        one = alone(int(numbers[0]))
        first = one if first is None else first
        parts += _fit_pattern(alone, one, numbers)
    assert first is not None
    _check_alike(parts, names)
    m = len(names)
    estimates = ResponseEstimates.gather([(p.numbers, e) for p, e in parts], m)
    template = first._fitted
    fixed = template.results.fixed_names
    sample = np.empty((len(values), m), dtype=bool)
    for part, _ in parts:
        sample[:, part.numbers] = part.model.sample[:, None]
    fitted = FittedResponses(
        ResponseResults(names, fixed, template.results.parameters, estimates),
        template,
        tuple(part for part, _ in parts),
        sample,
    )
    return fitted, first


def _read(estimator: Any, X: Any, Y: Any) -> tuple[tuple[str, ...], Array]:
    """Names and values of the responses, validated."""
    columns = getattr(Y, "columns", None)
    names = tuple(map(str, () if columns is None else columns))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(
            f"Y has several columns of the name {twice[0]!r}; responses are told apart "
            "by their names. Rename the columns."
        )
    values = check_array(
        Y,
        dtype=np.float64,
        ensure_all_finite="allow-nan" if estimator.missing == "drop" else True,
        ensure_min_samples=0,
        estimator=estimator,
        input_name="y",
    )
    names = names or tuple(f"y{k}" for k in range(values.shape[1]))
    check_consistent_length(X, values)
    return names, values


def _patterns(gone: Array) -> list[Array]:
    """Numbers of the responses that miss the same rows."""
    if not gone.any():
        return [np.arange(gone.shape[1])]
    keys: dict[bytes, list[int]] = {}
    for b, column in enumerate(np.packbits(gone, axis=0).T):
        keys.setdefault(column.tobytes(), []).append(b)
    return [np.array(numbers) for numbers in keys.values()]


class _Alone:
    """Fits one response at a time."""

    def __init__(
        self, estimator: Any, X: Any, Y: Array, sample_weight: Any, groups: Any
    ):
        self.estimator, self.X, self.Y = estimator, X, Y
        self.sample_weight, self.groups = sample_weight, groups

    def __call__(self, b: int) -> Any:
        one = clone(self.estimator)
        with warnings.catch_warnings():  # told once for all responses
            warnings.simplefilter("ignore", MixedModelWarning)
            return one.fit(self.X, self.Y[:, b], self.sample_weight, groups=self.groups)

    def fitted(self, b: int) -> FittedModel:
        """What a fit keeps."""
        return self(b)._fitted

    def compile(self, one: Any, b: int) -> Any:
        """The design of a fit."""
        return compile_design(
            clone(one), self.X, self.Y[:, b], self.sample_weight, self.groups
        )


def _fit_pattern(alone: _Alone, one: Any, numbers: Array) -> list[Part]:
    """Fit responses that have the same rows; ``one`` is a fit of the first."""
    together = None
    if len(numbers) >= FEW and _may_share(one):
        compiled = alone.compile(one, int(numbers[0]))
        together = Together.of(
            compiled,
            one._fitted,
            std_errors=one.std_errors,
            tol=one.tol,
            max_iter=one.max_iter,
        )
    if together is None:
        rest = Parallel(verbose=_progress(one))(
            delayed(alone.fitted)(b) for b in numbers[1:].tolist()
        )
        return [
            _single(b, f) for b, f in zip(numbers, [one._fitted, *rest], strict=True)
        ]
    Y = alone.Y if one._fitted.sample.all() else alone.Y[one._fitted.sample]
    size = together.chunk
    pieces = [numbers[a : a + size] for a in range(0, len(numbers), size)]
    solved = Parallel(verbose=_progress(one))(
        delayed(together.solve)(Y[:, piece]) for piece in pieces
    )
    certain = np.concatenate([s.certain for s in solved])
    parts: list[Part] = []
    if certain.any():
        which = np.flatnonzero(certain)
        whole = ResponseEstimates.gather(
            list(zip(_runs(pieces), [s.estimates for s in solved], strict=True)),
            len(numbers),
        ).take(which)
        effects = concatenate([s.effects for s in solved]).take(which)
        tests = ManySmallSamples.concatenate([s.tests for s in solved]).take(which)
        model = _predictor(together.template, whole, effects)
        parts.append((ResponsePart(numbers[which], model, tests), whole))
    lost = numbers[~certain].tolist()
    parts += [
        _single(b, f)
        for b, f in zip(
            lost, Parallel()(delayed(alone.fitted)(b) for b in lost), strict=True
        )
    ]
    return parts


def _may_share(one: Any) -> bool:
    """Whether the search is the usual one and errors are the model's."""
    usual = one.parameterization == "matsqrt" and one.solver == "newton"
    return usual and not one.em_only and one._fitted.results.vce == "oim"


def _progress(one: Any) -> int:
    return 10 if one.verbose else 0


def _runs(pieces: list[Array]) -> list[Array]:
    """Places of consecutive pieces."""
    ends = np.cumsum([0, *(len(p) for p in pieces)])
    return [np.arange(a, b) for a, b in pairwise(ends)]


def _single(b: int, fitted: FittedModel) -> Part:
    part = ResponsePart(np.array([b]), fitted, OneSmallSample(fitted))
    return part, ResponseEstimates.of_fits([fitted])


def _predictor(
    template: FittedModel, estimates: ResponseEstimates, effects: ResponseEffects
) -> FittedModel:
    """The template with coefficients and effects of several responses."""
    c = len(template.fixed_names)
    constant = estimates.beta.shape[1] > c
    return replace(
        template,
        coef=estimates.beta[:, :c].T,
        intercept=estimates.beta[:, -1] if constant else 0.0,  # type: ignore[arg-type]
        sigma2=estimates.sigma2,  # type: ignore[arg-type]
        posterior=effects,  # type: ignore[arg-type]
        unbounded=False,
    )


def _check_alike(parts: list[Part], names: tuple[str, ...]) -> None:
    """Refuse responses whose missing rows leave them another model."""
    first = parts[0][0]
    terms = [(p.level, p.term("sd")) for p in first.model.results.parameters]
    for part, _ in parts:
        own = [(p.level, p.term("sd")) for p in part.model.results.parameters]
        if own != terms:
            raise ValueError(
                f"The rows without missing values of {names[int(part.numbers[0])]!r} have "
                f"the variance parameters {own}, those of {names[int(first.numbers[0])]!r} "
                f"{terms}; responses that are fitted together must have the same. Fit "
                "them apart."
            )
