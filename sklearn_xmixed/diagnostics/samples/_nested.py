"""Rows of a nested model with independent residuals, and the tree over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np
import pandas as pd

from ...design._compile import Compiled
from ...design._labels import Source
from ...design._levels import path_frame
from ...fitted._fitted import FittedModel
from ...likelihood import NestedPosterior, Tree
from ...likelihood._stream import row_blocks
from ._path import Node, cross_products, grow
from ._sample import Sample, group_codes

__all__ = ["NestedRows"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class NestedRows(Sample):
    """Rows in the columns [z of each floor, X F, y - X beta], F F' = (X'V^-1X)^-1.

    Rows are in the order of the groups; ``order`` leads back.

    Parameters
    ----------
    fitted : FittedModel
    compiled : Compiled
    place : ndarray of int, shape (n,)
        Number of each row in the design.
    order, n_passed, W, codes
        As of ``Sample``.
    """

    fitted: FittedModel
    compiled: Compiled
    place: Array
    order: Array
    n_passed: int
    W: Array
    codes: tuple[Array, ...]

    @classmethod
    def of(cls, fitted: FittedModel, compiled: Compiled, source: Source) -> NestedRows:
        """Lay the rows over the model; not yet checked to be those of the fit."""
        design, pool = compiled.design, fitted.pool
        W = np.concatenate([W for _, _, W, _ in row_blocks(design, pool)])
        return cls(fitted, compiled, *cls._laid(fitted, compiled, source, W))

    @staticmethod
    def _laid(
        fitted: FittedModel, compiled: Compiled, source: Source, W: Array
    ) -> tuple[Array, Array, int, Array, tuple[Array, ...]]:
        """place, order, n_passed, W and codes from rows in the pool's columns."""
        design, pool = compiled.design, fitted.pool
        place = np.arange(len(W)) if design.order is None else design.order
        root = fitted.posterior.pieces.root
        top = W[:, -pool.p - 1 :]
        W = np.column_stack(
            [W[:, b.members] for b in pool.levels]
            + [top[:, :-1] @ root.F, top @ root.v]
        )
        n_passed = len(place) + compiled.n_dropped
        given = np.delete(np.arange(n_passed), compiled.dropped)[place]
        codes = group_codes(compiled, source, given)
        if codes and (np.diff(codes[-1]) < 0).any():  # a lowest level without effects
            again = np.argsort(codes[-1], kind="stable")
            W, place, given = W[again], place[again], given[again]
            codes = tuple(c[again] for c in codes)
        return place, given, n_passed, W, codes

    # -- the fit in these columns -------------------------------------------------

    @property
    def posterior(self) -> NestedPosterior:
        """Random effects given the data."""
        return cast(NestedPosterior, self.fitted.posterior)

    @cached_property
    def whitened(self) -> Array:
        """Rows times the square roots of their weights."""
        return self._weighted(self.W)

    def _weighted(self, W: Array) -> Array:
        w = self._row_weights
        return W if w is None else W * np.sqrt(w)[:, None]

    @property
    def psi(self) -> Array:
        """Parameters of the residuals' structure."""
        return self.fitted.errors.psi

    def at(self, psi: Array) -> NestedRows:
        """The same rows with other residual parameters, maybe complex."""
        return self

    def log_det_slopes(self, psi: Array, owner: Array) -> Array:
        """Gradient of log|Lambda| in psi, apart for each owner of groups."""
        return np.zeros((int(owner.max()) + 1, len(psi)))

    @cached_property
    def tree(self) -> Tree:
        """Cross-products of the groups in the pool's columns."""
        return self.fitted.posterior.tree

    @property
    def _row_weights(self) -> Array | None:
        design = self.compiled.design
        if design.weights is None:
            return None
        return design.weights[self.place]

    @cached_property
    def total_weights(self) -> Array:
        """Product of the weights of each row and its groups."""
        out = np.ones(len(self.W))
        if self._row_weights is not None:
            out = out * self._row_weights
        for level in self.compiled.design.levels:
            if level.weights is not None:
                out = out * level.weights[level.codes[self.place]]
        return out

    @cached_property
    def row_factors(self) -> tuple[Array, Array]:
        """What each row hands up, (n, r), and 1 / Var of it given its group's others.

        Taking a row from a group takes (Lambda^-1 W)_i (Lambda^-1 W)_i' /
        (Lambda^-1)_ii from the group's cross-products.
        """
        w = self._row_weights
        precision = np.ones(len(self.W)) if w is None else w.astype(float)
        return self.whitened, precision

    # -- the tree -----------------------------------------------------------------

    @cached_property
    def floor_codes(self) -> list[Array]:
        """Group of each row per floor, lowest first."""
        return [x.codes[self.place] for x in self.compiled.design.levels[::-1]]

    @cached_property
    def parents(self) -> list[Array]:
        """Node above of every node, per floor, lowest first."""
        return [np.asarray(x.parents) for x in self.compiled.design.levels[::-1]]

    @cached_property
    def lowest(self) -> Array:
        """Cross-products of the lowest groups, (r, r, G)."""
        codes = self.floor_codes[0]
        first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        return cross_products(self.whitened, first)

    def grow(self, D: Sequence[Array]) -> list[Node]:
        """Nodes of all floors at some D, lowest first."""
        if not self.floor_codes:
            return []
        shares = [x.weights for x in self.compiled.design.levels[::-1]]
        return grow(self.lowest, D, self.parents, shares)

    @cached_property
    def nodes(self) -> list[Node]:
        """The same at the fit."""
        return self.grow(self.fitted.posterior.D)

    @property
    def total(self) -> Array:
        """Cross-products of [X F, r] with all random effects eliminated."""
        if not self.floor_codes:
            return self.whitened.T @ self.whitened
        return self.nodes[-1].given.sum(axis=-1)

    @property
    def conditional(self) -> Array:
        """Residuals with the random effects taken out."""
        r = self.W[:, -1]
        if not self.floor_codes:
            return r
        return r - self.fitted.posterior.linear(self.floor_codes, self._Z())

    # -- names --------------------------------------------------------------------

    @property
    def level_names(self) -> list[str]:
        """All levels asked for, top level first."""
        return [e.group for e in self.compiled.encoders]

    def labels(self, number: int) -> pd.Index:
        """Paths of labels of a level's groups."""
        return path_frame(self.compiled.encoders, number)

    # -- V ------------------------------------------------------------------------------

    def _Z(self) -> list[Array]:
        ends = np.cumsum([0, *(d.shape[0] for d in self.fitted.posterior.D)])
        return [self.W[:, a:b] for a, b in pairwise(ends)]

    def _error_variances(self) -> Array:
        return np.ones(len(self.W))

    def _error_covariances(self, i: Array, j: Array) -> Array:
        return np.zeros(len(i))

    def standard_deviations(self) -> Array:
        """Square roots of V_ii over sigma^2, row by row."""
        out = self._error_variances()
        for Z, D in zip(self._Z(), self.fitted.posterior.D, strict=True):
            out = out + np.einsum("na,ab,nb->n", Z, D, Z)
        return np.sqrt(out)

    def covariances(self, i: Array, j: Array) -> Array:
        """V_ij over sigma^2 of pairs of rows."""
        out = np.zeros(len(i))
        D = self.fitted.posterior.D
        for Z, d, code in zip(self._Z(), D, self.floor_codes, strict=True):
            same = code[i] == code[j]
            out += np.where(same, np.einsum("na,ab,nb->n", Z[i], d, Z[j]), 0.0)
        return out + self._error_covariances(i, j)
