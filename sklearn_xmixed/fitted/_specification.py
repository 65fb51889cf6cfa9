"""The specification of a fit: how it was asked for."""

from __future__ import annotations

from typing import Any

from ..design._compile import Compiled
from ..design._validation import equations_of
from ..estimation._estimate import Estimate
from ..inference import (
    Specification,
)
from ..residuals import STRUCTURES

__all__ = ["describe"]


def describe(estimator: Any, compiled: Compiled, found: Estimate) -> Specification:
    """How the fit was asked for."""
    design = compiled.design
    equations = equations_of(estimator.__dict__["random_effects"])
    level_weights = {e.group: e.weight for e in equations if e.weight is not None}
    of_rows = design.weights is not None or design.precise
    within = design.residual
    order: int | None = None
    times: list[float] = []
    occasions: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    if within is not None:
        residual: Any = found.objective.residual
        structure = residual.parts[0].structure
        order = getattr(structure, "order", getattr(structure, "band", None))
        if within.structure in ("ar", "ma") and order is None:
            order = 1
        if not STRUCTURES[within.structure].ordered:
            order = None
        occasions = residual.occasions
        if not residual.named:
            times = [float(t) for t in structure.times]
        categories = tuple(c for c in residual.categories if c)
    spec = estimator.residuals
    used = {} if spec is None or within is None else spec.variables
    times_used = [name for role, name in used.items() if role not in ("by", "variance")]
    how = "em" if estimator.em_only else estimator.solver
    return Specification(
        weight_type=estimator.weight_type if of_rows or level_weights else "",
        weight_name="sample_weight" if of_rows else "",
        level_weights=level_weights,
        weight_scaling=estimator.weight_scaling or "",
        residual_structure="independent" if spec is None else spec.structure,
        residual_order=None if order is None else int(order),
        residual_time=", ".join(times_used),
        residual_variance="" if within is None else used.get("variance", ""),
        residual_by="" if within is None else within.by_name or "",
        residual_categories=categories,
        residual_times=tuple(times),
        residual_occasions=occasions,
        optimization=how if design.equations or within is not None else "closed form",
        parameterization=estimator.parameterization,
        n_rows=design.n_rows + compiled.n_dropped,
        n_dropped=compiled.n_dropped,
        # of an estimator that was made by one
        offset=estimator.offset or ("" if compiled.offset_mean is None else "(array)"),
        command=" ".join(getattr(estimator, "command", "").split()),
    )
