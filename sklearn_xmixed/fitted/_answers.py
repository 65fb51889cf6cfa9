"""From a fitted model back to rows: predictions, forecasts, standardised residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..design._encoder import Encoder, encode
from ..design._factors import owned_codes
from ..design._fixed import read_fixed
from ..design._labels import Source
from ..design._levels import shown_path
from ..design._offset import column_offset
from ..design.residuals._within import (
    compile_residuals,
    read_places,
    read_variables,
    rows_with_values,
)
from ..inference import Results
from ..likelihood import Errors, Pool, Posterior
from ._equations import FittedEquation

__all__ = ["RowAnswers"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Place:
    """Where rows stand among the groups of one level or factor.

    Parameters
    ----------
    level : int
        Among those asked for, top level 0; of a factor the level that owns it.
    title : str
        How a message speaks of it.
    codes : ndarray of int, shape (n,)
        Group of each row, -1 where unknown.
    labels : array-like or None
    """

    level: int
    title: str
    codes: Array
    labels: Any

    def check(self) -> None:
        """Refuse labels that were not in the training data."""
        unknown = self.codes < 0
        if not unknown.any():
            return
        row = int(np.argmax(unknown))
        shown = "missing"
        if self.labels is not None:
            shown = shown_path(np.asarray(self.labels)[row])
        raise ValueError(
            f"{int(unknown.sum())} rows have labels of {self.title} that were not "
            f"in the training data; the first is {shown} in row {row}. Set "
            "unseen='zero' to predict their random effects as zero, or unseen='nan'."
        )


@dataclass(eq=False, kw_only=True)
class RowAnswers:
    """What a fitted model says of rows; a part of ``FittedModel``."""

    results: Results
    fixed_names: tuple[str, ...]
    kept: Array
    extra_names: tuple[str, ...]
    coef: Array
    intercept: float
    sigma2: float
    encoders: tuple[Encoder, ...]
    level_numbers: tuple[int, ...]
    equations: tuple[FittedEquation, ...]
    pool: Pool
    posterior: Posterior
    errors: Errors

    def predict(
        self,
        estimator: Any,
        source: Source,
        *,
        kind: str | None,
        level: str | None,
        return_std: bool,
    ) -> Any:
        """Predictions for rows; see ``MixedLinearRegressor.predict``."""
        if kind not in (None, "blup", "fixed"):
            raise ValueError(f"kind must be 'blup', 'fixed' or None, got {kind!r}.")
        fixed = read_fixed(estimator, source, self.fixed_names)
        mean = fixed @ self.coef + self.intercept
        said = self.results.specification
        if said.offset and not said.offset_is_array:
            own = column_offset(estimator, source, said.offset)
            mean = mean + (own if mean.ndim == 1 else own[:, None])
        allow_nan = estimator.missing == "drop"
        last = self._last_level(level, kind)
        places = []
        if kind != "fixed" and self.equations:
            places = self._places(source, required=kind == "blup")
        if not places:
            std = self._fixed_std(source, fixed, allow_nan) if return_std else None
            return mean if std is None else (mean, std)
        used = [place for place in places if place.level <= last]
        if estimator.unseen == "raise":
            for place in sorted(used, key=lambda place: place.level):  # top first
                place.check()
        Z, Q = self._basis_rows(source, fixed, allow_nan)
        codes = []
        for k, place in enumerate(places):
            deeper = place.level > last
            codes.append(np.full(len(mean), -1) if deeper else place.codes)
            Z[k] = np.zeros_like(Z[k]) if deeper else Z[k]
        mean = mean + self.posterior.linear(codes, Z)
        if estimator.unseen == "nan":
            lost = np.any([place.codes < 0 for place in used], axis=0)
            mean[lost] = np.nan
        if not return_std:
            return mean
        variance = self.posterior.variance(codes, Z, Q)
        return mean, np.where(np.isnan(mean), np.nan, np.sqrt(variance.clip(0.0)))

    def _places(self, source: Source, *, required: bool) -> list[Place]:
        """Where rows stand among the groups, in the posterior's order.

        Floors lowest first, then the terms of factors; empty without any labels.
        """
        names = [e.group for e in self.encoders]
        labels = source.levels([g for g in names if g != "_all"])
        factors = [e.factor for e in self.equations if e.factor is not None]
        wanted = [names[k] for k in self.level_numbers if names[k] != "_all"]
        wanted += [g for g in names if factors and g != "_all" and g not in wanted]
        wanted += [f.variable for f in factors]
        known = any(values is not None for values in labels.values())
        known = known or any(source.column(f.variable) is not None for f in factors)
        known = known or ("_all" in names and not factors)
        if not known:
            if required:
                raise ValueError(
                    f"kind='blup' needs labels for the levels "
                    f"{list(dict.fromkeys(wanted))}. {source.describe()}"
                )
            return []
        owners: list[Array] = []
        parents = np.zeros(source.n_rows, dtype=np.intp)
        for encoder in self.encoders:
            values = labels.get(encoder.group)
            if encoder.group != "_all" and values is None:
                parents = np.full(source.n_rows, -1)
            else:
                parents = encoder.transform(values, parents)
            owners.append(parents)
        out = [
            Place(k, f"level {names[k]!r}", owners[k], labels.get(names[k]))
            for k in self.level_numbers[::-1]
        ]
        for f in factors:
            own = owned_codes(source, f, owners[f.owner])
            values = source.column(f.variable)
            out += [Place(f.owner, repr(f.variable), codes, values) for codes in own]
        return out

    def _last_level(self, level: str | None, kind: str | None) -> int:
        """The lowest of the levels asked for that adds its random effects."""
        if level is None:
            return len(self.encoders)
        if kind == "fixed":
            raise ValueError("level has no meaning with kind='fixed'.")
        used = self._names_used()
        if level not in used:
            raise ValueError(f"level must be one of {used}, got {level!r}.")
        return [e.group for e in self.encoders].index(level)

    def _fixed_std(self, source: Source, fixed: Array, allow_nan: bool) -> Array:
        """Standard errors of x'beta."""
        if self.results.vce != "oim":
            constant = np.ones((len(fixed), len(self.results.beta) - fixed.shape[1]))
            x = np.hstack([fixed, constant])
            variance = np.einsum("na,ab,nb->n", x, self.results.beta_vcov, x)
            return np.sqrt(variance.clip(0.0))
        Q = self._rows(source, fixed, allow_nan)[:, -self.pool.p - 1 : -1]
        half = Q @ self.posterior.pieces.root.F
        return np.sqrt(self.sigma2 * (half**2).sum(axis=1))

    def _names_used(self) -> list[str]:
        """Levels with random effects, top level first."""
        used = {self.encoders[k].group for k in self.level_numbers}
        used |= {e.factor.group for e in self.equations if e.factor is not None}
        return [e.group for e in self.encoders if e.group in used]

    def has_labels(self, source: Source) -> bool:
        """Whether ``predict`` finds labels of any level or factor."""
        names = [e.group for e in self.encoders]
        labels = source.levels([g for g in names if g != "_all"])
        if any(values is not None for values in labels.values()):
            return True
        factors = [e.factor.variable for e in self.equations if e.factor is not None]
        if factors:
            return any(source.column(name) is not None for name in factors)
        return "_all" in names

    def forecast(
        self, estimator: Any, source: Source, precision: Array | None = None
    ) -> Array:
        """See ``MixedLinearRegressor.forecast``."""
        mean = self.predict(estimator, source, kind=None, level=None, return_std=False)
        residuals = estimator.residuals
        if self.errors.white or not self.encoders:
            return mean
        codes = self._lowest_codes(source)
        values = read_variables(source, residuals)
        rows_with_values(values, residuals, "raise")
        # nothing is known of errors in unknown groups, whatever their times
        known = codes >= 0
        theirs = {role: column[known] for role, column in values.items()}
        given = read_places(theirs, residuals, self.errors.model)
        place = None
        if given is not None:
            place = np.zeros((len(codes), *given.shape[1:]))
            place[known] = given
        error = self.errors.forecast(codes, place)
        return mean + (error if precision is None else error / np.sqrt(precision))

    def standardized_residuals(
        self,
        estimator: Any,
        source: Source,
        y: Array,
        precision: Array | None = None,
    ) -> Array:
        """See ``MixedLinearRegressor.standardized_residuals``."""
        mean = self.predict(estimator, source, kind=None, level=None, return_std=False)
        left = y - mean
        if precision is not None:
            left = left * np.sqrt(precision)
        if self.errors.white:
            return self.errors.standardize(None, left)
        groups = [e.group for e in self.encoders]
        codes = np.arange(len(left))
        encoders: list[Encoder] = []
        if groups:
            labels = source.levels([g for g in groups if g != "_all"])
            parents: Array | None = None
            for group in groups:
                encoder, parents = encode(group, labels.get(group), parents, len(left))
                encoders.append(encoder)
            assert parents is not None
            codes = parents
        values = read_variables(source, estimator.residuals)
        rows_with_values(values, estimator.residuals, "raise")
        within = compile_residuals(
            estimator.residuals, values, codes, encoders, known=self.errors.model
        )
        return self.errors.standardize(within, left)

    def _lowest_codes(self, source: Source) -> Array:
        """Group of each row at the lowest level asked for, -1 where unknown."""
        labels = source.levels([e.group for e in self.encoders if e.group != "_all"])
        parents = np.zeros(source.n_rows, dtype=np.intp)
        for encoder in self.encoders:
            values = labels.get(encoder.group)
            if encoder.group != "_all" and values is None:
                return np.full(source.n_rows, -1)
            parents = encoder.transform(values, parents)
        return parents

    def _rows(self, source: Source, fixed: Array, allow_nan: bool) -> Array:
        """Rows in the pool's columns."""
        k = int(self.kept.sum())
        raw = np.zeros((fixed.shape[0], k + len(self.extra_names) + 1))
        raw[:, :k] = fixed[:, self.kept]
        for j, name in enumerate(self.extra_names):
            values = source.column(name)
            if values is None:
                raise ValueError(
                    f"The random coefficient {name!r} is no column of X or groups. "
                    f"{source.describe()}"
                )
            column = np.asarray(values, dtype=float)
            if np.isinf(column).any() or (np.isnan(column).any() and not allow_nan):
                raise ValueError(
                    f"Column {name!r} has missing or infinite values (NaN or inf)."
                )
            raw[:, k + j] = column
        return (raw - self.pool.shift) @ self.pool.matrix[1:] + self.pool.matrix[0]

    def _basis_rows(
        self, source: Source, fixed: Array, allow_nan: bool
    ) -> tuple[list[Array], Array]:
        """Rows in the basis of each floor and in that of X."""
        W = self._rows(source, fixed, allow_nan)
        return self.pool.columns(W), W[:, -self.pool.p - 1 : -1]
