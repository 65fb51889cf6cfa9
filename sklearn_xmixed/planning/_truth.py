"""What responses are drawn from: coefficients and variances."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ..exceptions import MixedModelWarning
from ..fitted._equations import FittedEquation
from ..fitted._fitted import FittedModel
from ..resampling._draws import Simulator
from ..resampling._sample import Sample

__all__ = ["CONSTANT", "Truth"]

Array = np.ndarray

CONSTANT = "_cons"


@dataclass(frozen=True, eq=False)
class Truth:
    """Coefficients and variances under the alternative.

    Parameters
    ----------
    pilot : FittedModel or None
        Says what is not stated.
    effect : dict of str to float
        Coefficients by name.
    variances : dict of str to what ``variance_components`` takes
        By equation.
    sigma : float or None
        Standard deviation of the residuals.
    """

    pilot: FittedModel | None
    effect: Mapping[str, float]
    variances: Mapping[str, Any]
    sigma: float | None

    @classmethod
    def of(cls, estimator: Any, effect: Any, variances: Any, sigma: Any) -> Truth:
        """Check what was stated; what was not comes from the fit.

        Raises
        ------
        TypeError, ValueError
        """
        pilot = vars(estimator).get("_fitted")
        if pilot is not None and not isinstance(getattr(pilot, "coef", None), Array):
            pilot = None
        if pilot is not None and pilot.coef.ndim != 1:
            raise ValueError(
                f"The pilot was fitted to {len(pilot.coef)} responses at once. Pass a "
                "fit of one response."
            )
        if not isinstance(effect, Mapping) or not effect:
            raise TypeError(
                "effect must map names of coefficients to their values under the "
                f"alternative, such as {{'treatment': 0.5}}, got {effect!r}."
            )
        for name, value in effect.items():
            if not isinstance(value, Real) or not np.isfinite(float(value)):
                raise ValueError(
                    f"effect[{name!r}] must be a finite number, got {value!r}."
                )
        if sigma is None and pilot is None:
            raise ValueError(
                "The estimator is not fitted, and no sigma is given. Pass a fitted pilot, "
                "or state sigma=, the standard deviation of the residuals, and "
                "variance_components= of the random effects."
            )
        if sigma is not None and not (
            isinstance(sigma, Real) and 0 < float(sigma) < np.inf
        ):
            raise ValueError(f"sigma must be a positive number, got {sigma!r}.")
        stated = {} if variances is None else variances
        if not isinstance(stated, Mapping):
            raise TypeError(
                "variance_components must map groups to variances, such as "
                f"{{'subject': 0.5}}, got {variances!r}."
            )
        if pilot is None and estimator.residuals is not None:
            raise NotImplementedError(
                f"The estimator is not fitted, and of residuals={estimator.residuals!r} "
                "nothing but sigma= can be stated. Pass a fitted pilot, whose correlations "
                "and variances of residuals are then taken as estimated; a fit to any "
                "response of the same rows will do, made up if need be."
            )
        known = None if sigma is None else float(sigma)
        return cls(pilot, dict(effect), dict(stated), known)

    def simulator(self, sample: Sample) -> _Known:
        """What responses of these rows are drawn from.

        Parameters
        ----------
        sample : Sample
            Its response is nothing but a place holder.
        """
        with warnings.catch_warnings():  # of a response that means nothing
            warnings.simplefilter("ignore", MixedModelWarning)
            model = sample.fit(lr_test=False)
        fitted = model._fitted
        self._check(fitted)
        coef, intercept = self._coefficients(fitted)
        known = replace(
            fitted,
            coef=coef,
            intercept=intercept,
            equations=tuple(self._equation(e) for e in fitted.equations),
        )
        if self.pilot is not None:
            known = replace(known, sigma2=self.pilot.sigma2, errors=self.pilot.errors)
        if self.sigma is not None:
            known = replace(known, sigma2=float(self.sigma) ** 2)
        return _Known(Simulator.of(sample.compile(model), known), model)

    def _check(self, fitted: FittedModel) -> None:
        names = [*fitted.fixed_names]
        if len(fitted.results.beta) > len(names):
            names.append(CONSTANT)
        unknown = [name for name in self.effect if name not in names]
        if unknown:
            raise ValueError(
                f"effect names {unknown}, which is no coefficient; there are {names}."
            )
        lost = [name for name in self.effect if name in fitted.results.omitted]
        if lost:
            raise ValueError(
                f"{lost} cannot be estimated in a design of {fitted.results.n_obs:g} rows: "
                "it is constant there, or collinear with other columns. Take more groups "
                "or rows, or pass design=, which makes the rows of a study."
            )
        equations = [e.name for e in fitted.equations]
        unknown = [name for name in self.variances if name not in equations]
        if unknown:
            raise ValueError(
                f"variance_components names {unknown}; there are random effects of "
                f"{equations}. The residuals' standard deviation is sigma=."
            )
        if self.pilot is None:
            return
        terms = [
            [(p.level, p.term("sd")) for p in f.results.parameters]
            for f in (self.pilot, fitted)
        ]
        if terms[0] != terms[1]:
            raise ValueError(
                f"The pilot has the variance parameters {terms[0]}, a study of this size "
                f"{terms[1]}. Keep n_rows as it is, or pass design=, which makes rows with "
                "the same occasions and categories."
            )

    def _coefficients(self, fitted: FittedModel) -> tuple[Array, float]:
        known = {} if self.pilot is None else _coefficients_of(self.pilot)
        known = {**known, **{k: float(v) for k, v in self.effect.items()}}
        coef = np.array([known.get(name, 0.0) for name in fitted.fixed_names])
        return coef, known.get(CONSTANT, 0.0)

    def _equation(self, equation: FittedEquation) -> FittedEquation:
        """With its covariance matrix as stated, or as estimated in the pilot."""
        if equation.name in self.variances:
            Sigma = _covariance(equation, self.variances[equation.name])
        elif self.pilot is not None:
            (own,) = (e for e in self.pilot.equations if e.name == equation.name)
            Sigma = own.Sigma
            if equation.factor is not None and len(Sigma) != len(equation.Sigma):
                q = len(equation.Sigma)  # other levels of the factor
                shared = float(Sigma[0, 1]) if len(Sigma) > 1 else 0.0
                Sigma = np.full((q, q), shared) + np.eye(q) * (Sigma[0, 0] - shared)
        else:
            raise ValueError(
                f"The estimator is not fitted, and variance_components has nothing of "
                f"{equation.name!r}, whose effects are {list(equation.effects)}. State "
                f"their variance: variance_components={{{equation.name!r}: ...}}."
            )
        return replace(equation, Sigma=Sigma)


@dataclass(frozen=True, eq=False)
class _Known:
    """A source of responses, and a fit of the design to a meaningless one."""

    source: Simulator
    model: Any

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """n responses, one a column."""
        out = np.empty((len(self.source.mean), n), order="F")
        for b in range(n):
            out[:, b] = self.source.draw(rng)
        return out


def _coefficients_of(fitted: FittedModel) -> dict[str, float]:
    out = dict(zip(fitted.fixed_names, fitted.coef.tolist(), strict=True))
    return {**out, CONSTANT: float(fitted.intercept)}


def _covariance(equation: FittedEquation, given: Any) -> Array:
    """Covariance matrix of an equation's effects from what the user states."""
    effects, q = list(equation.effects), len(equation.Sigma)
    where = f"variance_components[{equation.name!r}]"
    if isinstance(given, Real) and (q == 1 or equation.factor is not None):
        Sigma = float(given) * np.eye(q)
    elif isinstance(given, Mapping) and set(given) == set(effects):
        Sigma = np.diag([float(given[name]) for name in effects])
    elif isinstance(given, pd.DataFrame) and set(given) == set(given.index) == set(
        effects
    ):
        Sigma = given.loc[effects, effects].to_numpy(float)
    elif isinstance(given, np.ndarray | list | tuple) and np.shape(given) == (q, q):
        Sigma = np.asarray(given, dtype=float)
    else:
        raise ValueError(
            f"{where} must say the variances of {effects}: a number where there is one "
            "effect, a mapping from names to variances, a frame with these names in "
            f"rows and columns, or a matrix of shape {(q, q)} in this order; got {given!r}."
        )
    values = np.linalg.eigvalsh(Sigma) if np.isfinite(Sigma).all() else np.array([-1.0])
    if not np.allclose(Sigma, Sigma.T) or values[0] < -1e-10 * abs(values[-1]):
        raise ValueError(
            f"{where} must be a covariance matrix, symmetric without negative "
            f"eigenvalues, or variances that are not negative; got {given!r}."
        )
    return Sigma
