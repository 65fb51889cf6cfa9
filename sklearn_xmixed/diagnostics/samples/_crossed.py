"""Deletion where factors cross, and no unit stands below a single path.

With V^-1 = I - Z K Z' in rows times the square roots of their weights, taking the rows A
away takes

    (V^-1 W)_A' [(V^-1)_AA]^-1 (V^-1 W)_A

from the cross-products at the root (Eq. 10 of the diagnostics page).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from ...design._compile import Compiled
from ...design._factors import Factor, factor_index
from ...design._labels import Source
from ...design._levels import path_frame
from ...fitted._fitted import FittedModel
from ...likelihood import CrossedPosterior
from ...likelihood._eliminate import semidefinite_root
from ...likelihood._stream import row_blocks
from ._deletion import Deletion, at_root, joined
from ._sample import Sample, group_codes

__all__ = ["CrossedSample", "units"]

Array = np.ndarray

#: a unit of more rows needs too large a matrix
MAX_ROWS = 4000
#: numbers in one batch of units
BATCH = 1 << 23


@dataclass(frozen=True, eq=False)
class CrossedSample(Sample):
    """Rows of a model with crossed factors.

    Parameters
    ----------
    fitted : FittedModel
    compiled : Compiled
    order : ndarray of int, shape (n,)
        Number of each row among those that the user passed.
    n_passed : int
    W : ndarray of shape (n, p + 1)
        X F and y - X beta.
    Z : list of ndarray of shape (n, q)
    term_codes : list of ndarray of int
    weights : ndarray of shape (n,)
    codes : tuple of ndarray of int
        Levels, then factors.
    factors : tuple of Factor
    """

    fitted: FittedModel
    compiled: Compiled
    order: Array
    n_passed: int
    W: Array
    top: Array
    Z: list[Array]
    term_codes: list[Array]
    weights: Array
    codes: tuple[Array, ...]
    factors: tuple[Factor, ...]

    @classmethod
    def of(
        cls, fitted: FittedModel, compiled: Compiled, source: Source
    ) -> CrossedSample:
        """Lay the rows over the model; not yet checked to be those of the fit."""
        design, pool = compiled.design, fitted.pool
        W = np.concatenate([W for _, _, W, _ in row_blocks(design, pool)])
        place = np.arange(len(W)) if design.order is None else design.order
        order = np.delete(np.arange(len(W) + compiled.n_dropped), compiled.dropped)[
            place
        ]
        codes = group_codes(compiled, source, order)
        factors = tuple(f for f in compiled.factors if f is not None)
        of_factor = [
            f.encoder.transform(
                np.asarray(source.column(f.variable))[order], codes[f.owner]
            )
            for f in factors
        ]
        weights = np.ones(len(W))
        if design.weights is not None:
            weights = design.weights[place]
        root = fitted.posterior.pieces.root
        top = W[:, -pool.p - 1 :]
        return cls(
            fitted,
            compiled,
            order,
            len(W) + compiled.n_dropped,
            np.column_stack([top[:, :-1] @ root.F, top @ root.v]),
            top,
            pool.columns(W),
            [x.codes[place] for x in design.levels[::-1]]
            + [t.codes[place] for t in design.terms],
            weights,
            (*codes, *of_factor),
            factors,
        )

    @property
    def posterior(self) -> CrossedPosterior:
        """Random effects given the data."""
        return cast(CrossedPosterior, self.fitted.posterior)

    @property
    def total_weights(self) -> Array:
        """Weight of each row."""
        return self.weights

    @property
    def level_names(self) -> list[str]:
        """Levels, top level first, then variables of factors."""
        return [e.group for e in self.compiled.encoders] + [
            f.variable for f in self.factors
        ]

    def labels(self, number: int) -> pd.Index:
        """Paths of labels of a level's groups, or of a factor's levels."""
        encoders = self.compiled.encoders
        if number < len(encoders):
            return path_frame(encoders, number)
        return factor_index(encoders, self.factors[number - len(encoders)])

    @property
    def conditional(self) -> Array:
        """Residuals with the random effects taken out."""
        fitted = self.fitted
        return self.W[:, -1] - fitted.posterior.linear(self.term_codes, self.Z)

    @property
    def total(self) -> Array:
        """Cross-products of [X F, r] with all random effects eliminated."""
        p, out = self.p, np.zeros((self.p + 1, self.p + 1))
        for start in range(0, len(self.W), 2048):
            part = slice(start, start + 2048)
            led = self._led(np.arange(len(self.W))[part])
            out += (self.W[part] * self.weights[part, None]).T @ led[3]
        return out[: p + 1]

    def delete_rows(self) -> Deletion:
        """Each row taken away in its turn."""
        return _delete(self, np.arange(len(self.W)))

    def delete_groups(self, number: int) -> Deletion:
        """Each group of a level, or level of a factor, taken away in its turn."""
        return _delete(self, self.codes[number])

    def _led(self, rows: Array) -> tuple[Array, Array, Array, Array]:
        """Own, gain, left of rows, and what remains on [X F, r]."""
        posterior = self.posterior
        root = posterior.pieces.root
        led = posterior.lead(
            [c[rows] for c in self.term_codes],
            [z[rows] for z in self.Z],
            self.top[rows],
        )
        x = np.column_stack([led.x[:, :-1] @ root.F, led.x @ root.v])
        return led.own, led.gain, led.left, x


def units(sample: CrossedSample, codes: Array) -> Any:
    """Units by batches of equal size: (units, rows, L, Q^-1 of their rows).

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        Unit of each row.

    Yields
    ------
    units : ndarray of int, shape (u,)
    rows : ndarray of int, shape (u, s)
    L : ndarray of shape (s, p + 1, u)
        What each unit takes from the root, as a factor.
    root : ndarray of shape (u, s, s)
        Cholesky factors of (V^-1)_AA.

    Raises
    ------
    NotImplementedError
        On units of more than 4000 rows.
    """
    posterior = sample.posterior
    by = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.append(0, np.cumsum(sizes))
    if sizes.max(initial=0) > MAX_ROWS:
        raise NotImplementedError(
            f"The largest group has {int(sizes.max())} observations; with crossed factors "
            f"influence is there for groups of up to {MAX_ROWS}. Use refit()."
        )
    first = posterior.tree.first
    for s in np.unique(sizes[sizes > 0]):
        mine = np.flatnonzero(sizes == s)
        width = s * (s + posterior.tree.N + sample.p)
        step = max(1, int(BATCH // width))
        for start in range(0, len(mine), step):
            u = mine[start : start + step]
            rows = by[starts[u][:, None] + np.arange(s)]
            own, gain, left, x = sample._led(rows.ravel())
            weight = np.sqrt(sample.weights[rows])
            shape = (len(u), s, -1)
            over = posterior.sweep.times_K_rest(left.T).T.reshape(*shape)
            K = over @ left.reshape(*shape).transpose(0, 2, 1)
            group = sample.term_codes[first][rows]
            same = group[:, :, None] == group[:, None, :]
            K += same * (gain.reshape(*shape) @ own.reshape(*shape).transpose(0, 2, 1))
            Q = np.eye(s) - weight[:, :, None] * K * weight[:, None, :]
            root = np.linalg.cholesky(Q)
            w = x.reshape(*shape) * weight[:, :, None]
            L = np.linalg.solve(root, w)
            yield u, rows, L.transpose(1, 2, 0), root


def _delete(sample: CrossedSample, codes: Array) -> Deletion:
    """Units of any kind where factors cross."""
    n, m = len(sample.W), sample.p + 1
    residual, variance = np.empty(n), np.empty(n)
    parts, numbers = [], []
    for number, rows, L, root in units(sample, codes):
        w = root @ L.transpose(2, 0, 1)  # (V^-1 [X F, r])_A
        if len(L) > m:
            squares = np.einsum("sau,sbu->abu", L, L)
            L = semidefinite_root(squares, m)
        found = at_root(sample, L)
        delta = found["delta"].T
        left = w[:, :, -1] - np.einsum("usp,up->us", w[:, :, :-1], delta)
        Q = root @ root.transpose(0, 2, 1)
        weight = np.sqrt(sample.weights[rows])
        residual[rows] = np.linalg.solve(Q, left[:, :, None])[:, :, 0] / weight
        if rows.shape[1] == 1:
            with np.errstate(divide="ignore", invalid="ignore"):
                own = Q[:, 0, 0] * (1.0 - found["leverage"]) * weight[:, 0] ** 2
                own = np.where(np.isnan(found["c"]), np.nan, 1.0 / own)
            variance[rows[:, 0]] = own
        parts.append(found)
        numbers.append(number)
    out = joined(parts)
    back = np.argsort(np.concatenate(numbers), kind="stable")
    changed = {
        k: v[..., back] for k, v in out.__dict__.items() if not k.startswith("residual")
    }
    return Deletion(**changed, residual=residual, residual_variance=variance)
