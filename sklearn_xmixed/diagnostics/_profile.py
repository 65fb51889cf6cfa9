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
from scipy.special import ndtri
from sklearn.base import clone

from ..design._compile import compile_design
from ..estimation._estimate import SearchOptions, estimate
from ..likelihood._model import Block
from ._held_problem import HeldProblem

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
        """Value, zeta and deviance.

        Returns
        -------
        DataFrame
            One row per value of the parameter.
        """
        return pd.DataFrame(
            {"value": self.value, "zeta": self.zeta, "deviance": self.deviance}
        )

    def interval(self, confidence_level: float = 0.95) -> tuple[float, float]:
        """Profile-likelihood interval.

        Ends at the bound of the parameter's range where the likelihood never falls
        far enough; nan beyond what was profiled.

        Parameters
        ----------
        confidence_level : float, default=0.95
            Between 0 and 1.

        Returns
        -------
        tuple of float
            Both ends.
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
        Fitted.
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
        For variance parameters of models with exchangeable factors, and for parameters of
        residual structures that are no function of one number of the search (those of
        higher orders and unstructured ones).

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
    estimator._check_offset("Profiles of the likelihood")
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
        SearchOptions(
            estimator.parameterization,
            em_iter=estimator.em_iter,
            em_tol=estimator.em_tol,
            max_iter=estimator.max_iter,
            tol=estimator.tol,
        ),
        reml=estimator.method == "reml",
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
    if any(type(b) is not Block for b in found.objective.model.blocks):
        raise NotImplementedError(
            "Profiles of variance parameters are not there for models with exchangeable "
            "factors. Coefficients can be profiled."
        )
    effects: tuple[str, ...] = ()
    if held.equation is not None:
        effects = compiled.design.equations[held.equation].effects
    before = sum(q.equation is not None for q in estimator.results_.parameters)
    problem = HeldProblem.of(found, held, effects, number - before)
    row = frame.loc[parameter]
    centre = float(row["estimate"])
    se = float(row["std_error"])
    if held.equation is not None and held.kind == "corr":
        bounds, guess = (problem.parts[held.equation].lowest, 1.0), 0.15
    elif problem.kind == "psi":
        bounds, guess = problem.range, 0.1
    else:
        bounds, guess = (0.0, np.inf), 0.2 * max(centre, 0.1 * np.sqrt(found.sigma2))
    name = f"{parameter[0]}: {parameter[1]}"
    step = se if np.isfinite(se) and se > 0 else guess
    return _trace(name, centre, se, step, problem, found.deviance, bounds)


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
        if isinstance(deviance, HeldProblem):
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
