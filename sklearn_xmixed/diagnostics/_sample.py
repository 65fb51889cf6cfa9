"""The training data laid over a fitted model once more.

A fitted model keeps no rows.  What asks about rows is given them again, and they are
checked to be those of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..design._compile import Compiled, compile_design
from ..design._labels import Source
from ..design._levels import path_frame
from ..fitted._fitted import FittedModel
from ..likelihood import CrossedPosterior, Rows, Tree
from ..likelihood._stream import row_blocks
from ._crossed import CrossedSample
from ._path import Node, cross_products, grow

__all__ = ["Sample", "sample_of"]

Array = np.ndarray

#: columns of an identity matrix that are solved for at once
WIDTH = 32


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows in the columns [z of each floor, X F, y - X beta], F F' = (X'V^-1X)^-1.

    Rows are in the order of the groups; ``order`` leads back.

    Parameters
    ----------
    fitted : FittedModel
    compiled : Compiled
    place : ndarray of int, shape (n,)
        Number of each row in the design.
    order : ndarray of int, shape (n,)
        Number of each row among those that the user passed.
    n_passed : int
        How many these are.
    W : ndarray of shape (n, r)
    codes : tuple of ndarray of int, shape (n,)
        Group of each row at every level asked for, top level first.
    """

    fitted: FittedModel
    compiled: Compiled
    place: Array
    order: Array
    n_passed: int
    W: Array
    codes: tuple[Array, ...]
    rows: Rows | None
    moved_psi: Array | None = None

    @classmethod
    def of(cls, fitted: FittedModel, compiled: Compiled, source: Source) -> Sample:
        """Lay the rows over the model; not yet checked to be those of the fit."""
        design, pool = compiled.design, fitted.pool
        rows = None
        if design.residual is not None:
            rows = Rows.of(design, pool)
            W = rows.W
        else:
            W = np.concatenate([W for _, _, W, _ in row_blocks(design, pool)])
        order = np.arange(len(W)) if design.order is None else design.order
        root = fitted.posterior.pieces.root
        top = W[:, -pool.p - 1 :]
        W = np.column_stack(
            [W[:, b.members] for b in pool.levels]
            + [top[:, :-1] @ root.F, top @ root.v]
        )
        n_passed = len(order) + compiled.n_dropped
        given = np.delete(np.arange(n_passed), compiled.dropped)[order]
        codes = _codes(compiled, source, given)
        if codes and (np.diff(codes[-1]) < 0).any():  # a lowest level without effects
            again = np.argsort(codes[-1], kind="stable")
            W, order, given = W[again], order[again], given[again]
            codes = tuple(c[again] for c in codes)
        return cls(fitted, compiled, order, given, n_passed, W, codes, rows)

    # -- the fit in these columns -------------------------------------------------

    @property
    def p(self) -> int:
        """Number of fixed effects that are estimated."""
        return self.fitted.pool.p

    @property
    def c(self) -> float:
        """Residual sum of squares in the metric of V."""
        return float(self.fitted.posterior.pieces.root.c)

    @property
    def n(self) -> float:
        """Number of observations (sum of weights)."""
        return float(self.fitted.posterior.tree.n)

    @cached_property
    def whitened(self) -> Array:
        """Lambda^-1/2 W, times the square roots of the rows' weights."""
        W = self.W
        if self.rows is not None:
            W, _ = self.rows.residual.whiten(self.psi, W)
        w = self._row_weights
        return W if w is None else W * np.sqrt(w)[:, None]

    @property
    def psi(self) -> Array:
        """Parameters of the residuals' structure."""
        if self.moved_psi is not None:
            return self.moved_psi
        assert self.fitted.errors is not None
        return self.fitted.errors.psi

    def at(self, psi: Array) -> Sample:
        """The same rows with other residual parameters, maybe complex."""
        return replace(self, moved_psi=psi)

    @cached_property
    def tree(self) -> Tree:
        """Cross-products of the groups in the pool's columns."""
        if self.moved_psi is None:
            tree = self.fitted.posterior.tree
            assert isinstance(tree, Tree)
            return tree
        assert self.rows is not None
        return self.rows.tree(self.moved_psi)[0]

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
        if self.rows is None or self.rows.residual.parts[0].structure.n_shape == 0:
            precision = np.ones(len(self.W))
            if self.rows is not None:
                precision = self.rows.residual.solve(self.psi, precision[:, None])[:, 0]
            if self._row_weights is not None:
                precision = precision * self._row_weights
            return self.whitened, precision
        model, within = self.rows.residual, self.compiled.design.residual
        assert within is not None
        codes = within.codes[self.place]
        first = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        sizes = np.diff(np.append(first, len(codes)))
        place = np.arange(len(codes)) - np.repeat(first, sizes)
        precision = np.empty(len(codes))
        for start in range(0, int(sizes.max()), WIDTH):
            mine = np.flatnonzero((place >= start) & (place < start + WIDTH))
            unit = np.zeros((len(codes), min(WIDTH, int(sizes.max()) - start)))
            unit[mine, place[mine] - start] = 1.0
            solved = model.solve(self.psi, unit)
            precision[mine] = solved[mine, place[mine] - start]
        factors = model.solve(self.psi, self.W) / np.sqrt(precision)[:, None]
        return factors, precision

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
        posterior = self.fitted.posterior
        ends = np.cumsum([0, *(d.shape[0] for d in posterior.D)])
        Z = [self.W[:, a:b] for a, b in pairwise(ends)]
        return r - posterior.linear(self.floor_codes, Z)

    # -- names --------------------------------------------------------------------

    @property
    def level_names(self) -> list[str]:
        """All levels asked for, top level first."""
        return [e.group for e in self.compiled.encoders]

    def labels(self, number: int) -> pd.Index:
        """Paths of labels of a level's groups."""
        return path_frame(self.compiled.encoders, number)


def sample_of(
    estimator: Any, X: Any, y: Any, sample_weight: Any, groups: Any
) -> Sample | CrossedSample:
    """Lay the training data over a fitted estimator.

    Raises
    ------
    ValueError
        If they are not those of the fit.
    """
    fitted: FittedModel = estimator._fitted
    if not fitted.sigma2 > 0:
        raise ValueError(
            "Influence needs a positive residual variance; this fit leaves none."
        )
    X, y, sample_weight, groups = estimator._as_compiled(X, y, sample_weight, groups)
    compiled = compile_design(clone(estimator), X, y, sample_weight, groups)
    crossed = isinstance(fitted.posterior, CrossedPosterior)
    same = (
        compiled.fixed_names == fitted.fixed_names
        and bool((compiled.kept == fitted.kept).all())
        and compiled.level_numbers == fitted.level_numbers
        and bool(compiled.design.terms) == crossed
    )
    if not same:
        raise ValueError(_NOT_THE_SAME)
    kind = CrossedSample if crossed else Sample
    sample = kind.of(fitted, compiled, Source.of(X, groups))
    root = fitted.posterior.pieces.root
    scale = np.sqrt(np.append(np.ones(sample.p), root.c))
    S = sample.total / np.outer(scale, scale)
    if not np.allclose(S, np.eye(len(S)), atol=1e-5):
        raise ValueError(_NOT_THE_SAME)
    return sample


_NOT_THE_SAME = (
    "X, y (and sample_weight, groups) are not the data that the model was fitted to. "
    "Pass exactly what was passed to fit; a fitted model keeps no rows."
)


def _codes(compiled: Compiled, source: Source, rows: Array) -> tuple[Array, ...]:
    names = [e.group for e in compiled.encoders]
    labels = source.levels([g for g in names if g != "_all"])
    out = []
    parents = np.zeros(len(rows), dtype=np.intp)
    for encoder in compiled.encoders:
        values = labels.get(encoder.group)
        own = None if values is None else np.asarray(values)[rows]
        parents = encoder.transform(own, parents)
        out.append(parents)
    return tuple(out)
