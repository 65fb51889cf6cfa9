"""What there is to say about the convergence of a fit, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from scipy.special import expit

from ..likelihood import Border
from ._estimate import Estimate

__all__ = ["convergence_message"]

Array = np.ndarray


class NamedEquation(Protocol):
    """What a message needs to know of an equation."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of its effects."""
        ...

    @property
    def Sigma(self) -> Array:
        """Their covariance matrix."""
        ...


def convergence_message(
    found: Estimate, equations: Sequence[NamedEquation], unidentified: int | None
) -> str:
    """What there is to say about convergence; empty where all is well."""
    certificate = found.certificate
    if not found.sigma2 > 0:
        return (
            "The fixed part fits the response exactly: the residual variance is zero "
            "and the likelihood has no maximum. Variance components are reported as "
            "zero."
        )
    if certificate.exact and equations:
        return (
            "The fixed part and the random effects together fit the response exactly: "
            "the residual variance goes to zero and the likelihood grows without bound. "
            "Linear regression is reported instead. Where the response says the same in "
            "all rows of a group, fit one row per group; else leave out a random effect."
        )
    border, residual = found.border, found.objective.residual
    if border is not None and border.unbounded:
        return _at_border(found, border)
    if not certificate.converged and residual.degenerate(found.psi):
        return (
            f"The covariance matrix of the {residual.label} residuals "
            "becomes singular and the likelihood grows without bound: there are too few "
            "groups for its parameters, or the fixed part fits all rows of some time "
            "exactly. Choose a simpler structure."
        )
    if border is not None:
        return _at_border(found, border)
    if unidentified is not None and unidentified >= len(equations):
        return (
            "The model is not identified: the data do not determine the parameters of "
            f"the {residual.label} residuals (smallest eigenvalue of "
            f"the Hessian per observation {certificate.smallest:.1e}). This happens when "
            "times are never observed together, when groups have one observation each, "
            "or when a random effect says the same. Choose a simpler structure."
        )
    if unidentified is not None:
        e = equations[unidentified]
        terms = ", ".join(f"var({x})" for x in e.effects)
        return (
            f"The model is not identified: the data do not determine {terms} of level "
            f"{e.name!r} apart from the other variances (smallest eigenvalue of the "
            f"Hessian per observation {certificate.smallest:.1e}). This happens when "
            "its groups have one observation each, or when two terms say the same. "
            "Drop or simplify that term; the log likelihood is right, the split of "
            "the variance is not."
        )
    if certificate.outward:
        e = equations[certificate.outward[0]]
        return (
            f"The search ended at a zero variance of level {e.name!r} although the "
            "likelihood rises beyond it. Try parameterization='matlog' or more EM "
            "iterations."
        )
    if not certificate.converged:
        return _unfinished(found, equations)
    return ""


#: parameters of the residuals that a message names
SHOWN = 4
#: log of a standard deviation beside the largest, below which it goes to zero
VANISHED = 0.5 * float(np.log(1e-3))
#: from the metric of its standard error to a parameter
BACK: dict[str, Callable[[float], float]] = {
    "atanh": np.tanh,
    "logit": expit,
    "log": np.exp,
    "natural": float,
}


def _at_border(found: Estimate, border: Border) -> str:
    """Of a search that came to where a covariance matrix is singular."""
    residual = found.objective.residual
    goes = []
    sds = [q.kind == "sd" for _, q in residual.parameters]
    largest = border.estimates[sds].max(initial=-np.inf)
    for (b, q), value in zip(residual.parameters, border.estimates, strict=True):
        # standard deviations of one time follow the others, those of a category do not
        alone = len(residual.categories) > 1 and q.names == ("e",)
        if q.kind == "sd" and not (alone and value < largest + VANISHED):
            continue
        name = q.names[0] if q.kind == "coef" else f"{q.kind}({','.join(q.names)})"
        category = residual.categories[b]
        name = f"{category}: {name}" if category else name
        end = 0.0 if q.kind == "sd" else BACK[q.transform](value)
        goes.append(f"{name} to {end:.4g}")
    if len(goes) > SHOWN:
        goes = [*goes[:SHOWN], f"{len(goes) - SHOWN} more parameters to their ends"]
    k = border.directions
    what = "a combination" if k == 1 else f"{k} combinations"
    way = f"the variance of {what} of {border.rows} rows goes to zero"
    if goes:  # standard deviations alone may do it, of one category
        way = f"with {', '.join(goes)} {way}"
    if not border.unbounded:
        return (
            f"The search came to the border of the {residual.label} residuals: {way}, "
            "where their covariance matrix is singular. The likelihood has no maximum "
            "inside that the search could find; estimates and log likelihood are those "
            "of the point that it came to. Choose a simpler residual structure, with one "
            "variance for all categories say, or leave out a random effect that says the "
            "same."
        )
    inside = (
        "Reported is the best maximum inside the range of the parameters."
        if found.certificate.converged
        else "No maximum was found inside the range of the parameters."
    )
    return (
        f"The likelihood grows without bound: {way}, and the fixed part fits "
        f"{'it' if k == 1 else 'them'} exactly. {inside} The restricted likelihood "
        "(method='reml') is bounded there; so is that of a simpler residual structure or "
        "of fewer fixed effects."
    )


def _unfinished(found: Estimate, equations: Sequence[NamedEquation]) -> str:
    """Of a search that stopped short."""
    certificate, residual = found.certificate, found.objective.residual
    kind = "EM" if certificate.em else "gradient-based"
    what = "relative change" if certificate.em else "Newton decrement"
    near = [
        f"{e.name!r}"
        for e in equations
        if np.diagonal(e.Sigma).min(initial=np.inf) < 1e-6 * found.sigma2
    ]
    hint = (
        f" A variance of level {', '.join(near)} is near zero; a model without it "
        "may do."
        if near
        else f" Raise {'em_iter' if certificate.em else 'max_iter'}, or rescale "
        "columns of very different size."
    )
    if residual.label and not near:
        hint += (
            f" Parameters of the {residual.label} residuals may have run to the "
            "border of their range; a simpler structure may do."
        )
    return (
        f"The {kind} iterations did not converge: {what} "
        f"{certificate.decrement:.1e}, tolerance {certificate.tolerance:.1e}, after "
        f"{len(found.log)} iterations.{hint}"
    )
