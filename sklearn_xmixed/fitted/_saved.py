"""From an estimate to the results object: everything the manual lists as saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..design._compile import Compiled
from ..design._validation import equations_of
from ..estimation._estimate import Estimate
from ..estimation._messages import convergence_message
from ..inference import (
    CORRECTIONS,
    ClusterRobust,
    EquationSummary,
    FreeDirections,
    GroupSummary,
    Results,
    Specification,
    VarianceParameter,
    cluster_robust,
    likelihood_ratio,
    monte_carlo,
    natural_estimates,
    sandwich,
    wald,
)
from ..inference._tests import ASSUMED, CONSERVATIVE
from ..likelihood import Pieces, Root
from ..residuals import STRUCTURES, NotPositiveDefiniteError
from ._equations import FittedEquation

__all__ = [
    "Order",
    "ResultsOptions",
    "SavedVariances",
    "describe",
    "make_results",
    "saved_variances",
]

Array = np.ndarray


@dataclass(frozen=True)
class ResultsOptions:
    """Which results are wanted of an estimate.

    Parameters
    ----------
    std_errors, lr_test : bool
    vce : {"oim", "robust", "cluster", "CR0", "CR1", "CR1S", "CR2", "CR3"}
    cluster : str or None
        Name of the variable of clusters.
    frequency : bool
        Whether weights are frequencies.
    df_method : str or None
        Degrees of freedom that tests have by default.
    """

    std_errors: bool
    lr_test: bool
    vce: str
    cluster: str | None
    frequency: bool
    df_method: str | None = None


def make_results(
    compiled: Compiled,
    found: Estimate,
    equations: Sequence[FittedEquation],
    coef: Array,
    intercept: float,
    options: ResultsOptions,
    specification: Specification,
    variances: SavedVariances,
) -> Results:
    """What there is to save of an estimate."""
    design, objective = compiled.design, found.objective
    blocks = objective.model.blocks
    a = int(design.intercept)
    order = Order.of(compiled)
    parameters = _parameters(found, equations)
    m = sum(b.structure.n_params for b in blocks)
    n_residual = sum(p.equation is None for p in parameters)
    n_sd = sum(b.structure.n_variances for b in blocks)
    vcov = variances.robust.vcov if variances.robust else order.matrix(variances.beta)
    tested = order.place[: design.p - a]
    chi2, df, p = wald(coef[tested], vcov[tested[:, None], tested])
    top = compiled.shown[0][0] if compiled.shown else ""
    vce, cluster = options.vce, options.cluster
    return Results(
        n_obs=_n_obs(compiled, found, options),
        n_params=design.p + m + n_residual,
        n_fixed=design.p,
        n_random=m,
        n_sd=n_sd,
        n_corr=m - n_sd,
        n_residual=n_residual,
        log_likelihood=-0.5 * found.deviance,
        wald_chi2=chi2,
        wald_df=df,
        wald_p=p,
        **_comparison(found, options, m, m + n_residual - 1),
        converged=found.certificate.converged and variances.unidentified is None,
        method="REML" if objective.reml else "ML",
        message=convergence_message(found, equations, variances.unidentified),
        target=compiled.target,
        fixed_names=order.names,
        omitted=tuple(
            n for n, k in zip(compiled.fixed_names, compiled.kept, strict=True) if not k
        ),
        beta=np.append(coef, [intercept] * a),
        beta_vcov=vcov,
        groups=_groups(compiled),
        equations=_summaries(compiled, equations, blocks),
        parameters=parameters,
        Sigmas=tuple(e.Sigma for e in equations),
        alpha=variances.alpha,
        alpha_vcov=variances.alpha_vcov,
        std_errors=options.std_errors,
        vce=vce,
        n_clusters=variances.n_clusters,
        cluster_name=cluster or top,
        pseudo=vce != "oim",
        model_beta_vcov=order.matrix(variances.model) if vce != "oim" else None,
        residual_label=_residual_label(compiled, objective),
        specification=specification,
        monte_carlo=(
            monte_carlo(found, variances.alpha_vcov) if found.sigma2 > 0 else None
        ),
        crossed=found.kind.way,
    )


def _robust_reference(
    compiled: Compiled, found: Estimate, vce: str
) -> ClusterRobust | None:
    """The cluster-robust covariance matrix with its degrees of freedom; None without."""
    if vce not in CORRECTIONS or not (found.sigma2 > 0 and found.pool.p):
        return None
    assert compiled.clusters is not None
    to_user = Order.of(compiled).coefficients(np.linalg.inv(found.pool.R))
    return cluster_robust(found, compiled.clusters, vce, to_user)


@dataclass(frozen=True, eq=False)
class Order:
    """From the engine's order, the constant first, to the user's, which has it last."""

    names: tuple[str, ...]
    place: Array
    order: Array

    @classmethod
    def of(cls, compiled: Compiled) -> Order:
        a, p = int(compiled.design.intercept), compiled.design.p
        names = (*compiled.fixed_names, *(("_cons",) if a else ()))
        last = [len(compiled.fixed_names)] * a
        place = np.concatenate([np.flatnonzero(compiled.kept), last]).astype(int)
        order = np.concatenate([np.arange(a, p), np.arange(a)]).astype(int)
        return cls(names, place, order)

    def coefficients(self, kept: Array) -> Array:
        """A map to the kept coefficients as one to all."""
        full = np.zeros((len(self.names), kept.shape[1]))
        full[self.place] = kept[self.order]
        return full

    def matrix(self, kept: Array) -> Array:
        """A covariance matrix of the kept coefficients among all."""
        full = np.zeros((len(self.names), len(self.names)))
        full[self.place[:, None], self.place] = kept[self.order[:, None], self.order]
        return full


@dataclass(frozen=True, eq=False)
class SavedVariances:
    """Covariance matrices of all estimates.

    ``model`` is that of the coefficients under the model, ``beta`` the one asked for;
    ``free`` are the directions off the boundary, None where they are not identified or
    were not asked for; ``robust`` has the corrections for few clusters, if asked for.
    """

    alpha: Array
    alpha_vcov: Array
    beta: Array
    model: Array
    n_clusters: float
    unidentified: int | None
    free: FreeDirections | None
    robust: ClusterRobust | None = None


def saved_variances(
    compiled: Compiled, found: Estimate, options: ResultsOptions
) -> SavedVariances:
    """Covariance matrices of the coefficients and of the variance parameters."""
    blocks, certificate = found.kind.model.blocks, found.certificate
    model = found.sigma2 * found.pool.vcov(found.pieces.root.F)
    unidentified, free = certificate.unidentified, None
    if found.sigma2 > 0 and (options.std_errors or not blocks):
        alpha, alpha_vcov, free = _natural(found)
        searched = found.kind.searched
        if searched and free is None and unidentified is None and certificate.converged:
            unidentified = _weakest(found)
    else:
        alpha, alpha_vcov = _estimates_only(found)
    beta, n_clusters = model, math.nan
    clusters = compiled.clusters
    if clusters is not None and options.vce in CORRECTIONS:
        n_clusters = clusters.number
    elif clusters is not None and found.sigma2 > 0:
        robust = sandwich(found, alpha_vcov, clusters.codes, clusters.counts)
        beta, alpha_vcov = robust.beta, robust.alpha
        n_clusters = robust.n_clusters
    return SavedVariances(
        alpha,
        alpha_vcov,
        beta,
        model,
        n_clusters,
        unidentified,
        free,
        _robust_reference(compiled, found, options.vce),
    )


def _natural(found: Estimate) -> tuple[Array, Array, FreeDirections | None]:
    """Estimates with their covariance matrix, nan where the residuals are singular."""
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            natural = natural_estimates(found)
    except NotPositiveDefiniteError:  # next to it there is nothing to differentiate
        return *_estimates_only(found), None
    return natural.alpha, natural.vcov, natural.free


def _comparison(
    found: Estimate, options: ResultsOptions, m: int, df: int
) -> dict[str, Any]:
    """The test against linear regression."""
    if not (options.lr_test and df and options.vce == "oim"):
        return {
            "comparison_log_likelihood": math.nan,
            "lr_chi2": math.nan,
            "lr_df": df,
            "lr_p": math.nan,
            "lr_kind": "",
            "lr_note": "",
            "has_lr_test": False,
        }
    root = Root.solve(found.kind.linear)
    comparison = -0.5 * _linear_deviance(found.objective, root)
    one = m == 1 and df == 1
    lr = likelihood_ratio(
        -0.5 * found.deviance,
        comparison,
        df,
        one_variance=one,
        note="" if one else CONSERVATIVE if m else ASSUMED,
    )
    return {
        "comparison_log_likelihood": comparison,
        "lr_chi2": lr.chi2,
        "lr_df": df,
        "lr_p": lr.p_value,
        "lr_kind": lr.kind,
        "lr_note": lr.note,
        "has_lr_test": True,
    }


def _n_obs(compiled: Compiled, found: Estimate, options: ResultsOptions) -> float:
    n = found.kind.tree.n if options.frequency else compiled.design.n_rows
    return int(n) if float(n).is_integer() else n


def _groups(compiled: Compiled) -> tuple[GroupSummary, ...]:
    return tuple(
        GroupSummary(
            group,
            float(copies.sum()),
            float(sizes.min()),
            float(sizes @ copies / copies.sum()),
            float(sizes.max()),
        )
        for group, sizes, copies in compiled.shown
    )


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
        offset=estimator.offset or ("" if design.offset is None else "(array)"),
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
    if not blocks:
        return 0  # the number of equations stands for the residuals
    return int(np.argmax([np.max(b.n_groups) for b in blocks]))


def _linear_deviance(objective: Any, root: Root) -> float:
    """-2 L of linear regression."""

    l = root.log_det if objective.reml else 0.0
    at = Pieces(root, np.empty(0), root.c, l)
    return objective.deviance(at) - objective.log_det_Lambda


def _estimates_only(found: Estimate) -> tuple[Array, Array]:
    parts = [
        b.structure.to_natural(S)
        for b, S in zip(found.objective.model.blocks, found.Sigmas, strict=True)
    ]
    with np.errstate(divide="ignore"):
        own = found.objective.residual.estimates(0.5 * np.log(found.sigma2), found.psi)
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
