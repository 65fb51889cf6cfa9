"""From a fitted model back to rows: predictions, forecasts, standardised residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..design._factors import owned_codes
from ..design._fixed import read_fixed
from ..design._labels import Encoder, Source, encode
from ..design._levels import shown_path
from ..design._within import (
    compile_residuals,
    read_time,
    read_variables,
    rows_with_values,
)
from ..inference import Results
from ..likelihood import CrossedPosterior, Errors, Pool, Posterior
from ._saved import FittedEquation

__all__ = ["RowAnswers"]

Array = np.ndarray


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
    posterior: Posterior | CrossedPosterior
    errors: Errors | None

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
        allow_nan = estimator.missing == "drop"
        if isinstance(self.posterior, CrossedPosterior):
            return self._predict_crossed(
                source,
                fixed,
                mean,
                allow_nan,
                estimator.unseen,
                kind,
                level,
                return_std,
            )
        n_levels = self._levels_used(level, kind)
        codes: list[Array] = []
        if kind != "fixed" and self.equations:
            found = self._codes(source, estimator.unseen, n_levels)
            if found is None and kind == "blup":
                names = [self.encoders[k].group for k in self.level_numbers]
                raise ValueError(
                    f"kind='blup' needs labels for the levels {names}. "
                    f"{source.describe()}"
                )
            codes = found or []
        if not codes and not return_std:
            return mean
        if codes:
            Z, Q = self._basis_rows(source, fixed, allow_nan)
            mean = mean + self.posterior.linear(codes, Z)
            if estimator.unseen == "nan":
                lost = np.zeros(len(mean), dtype=bool)
                for k in range(n_levels):
                    lost |= codes[len(codes) - 1 - k] < 0
                mean = np.where(lost, np.nan, mean)
        if not return_std:
            return mean
        if not codes:
            return mean, self._fixed_std(source, fixed, allow_nan)
        shallow = len(self.level_numbers) - n_levels
        Z = [np.zeros_like(z) if k < shallow else z for k, z in enumerate(Z)]
        variance = self.posterior.variance(codes, Z, Q)
        return mean, np.where(np.isnan(mean), np.nan, np.sqrt(variance.clip(0.0)))

    def _predict_crossed(
        self,
        source: Source,
        fixed: Array,
        mean: Array,
        allow_nan: bool,
        unseen: str,
        kind: str | None,
        level: str | None,
        return_std: bool,
    ) -> Any:
        """The same where factors cross: term by term instead of level by level."""
        posterior = self.posterior
        assert isinstance(posterior, CrossedPosterior)
        n, names = source.n_rows, [e.group for e in self.encoders]
        last = len(names) - 1
        if level is not None:
            if kind == "fixed":
                raise ValueError("level has no meaning with kind='fixed'.")
            used = self._names_used()
            if level not in used:
                raise ValueError(f"level must be one of {used}, got {level!r}.")
            last = names.index(level)
        labels = source.levels([g for g in names if g != "_all"])
        factors = [e.factor for e in self.equations if e.factor is not None]
        wanted = [g for g in names if g != "_all"] + [f.variable for f in factors]
        there = [v for v in wanted if source.column(v) is not None]
        there += [g for g, v in labels.items() if v is not None]
        if not there and kind == "blup":
            raise ValueError(
                f"kind='blup' needs labels for {list(dict.fromkeys(wanted))}. "
                f"{source.describe()}"
            )
        if kind == "fixed" or not there:
            if not return_std:
                return mean
            return mean, self._fixed_std(source, fixed, allow_nan)
        owners: list[Array] = []
        parents = np.zeros(n, dtype=np.intp)
        for encoder in self.encoders:
            values = labels.get(encoder.group)
            if encoder.group != "_all" and values is None:
                parents = np.full(n, -1)
            else:
                parents = encoder.transform(values, parents)
            owners.append(parents)
        Z, Q = self._basis_rows(source, fixed, allow_nan)
        codes = [owners[k] for k in self.level_numbers[::-1]]
        places = list(self.level_numbers[::-1])
        called = [names[k] for k in places]
        for factor in factors:
            own = owned_codes(source, self.encoders, factor, owners[factor.owner])
            codes += own
            places += [factor.owner] * len(own)
            called += [factor.variable] * len(own)
        lost = np.zeros(n, dtype=bool)
        for t, place in enumerate(places):
            if place > last:
                codes[t], Z[t] = np.full(n, -1), np.zeros_like(Z[t])
                continue
            unknown = codes[t] < 0
            lost |= unknown
            if unseen == "raise" and unknown.any():
                raise ValueError(
                    f"{int(unknown.sum())} rows have labels of {called[t]!r} that were "
                    "not in the training data; the first is row "
                    f"{int(np.argmax(unknown))}. Set unseen='zero' to predict their "
                    "random effects as zero, or unseen='nan'."
                )
        mean = mean + posterior.linear(codes, Z)
        if unseen == "nan":
            mean = np.where(lost, np.nan, mean)
        if not return_std:
            return mean
        variance = posterior.variance(codes, Z, Q)
        return mean, np.where(np.isnan(mean), np.nan, np.sqrt(variance.clip(0.0)))

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

    def forecast(self, estimator: Any, source: Source) -> Array:
        """See ``MixedLinearRegressor.forecast``."""
        mean = self.predict(estimator, source, kind=None, level=None, return_std=False)
        residuals = estimator.residuals
        if self.errors is None or residuals is None or not self.encoders:
            return mean
        codes = self._lowest_codes(source)
        values = read_variables(source, residuals)
        rows_with_values(values, residuals, "raise")
        time = None
        if "time" in values:
            time = read_time(values["time"], residuals)
        return mean + self.errors.forecast(codes, time)

    def standardized_residuals(self, estimator: Any, source: Source, y: Array) -> Array:
        """See ``MixedLinearRegressor.standardized_residuals``."""
        mean = self.predict(estimator, source, kind=None, level=None, return_std=False)
        left = y - mean
        if self.errors is None or estimator.residuals is None:
            return left / math.sqrt(self.sigma2)
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
        within = compile_residuals(
            estimator.residuals,
            read_variables(source, estimator.residuals),
            codes,
            encoders,
            categories=self.errors.model.categories,
        )
        assert within is not None
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

    def _levels_used(self, level: str | None, kind: str | None) -> int:
        """How many levels, from the top, add their random effects."""
        names = [self.encoders[k].group for k in self.level_numbers]
        if level is None:
            return len(names)
        if kind == "fixed":
            raise ValueError("level has no meaning with kind='fixed'.")
        if level not in names:
            raise ValueError(f"level must be one of {names}, got {level!r}.")
        return names.index(level) + 1

    def _codes(self, source: Source, unseen: str, n_levels: int) -> list[Array] | None:
        """Group of each row per floor, lowest first; None without any labels."""
        names = [e.group for e in self.encoders]
        labels = source.levels([g for g in names if g != "_all"])
        if not any(v is not None for v in labels.values()) and "_all" not in names:
            return None
        n = source.n_rows
        parents = np.zeros(n, dtype=np.intp)
        out: list[Array] = []
        for number, encoder in enumerate(self.encoders):
            values = labels.get(encoder.group)
            if encoder.group != "_all" and values is None:
                parents = np.full(n, -1)
            else:
                parents = encoder.transform(values, parents)
            if number not in self.level_numbers:
                continue
            at = self.level_numbers.index(number)
            code = parents if at < n_levels else np.full(n, -1)
            if unseen == "raise" and at < n_levels and (code < 0).any():
                row = int(np.argmax(code < 0))
                shown = (
                    "missing" if values is None else shown_path(np.asarray(values)[row])
                )
                raise ValueError(
                    f"{int((code < 0).sum())} rows have labels of level "
                    f"{encoder.group!r} that were not in the training data; the first "
                    f"is {shown} in row {row}. Set unseen='zero' to predict their "
                    "random effects as zero, or unseen='nan'."
                )
            out.append(code)
        return out[::-1]

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
