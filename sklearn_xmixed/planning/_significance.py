"""P-values of many simulated responses."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc
from sklearn.base import clone

from ..exceptions import MixedModelWarning
from ..inference import linear_hypothesis
from ..inference.small_samples import check_method
from ..resampling._sample import Sample

__all__ = ["SignificanceTest"]

Array = np.ndarray

LARGE, RATIO = "z", "lr"


@dataclass(frozen=True)
class SignificanceTest:
    """What is tested, and how.

    Parameters
    ----------
    hypothesis : tuple of str
        Names of coefficients, or equations.
    method : str
    """

    hypothesis: tuple[str, ...]
    method: str

    @classmethod
    def of(cls, test: Any, effect: Sequence[str], method: Any) -> SignificanceTest:
        """The coefficients of the effect where nothing is said."""
        if test is None:
            test = list(effect)
        given = [test] if isinstance(test, str) else list(test)
        if method not in (LARGE, RATIO):
            try:
                check_method(method)
            except ValueError as error:
                raise ValueError(
                    f"method must be 'z', 'lr' or one of those for small samples. {error}"
                ) from None
        return cls(tuple(given), method)

    def p_values(self, sample: Sample, Y: Array, template: Any) -> Array:
        """Of every column of Y; nan where a fit did not converge."""
        if self.method == RATIO:
            return self._ratio(sample, Y, template)
        hypothesis = linear_hypothesis(template.results_, list(self.hypothesis))
        df = None if self.method == LARGE else self.method
        # said beforehand: what a worker fits comes back without its rows
        fit = _fit(sample, Y, **({} if df is None else {"df_method": df}))
        p = fit._fitted.p_values(hypothesis, df)
        return np.where(fit.converged_, p, np.nan)

    def _ratio(self, sample: Sample, Y: Array, template: Any) -> Array:
        """By maximum likelihood, with and without the columns."""
        fixed = list(sample.estimator.fixed)
        wrong = [name for name in self.hypothesis if name not in fixed]
        if wrong:
            raise ValueError(
                f"method='lr' leaves columns out, and {wrong} is no column of the fixed "
                f"part; there are {fixed}. Name some of them, or use another method."
            )
        left = [name for name in fixed if name not in self.hypothesis]
        common = {"method": "ml", "df_method": None, "std_errors": False}
        fits = [_fit(sample, Y, fixed=names, **common) for names in (fixed, left)]
        both = fits[0].converged_ & fits[1].converged_
        gain = fits[0].log_likelihood_ - fits[1].log_likelihood_
        gone = set(template.results_.omitted)
        df = len([name for name in self.hypothesis if name not in gone])
        return np.where(both, chdtrc(df, 2.0 * gain.clip(0.0)), np.nan)


def _fit(sample: Sample, Y: Array, **parameters: Any) -> Any:
    model = clone(sample.estimator).set_params(lr_test=False, **parameters)
    with warnings.catch_warnings():  # n_failed tells
        warnings.simplefilter("ignore", MixedModelWarning)
        return model.fit(sample.frame, Y)
