"""Residual structures that contradict themselves."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

from ..._spec import RandomEffects, Residuals
from ...residuals import STRUCTURES, VarianceFunction

__all__ = ["check_residuals"]


def check_residuals(residuals: Residuals, equations: Sequence[RandomEffects]) -> None:
    """Raise ValueError on a residual structure that contradicts itself."""
    name = residuals.structure
    if not isinstance(name, str) or name not in STRUCTURES:
        raise ValueError(
            f"The structure of residuals must be one of {', '.join(STRUCTURES)}; got "
            f"{name!r}."
        )
    kind = STRUCTURES[name]
    order = residuals.order
    if order is not None:
        if not kind.ordered:
            raise ValueError(
                f"{name} residuals have no order, got order={order!r}. Structures with "
                f"one are {', '.join(k for k, v in STRUCTURES.items() if v.ordered)}."
            )
        least = 0 if name == "banded" else 1
        if not isinstance(order, numbers.Integral) or order < least:
            raise ValueError(
                f"The order of {name} residuals must be an integer that is at least "
                f"{least}, got {order!r}."
            )
    _check_variables(residuals)
    if kind.time_kind is not None and residuals.time is None:
        what = {
            "integer": "an integer-valued time that orders the rows of a group",
            "real": "a real-valued time",
            "identifier": "nonnegative integers, or names, that say which rows of "
            "different groups correspond",
        }[kind.time_kind]
        raise ValueError(
            f"{name} residuals need time, the name of a variable with {what}: "
            f"Residuals({name!r}, time=...)."
        )
    if kind.within_groups and not equations:
        raise ValueError(
            f"{name} residuals are correlated within groups, but random_effects names "
            "no group. Pass random_effects=RandomEffects(group, intercept=False) for "
            "groups without random effects."
        )


def _check_variables(residuals: Residuals) -> None:
    """Names of variables, and where several may stand."""
    time = residuals.time
    if time is not None and not isinstance(time, str):
        listed = isinstance(time, list | tuple) and len(time) > 0
        if not listed or not all(isinstance(name, str) for name in time):
            raise TypeError(
                "The time of residuals must be the name of a variable, or a list of names, "
                f"the coordinates of a place; got {time!r}."
            )
        if not STRUCTURES[residuals.structure].several_times:
            takers = [k for k, s in STRUCTURES.items() if s.several_times]
            raise ValueError(
                f"{residuals.structure} residuals have one time, got the list {time!r}. "
                f"Residuals by the distance of places are {' or '.join(takers)}."
            )
        if len(set(time)) < len(time):
            raise ValueError(f"The coordinates {time!r} name a variable twice.")
    if residuals.by is not None and not isinstance(residuals.by, str):
        raise TypeError(
            f"The by of residuals must be the name of a variable, got {residuals.by!r}."
        )
    variance = residuals.variance
    named = getattr(variance, "variable", variance)
    function = isinstance(variance, VarianceFunction)
    if variance is None or (isinstance(named, str) and (function or named is variance)):
        return
    raise TypeError(
        "The variance of residuals must be the name of a variable, each category of "
        "which has a variance, or Power(name) or Exponential(name) from "
        f"sklearn_xmixed.residuals; got {variance!r}."
    )
