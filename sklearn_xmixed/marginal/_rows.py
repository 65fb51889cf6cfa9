"""Rows laid over a fitted model: random columns, groups, residual variances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..design._encoder import encode
from ..design._labels import Source, missing_rows
from ..design._levels import read_labels
from ..design.residuals._within import (
    category_numbers,
    compile_residuals,
    read_places,
    read_variables,
    rows_with_values,
)
from ..fitted import FittedEquation
from ..fitted._fitted import FittedModel

__all__ = ["Rows"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of any data, their groups numbered among themselves.

    Parameters
    ----------
    estimator : MixedLinearRegressor
    fitted : FittedModel
    source : Source
    precision : ndarray of shape (n,) or None
        Precision weights; None stands for 1.
    """

    estimator: Any
    fitted: FittedModel
    source: Source
    precision: Array | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.source.n_rows

    # -- random effects ----------------------------------------------------------

    def columns(self, effects: Sequence[str], allow_nan: bool = False) -> Array:
        """Z of some effects, shape (n, q)."""
        Z = np.ones((self.n, len(effects)))
        for j, name in enumerate(effects):
            if name == "_cons":
                continue
            values = self.source.column(name)
            if values is None:
                raise ValueError(
                    f"The random coefficient {name!r} is no column of X or groups. "
                    f"{self.source.describe()}"
                )
            Z[:, j] = np.asarray(values, dtype=float)
            lost = np.isinf(Z[:, j]) if allow_nan else ~np.isfinite(Z[:, j])
            if lost.any():
                raise ValueError(
                    f"Column {name!r} has missing or infinite values (NaN or inf)."
                )
        return Z

    def random_variance(self) -> Array:
        """Variance of each row's random part before its group is known (n,).

        With ``missing="drop"`` nan where a column is missing.
        """
        out = np.zeros(self.n)
        allow_nan = self.estimator.missing == "drop"
        for equation in self.fitted.equations:
            if _one_per_level(equation):
                out += equation.Sigma[0, 0]
                continue
            Z = self.columns(equation.effects, allow_nan)
            out += np.einsum("na,ab,nb->n", Z, equation.Sigma, Z)
        return out

    def random_covariance(self) -> Array:
        """Covariance matrix of the random parts (n, n)."""
        V = np.zeros((self.n, self.n))
        for equation in self.fitted.equations:
            V += self._of_equation(equation)
        return V

    def _of_equation(self, equation: FittedEquation) -> Array:
        factor, Sigma = equation.factor, equation.Sigma
        if factor is None:
            codes = owners = self.codes[self.fitted.level_numbers[equation.level]]
        else:
            values = self.source.column(factor.variable)
            if values is None:
                raise ValueError(
                    f"The factor {factor.variable!r} is no column of X or groups. "
                    f"{self.source.describe()}"
                )
            owners = self.codes[factor.owner]
            _, codes = encode(factor.variable, values, owners, self.n)
        if not _one_per_level(equation):
            Z = self.columns(equation.effects)
            return np.where(_same(codes), Z @ Sigma @ Z.T, 0.0)
        V = np.where(_same(codes), Sigma[0, 0], 0.0)
        if factor is not None and factor.common:  # other levels in the same group
            V += np.where(_same(owners) & ~_same(codes), Sigma[0, 1], 0.0)
        return V

    @cached_property
    def codes(self) -> list[Array]:
        """Group of each row at every level asked for, top level first."""
        groups = [e.group for e in self.fitted.encoders]
        labels = read_labels(self.source, groups)
        out: list[Array] = []
        parents: Array | None = None
        for group in groups:
            values = labels[group]
            if values is not None and missing_rows(values).any():
                row = int(np.argmax(missing_rows(values)))
                raise ValueError(
                    f"The label of level {group!r} is missing in row {row}."
                )
            _, parents = encode(group, values, parents, self.n)
            out.append(parents)
        return out

    # -- residuals ---------------------------------------------------------------

    def residual_variance(self) -> Array:
        """Variance of each row's residual error (n,)."""
        variance = self._error_variance()
        return variance if self.precision is None else variance / self.precision

    def _error_variance(self) -> Array:
        """The same at weight 1."""
        errors, residuals = self.fitted.errors, self.estimator.residuals
        if errors.white:
            return errors.variance(None, np.zeros(self.n, dtype=int))
        values = read_variables(self.source, residuals)
        rows_with_values(values, residuals, "raise")
        place = read_places(values, residuals, errors.model)
        category = np.zeros(self.n, dtype=int)
        if "by" in values:
            category = category_numbers(
                values["by"], errors.model.categories, residuals
            )
        return errors.variance(place, category)

    def residual_covariance(self) -> Array:
        """Covariance matrix of the residual errors (n, n)."""
        V = self._error_covariance()
        if self.precision is None:
            return V
        size = 1.0 / np.sqrt(self.precision)
        return V * np.outer(size, size)

    def _error_covariance(self) -> Array:
        """The same at weight 1."""
        errors, residuals = self.fitted.errors, self.estimator.residuals
        if errors.white:
            return errors.covariance(np.arange(self.n), None, np.zeros(self.n, int))
        values = read_variables(self.source, residuals)
        rows_with_values(values, residuals, "raise")
        within = compile_residuals(
            residuals,
            values,
            self.codes[-1] if self.codes else np.arange(self.n),
            (),
            known=errors.model,
        )
        assert within is not None
        category = np.zeros(self.n, dtype=int) if within.by is None else within.by
        return errors.covariance(within.codes, within.place, category)


def _one_per_level(equation: FittedEquation) -> bool:
    """Whether every level of a factor has one effect, ``R.x``, and no columns."""
    return equation.factor is not None and not equation.factor.slopes


def _same(codes: Array) -> Array:
    return codes[:, None] == codes[None, :]
