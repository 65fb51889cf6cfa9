"""What an estimator keeps after ``fit``: results, labels, and the way back to rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ._compile import Compiled
from ._estimation import Estimate
from ._factors import factor_index, owned_codes
from ._fixed import read_fixed
from ._labels import Encoder, Source, encode
from ._levels import path_frame, shown_path
from ._saved import FittedEquation, make_results
from ._within import (
    compile_residuals,
    read_time,
    read_variables,
    rows_with_values,
)
from .inference import Results, Specification
from .likelihood import Crossing, Pool
from .optimization import Certificate, Iteration
from .prediction import CrossedPosterior, Errors, Posterior

__all__ = ["FittedModel"]

Array = np.ndarray


@dataclass(eq=False)
class FittedModel:
    """State of a fitted estimator; holds no rows of the training data."""

    results: Results
    columns: tuple[str, ...]
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
    certificate: Certificate
    log: tuple[Iteration, ...]
    reml: bool
    dropped: Array

    @classmethod
    def of(
        cls,
        compiled: Compiled,
        found: Estimate,
        *,
        std_errors: bool,
        lr_test: bool,
        reml: bool,
        vce: str,
        cluster: str | None,
        frequency: bool,
        specification: Specification,
    ) -> FittedModel:
        """Results of an estimate in the user's terms."""
        design, pool = compiled.design, found.pool
        depth = len(design.levels)
        equations = []
        for equation, Sigma, factor in zip(
            design.equations, found.Sigmas, compiled.factors, strict=True
        ):
            if factor is not None:
                T, (own, *_) = np.eye(1), equation.terms
                if factor.slopes:
                    basis = pool.terms[own]
                    assert basis is not None
                    places = design.terms[own].positions
                    T = basis.T[:, [places.index(p) for p in equation.positions]]
                equations.append(
                    FittedEquation(
                        equation.name,
                        -1,
                        depth + own,
                        equation.effects,
                        T,
                        Sigma,
                        factor,
                    )
                )
                continue
            level = design.levels[equation.level]
            floor = depth - 1 - equation.level
            at = [level.positions.index(p) for p in equation.positions]
            equations.append(
                FittedEquation(
                    equation.name,
                    equation.level,
                    floor,
                    equation.effects,
                    pool.levels[floor].T[:, at],
                    Sigma,
                )
            )
        beta_kept = pool.coefficients(found.pieces.root.beta)
        vcov_kept = found.sigma2 * pool.vcov(found.pieces.root.F)
        a = int(design.intercept)
        coef = np.zeros(len(compiled.fixed_names))
        coef[compiled.kept] = beta_kept[a:]
        intercept = float(beta_kept[0]) if a else 0.0
        D = found.objective.model.floors(found.D_blocks)
        posterior: Posterior | CrossedPosterior
        if isinstance(found.tree, Crossing):
            posterior = CrossedPosterior(
                found.tree, D, found.pieces, pool, found.sigma2, _probes(found)
            )
        else:
            posterior = Posterior(found.tree, D, found.pieces, pool, found.sigma2)
        errors = None
        if found.rows is not None and found.sigma2 > 0:
            assert found.psi is not None
            assert isinstance(posterior, Posterior)
            errors = Errors.of(found.rows, found.psi, posterior)
        return cls(
            results=make_results(
                compiled,
                found,
                equations,
                coef,
                intercept,
                vcov_kept,
                std_errors=std_errors,
                lr_test=lr_test,
                reml=reml,
                vce=vce,
                cluster=cluster,
                frequency=frequency,
                specification=specification,
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
            equations=tuple(equations),
            pool=pool,
            posterior=posterior,
            errors=errors,
            certificate=found.certificate,
            log=tuple(found.log),
            reml=reml,
            dropped=compiled.dropped,
        )

    def __getstate__(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k != "_effects"}

    @property
    def equation_names(self) -> list[str]:
        """Names of the equations with random effects."""
        return [e.name for e in self.equations]

    @property
    def sample(self) -> Array:
        """Which rows of the training data were used."""
        used = np.ones(self.results.specification.n_rows, dtype=bool)
        used[self.dropped] = False
        return used

    @property
    def exact(self) -> bool:
        """Whether the fixed part left no residual."""
        return self.certificate.exact or not self.sigma2 > 0

    @property
    def n_iter(self) -> int:
        """Gradient-based iterations, or those of EM alone; at least 1."""
        if self.certificate.em:
            return max(1, len(self.log) - 1)
        return max(1, sum(line.phase == "gradient" for line in self.log) - 1)

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
                assert isinstance(posterior, CrossedPosterior)
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
        """BLUPs, or their standard errors, of every equation."""
        known = (not self.reml) if fixed_known is None else fixed_known
        out = {}
        for e in self.equations:
            values = self._effects_of(e, known)[int(std)]
            if e.factor is not None:
                index = factor_index(self.encoders, e.factor)
            else:
                index = path_frame(self.encoders, self.level_numbers[e.level])
            out[e.name] = pd.DataFrame(values, index=index, columns=list(e.effects))
        return out

    # -- rows --------------------------------------------------------------------

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
            Q = self._rows(source, fixed, allow_nan)[:, -self.pool.p - 1 : -1]
            half = Q @ self.posterior.pieces.root.F
            return mean, np.sqrt(self.sigma2 * (half**2).sum(axis=1))
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
            Q = self._rows(source, fixed, allow_nan)[:, -self.pool.p - 1 : -1]
            half = Q @ posterior.pieces.root.F
            return mean, np.sqrt(self.sigma2 * (half**2).sum(axis=1))
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


def _probes(found: Estimate) -> tuple[int, int] | None:
    """Number and seed of the probes, where crossed factors were fitted by them."""
    probes = getattr(found.objective, "probes", None)
    return None if probes is None else (probes.count, probes.seed)
