"""Power by simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from ..inference import check_level
from ..resampling._bootstrap import seeds_of
from ..resampling._sample import Sample
from ._layout import Layout, resized
from ._result import PowerResult
from ._significance import SignificanceTest
from ._truth import Truth

__all__ = ["power"]

#: from numbers of groups and rows to the rows of a study
Design = Callable[[Any, Any, np.random.Generator], Any]


def power(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    effect: Mapping[str, float],
    n_groups: Any = None,
    n_rows: Any = None,
    test: Any = None,
    method: str = "satterthwaite",
    alpha: float = 0.05,
    n_sims: int = 1000,
    variance_components: Mapping[str, Any] | None = None,
    sigma: float | None = None,
    design: Design | None = None,
    groups: Any = None,
    confidence_level: float = 0.95,
    random_state: Any = None,
    verbose: bool = False,
) -> PowerResult:
    """Power of a test by simulation, from a pilot or from stated variances.

    Responses are drawn from the model under the alternative, the model is fitted to
    each, and the share of tests that reject is the power.  All responses of a design are
    fitted at once, as ``fit(X, Y)`` does.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        A fitted pilot: what is not stated is as estimated there.  Or one that is not
        fitted, with ``variance_components`` and ``sigma``; coefficients that ``effect``
        does not name are then zero.
    X, y, groups : default=None
        Rows of the pilot, or of a part of the study: a fitted model keeps none.  y is
        needed only where a formula or command names it; its values play no part.
        X may be left out with ``design``.
    effect : mapping of str to float
        Coefficients under the alternative.  With values of zero the result is the
        size of the test.
    n_groups : int or sequence of int, default=None
        Groups of the top level; several make a curve.  None: as many as X has.
    n_rows : int or sequence of int, default=None
        Rows in every group of the lowest level.  None: as in X.
    test : str or list of str, default=None
        Coefficients, or equations as of ``wald_test``, that are tested jointly.  None:
        the coefficients that ``effect`` names.
    method : str, default="satterthwaite"
        "z" is the Wald test of large samples, "lr" the likelihood-ratio test (of columns,
        by maximum likelihood), others the methods of ``df=``, such as "kenward-roger".
    alpha : float, default=0.05
        Level of the test.
    n_sims : int, default=1000
        Responses for each design.
    variance_components : mapping of str to variances, default=None
        By group: a number, a mapping from effects to variances, or a covariance matrix
        as an array or a frame.
    sigma : float, default=None
        Standard deviation of the residuals.
    design : callable, default=None
        ``design(n_groups, n_rows, rng)`` returns the rows of a study as a frame.  None:
        groups and rows of X are repeated.
    confidence_level : float, default=0.95
        Of the intervals for what is due to simulation.
    random_state : int, numpy Generator or RandomState, default=None
        Seed of what is drawn; None makes every call another.
    verbose : bool, default=False
        Whether to print a line for each design.

    Returns
    -------
    PowerResult
        Has ``table``, ``power``, ``p_values`` and ``plot()``.

    Raises
    ------
    TypeError, ValueError
        On numbers out of range, unknown names, variances that are missing, and
        designs in which the effect cannot be estimated.

    See Also
    --------
    bootstrap : Standard errors from responses that are drawn from a fit.

    Notes
    -----
    Without ``design``, groups of the top level are copied whole, with all that is in them,
    as often as they go into ``n_groups``; those that are still lacking are drawn once, the
    most balanced of 200 draws.  A group's rows are its first ``n_rows``, from the beginning
    again where it has fewer.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, power
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> pilot = MixedLinearRegressor("subject", method="reml").fit(X, y)
    >>> result = power(
    ...     pilot, X, effect={"days": 2.0}, n_groups=[10, 20, 40], random_state=0
    ... )
    >>> result.table["power"].round(1).tolist()
    [0.5, 0.8, 1.0]
    """
    alpha, level = check_level(alpha), check_level(confidence_level)
    if not isinstance(n_sims, Integral) or n_sims < 2:
        raise ValueError(f"n_sims must be an integer of at least 2, got {n_sims!r}.")
    if X is None and design is None:
        raise ValueError(
            "power needs rows: X, those of the pilot (a fitted model keeps none), or "
            "design=, a function that makes those of a study. Pass one of them."
        )
    truth = Truth.of(estimator, effect, variance_components, sigma)
    tested = SignificanceTest.of(test, list(effect), method)
    sizes = list(product(_counts(n_groups, "n_groups"), _counts(n_rows, "n_rows")))
    seeds = seeds_of(random_state, len(sizes))
    rows = _Rows(estimator, X, y, groups, design)
    found, layouts = [], []
    for (G, r), seed in zip(sizes, seeds, strict=True):
        rng = np.random.default_rng(seed)
        sample = rows.sample(G, r, rng)
        known = truth.simulator(sample)
        p = tested.p_values(sample, known.draw(int(n_sims), rng), known.model)
        found.append(p)
        layouts.append(Layout(sample.frame, _levels(sample)))
        if verbose:
            share = np.nanmean(np.where(np.isnan(p), np.nan, p <= alpha))
            print(
                f"{layouts[-1].n_groups} groups, {len(sample.frame)} rows: {share:.3f}"
            )
    table = pd.DataFrame([vars(one) for one in layouts])
    return PowerResult(
        np.array(found),
        table[["n_groups", "n_rows", "n_obs"]],
        dict(truth.effect),
        tested.hypothesis,
        method,
        alpha,
        level,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Where the rows of a study come from."""

    estimator: Any
    X: Any
    y: Any
    groups: Any
    design: Design | None

    def sample(
        self, n_groups: int | None, n_rows: int | None, rng: np.random.Generator
    ) -> Sample:
        """A study of this size, with a response that means nothing."""
        if self.design is not None:
            return self._read(self.design(n_groups, n_rows, rng), None, None, rng)
        sample = self._read(self.X, self.y, self.groups, rng)
        if n_groups is None and n_rows is None:
            return sample
        levels = _levels(sample)
        if not levels:
            crossed = bool(sample.equations)
            what = "has effects of crossed factors" if crossed else "has no groups"
            raise ValueError(
                f"The model {what}, so that n_groups and n_rows do not say which rows to "
                "repeat. Leave them out, or pass design=, which makes the rows of a study."
            )
        _check_times(sample, levels, n_rows)
        frame = resized(
            sample.frame, levels, sample.estimator.fixed, n_groups, n_rows, rng
        )
        return Sample(sample.estimator, frame, _noise(len(frame), rng), None)

    def _read(self, X: Any, y: Any, groups: Any, rng: np.random.Generator) -> Sample:
        named = hasattr(self.estimator, "_as_plain")
        if y is None and not named:
            y = np.zeros(len(X))
        sample = Sample.of(self.estimator, X, y, groups)
        noise = _noise(len(sample.frame), rng)
        return Sample(sample.estimator, sample.frame, noise, None)


def _check_times(sample: Sample, levels: list[str], n_rows: int | None) -> None:
    """Refuse rows that would repeat a time within their group.

    Raises
    ------
    ValueError
    """
    residuals = sample.estimator.residuals
    if n_rows is None or residuals is None or residuals.time is None:
        return
    least = int(sample.frame.groupby(levels, sort=False, observed=True).size().min())
    if n_rows > least:
        raise ValueError(
            f"n_rows={n_rows} repeats rows of groups that have {least}, and with them "
            f"their time {residuals.time!r}, which must not come twice in a group. Take "
            "at most as many rows, or pass design=, which makes the rows of a study "
            "with times of their own."
        )


def _levels(sample: Sample) -> list[str]:
    """Nested levels, top first; none where the whole data are one group."""
    levels = list(dict.fromkeys(e.group for e in sample.equations))
    return [] if "_all" in levels else levels


def _noise(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series(rng.standard_normal(n), name="y")


def _counts(given: Any, name: str) -> Iterator[int | None]:
    """One number or several."""
    values = [given] if given is None or isinstance(given, Integral) else list(given)
    for value in values:
        if value is None and given is None:
            yield None
        elif isinstance(value, Integral) and int(value) >= 1:
            yield int(value)
        else:
            raise ValueError(
                f"{name} must be a positive integer, a sequence of them, or None for "
                f"those of X; got {given!r}."
            )
