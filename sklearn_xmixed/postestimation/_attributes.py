"""What a fit has found, by scikit-learn's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..fitted import GroupEffects
from ..inference import Results, Term
from ._base import FittedMethods

if TYPE_CHECKING:
    from ..fitted._batches import Batches

__all__ = ["FittedAttributes"]

Array = np.ndarray


class FittedAttributes(FittedMethods):
    """Attributes that are there after ``fit``."""

    def _state(self, name: str) -> Any:
        try:
            return self.__dict__["_fitted"]
        except KeyError:
            raise AttributeError(
                f"This {type(self).__name__} instance is not fitted yet: {name} is "
                "there after fit."
            ) from None

    def __sklearn_is_fitted__(self) -> bool:
        """Whether fit was called."""
        return "_fitted" in self.__dict__

    @property
    def coef_(self) -> Array:
        """Fixed effects without the constant."""
        return self._state("coef_").coef.copy()

    @property
    def intercept_(self) -> float:
        """Constant of the fixed part."""
        return self._state("intercept_").intercept

    @property
    def fixed_names_(self) -> list[str]:
        """Columns of the fixed part."""
        return list(self._state("fixed_names_").fixed_names)

    @property
    def terms_(self) -> tuple[Term, ...]:
        """Terms of the fixed part."""
        self._state("terms_")
        return tuple(coding.term for coding in self._codings())

    @property
    def categories_(self) -> dict[str, list[Any]]:
        """Categories of the columns that were coded, the reference first."""
        coding = self._state("categories_").categories
        return {} if coding is None else {c: list(k) for c, k in coding.known.items()}

    @property
    def results_(self) -> Results:
        """Everything the fit saves."""
        return self._state("results_").results

    @property
    def variance_components_(self) -> pd.DataFrame:
        """Variances and covariances."""
        return self._state("variance_components_").variance_components.copy()

    @property
    def covariances_(self) -> dict[str, pd.DataFrame]:
        """Covariance matrix of each equation's effects."""
        found = self._state("covariances_").covariances
        return {name: Sigma.copy() for name, Sigma in found.items()}

    @property
    def residual_parameters_(self) -> dict[str, float]:
        """Parameters of the residual structure."""
        return self._state("residual_parameters_").results.residual_parameters

    @property
    def random_effects_(self) -> dict[str, pd.DataFrame]:
        """Predicted random effects of every group."""
        return GroupEffects(self._state("random_effects_"))

    @property
    def sigma_(self) -> float:
        """Residual standard deviation."""
        sigma = np.sqrt(self._state("sigma_").sigma2)
        return sigma if np.ndim(sigma) else float(sigma)

    @property
    def log_likelihood_(self) -> float:
        """Log (restricted) likelihood."""
        return self._state("log_likelihood_").results.log_likelihood

    @property
    def aic_(self) -> float:
        """Akaike's information criterion."""
        return self._state("aic_").results.aic

    @property
    def bic_(self) -> float:
        """Schwarz's information criterion."""
        return self._state("bic_").results.bic

    @property
    def n_groups_(self) -> dict[str, int]:
        """Number of groups at each level."""
        return dict(self._state("n_groups_").n_groups)

    @property
    def converged_(self) -> bool:
        """Whether the optimum is certified."""
        return self._state("converged_").results.converged

    @property
    def n_iter_(self) -> int:
        """Number of iterations, at least 1."""
        return self._state("n_iter_").n_iter

    @property
    def sample_(self) -> Array:
        """Which rows of the training data were used."""
        return self._state("sample_").sample

    @property
    def history_(self) -> pd.DataFrame:
        """The iteration log; after ``partial_fit`` that of every batch."""
        own = self._state("history_").history.copy()
        batches: Batches | None = self.__dict__.get("_batches")
        return own if batches is None else batches.frame
