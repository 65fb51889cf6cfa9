"""Standard deviations as a function of a covariate: what a user asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

__all__ = ["Exponential", "Power", "VarianceFunction"]

Array = np.ndarray


@dataclass(frozen=True)
class VarianceFunction:
    """A standard deviation that is a function of a covariate.

    Parameters
    ----------
    variable : str
        Name of the covariate, a column of X or of ``groups``.
    """

    variable: str
    words: ClassVar[str]

    @staticmethod
    def covariate(x: Array) -> Array:
        """What log sd is linear in."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """Words of the output."""
        return f"sd {self.words.format(self.variable)}"


@dataclass(frozen=True)
class Power(VarianceFunction):
    """Residuals whose standard deviation is a power of a covariate, sigma |x|^delta.

    Parameters
    ----------
    variable : str
        Name of x, a column of X or of ``groups``; it must not be zero anywhere.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> from sklearn_xmixed.residuals import Power
    >>> X, y = load_orthodont(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject"),
    ...     fixed=["age"],
    ...     residuals=Residuals(variance=Power("age")),
    ... ).fit(X, y)
    >>> {k: round(v, 3) for k, v in model.residual_parameters_.items()}
    {'delta': -0.112, 'var(e)': 3.434}
    """

    words: ClassVar[str] = "|{}|^delta"

    @staticmethod
    def covariate(x: Array) -> Array:
        return np.log(np.abs(x))


@dataclass(frozen=True)
class Exponential(VarianceFunction):
    """Residuals whose standard deviation is sigma exp(delta x), x a covariate.

    Parameters
    ----------
    variable : str
        Name of x, a column of X or of ``groups``.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> from sklearn_xmixed.residuals import Exponential
    >>> X, y = load_orthodont(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject"),
    ...     fixed=["age"],
    ...     residuals=Residuals(variance=Exponential("age")),
    ... ).fit(X, y)
    >>> {k: round(v, 3) for k, v in model.residual_parameters_.items()}
    {'delta': -0.008, 'var(e)': 2.426}
    """

    words: ClassVar[str] = "exp(delta {})"

    @staticmethod
    def covariate(x: Array) -> Array:
        return x
