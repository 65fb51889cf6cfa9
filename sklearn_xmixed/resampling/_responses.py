"""One model fitted to every column of Y."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed
from joblib.parallel import get_active_backend
from sklearn.base import clone
from sklearn.utils.validation import check_array, check_consistent_length

from ..design._compile import compile_design
from ..exceptions import MixedModelWarning
from ..fitted._fitted import FittedModel
from ..fitted.responses import (
    FittedResponses,
    ManySmallSamples,
    OneSmallSample,
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
#: weights of rows, labels and offsets, as fit takes them
Others = tuple[Any, Any, Any]

#: seconds of work from which all cores are used, and pieces of it for each
LONG, TASKS = 3.0, 8
#: responses that are looked at for one that is not constant
LEADERS = 1000
#: responses of one pattern of missing rows from which fitting them together pays
FEW = 3


def several_responses(y: Any) -> bool:
    """Whether y has columns: a frame, or an array of two dimensions."""
    if isinstance(y, list | tuple):
        return bool(y) and isinstance(y[0], list | tuple | np.ndarray)
    return len(getattr(y, "shape", ())) == 2


def fit_responses(
    estimator: Any,
    X: Any,
    Y: Any,
    sample_weight: Any = None,
    groups: Any = None,
    offset: Any = None,
    *,
    watch: Callable[[int], Callable[[int], None]] = lambda m: lambda more: None,
) -> tuple[FittedResponses, Any]:
    """Fit a model to every column of Y.

    Responses with the same rows missing share the work; what is not certified
    together, and models whose responses cannot share it, are fitted one by one: on all
    cores where that takes long, or as ``joblib.parallel_config`` has it.

    Parameters
    ----------
    estimator : MixedLinearRegressor
    Y : array-like or data frame of shape (n_samples, n_responses)
    watch : callable
        From the number of responses to what is told how many more of them are
        complete.

    Returns
    -------
    fitted : FittedResponses
    one : MixedLinearRegressor
        The fit of one response.
    """
    names, values = _read(estimator, X, Y)
    values = np.asfortranarray(values)
    done = watch(len(names))
    alone = _Alone(estimator, X, values, (sample_weight, groups, offset), done)
    parts: list[Part] = []
    first = None
    gone = np.isnan(values)
    for numbers in _patterns(gone):
        numbers = _led(values, numbers)
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


def _led(values: Array, numbers: Array) -> Array:
    """The same, one that is not constant first: its fit stands for the others."""
    for k, b in enumerate(numbers[:LEADERS].tolist()):
        y = values[:, b]
        if np.nanstd(y) > 1e-6 * np.nanmax(np.abs(y), initial=0.0):
            return np.concatenate([numbers[k:], numbers[:k]])
    return numbers


class _Alone:
    """Fits one response at a time; ``others`` are what ``fit`` takes beside X and y.

    ``done`` is told how many more responses are complete.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        Y: Array,
        others: Others,
        done: Callable[[int], None],
    ):
        self.estimator, self.X, self.Y = clone(estimator), X, Y
        vars(self.estimator).pop("_skl_callbacks", None)  # one fit, one progress bar
        self.others, self.done = others, done
        self.seconds = 0.0

    def __call__(self, b: int) -> Any:
        """The estimator fitted to a response."""
        start = perf_counter()
        one = _fit(self.estimator, self.X, self.Y[:, b], self.others)
        self.seconds = perf_counter() - start
        return one

    def parts(self, numbers: Sequence[int], one: Any) -> list[Part]:
        """Responses one by one, on all cores where that pays.

        ``one`` is a fit of another of the same rows, made here.
        """
        n_jobs = self._n_jobs(len(numbers))
        size = max(1, len(numbers) // (TASKS * cpu_count())) if n_jobs else 1
        pieces = [numbers[a : a + size] for a in range(0, len(numbers), size)]
        made = Parallel(
            n_jobs=n_jobs, return_as="generator", verbose=_verbosity(self.estimator)
        )(
            delayed(_fitted)(
                self.estimator,
                self.X,
                self.Y[:, piece],
                self.others,
            )
            for piece in pieces
        )
        parts = []
        for piece, fits in zip(pieces, made, strict=True):
            for b, fit in zip(piece, fits, strict=True):
                parts.append(_single(b, fit, one._fitted))
            self.done(len(piece))
        return parts

    def _n_jobs(self, count: int) -> int | None:
        """All cores for long work; None, joblib's own setting, else and where it is set."""
        backend, chosen = get_active_backend()
        free = chosen is None and not backend.nesting_level
        return -1 if free and count * self.seconds > LONG else None

    def compile(self, one: Any, b: int) -> Any:
        """The design of a fit."""
        return compile_design(clone(one), self.X, self.Y[:, b], *self.others)


def _fit(estimator: Any, X: Any, y: Array, others: Others) -> Any:
    sample_weight, groups, offset = others
    with warnings.catch_warnings():  # told once for all responses
        warnings.simplefilter("ignore", MixedModelWarning)
        return clone(estimator).fit(X, y, sample_weight, groups=groups, offset=offset)


def _fitted(estimator: Any, X: Any, Y: Array, others: Others) -> list[FittedModel]:
    return [_fit(estimator, X, y, others)._fitted for y in Y.T]


def _fit_pattern(alone: _Alone, one: Any, numbers: Array) -> list[Part]:
    """Fit responses that have the same rows; ``one`` is a fit of the first."""
    together = None
    if len(numbers) >= FEW and _may_share(one):
        together = Together.of(
            alone.compile(one, int(numbers[0])),
            one._fitted,
            std_errors=one.std_errors,
            tol=one.tol,
            max_iter=one.max_iter,
        )
    if together is None:
        alone.done(1)
        first = _single(int(numbers[0]), one._fitted, one._fitted)
        return [first, *alone.parts(numbers[1:].tolist(), one)]
    parts, lost = _fit_together(alone, together, numbers)
    return [*parts, *alone.parts(lost, one)]


def _fit_together(
    alone: _Alone, together: Together, numbers: Array
) -> tuple[list[Part], list[int]]:
    """Responses that share a search, and the numbers of those that do not succeed."""
    used = together.template.sample
    Y = alone.Y if used.all() else alone.Y[used]
    if together.offset is not None:
        Y = Y - together.offset[:, None]
    size = together.chunk
    pieces = [numbers[a : a + size] for a in range(0, len(numbers), size)]
    solved = []
    for part in Parallel(return_as="generator")(
        delayed(together.solve)(Y[:, piece]) for piece in pieces
    ):
        solved.append(part)
        alone.done(int(part.certain.sum()))
    certain = np.concatenate([s.certain for s in solved])
    if not certain.any():
        return [], numbers.tolist()
    which = np.flatnonzero(certain)
    whole = ResponseEstimates.gather(
        list(zip(_runs(pieces), [s.estimates for s in solved], strict=True)),
        len(numbers),
    ).take(which)
    effects = concatenate([s.effects for s in solved]).take(which)
    tests = ManySmallSamples.concatenate([s.tests for s in solved]).take(which)
    model = _predictor(together.template, whole, effects)
    part = ResponsePart(numbers[which], model, tests)
    return [(part, whole)], numbers[~certain].tolist()


def _may_share(one: Any) -> bool:
    """Whether the search is the usual one and errors are the model's."""
    usual = one.parameterization == "matsqrt" and one.solver == "newton"
    return usual and not one.em_only and one._fitted.results.vce == "oim"


def _verbosity(estimator: Any) -> int:
    return 10 if estimator.verbose else 0


def _runs(pieces: list[Array]) -> list[Array]:
    """Places of consecutive pieces."""
    ends = np.cumsum([0, *(len(p) for p in pieces)])
    return [np.arange(a, b) for a, b in pairwise(ends)]


def _single(b: int, fitted: FittedModel, one: FittedModel) -> Part:
    part = ResponsePart(np.array([b]), fitted, OneSmallSample.lent(fitted, one))
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
