"""Profile of the likelihood in one parameter.

All other parameters are estimated again with one held fixed; the signed root

    zeta(theta) = sign(theta - estimate) (deviance(theta) - deviance(estimate))^1/2

is compared with a standard normal.  Standard deviations and correlations are profiled
on Cholesky factors, in which the one that is held is a single element or ratio and
which reach singular matrices; a coefficient by taking its column from X and its part
from y (Eq. 9 of the diagnostics page).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.special import ndtri
from sklearn.base import clone

from .._compile import compile_design
from .._estimation import estimate
from ..likelihood import Objective
from ..likelihood._model import Block
from ._held import HeldCovariance

__all__ = ["Profile", "profile"]

Array = np.ndarray

#: zeta at which a profile ends, and the step in it that is aimed at
END, STEP = 3.2, 0.4


@dataclass(frozen=True, eq=False)
class Profile:
    """Profile of one parameter.

    Attributes
    ----------
    name : str
    estimate : float
    std_error : float
        By the information matrix, in the metric of the profile; nan where there is none.
    value, zeta : ndarray of shape (k,)
        Increasing; zeta is zero at the estimate.
    lower_bound, upper_bound : float
        Ends of the parameter's range.
    """

    name: str
    estimate: float
    std_error: float
    value: Array
    zeta: Array
    lower_bound: float
    upper_bound: float

    @property
    def deviance(self) -> Array:
        """What -2L rises above its minimum."""
        return self.zeta**2

    def to_frame(self) -> pd.DataFrame:
        """Value, zeta and deviance."""
        return pd.DataFrame(
            {"value": self.value, "zeta": self.zeta, "deviance": self.deviance}
        )

    def interval(self, confidence_level: float = 0.95) -> tuple[float, float]:
        """Profile-likelihood interval.

        Ends at the bound of the parameter's range where the likelihood never falls
        far enough; nan beyond what was profiled.
        """
        if not 0 < confidence_level < 1:
            raise ValueError(
                f"confidence_level must lie between 0 and 1, got {confidence_level!r}."
            )
        z = float(ndtri(0.5 + 0.5 * confidence_level))
        return (
            self._crossing(-z, self.lower_bound, 0),
            self._crossing(z, self.upper_bound, -1),
        )

    def _crossing(self, z: float, bound: float, end: int) -> float:
        beyond = self.zeta[end] > z if z < 0 else self.zeta[end] < z
        if beyond:
            return bound if np.isclose(self.value[end], bound, atol=1e-9) else np.nan
        # zeta is nearly linear: interpolate value on zeta
        keep = np.append(True, np.diff(self.zeta) > 0)
        return float(CubicSpline(self.zeta[keep], self.value[keep])(z))


def profile(
    estimator: Any,
    X: Any,
    y: Any,
    parameter: str | tuple[str, str],
    sample_weight: Any = None,
    *,
    groups: Any = None,
) -> Profile:
    """Profile the likelihood of a fitted estimator in one parameter.

    Parameters
    ----------
    estimator : MixedLinearRegressor
    X, y, sample_weight, groups
        Exactly what was passed to ``fit``.
    parameter : str or (level, term)
        A coefficient (``"_cons"`` is the intercept; ML only), or a row of
        ``results_.variance_frame("sd")``, such as ``("subject", "sd(days)")``.

    Returns
    -------
    Profile

    Raises
    ------
    ValueError
        On an unknown parameter, a coefficient under REML, a fit that did not converge.
    NotImplementedError
        For variance parameters of exchangeable factors and of models with structured
        residuals.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> from sklearn_xmixed.diagnostics import profile
    >>> X, y = load_orthodont(return_X_y=True)
    >>> model = MixedLinearRegressor("subject", fixed=["age"]).fit(X, y)
    >>> found = profile(model, X, y, ("subject", "sd(_cons)"))
    >>> [round(end, 3) for end in found.interval()]
    [1.557, 2.849]
    """
    if not estimator.converged_ or estimator._fitted.exact:
        raise ValueError("The fit did not converge; its likelihood has no profile.")
    X, y, sample_weight, groups = estimator._as_compiled(X, y, sample_weight, groups)
    if isinstance(parameter, str):
        return _coefficient(estimator, X, y, parameter, sample_weight, groups)
    return _variance(estimator, X, y, tuple(parameter), sample_weight, groups)


# -- coefficients ------------------------------------------------------------------


def _coefficient(
    estimator: Any, X: Any, y: Any, name: str, sample_weight: Any, groups: Any
) -> Profile:
    table = estimator.coef_table()
    if name not in table.index or table["std_error"].isna()[name]:
        known = list(table.index[table["std_error"].notna()])
        raise ValueError(f"parameter must be one of {known}, got {name!r}.")
    if estimator._fitted.reml:
        raise ValueError(
            "Restricted likelihoods of different fixed parts cannot be compared; fit "
            "with method='ml' to profile a coefficient."
        )
    compiled = compile_design(clone(estimator), X, y, sample_weight, groups)
    if name == "_cons":
        column = np.ones(compiled.design.n_rows)
        changes: dict[str, Any] = {"fit_intercept": False}
        fixed = list(compiled.fixed_names)
    else:
        kept = [
            n for n, k in zip(compiled.fixed_names, compiled.kept, strict=True) if k
        ]
        column = compiled.design.X[:, kept.index(name)]
        changes, fixed = {}, [n for n in compiled.fixed_names if n != name]
    response = np.array(y, dtype=float)
    whole = np.zeros(len(response))
    whole[np.delete(np.arange(len(response)), compiled.dropped)] = column
    other = clone(estimator).set_params(fixed=fixed, verbose=0, **changes)

    def deviance(value: float) -> float:
        shifted = compile_design(
            clone(other), X, response - value * whole, sample_weight, groups
        )
        return _fit(other, shifted.design).deviance

    centre = float(table.loc[name, "estimate"])
    se = float(table.loc[name, "std_error"])
    return _trace(name, centre, se, se, deviance, -2.0 * estimator.log_likelihood_)


def _fit(estimator: Any, design: Any) -> Any:
    return estimate(
        design,
        reml=estimator.method == "reml",
        parameterization=estimator.parameterization,
        solver="newton",
        em_iter=estimator.em_iter,
        em_tol=estimator.em_tol,
        em_only=False,
        max_iter=estimator.max_iter,
        tol=estimator.tol,
    )


# -- variance parameters -----------------------------------------------------------


def _variance(
    estimator: Any,
    X: Any,
    y: Any,
    parameter: tuple[Any, ...],
    sample_weight: Any,
    groups: Any,
) -> Profile:
    frame = estimator.results_.variance_frame("sd")
    if parameter not in frame.index:
        raise ValueError(
            f"parameter must be a coefficient or one of {list(frame.index)}, got "
            f"{parameter!r}."
        )
    number = list(frame.index).index(parameter)
    held = estimator.results_.parameters[number]
    compiled = compile_design(clone(estimator), X, y, sample_weight, groups)
    found = _fit(estimator, compiled.design)
    blocks = found.objective.model.blocks
    if found.psi is not None or any(type(b) is not Block for b in blocks):
        raise NotImplementedError(
            "Profiles of variance parameters are there for independent residuals of one "
            "variance and without exchangeable factors. Coefficients can be profiled."
        )
    effects: tuple[str, ...] = ()
    if held.equation is not None:
        effects = compiled.design.equations[held.equation].effects
    problem = _Problem.of(found.objective, found.Sigmas, found.sigma2, held, effects)
    row = frame.loc[parameter]
    centre = float(row["estimate"])
    se = float(row["std_error"])
    if held.kind == "corr":
        bounds, guess = (problem.parts[held.equation].lowest, 1.0), 0.15
    else:
        bounds, guess = (0.0, np.inf), 0.2 * max(centre, 0.1 * np.sqrt(found.sigma2))
    name = f"{parameter[0]}: {parameter[1]}"
    step = se if np.isfinite(se) and se > 0 else guess
    return _trace(name, centre, se, step, problem, found.deviance, bounds)


@dataclass(eq=False)
class _Problem:
    """-2L, not profiled in sigma, with one standard deviation or correlation held.

    The free parameters are log sigma and, for each equation, elements of the Cholesky
    factor of Sigma (over sigma at the estimate), in an order of its effects that puts
    those of the held parameter first.  Called with a value, it starts from the last.
    """

    objective: Objective
    sigma: float
    parts: list[HeldCovariance]
    held: int | None
    start: Array
    last: Array

    @classmethod
    def of(
        cls,
        objective: Objective,
        Sigmas: list[Array],
        sigma2: float,
        held: Any,
        effects: tuple[str, ...],
    ) -> _Problem:
        sigma = float(np.sqrt(sigma2))
        parts, start = [], [0.0]
        for k, (block, Sigma) in enumerate(
            zip(objective.model.blocks, Sigmas, strict=True)
        ):
            part = HeldCovariance(block.structure)
            if k == held.equation:
                at = [effects.index(held.effects[j]) for j in range(len(held.effects))]
                at = at[:1] if held.kind == "sd" else at[:2]
                part = HeldCovariance(block.structure, held.kind, tuple(at))
            parts.append(part)
            start += list(part.free(Sigma / sigma2))
        first = np.array(start)
        if held.equation is None:
            first = first[1:]
        return cls(objective, sigma, parts, held.equation, first, first)

    def __call__(self, value: float) -> float:
        best, at = np.inf, self.last
        for start in (self.last, self.start):
            found = minimize(
                self._value,
                start,
                args=(value,),
                jac=True,
                method="BFGS",
                options={"gtol": 1e-6, "maxiter": 500},
            )
            if found.fun < best - 1e-9:
                best, at = float(found.fun), found.x
        self.last = at
        return best

    def restart(self) -> None:
        """Begin at the estimate again."""
        self.last = self.start

    def _value(self, free: Array, value: float) -> tuple[float, Array]:
        objective = self.objective
        model, nn = objective.model, objective.nn
        if self.held is None:
            log_sigma, x = np.log(max(value, 1e-300) / self.sigma), free
        else:
            log_sigma, x = free[0], free[1:]
        ratio = np.exp(-2.0 * log_sigma)
        D_blocks, slopes, place = [], [], 0
        for k, (part, block) in enumerate(zip(self.parts, model.blocks, strict=True)):
            own = x[place : place + part.size]
            place += part.size
            at = value
            if self.held == k and part.kind == "sd":
                at = value / self.sigma
            S, dS = part.build(own, at)
            lift = np.linalg.inv(block.metric)
            D_blocks.append(ratio * lift @ S @ lift.T)
            slopes.append(ratio * lift @ dS @ lift.T)
        pieces = objective.pieces(D_blocks)
        weight = ratio / self.sigma**2
        assert pieces.c_D is not None
        assert pieces.l_D is not None
        c, l = pieces.c, pieces.l
        deviance = (
            nn * np.log(2.0 * np.pi)
            + 2.0 * nn * (log_sigma + np.log(self.sigma))
            + weight * c
            + l
            + objective.constant
        )
        G = model.pull(
            [weight * a + b for a, b in zip(pieces.c_D, pieces.l_D, strict=True)]
        )
        slope = [np.tensordot(dS, W, axes=2) for dS, W in zip(slopes, G, strict=True)]
        out = np.concatenate(slope) if slope else np.empty(0)
        if self.held is not None:
            along = sum(np.sum(W * D) for W, D in zip(G, D_blocks, strict=True))
            own = 2.0 * nn - 2.0 * weight * c - 2.0 * along
            out = np.append(own, out)
        return float(deviance), out


# -- the trace ---------------------------------------------------------------------


def _trace(
    name: str,
    centre: float,
    std_error: float,
    step: float,
    deviance: Callable[[float], float],
    least: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Profile:
    """Go out on both sides until zeta is far enough or the range ends."""
    values, zetas = [centre], [0.0]
    for sign, bound in ((-1.0, bounds[0]), (1.0, bounds[1])):
        if isinstance(deviance, _Problem):
            deviance.restart()
        x, zeta, size = centre, 0.0, STEP * step
        for _ in range(60):
            if sign * (bound - x) <= 1e-12 or abs(zeta) >= END:
                break
            new = x + sign * size
            if sign * (bound - new) <= 1e-9:
                new = bound
            rise = max(deviance(new) - least, 0.0)
            if not np.isfinite(rise):
                break
            z = sign * np.sqrt(rise)
            gained = abs(z) - abs(zeta)
            x, zeta = new, z
            values.append(x)
            zetas.append(z)
            # the next step aims at the same rise of zeta
            ratio = STEP / gained if gained > 0 else 2.0
            size *= float(np.clip(ratio, 0.4, 2.0))
    order = np.argsort(values)
    return Profile(
        name,
        centre,
        std_error,
        np.array(values)[order],
        np.array(zetas)[order],
        *bounds,
    )
