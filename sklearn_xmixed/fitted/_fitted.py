"""What an estimator keeps after ``fit``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..design._categories import Categories
from ..design._compile import Compiled
from ..design._factors import factor_index
from ..design._levels import path_frame
from ..estimation._estimate import Estimate
from ..inference import (
    ClusterRobust,
    FixedColumns,
    Reference,
    Results,
    Specification,
    coefficient_table,
)
from ..inference.small_samples import SmallSample
from ..optimization import Certificate, Iteration
from ._answers import RowAnswers
from ._distributed import effect_frames
from ._equations import FittedEquation, fitted_equations
from ._results_options import ResultsOptions
from ._saved_results import make_results
from ._saved_variances import saved_variances
from ._small_samples import small_sample_of

__all__ = ["FittedModel"]

Array = np.ndarray


@dataclass(eq=False, kw_only=True)
class FittedModel(RowAnswers):
    """State of a fitted estimator; holds no rows of the training data."""

    columns: tuple[str, ...]
    certificate: Certificate
    log: tuple[Iteration, ...]
    reml: bool
    unbounded: bool
    dropped: Array
    dependence: Array
    small_sample: SmallSample
    fixed_means: Array
    df_method: str | None = None
    robust: ClusterRobust | None = None
    offset_mean: float = 0.0
    categories: Categories | None = None

    @classmethod
    def of(
        cls,
        compiled: Compiled,
        found: Estimate,
        options: ResultsOptions,
        specification: Specification,
    ) -> FittedModel:
        """Results of an estimate in the user's terms."""
        design, pool = compiled.design, found.pool
        equations = fitted_equations(compiled, found)
        beta_kept = pool.coefficients(found.pieces.root.beta)
        a = int(design.intercept)
        coef = np.zeros(len(compiled.fixed_names))
        coef[compiled.kept] = beta_kept[a:]
        intercept = float(beta_kept[0]) if a else 0.0
        posterior = found.kind.posterior(found.D, found.pieces, found.sigma2)
        variances = saved_variances(compiled, found, options)
        return cls(
            results=make_results(
                compiled,
                found,
                equations,
                coef,
                intercept,
                options,
                specification,
                variances,
            ),
            columns=compiled.columns,
            fixed_names=compiled.fixed_names,
            kept=compiled.kept,
            extra_names=compiled.extra_names,
            coef=coef,
            intercept=intercept,
            sigma2=found.sigma2,
            encoders=compiled.encoders,
            level_numbers=compiled.level_numbers,
            equations=equations,
            pool=pool,
            posterior=posterior,
            errors=found.kind.errors(posterior),
            certificate=found.certificate,
            log=tuple(found.log),
            reml=found.objective.reml,
            unbounded=found.border is not None and found.border.unbounded,
            dropped=compiled.dropped,
            small_sample=small_sample_of(found, equations, options, variances),
            df_method=options.df_method,
            robust=variances.robust,
            dependence=compiled.dependence,
            fixed_means=compiled.means,
            offset_mean=compiled.offset_mean or 0.0,
            categories=compiled.categories,
        )

    @property
    def alone(self) -> Results:
        """The results, which are of one response."""
        return self.results

    @property
    def offset_is_array(self) -> bool:
        """Whether the offset was no column, and is not kept."""
        return self.results.specification.offset_is_array

    def coef_table(
        self, confidence_level: float, df: Any = None, adjust: str | None = None
    ) -> pd.DataFrame:
        """See ``MixedLinearRegressor.coef_table``."""
        if adjust is not None:
            raise ValueError(
                f"adjust={adjust!r} adjusts for the number of responses, and the model "
                "was fitted to one. Set adjust=None."
            )
        return coefficient_table(self.results, self.reference(df), confidence_level)

    def reference(self, df: Any = None) -> Reference | None:
        """What tests of coefficients refer to; None for a large sample.

        Parameters
        ----------
        df : str, optional
            A method for small samples, "asymptotic" for none, or None for the
            constructor's ``df_method``.

        Raises
        ------
        ValueError
            If there is no such method, or it is not defined for this fit.
        """
        method = self.df_method if df is None else df
        if method is None or (isinstance(method, str) and method == "asymptotic"):
            return None
        return self.small_sample.reference(method)

    @property
    def relations(self) -> Array | None:
        """Rows a with [X, 1] a = 0, one for each omitted column; None without."""
        gone = np.flatnonzero(~self.kept)
        if not len(gone):
            return None
        constant = len(self.dependence) - int(self.kept.sum())
        out = np.zeros((len(gone), len(self.kept) + constant))
        out[np.arange(len(gone)), gone] = 1.0
        out[:, np.flatnonzero(self.kept)] = -self.dependence[constant:].T
        if constant:
            out[:, -1] = -self.dependence[0]
        return out

    def __getstate__(self) -> dict:
        if self.df_method is not None:  # while there are rows
            with suppress(ValueError, NotImplementedError):  # refused when asked for
                self.small_sample.reference(self.df_method)
        return {k: v for k, v in self.__dict__.items() if k != "_effects"}

    @property
    def fixed_columns(self) -> FixedColumns:
        """Columns of the fixed part, and how they lie to each other."""
        return FixedColumns(
            self.fixed_names,
            self.kept,
            len(self.results.fixed_names) > len(self.fixed_names),
            self.pool.R,
            self.dependence,
        )

    @property
    def equation_names(self) -> list[str]:
        """Names of the equations with random effects."""
        return [e.name for e in self.equations]

    @property
    def sample(self) -> Array:
        """Which rows of the training data were used."""
        n_dropped = self.results.specification.n_dropped
        if n_dropped > len(self.dropped):
            raise AttributeError(
                f"{n_dropped} rows of the lazy table were left out; which ones cannot be "
                "said, because the rows of such a table have no numbers."
            )
        used = np.ones(self.results.specification.n_rows, dtype=bool)
        used[self.dropped] = False
        return used

    @property
    def exact(self) -> bool:
        """Whether the fixed part left no residual."""
        return self.certificate.exact or not self.sigma2 > 0

    @property
    def n_groups(self) -> dict[str, int]:
        """Number of groups at each level."""
        return {g.name: int(g.n_groups) for g in self.results.groups}

    @property
    def n_iter(self) -> int:
        """Iterations of scoring and Newton's method, or of EM alone; at least 1."""
        if self.certificate.em:
            return max(1, len(self.log) - 1)
        return max(1, sum(line.phase != "em" for line in self.log) - 1)

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances and covariances with 95 % intervals."""
        return self.results.variance_frame("variance")

    @cached_property
    def covariances(self) -> dict[str, pd.DataFrame]:
        """Sigma of each equation."""
        out = {}
        for e in self.equations:
            if e.factor is None or e.factor.slopes:
                out[e.name] = pd.DataFrame(
                    e.Sigma, index=list(e.effects), columns=list(e.effects)
                )
                continue
            values = {"variance": [e.Sigma[0, 0]]}
            if e.factor.common:
                values["covariance"] = [e.Sigma[0, 1]]
            out[e.name] = pd.DataFrame(values, index=list(e.effects))
        return out

    @cached_property
    def history(self) -> pd.DataFrame:
        """The iteration log."""
        return pd.DataFrame(
            {
                "phase": [line.phase for line in self.log],
                "iteration": [line.number for line in self.log],
                "log_likelihood": [-0.5 * line.value for line in self.log],
                "criterion": [line.criterion for line in self.log],
                "note": [line.note for line in self.log],
            }
        )

    # -- random effects ----------------------------------------------------------

    @cached_property
    def _effects(self) -> dict[tuple[str, bool | None], tuple[Array, Array]]:
        return {}

    def _effects_of(
        self, equation: FittedEquation, fixed_known: bool
    ) -> tuple[Array, Array]:
        key = equation.name, fixed_known
        if key not in self._effects:
            posterior, factor = self.posterior, equation.factor
            if factor is not None and factor.common:
                mean, std = posterior.sums(
                    equation.floor,
                    equation.floor + 1,
                    factor.encoder.parents,
                    fixed_known=fixed_known,
                )
                self._effects[key] = mean[:, None], std[:, None]
            else:
                self._effects[key] = posterior.effects(
                    equation.floor, equation.T, equation.Sigma, fixed_known=fixed_known
                )
        return self._effects[key]

    def random_effects(
        self, *, std: bool = False, fixed_known: bool | None = None
    ) -> dict[str, pd.DataFrame]:
        """BLUPs, or their standard errors, of every equation.

        Frames of Dask where the groups are on its workers, with labels as columns.
        """
        known = (not self.reml) if fixed_known is None else fixed_known
        if self.posterior.elsewhere:
            return effect_frames(
                self.posterior, self.equations, self.level_numbers, std=std, known=known
            )
        out = {}
        for e in self.equations:
            values = self._effects_of(e, known)[int(std)]
            index = self.group_index(e)
            out[e.name] = pd.DataFrame(values, index=index, columns=list(e.effects))
        return out

    def group_index(self, equation: FittedEquation) -> pd.Index:
        """Groups of an equation by their labels."""
        if equation.factor is not None:
            return factor_index(self.encoders, equation.factor)
        return path_frame(self.encoders, self.level_numbers[equation.level])
