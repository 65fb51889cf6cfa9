"""Saved results: of an estimate everything that the manual lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..design._compile import Compiled
from ..estimation._estimate import Estimate
from ..estimation._messages import convergence_message
from ..inference import (
    ASSUMED,
    CONSERVATIVE,
    EquationSummary,
    GroupSummary,
    Results,
    Specification,
    VarianceParameter,
    likelihood_ratio,
    monte_carlo,
    wald,
)
from ..likelihood import Pieces, Root
from ._equations import FittedEquation
from ._results_options import ResultsOptions
from ._saved_variances import SavedVariances

__all__ = ["make_results"]

Array = np.ndarray


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
    order = variances.order
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


def _residual_label(compiled: Compiled, objective: Any) -> str:
    within = compiled.design.residual
    if within is None:
        return ""
    label = objective.residual.label
    return label if within.by_name is None else f"{label}, by {within.by_name}"


def _linear_deviance(objective: Any, root: Root) -> float:
    """-2 L of linear regression."""

    l = root.log_det if objective.reml else 0.0
    at = Pieces(root, np.empty(0), root.c, l)
    return objective.deviance(at) - objective.log_det_Lambda


def _parameters(
    found: Estimate, equations: Sequence[FittedEquation]
) -> tuple[VarianceParameter, ...]:
    out = []
    for k, (equation, block) in enumerate(
        zip(equations, found.objective.model.blocks, strict=True)
    ):
        structure = block.structure
        for number, members in enumerate(structure.members):
            kind = "sd" if number < structure.n_variances else "corr"
            effects = equation.effects
            if equation.factor is None or equation.factor.slopes:
                effects = tuple(effects[i] for i in members)
            out.append(VarianceParameter(k, equation.name, kind, effects))
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
