"""Checks of the estimates: do they exist, are they at a maximum, at an edge?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...fitted import FittedEquation
from ._finding import Finding
from ._patient import Patient, collinear, is_plain_factor, number, several

__all__ = ["ESTIMATE_CHECKS"]

#: share of the largest eigenvalue below which a covariance matrix is singular
SINGULAR = 1e-6

Check = Callable[[Patient], Iterator[Finding]]


def exact_fit(p: Patient) -> Iterator[Finding]:
    """Nothing left for the residuals."""
    if p.fitted.exact:
        yield Finding(
            "error",
            "exact_fit",
            "Residual",
            p.results.message,
            "There is nothing to estimate: standard errors, tests and variances say "
            "nothing.",
            "Look for a column that repeats the response, or for one row per group.",
        )


def identification(p: Patient) -> Iterator[Finding]:
    """Parameters that the data do not determine."""
    k = p.unidentified
    if k is None:
        return
    equations = p.fitted.equations
    smallest = f"smallest eigenvalue of the Hessian {p.fitted.certificate.smallest:.1e}"
    meaning = (
        "Different splits of the variance fit equally well. The log likelihood and the "
        "fixed part are right, these variances and their random effects are arbitrary."
    )
    if k >= len(equations):
        p.proposal.residuals = True
        yield Finding(
            "error",
            "not_identified",
            "Residual",
            f"The likelihood is flat in the residuals' parameters ({smallest}).",
            meaning,
            "Use a simpler residual structure, or drop the random effect that says the "
            "same.",
        )
        return
    e = equations[k]
    effects, reason = _superfluous(p, k)
    p.proposal.drop(e.name, *effects)
    yield Finding(
        "error",
        "not_identified",
        f"{e.name}: {several([f'var({x})' for x in e.effects])}",
        f"The likelihood is flat in these variances ({smallest}). {reason}",
        meaning,
        f"Leave out the equation {e.name!r}."
        if len(effects) == len(e.effects)
        else f"Leave out {several(effects)} of {e.name!r}.",
    )


def _superfluous(p: Patient, k: int) -> tuple[list[str], str]:
    """Effects of an unidentified equation that may go, and why."""
    equations = p.fitted.equations
    e = equations[k]
    n = p.n_groups(e)
    if e.factor is None:
        sizes = {g.name: g for g in p.results.groups}
        number = p.fitted.level_numbers[e.level]
        own = sizes.get(p.fitted.encoders[number].group)
        if own is not None and own.maximum == 1:
            return list(e.effects), "Every group has one observation."
        for j, other in enumerate(equations):
            if j == k or other.factor is not None or p.n_groups(other) != n:
                continue
            shared = [x for x in e.effects if x in other.effects]
            if shared:
                return shared, (
                    f"The equation {other.name!r} has the same effects for the same "
                    "groups."
                )
    if n == 1:
        return list(e.effects), "There is one group only."
    apart = collinear(e)
    if apart:
        return apart, f"{several(apart)} is a combination of the other columns."
    columns = [x for x in e.effects if x != "_cons"]
    return (columns[-1:] or list(e.effects)), "Another term says the same."


def convergence(p: Patient) -> Iterator[Finding]:
    """A search that came to no end."""
    c, r = p.fitted.certificate, p.results
    if r.converged or p.fitted.exact or p.unidentified is not None:
        return
    last = p.fitted.log[-1]
    if c.outward:
        e = p.fitted.equations[c.outward[0]]
        yield Finding(
            "error",
            "stuck_at_zero",
            e.name,
            "The search ended at a zero variance although the likelihood rises beyond "
            "it.",
            "This is a saddle point, not the maximum: all numbers may be off.",
            "Fit with parameterization='matlog', or with more EM iterations (em_iter).",
        )
        return
    what = "change of the likelihood" if c.em else "Newton decrement"
    limit = "em_iter" if c.em else "max_iter"
    stopped = last.stopped
    yield Finding(
        "error",
        "not_converged",
        "all",
        f"After {len(p.fitted.log)} iterations the {what} is {c.decrement:.1e}, "
        f"tolerance {c.tolerance:.1e}"
        + ("; the search was stopped from outside." if stopped else "."),
        "The estimates are those of the last iteration, not of the maximum.",
        "Fit again and let it end."
        if stopped
        else f"Raise {limit}"
        + (", or use em_only=False." if c.em else ", or try solver='newton'."),
    )


def zero_variances(p: Patient) -> Iterator[Finding]:
    """Variances at zero."""
    if p.fitted.exact:
        return
    for k, e in enumerate(p.fitted.equations):
        if k == p.unidentified:
            continue
        zero = p.zero_effects(e)
        if not zero:
            continue
        p.proposal.drop(e.name, *zero)
        everything = len(zero) == len(e.effects)
        yield Finding(
            "warning",
            "zero_variance",
            f"{e.name}: {several([f'var({x})' for x in zero])}",
            f"Estimated as zero ({p.n_groups(e)} groups).",
            "The groups differ no more than chance would make them differ. This is a "
            "valid maximum at the edge of what is possible, not a failure; there is no "
            "standard error, and intervals and tests that assume one do not hold.",
            (
                f"Leave out the equation {e.name!r}"
                if everything
                else f"Leave out {several(zero)}"
            )
            + "; the log likelihood stays as it is. Zero may also be too few groups: "
            "keep it where the design demands it.",
        )


def correlations(p: Patient) -> Iterator[Finding]:
    """Covariance matrices that are singular without a zero variance."""
    if p.fitted.exact:
        return
    for k, e in enumerate(p.fitted.equations):
        if e.factor is not None and e.factor.common:
            yield from _common_correlation(p, e)
        zero = p.zero_effects(e)
        keep = [j for j, x in enumerate(e.effects) if x not in zero]
        if is_plain_factor(e) or k == p.unidentified or len(keep) < 2:
            continue
        # in the orthonormal basis: a raw correlation depends on where zero is
        T = e.T[:, keep]
        own = T @ e.Sigma[np.ix_(keep, keep)] @ T.T / p.fitted.sigma2
        values = np.linalg.eigvalsh(own)
        rank = int(np.linalg.matrix_rank(T))
        if values[-rank] > SINGULAR * max(values[-1], 1.0):
            continue
        p.proposal.simplify(e.name, "independent")
        names = [e.effects[j] for j in keep]
        r = e.Sigma[keep[0], keep[1]] / np.sqrt(
            e.Sigma[keep[0], keep[0]] * e.Sigma[keep[1], keep[1]]
        )
        found = (
            f"Estimated as {r:+.0f}."
            if len(keep) == 2
            else f"The covariance matrix of {len(keep)} effects has rank "
            f"{int((values > SINGULAR * values[-1]).sum())}."
        )
        yield Finding(
            "warning",
            "perfect_correlation",
            f"{e.name}: corr({','.join(names)})",
            found,
            "Each effect is a straight line of the other, so the data support fewer "
            "effects than the model has. The maximum is valid; the correlation has no "
            "standard error.",
            "Use covariance='independent', or leave out the effect with the smaller "
            "variance, and compare the likelihoods.",
        )


def _common_correlation(p: Patient, e: FittedEquation) -> Iterator[Finding]:
    """The correlation of an exchangeable factor at an end of its range."""
    assert e.factor is not None
    n = len(e.factor.encoder.labels)
    if p.zero_effects(e) or n < 2:
        return
    r = float(e.Sigma[0, 1] / e.Sigma[0, 0])
    lowest = -1.0 / (n - 1)
    if lowest + SINGULAR < r < 1.0 - SINGULAR:
        return
    p.proposal.simplify(e.name, "identity")
    yield Finding(
        "warning",
        "perfect_correlation",
        f"{e.name}: corr({', '.join(e.effects)})",
        f"Estimated as {r:.4g}, the {'least' if r < 0 else 'largest'} that {n} levels "
        "can have.",
        "The effects of a group add up to zero, which the group's own mean makes up for."
        if r < 0
        else "The levels of the factor do not differ.",
        "Use covariance='identity'; compare the likelihoods.",
    )


def residual_boundary(p: Patient) -> Iterator[Finding]:
    """Parameters of the residuals at the end of their range."""
    errors = p.fitted.errors
    if p.unidentified == len(p.fitted.equations):
        return
    ended = errors.model.at_boundary(errors.psi)
    if ended.any() and (errors.model.scales | ~ended).all():
        names = [f"{level} {term}" for level, term in p.results.boundary]
        yield Finding(
            "warning",
            "residual_zero_variance",
            "Residual",
            "The residual variance of a category is estimated as zero.",
            "Its rows do not vary beyond the random effects. Degrees of freedom take the "
            f"variance as zero. Without standard errors: {several(names)}.",
            "Use one residual variance for all categories, or one random effect fewer; "
            "compare the likelihoods.",
        )
        return
    if ended.any():
        values = several(
            [f"{k} = {number(v)}" for k, v in p.results.residual_parameters.items()]
        )
        p.proposal.residuals = True
        yield Finding(
            "warning",
            "residual_boundary",
            "Residual",
            f"A correlation of the residuals has gone to the end of its range: {values}.",
            "The structure says the same as a random effect, or the data say nothing of "
            "it.",
            "Use a simpler residual structure or leave out the random intercept.",
        )


ESTIMATE_CHECKS: tuple[tuple[str, Check], ...] = (
    ("whether anything is left for the residuals", exact_fit),
    ("whether the likelihood determines every parameter", identification),
    ("whether the search ended at a certified maximum", convergence),
    ("variances at zero", zero_variances),
    ("correlations at -1 or +1, singular covariance matrices", correlations),
    ("residual parameters at the end of their range", residual_boundary),
)
