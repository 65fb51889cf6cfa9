"""Influence of observations and groups: the result object."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from ._refit import refit
from ._residual_variances import residual_variances
from .samples import Deletion, OneStep, Sample, sample_of

__all__ = ["Influence"]

Array = np.ndarray


class Influence:
    """What each group and each observation contributes to a fit.

    Made by ``MixedLinearRegressor.influence``.  Everything follows from the one fit:
    coefficients without a group or a row are exact at the variance parameters of the
    whole sample, variance parameters without a top-level group take one Newton step.
    Tables are computed when first asked for.

    Attributes
    ----------
    level : str or None
        Level whose groups are taken away; None where there are no groups.
    group_table : DataFrame
        One row per group: n_obs, leverage, cooks_distance, mdffits, covtrace,
        covratio, sigma.
    rows : DataFrame
        One row per row of X (nan where it was not in the fit): residual,
        conditional_residual, leverage, cooks_distance, mdffits, covratio,
        deletion_residual, studentized, group_residual.
    coef : DataFrame
        Coefficients without each group, ``fixed_names_`` and ``_cons``.
    dfbetas : DataFrame
        (coefficient - coefficient without the group) / standard error.
    row_coef, row_dfbetas : DataFrame
        The same for rows.
    variance_components : DataFrame
        Variances and covariances without each top-level group, by one Newton step.
    coef_one_step : DataFrame
        Coefficients without each top-level group, the change of the variances
        included.

    Notes
    -----
    Definitions, with V the marginal covariance matrix over sigma^2 and u the unit that
    is taken away:

    - leverage: the unit's share of the information X'V^-1X, tr[(X'V^-1X)^-1
      (X'V^-1X - X_(u)'V_(u)^-1X_(u))], between 0 and p.  The leverages of the groups
      of the top level add up to p.
    - cooks_distance: (b - b_(u))' X'V^-1X (b - b_(u)) / (p sigma^2).
    - mdffits: the same in the metric of the others, X_(u)'V_(u)^-1X_(u).
    - covtrace: tr(Var(b)^-1 Var(b_(u))) - p.
    - covratio: det Var(b_(u)) / det Var(b), sigma held fixed.
    - deletion_residual: y less its prediction from all other rows (of its group too).
    - studentized: the same over its standard error, independent of sigma's change.
    - group_residual: y less its prediction from the other groups of ``level``.

    These are the definitions of Cook's distance for the fixed effects by deletion at
    fixed variance parameters (Christensen, Pearson and Johnson 1992; Demidenko and
    Stukel 2005).  Another quantity goes by the same name: with the hat matrix of the
    fitted values, dy_hat/dy, random effects included, rows in groups of large variance
    look influential although the fixed effects hardly move.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject", ["days"], covariance="unstructured")
    ... ).fit(X, y)
    >>> found = model.influence(X, y)
    >>> found.group_table["cooks_distance"].nlargest(2).round(3).to_dict()
    {309: 0.157, 335: 0.137}
    """

    def __init__(
        self,
        sample: Sample,
        level: str | None,
        index: Any = None,
        data: tuple[Any, ...] = (),
    ):
        self._sample = sample
        self.level = level
        self._index = index
        self._data = data

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        level: str | None = None,
    ) -> Influence:
        """See ``MixedLinearRegressor.influence``."""
        sample = sample_of(estimator, X, y, sample_weight, groups)
        names = sample.level_names
        if level is None and names:
            level = next((g for g in names if g != "_all"), names[0])
        if level is not None and level not in names:
            raise ValueError(f"level must be one of {names}, got {level!r}.")
        index = X.index if isinstance(X, pd.DataFrame) else None
        data = estimator, X, y, sample_weight, groups
        return cls(sample, level, index, data)

    def __repr__(self) -> str:
        n = "no groups" if self.level is None else f"{len(self._labels)} groups"
        return f"Influence(level={self.level!r}, {n}, {self._sample.n_passed} rows)"

    # -- groups -------------------------------------------------------------------

    @property
    def _number(self) -> int:
        if self.level is None:
            raise ValueError(
                "The model has no levels of groups; ask for rows, row_coef or "
                "row_dfbetas."
            )
        return self._sample.level_names.index(self.level)

    @cached_property
    def _labels(self) -> pd.Index:
        return self._sample.labels(self._number)

    @cached_property
    def _groups(self) -> Deletion:
        return self._sample.delete_groups(self._number)

    @cached_property
    def group_table(self) -> pd.DataFrame:
        """One row per group of ``level``."""
        sample, found = self._sample, self._groups
        codes = sample.codes[self._number]
        n = np.bincount(codes, sample.total_weights, minlength=len(self._labels))
        return pd.DataFrame(
            {
                "n_obs": n.astype(int) if (n % 1 == 0).all() else n,
                "leverage": found.leverage,
                "cooks_distance": found.cooks_distance,
                "mdffits": found.mdffits,
                "covtrace": found.covtrace,
                "covratio": found.covratio,
                "sigma": self._sigma(found, n),
            },
            index=self._labels,
        )

    @cached_property
    def coef(self) -> pd.DataFrame:
        """Coefficients without each group."""
        return self._coef(self._groups.delta, self._labels)

    @cached_property
    def dfbetas(self) -> pd.DataFrame:
        """Change that each group makes, in standard errors."""
        return self._in_std_errors(self.coef)

    # -- top-level groups, variance parameters too ---------------------------------

    @cached_property
    def _one_step(self) -> OneStep:
        sample = self._sample
        sample.fitted.posterior.require("one step")
        top = sample.compiled.level_numbers[:1]
        if top and (self._number,) != top:
            raise NotImplementedError(
                "One-step variance parameters are there for the groups of the highest "
                f"level with random effects, not for {self.level!r}."
            )
        return sample.one_step(sample.codes[self._number])

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Variances and covariances without each top-level group."""
        found, fitted = self._one_step, self._sample.fitted
        values = []
        for parameter in fitted.results.parameters:
            if parameter.equation is None:
                break  # those of the residuals stand last
            names = fitted.equations[parameter.equation].effects
            i, j = (names.index(parameter.effects[k]) for k in (0, -1))
            if parameter.kind == "sd":
                j = i
            elif i == j:
                j = names.index(parameter.effects[1])
            values.append(found.Sigmas[parameter.equation][:, i, j])
        columns = fitted.results.variance_frame("variance").index
        own = residual_variances(fitted, found)
        return pd.DataFrame(
            np.column_stack([*values, *own]), index=self._labels, columns=columns
        )

    @cached_property
    def coef_one_step(self) -> pd.DataFrame:
        """Coefficients without each top-level group, variances changed too."""
        return self._coef(self._one_step.delta.T, self._labels)

    def random_effects(self, label: Any) -> dict[str, pd.DataFrame]:
        """Predicted random effects without one group of the highest level.

        Those of the other groups change with the coefficients; the group itself and all
        within it are predicted as zero.  Variance parameters are held fixed.

        Parameters
        ----------
        label : object
            A group, as in the index of ``group_table``.

        Returns
        -------
        dict of str to DataFrame
            As ``random_effects_``.
        """
        sample, fitted = self._sample, self._sample.fitted
        sample.require_highest(self._number)
        if label not in self._labels:
            raise ValueError(f"{label!r} is no group of {self.level!r}.")
        unit = cast(int, self._labels.get_loc(label))
        delta = self._groups.delta[:, unit]
        values = sample.effects_without(unit, delta)
        out = fitted.random_effects()
        for equation, own in zip(fitted.equations, values, strict=True):
            frame = out[equation.name]
            out[equation.name] = pd.DataFrame(
                own, index=frame.index, columns=frame.columns
            )
        return out

    def refit(self, labels: Any = None, *, n_jobs: int | None = None) -> pd.DataFrame:
        """Fit the model again without a group, for some groups or for all.

        Parameters
        ----------
        labels : list, default=None
            Groups of ``level``, as in the index of ``group_table``; None is all.
        n_jobs : int, default=None
            Fits at a time, as for joblib.

        Returns
        -------
        DataFrame
            One row per group; columns (equation, term): coefficients, variances and
            covariances, and ("", "log_likelihood") and ("", "converged").
        """
        return refit(
            self._data, self._sample, self._number, self._labels, labels, n_jobs
        )

    # -- rows ---------------------------------------------------------------------

    @cached_property
    def _rows(self) -> Deletion:
        return self._sample.delete_rows()

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row per row of X."""
        sample, found = self._sample, self._rows
        fitted = sample.fitted
        with np.errstate(divide="ignore", invalid="ignore"):
            z = found.residual / np.sqrt(fitted.sigma2 * found.residual_variance)
        size = sample.row_size
        columns = {
            "residual": sample.W[:, -1] * size,
            "conditional_residual": sample.conditional * size,
            "leverage": found.leverage,
            "cooks_distance": found.cooks_distance,
            "mdffits": found.mdffits,
            "covratio": found.covratio,
            "deletion_residual": found.residual * size,
            "studentized": z,
        }
        if self.level is not None:
            columns["group_residual"] = self._groups.residual * size
        return pd.DataFrame(
            {name: self._in_place(x) for name, x in columns.items()}, index=self._index
        )

    @cached_property
    def row_coef(self) -> pd.DataFrame:
        """Coefficients without each row."""
        delta = np.array([self._in_place(d) for d in self._rows.delta])
        delta = delta.reshape(self._sample.p, self._sample.n_passed)
        return self._coef(delta, self._index)

    @cached_property
    def row_dfbetas(self) -> pd.DataFrame:
        """Change that each row makes, in standard errors."""
        return self._in_std_errors(self.row_coef)

    # -- parts --------------------------------------------------------------------

    def _in_place(self, values: Array) -> Array:
        out = np.full(self._sample.n_passed, np.nan)
        out[self._sample.order] = values
        return out

    def _sigma(self, found: Deletion, n: Array) -> Array:
        sample = self._sample
        left = sample.n - n - sample.p * sample.fitted.reml
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(left > 0, np.sqrt(found.c.clip(0.0) / left), np.nan)

    def _coef(self, delta: Array, index: Any) -> pd.DataFrame:
        """Coefficients of the user's columns; nan where they were omitted."""
        fitted = self._sample.fitted
        root = np.linalg.solve(fitted.pool.R, fitted.posterior.pieces.root.F)
        change = (root @ delta).T  # [constant, kept columns]
        a = int(self._sample.compiled.design.intercept)
        out = np.full((len(change), len(fitted.coef) + a), np.nan)
        at = np.flatnonzero(fitted.kept)
        out[:, at] = fitted.coef[at] + change[:, a:]
        if a:
            out[:, -1] = fitted.intercept + change[:, 0]
        names = list(fitted.fixed_names) + ["_cons"] * a
        return pd.DataFrame(out, index=index, columns=names)

    def _in_std_errors(self, coef: pd.DataFrame) -> pd.DataFrame:
        results = self._sample.fitted.results
        vcov = results.beta_vcov
        if results.model_beta_vcov is not None:
            vcov = results.model_beta_vcov
        with np.errstate(divide="ignore", invalid="ignore"):
            change = (results.beta - coef) / np.sqrt(np.diagonal(vcov))
        return change
