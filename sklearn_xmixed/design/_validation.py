"""Checks of parameters and their messages."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .._spec import RandomEffects, Residuals
from ..covariance import PARAMETERIZATIONS, STRUCTURES
from ._clusters import CORRECTED

__all__ = ["check_parameters", "equation_names", "equations_of", "seed_of"]

_CHOICES: dict[str, tuple[Any, ...]] = {
    "method": ("ml", "reml"),
    "vce": ("oim", "robust", "cluster", *CORRECTED),
    "weight_type": ("frequency", "sampling", "precision"),
    "weight_scaling": (None, "size", "effective", "gk"),
    "parameterization": tuple(PARAMETERIZATIONS),
    "solver": ("newton", "lbfgs"),
    "missing": ("raise", "drop"),
    "unseen": ("zero", "nan", "raise"),
    "categorical": ("raise", "treatment"),
    "crossed": ("auto", "exact", "iterative"),
    "df_method": (
        None,
        "residual",
        "between-within",
        "containment",
        "satterthwaite",
        "kenward-roger",
        "kenward-roger-observed",
        "kenward-roger-linear",
        "kenward-roger-linear-observed",
        "kenward-roger-2009",
        "kenward-roger-2009-observed",
    ),
}
_COUNTS = ("em_iter", "max_iter", "verbose")
_SWITCHES = ("fit_intercept", "em_only", "std_errors", "lr_test")
_TOLERANCES = ("em_tol", "tol")


def check_parameters(estimator: Any) -> None:
    """Raise ValueError on a parameter that is out of its range."""
    owner = type(estimator).__name__

    def refuse(name: str, allowed: str) -> None:
        value = getattr(estimator, name)
        raise ValueError(
            f"The {name!r} parameter of {owner} must be {allowed}. "
            f"Got {value!r} instead."
        )

    for name, choices in _CHOICES.items():
        value = getattr(estimator, name)
        if not (value is None or isinstance(value, str)) or value not in choices:
            words = [repr(c) for c in choices]
            refuse(name, "one of " + ", ".join(words))
    for name in _COUNTS:
        value = getattr(estimator, name)
        if not _is_count(value):
            refuse(name, "an integer that is at least 0")
    probes = estimator.n_probes
    if probes is not None and not (_is_count(probes) and probes >= 2):
        refuse("n_probes", "None or an integer that is at least 2")
    for name in _TOLERANCES:
        value = getattr(estimator, name)
        real = type(value) is float or isinstance(value, numbers.Real)
        if not real or not float(value) >= 0:
            refuse(name, "a number that is at least 0")
    for name in _SWITCHES:
        if not isinstance(getattr(estimator, name), bool | np.bool_):
            refuse(name, "a bool")
    if estimator.em_only and estimator.em_iter == 0:
        raise ValueError(
            "em_only=True needs EM iterations, but em_iter is 0; set em_iter to the "
            "largest number of them, 500 say."
        )
    residuals = estimator.residuals
    if residuals is not None and not isinstance(residuals, Residuals):
        refuse("residuals", "None or a Residuals object")
    if estimator.offset is not None and not isinstance(estimator.offset, str):
        refuse(
            "offset",
            "None or the name of a column of X or groups (an array goes to fit, as "
            "fit(X, y, offset=...))",
        )
    _check_residuals(estimator)
    _check_weighting(estimator)
    _check_degrees_of_freedom(estimator)


def _is_count(value: Any) -> bool:
    # asking an abstract class takes as long as all other checks together
    whole = type(value) is int or isinstance(value, numbers.Integral)
    return whole and int(value) >= 0


def _check_residuals(estimator: Any) -> None:
    """What the manual does not offer together with structured residuals."""
    residuals = estimator.residuals
    if residuals is not None and not residuals.white:
        for name, wanted in (("em_only", False), ("std_errors", True)):
            if bool(getattr(estimator, name)) is not wanted:
                raise ValueError(
                    f"{name}={not wanted} is available only when residuals are "
                    f"independent with constant variance, got residuals={residuals!r}. "
                    f"Set {name}={wanted}."
                )


def _check_degrees_of_freedom(estimator: Any) -> None:
    """Methods that the fit would have to refuse whenever it is asked."""
    method = estimator.df_method
    if str(method).startswith("kenward-roger") and estimator.method != "reml":
        raise ValueError(
            f"df_method={method!r} is defined for method='reml', got "
            f"method={estimator.method!r}. Set method='reml', or "
            "df_method='satterthwaite'."
        )


def _check_weighting(estimator: Any) -> None:
    """Combinations of weights, standard errors and method that make no sense."""
    sampling, corrected = (
        estimator.weight_type == "sampling",
        estimator.vce in CORRECTED,
    )
    if sampling and corrected:
        raise ValueError(
            f"vce={estimator.vce!r} cannot be used with weight_type='sampling': the "
            "correction needs the covariance matrix of each cluster's rows under the model, "
            "which a pseudolikelihood does not have. Use vce='robust' or vce='cluster'."
        )
    robust = sampling or (estimator.vce != "oim" and not corrected)
    if robust and estimator.method == "reml":
        what = (
            "Sampling weights"
            if estimator.weight_type == "sampling"
            else f"vce={estimator.vce!r}"
        )
        way = "" if sampling else ", or vce='CR2', which is for coefficients alone"
        raise ValueError(
            f"{what} cannot be used with method='reml': the restricted likelihood is "
            f"no sum over the top-level groups. Use method='ml'{way}."
        )
    if estimator.vce == "cluster" and estimator.cluster is None:
        raise ValueError(
            "vce='cluster' needs cluster=, the name of the column with the clusters."
        )
    if estimator.cluster is not None and estimator.vce not in ("cluster", *CORRECTED):
        raise ValueError(
            f"cluster={estimator.cluster!r} has no effect with vce={estimator.vce!r}; "
            "set vce='cluster' (or 'CR2' and its kin), or cluster=None."
        )
    if estimator.weight_scaling is not None and estimator.weight_type != "sampling":
        raise ValueError(
            f"weight_scaling={estimator.weight_scaling!r} scales sampling weights; "
            "it needs weight_type='sampling'."
        )


def equations_of(random_effects: Any) -> list[RandomEffects]:
    """The ``random_effects`` parameter as a list of checked equations.

    Raises
    ------
    TypeError
        If it is neither None, a name, an equation nor a sequence of these.
    ValueError
        If an equation contradicts itself or a level's equations are not consecutive.
    """
    if random_effects is None:
        return []
    if isinstance(random_effects, str | RandomEffects):
        random_effects = [random_effects]
    if not isinstance(random_effects, Sequence):
        raise TypeError(
            "random_effects must be None, the name of a grouping variable, a "
            "RandomEffects object or a list of these (top level first), got "
            f"{random_effects!r}."
        )
    equations = []
    for item in random_effects:
        equation = RandomEffects(item) if isinstance(item, str) else item
        if not isinstance(equation, RandomEffects):
            raise TypeError(
                "Every item of random_effects must be a name or a RandomEffects "
                f"object, got {item!r}."
            )
        equations.append(equation)
    _check_equations(equations)
    return equations


def _check_equations(equations: list[RandomEffects]) -> None:
    seen: list[str] = []
    for equation in equations:
        group = equation.group
        if not isinstance(group, str) or not group:
            raise TypeError(
                f"The group of {equation!r} must be the name of a variable, got "
                f"{group!r}."
            )
        if group in seen and seen[-1] != group:
            raise ValueError(
                f"The equations of level {group!r} are not consecutive: the levels are "
                f"given as {[e.group for e in equations]}. List repeated levels one "
                "after the other."
            )
        if group == "_all" and any(g != "_all" for g in seen):
            raise ValueError(
                "'_all' is one group of all rows and must come before the levels "
                f"nested in it, got {[e.group for e in equations]}."
            )
        seen.append(group)
        _check_equation(equation)


def _check_equation(equation: RandomEffects) -> None:
    group = equation.group
    covariance = equation.covariance
    if covariance is not None and (
        not isinstance(covariance, str) or covariance not in STRUCTURES
    ):
        raise ValueError(
            f"The covariance of the equation for {group!r} must be one of "
            f"{sorted(STRUCTURES)} or None, got {covariance!r}."
        )
    if isinstance(equation.columns, str):
        raise TypeError(
            f"The columns of the equation for {group!r} must be a list of names, "
            f"got the string {equation.columns!r}; write [{equation.columns!r}]."
        )
    if not isinstance(equation.columns, Sequence) or not all(
        isinstance(c, str) for c in equation.columns
    ):
        raise TypeError(
            f"The columns of the equation for {group!r} must be a list of names, "
            f"got {equation.columns!r}."
        )
    for switch in ("intercept", "collinear"):
        if not isinstance(getattr(equation, switch), bool | np.bool_):
            raise TypeError(
                f"{switch} of the equation for {group!r} must be True or False, got "
                f"{getattr(equation, switch)!r}."
            )
    columns = list(equation.columns)
    if len(set(columns)) != len(columns):
        raise ValueError(f"The equation for {group!r} names a column twice: {columns}.")
    if equation.factor is not None:
        _check_factor(equation)
    if equation.weight is not None and not isinstance(equation.weight, str):
        raise TypeError(
            f"The weight of the equation for {group!r} must be the name of a column "
            "of X or groups with one value per row, constant within its groups; got "
            f"{equation.weight!r}."
        )
    if equation.weight is not None and group == "_all":
        raise ValueError(
            f"weight={equation.weight!r}: '_all' is one group of all rows and has "
            "no weight."
        )


def _check_factor(equation: RandomEffects) -> None:
    """What an equation with a factor may say."""
    factor, group = equation.factor, equation.group
    if not isinstance(factor, str) or not factor:
        raise TypeError(
            f"The factor of the equation for {group!r} must be the name of a variable, "
            f"got {factor!r}."
        )
    if len(equation.columns):
        return
    if not equation.intercept:
        raise ValueError(
            f"The equation for factor={factor!r} at {group!r} has neither columns nor "
            "an intercept."
        )
    if equation.covariance not in (None, "identity", "exchangeable"):
        raise ValueError(
            f"The covariance of factor={factor!r} at {group!r} must be 'identity' (the "
            f"default) or 'exchangeable', got {equation.covariance!r}: without columns "
            "the levels of a factor share one variance."
        )


def equation_names(equations: Sequence[RandomEffects]) -> list[str]:
    """Unique names of the equations.

    Raises
    ------
    ValueError
        If a name given by the user is taken or contains two underscores.
    """
    names: list[str] = []
    for equation in equations:
        if equation.name is not None:
            name = equation.name
            if not isinstance(name, str):
                raise TypeError(f"The name of {equation!r} must be text, got {name!r}.")
            if name in names:
                raise ValueError(f"Two equations are named {name!r}.")
            if "__" in name:
                raise ValueError(
                    f"The name {name!r} of an equation must not contain '__', which "
                    "separates nested parameters."
                )
        else:
            base = equation.group
            if base == "_all" and equation.factor is not None:
                base = equation.factor
            name, k = base, 2
            while name in names:
                name, k = f"{base}_{k}", k + 1
        names.append(name)
    return names


def seed_of(random_state: Any) -> int:
    """An integer drawn from a random state."""
    if type(random_state) is int:
        return _seed_of_int(random_state)
    return _draw(random_state)


@lru_cache(maxsize=64)
def _seed_of_int(random_state: int) -> int:
    return _draw(random_state)  # to seed a generator takes as long as an evaluation


def _draw(random_state: Any) -> int:
    return int(check_random_state(random_state).randint(2**31 - 1))
