"""Newton's method with safeguards.

The step solves H s = -g, in units of the parameters, in the eigenvectors of H:
negative eigenvalues are turned positive and small ones raised; it is no longer than a
radius that grows and shrinks with the agreement of the function and its quadratic
model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._decompositions import eigen
from ._state import Array, Iteration, Optimum, Problem, Watcher

__all__ = ["newton", "newton_decrement"]

#: eigenvalues below this share of the largest are treated as flat
FLAT = 1e-10
#: and so are those below this share of the problem's size
FLAT_SIZE = 1e-10
#: decrement below which a further step changes nothing that anybody reads
POLISHED = 1e-13
#: a gain per iteration that leads nowhere, along a ridge
CREEP = 1e-7
#: rounding of a function value, relative to its size
NOISE = 4e-14


def newton(
    problem: Problem,
    gamma: Array,
    *,
    tol: float = 1e-10,
    max_iter: int = 100,
    watch: Watcher | None = None,
) -> Optimum:
    """Minimise from ``gamma``.

    One loop, kept whole: all its parts share the point, its derivatives and the radius.

    Parameters
    ----------
    problem : Problem
    gamma : ndarray of shape (m,)
    tol : float
        Converged when the Newton decrement g' H^-1 g is below
        ``tol * (1 + |f| / 1e4)``.
    max_iter : int
    watch : callable, optional
        Called with each ``Iteration`` and its point; True stops.
    """
    gamma = np.array(gamma, dtype=float)
    f, g, H = problem.hessian(gamma)
    log: list[Iteration] = []
    radius = max(1.0, float(np.sqrt(gamma @ gamma)))
    note, was_done, stalled = "", False, 0
    polished = getattr(problem, "polished", POLISHED)
    gains: list[float] = []
    for number in range(max_iter + 1):
        # steps and radius are in units in which the parameters are of order one
        unit = problem.scale(gamma)
        g_u, H_u = g * unit, H * (unit[:, None] * unit)
        step, decrement, convex = _step(g_u, H_u, radius, problem.nn)
        if not convex:  # the log likelihood is not concave
            note = "not concave"
        line = Iteration("gradient", number, f, decrement, note)
        log.append(line)
        tol_scale = 1.0 + abs(f) / 1e4
        limit = tol * tol_scale
        done = decrement <= limit and convex
        stop = watch is not None and watch(line, gamma)
        if stop:
            log[-1] = replace(line, note="stopped")
            return Optimum(gamma, f, g, H, decrement, bool(done), log)
        # quadratic convergence makes one more step worth its price
        exact = decrement <= polished * tol_scale or was_done
        was_done = done
        if (done and exact) or number == max_iter or not np.isfinite(f):
            return Optimum(gamma, f, g, H, decrement, bool(done), log)
        note = ""
        noise = NOISE * (abs(f) + 1.0)
        # most steps are taken as they are, so derivatives are computed with the value
        point = gamma + unit * step
        new = problem.hessian(point)
        for _ in range(40):
            predicted = -(g_u @ step + 0.5 * step @ H_u @ step)
            gained = f - new[0]
            if gained >= min(1e-4 * predicted, 0.0) - noise:
                break
            note = "backed up"
            length = float(np.sqrt(step @ step))
            radius = 0.25 * length
            if radius < 1e-13:
                break
            step, _, _ = _step(g_u, H_u, radius, problem.nn)
            point = gamma + unit * step
            new = (problem.value(point), g, H)
        else:
            gained = -np.inf
        gains.append(gained)
        stalled = stalled + 1 if _creeps(gains, noise, CREEP * tol_scale) else 0
        if not gained >= -noise or stalled > 5:  # nothing within rounding is better
            done = decrement <= 1e-6 and convex
            return Optimum(gamma, f, g, H, decrement, bool(done), log)
        ratio = gained / predicted if predicted > noise else 1.0
        length = float(np.sqrt(step @ step))
        if ratio > 0.75 and length > 0.8 * radius:
            radius *= 3.0
        elif ratio < 0.25:
            radius = max(0.5 * length, 1e-8)
        gamma = point
        f, g, H = new if new[2] is not H else problem.hessian(gamma)
    raise AssertionError("unreachable")


def _creeps(gains: list[float], noise: float, little: float) -> bool:
    """Whether the search gains next to nothing, and no less from step to step.

    On its way to a limit at infinity (a zero variance under a logarithm) each
    step gains less than the one before; along a ridge they stay the same.
    """
    if gains[-1] <= noise:
        return True
    if len(gains) < 4 or gains[-1] > little:
        return False
    return gains[-1] + gains[-2] > 0.5 * (gains[-3] + gains[-4])


def newton_decrement(g: Array, H: Array) -> float:
    """g' |H|^-1 g with flat directions left out."""
    if not len(g):
        return 0.0
    values, vectors = eigen(H)
    along = vectors.T @ g
    size = np.abs(values)
    steep = size > FLAT * size.max()
    return float((along[steep] ** 2 / size[steep]).sum())


def _step(g: Array, H: Array, radius: float, size: float) -> tuple[Array, float, bool]:
    """Step, decrement and whether the function is convex here."""
    if not len(g):
        return g, 0.0, True
    values, vectors = eigen(H)
    along = vectors.T @ g
    steepness = np.abs(values)
    top = steepness.max()
    curvature = np.maximum(steepness, FLAT * top + FLAT_SIZE * size)
    coefficients = -along / curvature
    decrement = -float(along @ coefficients)
    convex = bool(values[0] > -1e-8 * top - 1e-12)
    length = float(np.sqrt(coefficients @ coefficients))
    if length > radius:
        # the shift mu >= 0 at which |(|H| + mu)^-1 g| is the radius
        low, high = 0.0, float(np.sqrt(along @ along)) / radius
        for _ in range(60):
            mu = 0.5 * (low + high)
            size = np.sqrt(np.sum((along / (curvature + mu)) ** 2))
            low, high = (mu, high) if size > radius else (low, mu)
        coefficients = -along / (curvature + high)
    return vectors @ coefficients, decrement, convex
