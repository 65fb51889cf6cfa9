"""Variance parameters: estimates, standard errors and intervals in three metrics.

The joint covariance matrix is that of {log sd, atanh correlation, log sigma},
from the Hessian of the likelihood with beta profiled out (the manual's L*);
the other metrics follow by the delta method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from ..estimation._estimate import Estimate
from ..likelihood import Block, Pieces
from ..optimization import eigen

__all__ = [
    "FreeDirections",
    "VarianceParameter",
    "VarianceTable",
    "natural_estimates",
    "of_residuals",
    "variance_table",
]

Array = np.ndarray


@dataclass(frozen=True)
class VarianceParameter:
    """One parameter of the random part.

    Parameters
    ----------
    equation : int or None
        Number of its equation; None for the residuals.
    level : str
        Name of the equation, "Residual" for the residuals.
    kind : {"sd", "corr", "residual", "coef"}
        "residual" is the standard deviation of independent residuals, "coef" a
        parameter of another structure that goes by a name of its own.
    effects : tuple of str
        Random effects (or residuals) it belongs to: those that share a variance, or
        the two (or more) that share a correlation.  Of a "coef" its name.
    transform : {"log", "atanh", "logit", "natural"}
        Metric of estimation of a "coef".
    category : str
        By-category of the residuals, empty without.
    """

    equation: int | None
    level: str
    kind: str
    effects: tuple[str, ...]
    transform: str = "log"
    category: str = ""

    def term(self, metric: str) -> str:
        """Its name in the metric "variance", "sd" or "estimation"."""
        name = self._term(metric)
        return f"{self.category}: {name}" if self.category else name

    def _term(self, metric: str) -> str:
        first, second = {
            "variance": ("var", "cov"),
            "sd": ("sd", "corr"),
            "estimation": ("lns", "atr"),
        }[metric]
        if self.kind == "coef":
            mark = {"log": "ln", "atanh": "atr", "logit": "logit"}.get(self.transform)
            (name,) = self.effects
            return f"{mark}({name})" if metric == "estimation" and mark else name
        if self.kind == "residual":
            return f"{first}(Residual)"
        if self.kind == "sd":
            return f"{first}({' '.join(self.effects)})"
        joint = "," if len(self.effects) == 2 else " "
        return f"{second}({joint.join(self.effects)})"


@dataclass(frozen=True)
class VarianceTable:
    """Variance parameters in one metric.

    Parameters
    ----------
    metric : {"variance", "sd", "estimation"}
    parameters : tuple of VarianceParameter
    estimate, std_error, ci_lower, ci_upper : ndarray of shape (m,)
    """

    metric: str
    parameters: tuple[VarianceParameter, ...]
    estimate: Array
    std_error: Array
    ci_lower: Array
    ci_upper: Array


@dataclass(frozen=True, eq=False)
class FreeDirections:
    """Where the variance parameters can go from an estimate.

    Coordinates are the elements of the D_b = Sigma_b / sigma^2, psi and log sigma^2.

    Parameters
    ----------
    basis : ndarray of shape (m, f)
        Columns span the directions that do not leave the boundary.
    half : ndarray of shape (f, r)
        half half' is the covariance matrix of the moves along them by the observed
        information.
    flat : ndarray of shape (f, k) or None
        Moves along which the likelihood does not change, left out of ``half``: what
        parameters can do that the data do not tell apart.
    """

    basis: Array
    half: Array
    flat: Array | None = None


@dataclass(frozen=True, eq=False)
class NaturalEstimates:
    """Estimates and their covariance matrix in the estimation metric.

    Parameters
    ----------
    alpha : ndarray of shape (m + 1,)
        log sd and atanh correlation of each equation, then log sigma, or the
        parameters of structured residuals in their metrics.
    vcov : ndarray of shape (m + 1, m + 1)
        nan in the rows of parameters on the boundary.
    free : FreeDirections or None
        None where the information about the free parameters is not positive, up to
        directions in which the likelihood is flat.
    """

    alpha: Array
    vcov: Array
    free: FreeDirections | None


def natural_estimates(estimate: Estimate) -> NaturalEstimates:
    """Estimates and covariance matrix in the estimation metric."""
    blocks, Sigmas = estimate.objective.model.blocks, estimate.Sigmas
    alphas, free = [], []
    for block, D, Sigma in zip(blocks, estimate.D_blocks, Sigmas, strict=True):
        alphas.append(block.structure.to_natural(Sigma))
        free.append(block.structure.inside(D, block.metric))
    own, slope, inside = of_residuals(estimate)
    alpha = np.concatenate([*alphas, own])
    mask = np.concatenate([*free, np.ones(len(own), dtype=bool)])
    vcov = np.full((len(alpha), len(alpha)), np.nan)
    if mask.all():
        # the optimiser's directions stay well conditioned where the user's
        # correlations come close to one or D is nearly singular
        H, steps = _direction_hessian(estimate)
        J = _alpha_of_elements(estimate, Sigmas) @ steps
    else:
        curves = [
            _curves(block, Sigma, np.flatnonzero(keep), estimate.sigma2)
            for block, Sigma, keep in zip(blocks, Sigmas, free, strict=True)
        ]
        H, steps = _joint_hessian(estimate, curves), _steps_of_free(estimate, curves)
        J = np.eye(int(mask.sum()))
    half, flat = _inverse_root(H, inside)
    if half is None:
        return NaturalEstimates(alpha, vcov, None)
    directions = _free_directions(steps, half, flat, inside)
    if flat.shape[1]:
        return NaturalEstimates(alpha, vcov, directions)
    half = J @ half
    half[-len(own) :] = slope @ half[-len(own) :]
    at = np.flatnonzero(mask)
    vcov[at[:, None], at] = 2.0 * half @ half.T
    # a parameter that follows psi to the end of its range has no standard error
    lost = (np.abs(slope[:, ~inside]) > 1e-3).any(axis=1)
    if not inside.all():  # or that moves with nothing else
        lost |= (np.abs(slope[:, inside]) < 1e-3).all(axis=1)
    at = len(alpha) - len(own) + np.flatnonzero(lost)
    vcov[at] = vcov[:, at] = np.nan
    return NaturalEstimates(alpha, vcov, directions)


def _curves(
    block: Block, Sigma: Array, keep: Array, sigma2: float
) -> tuple[list[Array], list[list[Array]]]:
    """First and second derivatives of D_b along the alpha ``keep``."""
    # Sigma / sigma^2 in the equation's scaled columns is D_b
    lift = np.linalg.inv(block.metric) / np.sqrt(sigma2)
    first, second = block.structure.natural_derivatives(Sigma)
    return (
        [lift @ first[i] @ lift.T for i in keep],
        [[lift @ second[i][j] @ lift.T for j in keep] for i in keep],
    )


def _steps_of_free(
    estimate: Estimate, curves: list[tuple[list[Array], list[list[Array]]]]
) -> Array:
    """Elements of the D_b, psi and log sigma along the free alpha, psi and log sigma.

    Along alpha and log sigma it is Sigma that moves or stays.
    """
    model, psi = estimate.objective.model, len(estimate.psi)
    ends = np.cumsum([0, *(len(first) for first, _ in curves)])
    rest = psi + 1
    steps = np.zeros((model.n_params + rest, int(ends[-1]) + rest))
    steps[-rest:, -rest:] = np.eye(rest)
    for k, (block, s) in enumerate(zip(model.blocks, model.slices, strict=True)):
        gather = block.structure.gather
        for i, M in enumerate(curves[k][0]):
            steps[s, ends[k] + i] = gather(M)
        steps[s, -1] = -2.0 * gather(estimate.D_blocks[k])
    return steps


def _free_directions(
    steps: Array, half: Array, flat: Array, inside: Array
) -> FreeDirections:
    """In the elements, psi and log sigma^2; parameters at their end are held."""
    scale = np.ones(len(steps))
    scale[-1] = 2.0  # of log sigma
    held = np.append(np.ones(steps.shape[1] - len(inside), dtype=bool), inside)
    return FreeDirections(
        scale[:, None] * steps[:, held],
        np.sqrt(2.0) * half[held],
        flat[held] if flat.shape[1] else None,
    )


def _inverse_root(H: Array, inside: Array) -> tuple[Array | None, Array]:
    """F with F F' = H^-1, and what it leaves out: directions in which H is zero.

    F is None where H has a negative direction. Rows and columns at the end that are not
    ``inside`` count as known: F is zero there.
    """
    none = np.zeros((len(H), 0))
    if not inside.all():
        stay = np.append(np.ones(len(H) - len(inside), dtype=bool), inside)
        part, away = _inverse_root(H[np.ix_(stay, stay)], inside[inside])
        if part is None:
            return None, none
        F, flat = (np.zeros((len(H), found.shape[1])) for found in (part, away))
        F[stay], flat[stay] = part, away
        return F, flat
    if not np.isfinite(H).all():
        return None, none
    size = np.sqrt(np.abs(np.diagonal(H)))
    size = np.where(size > 0, size, 1.0)
    values, vectors = eigen(H / (size[:, None] * size))
    # flat within what a search leaves of slopes and rounding of second derivatives
    if values[0] < -1e-6:
        return None, none
    kept, moves = values > 1e-9, vectors / size[:, None]
    return moves[:, kept] / np.sqrt(values[kept]), moves[:, ~kept]


def _direction_hessian(estimate: Estimate) -> tuple[Array, Array]:
    """Hessian of -2 L* along directions of the D_b, in psi and log sigma.

    D does not move with log sigma here and, inside the parameter space, the
    gradient vanishes, so nothing but c and l bends.

    Returns
    -------
    H : ndarray of shape (m, m)
    steps : ndarray of shape (m, m)
        The directions as elements of the D_b; psi and log sigma as they are.
    """
    model, weight = estimate.objective.model, 1.0 / estimate.sigma2
    pieces, bases = _second_order(estimate, np.inf)
    assert pieces.c_D is not None
    assert pieces.c_2 is not None
    assert pieces.l_2 is not None
    m = model.n_params
    slope = np.zeros(m + 1)
    psi = len(estimate.psi)
    steps = np.eye(m + psi + 1)
    C_b = model.pull(pieces.c_D)
    for k, (block, s) in enumerate(zip(model.blocks, model.slices, strict=True)):
        slope[s] = bases[k] @ np.tensordot(block.structure.basis, C_b[k], axes=2)
        steps[s, s] = bases[k].T
    H = np.zeros((m + 1, m + 1))
    H[:m, :m] = weight * pieces.c_2 + pieces.l_2
    H[m, :] -= 2.0 * weight * slope
    H[:, m] -= 2.0 * weight * slope
    H[m, m] += 4.0 * weight * pieces.c
    if pieces.psi_2 is not None:
        H = _with_psi(H, np.eye(m + 1, m), pieces, weight)
    return 0.5 * (H + H.T), steps


def _alpha_of_elements(estimate: Estimate, Sigmas: list[Array]) -> Array:
    """Slopes of alpha (and psi, log sigma) in the elements, psi and log sigma."""
    model = estimate.objective.model
    psi = len(estimate.psi)
    J = np.eye(model.n_params + psi + 1)
    for block, s, Sigma in zip(model.blocks, model.slices, Sigmas, strict=True):
        J[s, s], J[s, -1] = block.structure.natural_slopes(
            Sigma, block.metric, estimate.sigma2
        )
    return J


def of_residuals(estimate: Estimate) -> tuple[Array, Array, Array]:
    """Reported parameters of the residuals, and their slopes in (psi, log sigma).

    The third result says which of the latter are not at the end of their range.
    """
    log_sigma = 0.5 * np.log(estimate.sigma2)
    residual, psi = estimate.objective.residual, estimate.psi
    return (
        residual.estimates(log_sigma, psi),
        residual.jacobian(log_sigma, psi),
        np.append(~residual.at_boundary(psi), True),
    )


def _joint_hessian(
    estimate: Estimate, curves: list[tuple[list[Array], list[list[Array]]]]
) -> Array:
    """Hessian of -2 L* in the free alpha, psi and log sigma (Eq. 15).

    Parameters
    ----------
    curves : list of (first, second)
        Derivatives of each D_b along its free alpha.
    """
    objective = estimate.objective
    model, weight = objective.model, 1.0 / estimate.sigma2
    pieces, bases = _second_order(estimate, 1e4)
    assert pieces.c_D is not None
    assert pieces.l_D is not None
    assert pieces.c_2 is not None
    assert pieces.l_2 is not None
    # every direction as a combination of those along which derivatives are known;
    # log sigma moves all equations: D = Sigma / sigma^2
    ends = np.cumsum([0, *(len(first) for first, _ in curves)])
    m = int(ends[-1])
    pick = np.zeros((m + 1, model.n_params))
    C_b, L_b = model.pull(pieces.c_D), model.pull(pieces.l_D)
    c_1 = np.zeros(m + 1)
    bend = np.zeros((m + 1, m + 1))
    for k, (block, s) in enumerate(zip(model.blocks, model.slices, strict=True)):
        first, second = curves[k]
        D, W = estimate.D_blocks[k], weight * C_b[k] + L_b[k]
        here = slice(ends[k], ends[k + 1])
        moves = [*first, -2.0 * D]
        targets = np.array([block.structure.gather(M) for M in moves])
        solved = np.linalg.solve(bases[k].T, targets.T).T
        pick[here, s], pick[m, s] = solved[:-1], solved[-1]
        slopes = np.array([np.sum(C_b[k] * M) for M in moves])
        c_1[here] = slopes[:-1]
        c_1[m] += slopes[-1]
        for i, row in enumerate(second):
            for j, M in enumerate(row):
                bend[ends[k] + i, ends[k] + j] += np.sum(W * M)
            cross = -2.0 * np.sum(W * first[i])
            bend[ends[k] + i, m] += cross
            bend[m, ends[k] + i] += cross
        bend[m, m] += 4.0 * np.sum(W * D)
    H = pick @ (weight * pieces.c_2 + pieces.l_2) @ pick.T + bend
    H[m, :] -= 2.0 * weight * c_1
    H[:, m] -= 2.0 * weight * c_1
    H[m, m] += 4.0 * weight * pieces.c
    if pieces.psi_2 is not None:
        H = _with_psi(H, pick, pieces, weight)
    return 0.5 * (H + H.T)


def _with_psi(H: Array, pick: Array, pieces: Pieces, weight: float) -> Array:
    """The residuals' parameters put before log sigma."""
    assert pieces.psi_2 is not None
    assert pieces.c_psi is not None
    m, n_d, k = len(H) - 1, pick.shape[1], pieces.psi_2.shape[1]
    cross = pick @ pieces.psi_2[:n_d]
    cross[m] -= 2.0 * weight * pieces.c_psi
    out = np.empty((m + k + 1, m + k + 1))
    at = np.append(np.arange(m), m + k)
    psi = np.arange(m, m + k)
    out[np.ix_(at, at)] = H
    out[np.ix_(at, psi)] = cross
    out[np.ix_(psi, at)] = cross.T
    out[np.ix_(psi, psi)] = pieces.psi_2[n_d:]
    return out


def _second_order(estimate: Estimate, condition: float) -> tuple[Pieces, list[Array]]:
    """Second derivatives at the optimum, and the directions they are along.

    Those of the last Newton iteration serve again where its directions span
    the structure; at the boundary they do not.

    Parameters
    ----------
    condition : float
        Largest condition number of these directions.

    Returns
    -------
    pieces : Pieces
    bases : list of ndarray of shape (m_b, m_b)
        Direction k of an equation as elements of its structure.
    """
    model, pieces = estimate.objective.model, estimate.pieces
    if pieces.c_2 is not None and estimate.gamma is not None:
        bases = []
        for block, s in zip(model.blocks, model.slices, strict=True):
            first = model.parameterization.first(block.structure, estimate.gamma[s])
            bases.append(np.array([block.structure.gather(M) for M in first]))
        if condition == np.inf or all(
            np.linalg.cond(basis) <= condition for basis in bases
        ):
            return pieces, bases
    at = estimate.objective.curvature(estimate.D_blocks, model.elements())
    return at, [np.eye(b.structure.n_params) for b in model.blocks]


def variance_table(
    metric: str,
    parameters: tuple[VarianceParameter, ...],
    Sigmas: list[Array],
    alpha: Array,
    vcov: Array,
    confidence_level: float,
) -> VarianceTable:
    """Estimates, standard errors and intervals in one metric.

    Intervals are formed for log sds and variances, atanh correlations, and
    covariances as they are; of other parameters of the residuals in their own metric.
    ``alpha`` and ``vcov`` may be those of several fits, on an axis before.
    """
    z = float(ndtri(0.5 + 0.5 * confidence_level))
    se = np.sqrt(np.diagonal(vcov, axis1=-2, axis2=-1))
    value, error, low, high = np.full((4, *alpha.shape), np.nan)
    index = {(p.equation, p.effects): k for k, p in enumerate(parameters)}
    for k, p in enumerate(parameters):
        a, s, at = alpha[..., k], se[..., k], (..., k)
        ends = (a - z * s, a + z * s)
        if metric == "estimation":
            value[at], error[at] = a, s
            low[at], high[at] = ends
        elif p.kind == "coef":
            value[at], slope = _back(p.transform, a)
            error[at] = slope * s
            low[at], high[at] = (_back(p.transform, end)[0] for end in ends)
        elif p.kind != "corr":
            power = 2.0 if metric == "variance" else 1.0
            value[at] = np.exp(power * a)
            error[at] = power * value[at] * s
            with np.errstate(over="ignore"):  # an interval may be without end
                low[at], high[at] = (np.exp(power * end) for end in ends)
        elif metric == "sd":
            value[at] = np.tanh(a)
            error[at] = (1.0 - value[at] ** 2) * s
            low[at], high[at] = (np.tanh(end) for end in ends)
        else:
            value[at], error[at] = _covariance(k, p, parameters, index, alpha, vcov)
            low[at] = value[at] - z * error[at]
            high[at] = value[at] + z * error[at]
    return VarianceTable(metric, parameters, value, error, low, high)


def _back(transform: str, a: Array) -> tuple[Array, Array]:
    """A parameter from its metric of estimation, and the slope of this map."""
    if transform == "natural":
        return a, np.ones_like(a)
    if transform == "atanh":
        value = np.tanh(a)
        return value, 1.0 - value**2
    if transform == "log":
        value = np.exp(a)
        return value, value
    value = expit(a)
    return value, value * (1.0 - value)


def _covariance(
    k: int,
    parameter: VarianceParameter,
    parameters: tuple[VarianceParameter, ...],
    index: dict,
    alpha: Array,
    vcov: Array,
) -> tuple[Array, Array]:
    """A covariance and its standard error from alpha by the delta method."""
    ends = [sd_of(parameter, effect, parameters) for effect in parameter.effects[:2]]
    i, j = ends[0], ends[-1]
    r = np.tanh(alpha[..., k])
    with np.errstate(invalid="ignore"):
        size = np.exp(alpha[..., i] + alpha[..., j])
        value = r * size
    slope = np.zeros(alpha.shape)  # over size, whose square may leave the range
    slope[..., i] += r
    slope[..., j] += r
    slope[..., k] = 1.0 - r**2
    used = np.unique([i, j, k])
    part = slope[..., None, used]
    with np.errstate(invalid="ignore"):
        inner = vcov[..., used[:, None], used]
        variance = (part @ inner @ part.swapaxes(-1, -2))[..., 0, 0]
        error = size * np.sqrt(variance)
    known = np.isfinite(value)
    return np.where(known, value, 0.0), np.where(known, error, np.nan)


def sd_of(
    parameter: VarianceParameter, effect: str, parameters: tuple[VarianceParameter, ...]
) -> int:
    for k, p in enumerate(parameters):
        if (
            p.kind == "sd"
            and (p.equation, p.category) == (parameter.equation, parameter.category)
            and effect in p.effects
        ):
            return k
    raise AssertionError("every effect has a variance")
