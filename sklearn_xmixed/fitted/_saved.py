"""From an estimate to the results object: everything the manual lists as saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..covariance import to_natural
from ..design._compile import Compiled
from ..design._factors import Factor
from ..design._validation import equations_of
from ..estimation._estimate import Estimate
from ..estimation._messages import convergence_message
from ..inference import (
    EquationSummary,
    GroupSummary,
    Results,
    Specification,
    VarianceParameter,
    likelihood_ratio,
    monte_carlo,
    natural_vcov,
    sandwich,
    wald,
)
from ..inference._tests import ASSUMED, CONSERVATIVE
from ..likelihood import Pieces, Root

__all__ = ["FittedEquation", "describe", "make_results"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class FittedEquation:
    """One equation, with its place in the tree.

    Parameters
    ----------
    name : str
    level : int
        Level of the design, top 0.
    floor : int
        Floor of the tree, lowest 0.
    effects : tuple of str
    T : ndarray of shape (q_floor, q)
        From the effects to the tree's basis.
    Sigma : ndarray of shape (q, q)
    factor : Factor or None
        With effects over its levels: then the terms from ``floor`` on are its own.
    """

    name: str
    level: int
    floor: int
    effects: tuple[str, ...]
    T: Array
    Sigma: Array
    factor: Factor | None = None


def make_results(
    compiled: Compiled,
    found: Estimate,
    equations: Sequence[FittedEquation],
    coef: Array,
    intercept: float,
    vcov_kept: Array,
    *,
    std_errors: bool,
    lr_test: bool,
    reml: bool,
    vce: str,
    cluster: str | None,
    frequency: bool,
    specification: Specification,
) -> Results:
    """What there is to save of an estimate."""
    design, objective = compiled.design, found.objective
    blocks = objective.model.blocks
    a = int(design.intercept)
    names = (*compiled.fixed_names, *(("_cons",) if a else ()))
    # the engine's order is [constant, kept columns], the user's has it last
    place = np.concatenate([np.flatnonzero(compiled.kept), [len(coef)] * a]).astype(int)
    order = np.concatenate([np.arange(a, design.p), np.arange(a)]).astype(int)

    def in_order(kept: Array) -> Array:
        full = np.zeros((len(names), len(names)))
        full[np.ix_(place, place)] = kept[np.ix_(order, order)]
        return full

    parameters = _parameters(found, equations)
    m = sum(b.structure.n_params for b in blocks)
    n_residual = sum(p.equation is None for p in parameters)
    log_likelihood = -0.5 * found.deviance
    certificate = found.certificate
    unidentified = certificate.unidentified
    if found.sigma2 > 0 and (std_errors or not blocks):
        alpha, alpha_vcov, definite = natural_vcov(found)
        searched = bool(blocks) or n_residual > 1
        if searched and not definite and unidentified is None and certificate.converged:
            unidentified = _weakest(found)
    else:
        alpha, alpha_vcov = _estimates_only(found)
    beta_vcov, n_clusters = vcov_kept, math.nan
    if compiled.clusters is not None and found.sigma2 > 0:
        robust = sandwich(
            design,
            found,
            alpha_vcov,
            compiled.clusters.codes,
            compiled.clusters.counts,
        )
        beta_vcov, alpha_vcov = robust.beta, robust.alpha
        n_clusters = robust.n_clusters
    vcov = in_order(beta_vcov)
    tested = place[: design.p - a]
    chi2, df, p = wald(coef[tested], vcov[np.ix_(tested, tested)])
    top = compiled.shown[0][0] if compiled.shown else ""
    comparison = lr = None
    lr_df = m + n_residual - 1
    if lr_test and lr_df and vce == "oim":
        root = Root.solve(found.linear)
        comparison = -0.5 * _linear_deviance(objective, root)
        one = m == 1 and lr_df == 1
        lr = likelihood_ratio(
            log_likelihood,
            comparison,
            lr_df,
            one_variance=one,
            note="" if one else CONSERVATIVE if m else ASSUMED,
        )
    n_obs = found.tree.n if frequency else design.n_rows
    n_sd = sum(b.structure.n_variances for b in blocks)
    n_obs = int(n_obs) if float(n_obs).is_integer() else n_obs
    return Results(
        n_obs=n_obs,
        n_params=design.p + m + n_residual,
        n_fixed=design.p,
        n_random=m,
        n_sd=n_sd,
        n_corr=m - n_sd,
        n_residual=n_residual,
        log_likelihood=log_likelihood,
        wald_chi2=chi2,
        wald_df=df,
        wald_p=p,
        comparison_log_likelihood=math.nan if comparison is None else comparison,
        lr_chi2=math.nan if lr is None else lr.chi2,
        lr_df=lr_df,
        lr_p=math.nan if lr is None else lr.p_value,
        lr_kind="" if lr is None else lr.kind,
        lr_note="" if lr is None else lr.note,
        has_lr_test=lr is not None,
        converged=certificate.converged and unidentified is None,
        method="REML" if reml else "ML",
        message=convergence_message(found, equations, unidentified),
        target=compiled.target,
        fixed_names=names,
        omitted=tuple(
            n for n, k in zip(compiled.fixed_names, compiled.kept, strict=True) if not k
        ),
        beta=np.append(coef, [intercept] * a),
        beta_vcov=vcov,
        groups=tuple(
            GroupSummary(
                group,
                float(copies.sum()),
                float(sizes.min()),
                float(sizes @ copies / copies.sum()),
                float(sizes.max()),
            )
            for group, sizes, copies in compiled.shown
        ),
        equations=_summaries(compiled, equations, blocks),
        parameters=parameters,
        Sigmas=tuple(e.Sigma for e in equations),
        alpha=alpha,
        alpha_vcov=alpha_vcov,
        std_errors=std_errors,
        vce=vce,
        n_clusters=n_clusters,
        cluster_name=cluster if vce == "cluster" and cluster else top,
        pseudo=vce != "oim",
        model_beta_vcov=in_order(vcov_kept) if vce != "oim" else None,
        residual_label=_residual_label(compiled, objective),
        specification=specification,
        monte_carlo=monte_carlo(found, alpha_vcov) if found.sigma2 > 0 else None,
    )


def describe(estimator: Any, compiled: Compiled, found: Estimate) -> Specification:
    """How the fit was asked for."""
    design, residual = compiled.design, found.objective.residual
    equations = equations_of(estimator.__dict__["random_effects"])
    level_weights = {e.group: e.weight for e in equations if e.weight is not None}
    weighted = design.weights is not None or bool(level_weights)
    within = design.residual
    order: int | None = None
    times: list[float] = []
    categories: tuple[str, ...] = ()
    if residual is not None and within is not None:
        structure = residual.parts[0].structure
        order = getattr(structure, "order", getattr(structure, "band", None))
        if within.structure in ("ar", "ma") and order is None:
            order = 1
        if within.structure == "unstructured":
            order = None
        times = [float(t) for t in getattr(structure, "times", ())]
        categories = tuple(c for c in residual.categories if c)
    spec = estimator.residuals
    how = "em" if estimator.em_only else estimator.solver
    return Specification(
        weight_type=estimator.weight_type if weighted else "",
        weight_name="sample_weight" if design.weights is not None else "",
        level_weights=level_weights,
        weight_scaling=estimator.weight_scaling or "",
        residual_structure="independent" if spec is None else spec.structure,
        residual_order=None if order is None else int(order),
        residual_time="" if spec is None or within is None else spec.time or "",
        residual_by="" if within is None else within.by_name or "",
        residual_categories=categories,
        residual_times=tuple(times),
        optimization=how if design.equations or within is not None else "closed form",
        parameterization=estimator.parameterization,
        n_rows=design.n_rows + compiled.n_dropped,
        n_dropped=compiled.n_dropped,
        # of an estimator that was made by one
        command=" ".join(getattr(estimator, "command", "").split()),
    )


def _residual_label(compiled: Compiled, objective: Any) -> str:
    within = compiled.design.residual
    if within is None:
        return ""
    label = objective.residual.label
    return label if within.by_name is None else f"{label}, by {within.by_name}"


def _weakest(found: Estimate) -> int:
    """Equation whose groups have the fewest rows: the likeliest to be undetermined."""
    blocks = found.objective.model.blocks
    return int(np.argmax([np.max(b.n_groups) for b in blocks]))


def _linear_deviance(objective: Any, root: Root) -> float:
    """-2 L of linear regression."""

    l = root.log_det if objective.reml else 0.0
    at = Pieces(root, np.empty(0), root.c, l)
    return objective.deviance(at) - objective.log_det_Lambda


def _estimates_only(found: Estimate) -> tuple[Array, Array]:
    parts = [
        to_natural(b.structure, S)
        for b, S in zip(found.objective.model.blocks, found.Sigmas, strict=True)
    ]
    with np.errstate(divide="ignore"):
        own = np.array([0.5 * np.log(found.sigma2)])
        if found.psi is not None and found.objective.residual is not None:
            own = found.objective.residual.estimates(own[0], found.psi)
        alpha = np.concatenate([*parts, own])
    return alpha, np.full((len(alpha), len(alpha)), np.nan)


def _parameters(
    found: Estimate, equations: Sequence[FittedEquation]
) -> tuple[VarianceParameter, ...]:
    out = []
    for k, (equation, block) in enumerate(
        zip(equations, found.objective.model.blocks, strict=True)
    ):
        structure = block.structure
        for number, (i, j) in enumerate(structure.places):
            if equation.factor is not None and not equation.factor.slopes:
                kind = "sd" if number < structure.n_variances else "corr"
                out.append(VarianceParameter(k, equation.name, kind, equation.effects))
                continue
            rows, columns = np.nonzero(np.triu(structure.pattern == number))
            if i == j:
                members = tuple(equation.effects[r] for r in rows)
                out.append(VarianceParameter(k, equation.name, "sd", members))
            else:
                at = list(dict.fromkeys([*rows.tolist(), *columns.tolist()]))
                members = tuple(equation.effects[r] for r in sorted(at))
                out.append(VarianceParameter(k, equation.name, "corr", members))
    residual = found.objective.residual
    if residual is None:
        out.append(VarianceParameter(None, "Residual", "residual", ()))
        return tuple(out)
    out += [
        VarianceParameter(
            None, "Residual", q.kind, q.names, q.transform, residual.categories[b]
        )
        for b, q in residual.parameters
    ]
    return tuple(out)


def _summaries(
    compiled: Compiled, equations: Sequence[FittedEquation], blocks: Any
) -> tuple[EquationSummary, ...]:
    """All equations in the user's order, those without effects among them."""
    out = [
        EquationSummary(
            e.name,
            group,
            b.structure.label,
            e.effects,
            q.omitted,
            e.Sigma,
            "" if e.factor is None else e.factor.variable,
        )
        for e, b, q, group in zip(
            equations,
            blocks,
            compiled.design.equations,
            [
                compiled.design.levels[e.level].group
                if e.factor is None
                else e.factor.title
                for e in equations
            ],
            strict=True,
        )
    ]
    for place, group in compiled.empty:
        out.insert(
            place, EquationSummary(group, group, "(empty)", (), (), np.zeros((0, 0)))
        )
    return tuple(out)
