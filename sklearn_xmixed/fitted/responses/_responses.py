"""The state of an estimator that was fitted to several responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from ...design._categories import Categories
from ...inference import LinearHypothesis
from .._fitted import FittedModel
from ._part import ResponsePart
from ._results import ResponseResults

__all__ = ["FittedResponses"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class FittedResponses:
    """State of an estimator that was fitted to several responses.

    Parameters
    ----------
    results : ResponseResults
    template : FittedModel
        Of one response, with all that is alike in all of them.
    parts : tuple of ResponsePart
    sample : ndarray of bool, shape (n, m)
        Which rows were used for which response.
    """

    results: ResponseResults
    template: FittedModel
    parts: tuple[ResponsePart, ...]
    sample: Array

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"The model was fitted to {len(self.results.responses)} responses at once; "
            "what was asked for is there for a fit of one response: call fit(X, y) with "
            "that column of Y."
        )

    @property
    def offset_is_array(self) -> bool:
        """Whether the offset was no column, and is not kept."""
        return self.template.offset_is_array

    def coef_table(
        self, confidence_level: float, df: Any = None, adjust: str | None = None
    ) -> pd.DataFrame:
        """See ``MixedLinearRegressor.coef_table``."""
        method = self.template.df_method if df is None else df
        reference = None
        if not (method is None or (isinstance(method, str) and method == "asymptotic")):
            reference = self._reference(method)
        return self.results.fixed_table(
            confidence_level, adjust=adjust, reference=reference
        )

    def _reference(self, method: str) -> tuple[Array, Array]:
        """Degrees of freedom and covariance matrices of all coefficients."""
        df = np.full(self.results.estimates.beta.shape, np.nan)
        vcov = np.full(self.results.estimates.beta_vcov.shape, np.nan)
        for part in self.parts:
            df[part.numbers], vcov[part.numbers] = part.tests.reference(method)
        return df, vcov

    def p_values(self, hypothesis: LinearHypothesis, df: str | None = None) -> Array:
        """Wald tests of a linear hypothesis, (m,).

        Parameters
        ----------
        hypothesis : LinearHypothesis
        df : str, optional
            A method for small samples; None is the large sample.
        """
        L, estimates = hypothesis.L, self.results.estimates
        difference = np.nan_to_num(estimates.beta) @ L.T - hypothesis.value
        if df is not None:
            out = np.full(len(difference), np.nan)
            for part in self.parts:
                out[part.numbers] = part.tests.p_values(df, L, difference[part.numbers])
            return out
        with np.errstate(all="ignore"):
            half = np.linalg.solve(L @ estimates.beta_vcov @ L.T, difference[..., None])
        return np.asarray(chdtrc(len(L), (difference * half[..., 0]).sum(axis=1)))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return self.template.columns

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Columns of the fixed part."""
        return self.template.fixed_names

    @property
    def categories(self) -> Categories | None:
        """Categories of coded columns, with the combinations of all responses' rows."""
        first, *others = (part.model.categories for part in self.parts)
        for more in others:
            first = first if first is None or more is None else first.plus(more)
        return first

    @property
    def equation_names(self) -> list[str]:
        """Names of the equations with random effects."""
        return self.template.equation_names

    @property
    def coef(self) -> Array:
        """Fixed effects without the constant, (m, p)."""
        return self.results.estimates.beta[:, : len(self.fixed_names)]

    @property
    def intercept(self) -> Array:
        """Constants, (m,)."""
        beta = self.results.estimates.beta
        none = beta.shape[1] == len(self.fixed_names)
        return np.zeros(len(beta)) if none else beta[:, -1].copy()

    @property
    def sigma2(self) -> Array:
        """Residual variances, (m,)."""
        return self.results.estimates.sigma2

    @property
    def n_iter(self) -> Array:
        """Iterations of each, at least 1."""
        return np.maximum(1, self.results.estimates.n_iter)

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of groups at each level in the rows of the template."""
        return self.template.n_groups

    @property
    def exact(self) -> bool:
        """Whether the fixed part left no residual of some response."""
        return bool((~(self.sigma2 > 0)).any())

    @property
    def unbounded(self) -> bool:
        """Whether the likelihood of some response has no maximum."""
        return any(bool(np.any(part.model.unbounded)) for part in self.parts)

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances and covariances with 95 % intervals."""
        return self.results.variance_frame("variance")

    def predict(
        self,
        estimator: Any,
        source: Any,
        *,
        kind: str | None,
        level: str | None,
        return_std: bool,
    ) -> Array:
        """Predictions for rows, (n, m)."""
        if return_std:
            raise NotImplementedError(
                "return_std=True is there for a fit of one response only: call "
                "fit(X, y) with that column of Y, or set return_std=False."
            )
        out = np.empty((source.n_rows, len(self.results.responses)))
        for part in self.parts:
            mean = part.model.predict(
                estimator, source, kind=kind, level=level, return_std=False
            )
            out[:, part.numbers] = mean if mean.ndim == 2 else mean[:, None]
        return out

    def random_effects(
        self, *, std: bool = False, fixed_known: bool | None = None
    ) -> dict[str, pd.DataFrame]:
        """BLUPs of every equation, indexed by response and group."""
        if std:
            raise NotImplementedError(
                "Standard errors of random effects are there for a fit of one response "
                "only: call fit(X, y) with that column of Y, or set return_std=False."
            )
        names, out = self.results.responses, {}
        for name in self.equation_names:
            frames, numbers = [], []
            for part in self.parts:
                (equation,) = (e for e in part.model.equations if e.name == name)
                values, groups = part.effects(equation)
                B, G, q = values.shape
                which = np.repeat(part.numbers, G)
                index = groups.take(np.tile(np.arange(G), B))
                frame = pd.DataFrame(
                    values.reshape(B * G, q),
                    index=index,
                    columns=list(equation.effects),
                )
                frames.append(_with_response(frame, which, names))
                numbers.append(which)
            whole = pd.concat(frames) if len(frames) > 1 else frames[0]
            order = np.argsort(np.concatenate(numbers), kind="stable")
            out[name] = whole.iloc[order]
        return out


def _with_response(
    frame: pd.DataFrame, numbers: Array, names: Sequence[str]
) -> pd.DataFrame:
    """The response as first index level."""
    index = frame.index
    single = not isinstance(index, pd.MultiIndex)
    levels = (
        [index] if single else [index.get_level_values(k) for k in range(index.nlevels)]
    )
    response = pd.Index(names)[numbers]
    frame.index = pd.MultiIndex.from_arrays(
        [response, *levels], names=["response", *index.names]
    )
    return frame
