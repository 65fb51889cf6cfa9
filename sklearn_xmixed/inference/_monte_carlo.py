"""How far the estimates of an iterative fit are from those of an exact one.

The signs of the probes are the only source of noise.  One by one they give -2 L and
its gradient g_k at the optimum; with H the Hessian

    Var(gamma_hat) = H^-1 Var(g_k) H^-1 / n_probes

is the variance of the estimates over other draws of the signs, to first order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..estimation._estimate import Estimate

__all__ = ["MonteCarlo", "monte_carlo"]

Vector = np.ndarray

#: step in gamma of a derivative of the reported parameters
STEP = 1e-5


@dataclass(frozen=True)
class MonteCarlo:
    """Accuracy of an iterative fit.

    Attributes
    ----------
    n_probes : int
    log_likelihood : float
        Monte Carlo standard error of the log likelihood.
    alpha : ndarray
        Those of the variance parameters in the estimation metric (``Results.alpha``).
    relative : float
        The largest of them as a share of the parameter's own standard error; nan where
        there are none.
    residual : float
        Largest relative residual of a system that was solved by conjugate gradients.
    steps : int
        Longest Krylov space of the log determinant.
    """

    n_probes: int
    log_likelihood: float
    alpha: Vector
    relative: float
    residual: float
    steps: int

    def __str__(self) -> str:
        share = (
            ""
            if np.isnan(self.relative)
            else (
                f", variance parameters at most {100.0 * self.relative:.2g} % of "
                "their standard errors"
            )
        )
        return (
            f"Estimated iteratively with {self.n_probes} random probes. Monte Carlo "
            f"standard error of the log likelihood {self.log_likelihood:.2g}{share}; "
            f"linear systems solved to {self.residual:.0e}."
        )


def monte_carlo(estimate: Estimate, alpha_vcov: Vector) -> MonteCarlo | None:
    """Accuracy of an estimate; None where nothing was left to chance."""
    objective = estimate.objective
    noise = objective.noise(estimate.D_blocks)
    if noise is None:
        return None
    model, count = objective.model, noise.count
    spread = float(noise.values.std(ddof=1)) if count > 1 else np.nan
    errors = np.full(len(alpha_vcov), np.nan)
    gamma = estimate.gamma
    if gamma is not None and count > 1:
        deviations = [s - s.mean(axis=0) for s in noise.slopes]
        first = [
            model.parameterization.first(b.structure, gamma[s])
            for b, s in zip(model.blocks, model.slices, strict=True)
        ]
        scores = np.array(
            [
                np.concatenate(
                    [
                        np.tensordot(J, W, axes=2)
                        for J, W in zip(
                            first, model.pull([d[k] for d in deviations]), strict=True
                        )
                    ]
                )
                for k in range(count)
            ]
        )
        _, _, H = objective.hessian(gamma)
        moves = _slopes_of_alpha(estimate, gamma) @ np.linalg.pinv(H) @ scores.T
        errors = np.sqrt((moves**2).sum(axis=1) / (count - 1) / count)
    own = np.sqrt(np.diagonal(alpha_vcov))
    share = errors / own
    again = objective.noise(estimate.D_blocks)  # after the last solve
    assert again is not None
    known = np.isfinite(share)
    return MonteCarlo(
        count,
        float(0.5 * spread / np.sqrt(count)),
        errors,
        float(share[known].max()) if known.any() else np.nan,
        again.residual,
        noise.steps,
    )


def _slopes_of_alpha(estimate: Estimate, gamma: Vector) -> Vector:
    """Derivatives of the reported parameters along gamma."""
    objective = estimate.objective
    model = objective.model

    def sigmas(at: Vector) -> list[Vector]:
        return replace(estimate, D_blocks=model.split(at), sigma2=1.0).Sigmas

    def alpha(at: Vector) -> Vector:
        parts = [
            b.structure.to_natural(S)
            for b, S in zip(model.blocks, sigmas(at), strict=True)
        ]
        return np.concatenate([*parts, [0.0]])

    c_D = estimate.pieces.c_D
    assert c_D is not None
    out = np.empty((len(alpha(gamma)), len(gamma)))
    sds = np.concatenate(
        [
            np.arange(b.structure.n_params) < b.structure.n_variances
            for b in model.blocks
        ]
        + [np.ones(1, dtype=bool)]
    )
    C_b = model.pull(c_D)
    k = 0
    for b, s, C in zip(model.blocks, model.slices, C_b, strict=True):
        for J in model.parameterization.first(b.structure, gamma[s]):
            step = np.zeros(len(gamma))
            step[k] = STEP * max(1.0, abs(gamma[k]))
            with np.errstate(invalid="ignore"):
                moved = alpha(gamma + step) - alpha(gamma - step)
            out[:, k] = moved / (2.0 * step[k])
            # sigma^2 = c / nn moves all standard deviations
            out[sds, k] += 0.5 * np.sum(C * J) / estimate.pieces.c
            k += 1
    return out
