"""New responses from a fitted model: y = X beta + Z u + e."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..design._compile import Compiled
from ..fitted._fitted import FittedModel

__all__ = ["Simulator"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class _Effects:
    """Random effects of one equation.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    Z : ndarray of shape (n, q)
    root : ndarray of shape (q, q)
        root root' = Sigma.
    blup : ndarray of shape (G, q)
    """

    codes: Array
    Z: Array
    root: Array
    blup: Array

    def of(self, u: Array) -> Array:
        """Z u, column by column."""
        out = np.zeros(len(self.codes))
        for z, values in zip(self.Z.T, u.T, strict=True):
            out += z * values[self.codes]
        return out

    def draw(self, rng: np.random.Generator) -> Array:
        return self.of(rng.standard_normal(self.blup.shape) @ self.root.T)

    def resample(self, rng: np.random.Generator) -> Array:
        at = rng.integers(len(self.blup), size=len(self.blup))
        return self.of(_reflated(self.blup, self.root)[at])


@dataclass(frozen=True, eq=False)
class Simulator:
    """A fitted model that can be drawn from.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        X beta.
    effects : tuple of _Effects
    sigma : float
    roots : tuple of (rows, root)
        Of structured residuals: rows (G, s) of the groups that have s rows, and
        Lambda^1/2, shape (G, s, s).
    residual : ndarray of shape (n,)
        y - X beta - Z u_hat, over ``size``.
    size : ndarray of shape (n,)
        Standard deviation of each row's error over that of weight 1.
    """

    mean: Array
    effects: tuple[_Effects, ...]
    sigma: float
    roots: tuple[tuple[Array, Array], ...]
    residual: Array
    size: Array

    @classmethod
    def of(cls, compiled: Compiled, fitted: FittedModel) -> Simulator:
        """From a design and its fit.

        Raises
        ------
        ValueError
            If rows or groups have weights.
        """
        design = compiled.design
        weighted = design.weights is not None or any(
            level.weights is not None for level in design.levels
        )
        if weighted:
            raise ValueError(
                "Responses of weighted rows or groups cannot be drawn from the model: a "
                "weight says how much a row counts, not what lies behind it (but for "
                "weight_type='precision'). Use kind='cluster'."
            )
        n = design.n_rows
        mean = design.X @ fitted.coef[fitted.kept] + fitted.intercept
        raw = np.column_stack([np.ones(n), design.X, design.extra])
        blups = fitted.random_effects()
        effects = []
        for equation, own in zip(design.equations, fitted.equations, strict=True):
            blup = blups[equation.name].to_numpy(float)
            if equation.positions:
                terms = [design.terms[t] for t in equation.terms]
                level = terms[0] if terms else design.levels[equation.level]
                Z = np.asfortranarray(raw[:, list(equation.positions)])
                effects.append(_Effects(level.codes, Z, _root(own.Sigma), blup))
                continue
            term = design.terms[equation.terms[0]]
            if equation.positions:  # slopes of the factor's levels
                Z = np.asfortranarray(raw[:, list(equation.positions)])
                effects.append(_Effects(term.codes, Z, _root(own.Sigma), blup))
                continue
            total = float(own.Sigma[0, 0])
            shared = float(own.Sigma[0, 1]) if len(equation.terms) > 1 else 0.0
            if len(equation.terms) > 1 and shared < 0:
                raise NotImplementedError(
                    "Drawing from a model with a negative covariance of the levels of a "
                    "factor is not available in this version."
                )
            one = np.ones((n, 1))
            alone = np.array([[np.sqrt(max(total - shared, 0.0))]])
            effects.append(_Effects(term.codes, one, alone, blup[: term.n_groups]))
            if len(equation.terms) > 1:
                common = design.terms[equation.terms[1]]
                zero = np.zeros((common.n_groups, 1))
                effects.append(
                    _Effects(common.codes, one, np.array([[np.sqrt(shared)]]), zero)
                )
        left = design.y - mean
        for e in effects:
            left = left - e.of(e.blup)
        roots = tuple(fitted.errors.roots(design.residual))
        size = np.ones(n)
        if design.precision is not None:
            size = 1.0 / np.sqrt(design.precision)
        if design.offset is not None:  # it was taken from y
            mean = mean + design.offset
        sigma = float(np.sqrt(fitted.sigma2))
        return cls(mean, tuple(effects), sigma, roots, left / size, size)

    def draw(self, rng: np.random.Generator) -> Array:
        """A response with normal random effects and residuals."""
        y = self.mean.copy()
        for e in self.effects:
            y += e.draw(rng)
        noise = self.sigma * rng.standard_normal(len(y))
        if not self.roots:
            return y + noise * self.size
        for rows, root in self.roots:
            y[rows] += np.einsum("gij,gj->gi", root, noise[rows]) * self.size[rows]
        return y

    def resample(self, rng: np.random.Generator) -> Array:
        """A response from predicted effects and residuals, drawn with replacement.

        Both are centred and given the covariance that the model estimates, since
        predicted effects vary less than the effects do (Carpenter, Goldstein and
        Rasbash 2003).
        """
        y = self.mean.copy()
        for e in self.effects:
            y += e.resample(rng)
        left = self.residual - self.residual.mean()
        spread = np.sqrt((left**2).mean())
        drawn = rng.choice(left * (self.sigma / spread), size=len(y))
        return y + drawn * self.size


def _root(Sigma: Array) -> Array:
    values, vectors = np.linalg.eigh(Sigma)
    return vectors * np.sqrt(values.clip(0.0))


def _reflated(blup: Array, root: Array) -> Array:
    """Effects with mean zero and covariance root root'."""
    centred = blup - blup.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    keep = values > 1e-10 * max(float(values[-1]), 1e-300)
    back = np.where(keep, 1.0 / np.sqrt(np.where(keep, values, 1.0)), 0.0)
    # symmetric roots, so that effects change as little as they can
    half = (vectors * back) @ vectors.T
    left, size, _ = np.linalg.svd(root)
    return centred @ half @ ((left * size) @ left.T)
