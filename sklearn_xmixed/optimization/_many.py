"""Newton's method on many problems of one shape at once.

The same steps and safeguards as in ``_newton``, with an axis of problems last; one
that is done is left out of the evaluations that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._newton import FLAT, FLAT_SIZE, NOISE, POLISHED

__all__ = ["ManyOptima", "newton_many"]

Array = np.ndarray
#: values (B,), gradients (m, B) and Hessians (m, m, B) of some problems at their points
Evaluation = Callable[[Array, Array], tuple[Array, Array, Array]]


@dataclass(frozen=True, eq=False)
class ManyOptima:
    """Where each search ended.

    Parameters
    ----------
    gamma : ndarray of shape (m, B)
    value : ndarray of shape (B,)
    converged : ndarray of bool, shape (B,)
        Whether the Newton decrement is below the tolerance and the Hessian positive
        semidefinite.
    smallest : ndarray of shape (B,)
        Smallest eigenvalue of the Hessian in units of the parameters.
    n_iter : ndarray of int, shape (B,)
        Steps that were tried.
    """

    gamma: Array
    value: Array
    converged: Array
    smallest: Array
    n_iter: Array

    def better(self, other: ManyOptima) -> ManyOptima:
        """Problem by problem the lower of two searches, if that converged."""
        lower = other.value < self.value - 1e-9 * (1.0 + np.abs(self.value))
        take = other.converged & (lower | ~self.converged)
        return ManyOptima(
            np.where(take, other.gamma, self.gamma),
            np.where(take, other.value, self.value),
            np.where(take, other.converged, self.converged),
            np.where(take, other.smallest, self.smallest),
            np.where(take, other.n_iter, self.n_iter),
        )


def newton_many(
    evaluate: Evaluation,
    scale: Callable[[Array], Array],
    gamma: Array,
    size: Array,
    *,
    tol: float = 1e-10,
    max_iter: int = 50,
) -> ManyOptima:
    """Minimise B functions from the columns of ``gamma``.

    One loop, kept whole: all its parts share the points, their derivatives and radii.

    Parameters
    ----------
    evaluate : callable (numbers of the problems, their points) -> values, gradients, \
Hessians
    scale : callable (m, B) -> (m, B)
        Size of a noticeable change of each parameter.
    gamma : ndarray of shape (m, B)
    size : ndarray of shape (B,)
        Size of each problem; curvatures far below it are flat.
    tol, max_iter
        As for ``newton``.
    """
    gamma = np.array(gamma, dtype=float)
    B = gamma.shape[1]
    f, g, H = evaluate(np.arange(B), gamma)
    radius = np.maximum(1.0, np.sqrt((gamma**2).sum(axis=0)))
    converged, was_done = np.zeros(B, dtype=bool), np.zeros(B, dtype=bool)
    smallest = np.full(B, np.nan)
    failures, n_iter = np.zeros(B, dtype=int), np.zeros(B, dtype=int)
    active = np.flatnonzero(_finite(f, g, H))
    for number in range(max_iter + 1):
        if not len(active):
            break
        unit = scale(gamma[:, active])
        g_u = (g[:, active] * unit).T
        H_u = (H[:, :, active] * unit * unit[:, None]).transpose(2, 0, 1)
        values, vectors = _eigh(H_u)
        along = np.einsum("bij,bi->bj", vectors, g_u)
        top = np.abs(values).max(axis=1)
        flat = FLAT * top + FLAT_SIZE * size[active]
        curvature = np.maximum(np.abs(values), flat[:, None])
        decrement = (along**2 / curvature).sum(axis=1)
        convex = values[:, 0] > -1e-8 * top - 1e-12
        slack = 1.0 + np.abs(f[active]) / 1e4
        done = (decrement <= tol * slack) & convex
        settled = done & ((decrement <= POLISHED * slack) | was_done[active])
        # nothing within rounding is better
        stuck = (failures[active] > 8) | (radius[active] < 1e-13)
        converged[active] = done | (stuck & convex & (decrement <= 1e-6))
        smallest[active] = values[:, 0] / size[active]
        was_done[active] = done
        go = ~(settled | stuck)
        if number == max_iter or not go.any():
            break
        active, unit = active[go], unit[:, go]
        values, vectors, along, curvature, g_u, H_u = (
            a[go] for a in (values, vectors, along, curvature, g_u, H_u)
        )
        coefficients = _within_radius(along, curvature, radius[active])
        step = np.einsum("bij,bj->bi", vectors, coefficients)
        point = gamma[:, active] + unit * step.T
        new_f, new_g, new_H = evaluate(active, point)
        n_iter[active] += 1
        predicted = -(
            np.einsum("bi,bi->b", g_u, step)
            + 0.5 * np.einsum("bi,bij,bj->b", step, H_u, step)
        )
        noise = NOISE * (np.abs(f[active]) + 1.0)
        with np.errstate(invalid="ignore"):
            gained = f[active] - new_f
        good = (gained >= -noise) & _finite(new_f, new_g, new_H)
        length = np.sqrt((step**2).sum(axis=1))
        ratio = np.ones(len(active))
        np.divide(gained, predicted, out=ratio, where=predicted > noise)
        old = radius[active]
        shrunk = np.where(ratio < 0.25, np.maximum(0.5 * length, 1e-8), old)
        grown = (ratio > 0.75) & (length > 0.8 * old)
        radius[active] = np.where(
            good, np.where(grown, 3.0 * old, shrunk), 0.25 * length
        )
        failures[active] = np.where(good & (gained > noise), 0, failures[active] + 1)
        moved = active[good]
        gamma[:, moved], f[moved] = point[:, good], new_f[good]
        g[:, moved], H[:, :, moved] = new_g[:, good], new_H[:, :, good]
    return ManyOptima(gamma, f, converged, smallest, n_iter)


def _eigh(H: Array) -> tuple[Array, Array]:
    """Eigenvalues and vectors of every Hessian; of one parameter there is nothing to do."""
    if H.shape[1] == 1:
        return H[:, 0], np.ones_like(H)
    values, vectors = np.linalg.eigh(H)
    return values, vectors


def _finite(f: Array, g: Array, H: Array) -> Array:
    """Which problems have a value and derivatives."""
    known = np.isfinite(f) & np.isfinite(g).all(axis=0)
    return np.asarray(known & np.isfinite(H).all(axis=(0, 1)))


def _within_radius(along: Array, curvature: Array, radius: Array) -> Array:
    """Newton steps in the eigenvectors, no longer than the radius."""
    coefficients = -along / curvature
    long = np.sqrt((coefficients**2).sum(axis=1)) > radius
    if long.any():
        a, c, r = along[long], curvature[long], radius[long]
        low, high = np.zeros(len(r)), np.sqrt((a**2).sum(axis=1)) / r
        for _ in range(60):
            mu = 0.5 * (low + high)
            beyond = np.sqrt(((a / (c + mu[:, None])) ** 2).sum(axis=1)) > r
            low, high = np.where(beyond, mu, low), np.where(beyond, high, mu)
        coefficients[long] = -a / (c + high[:, None])
    return coefficients
