"""Refits of many replicates at once.

Parameters of the random effects are matrix square roots, as in a single fit; the
search starts where the data's own fit ended.  What the search does not certify is
left to a fit of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..covariance import PARAMETERIZATIONS, Structure
from ..design._compile import Compiled
from ..fitted._fitted import FittedModel
from ..likelihood import (
    Block,
    LevelResponses,
    ManyPieces,
    NestedObjective,
    Pool,
    Redrawn,
    Replicates,
    Reweighted,
    Tree,
    VarianceModel,
    build_tree,
    equation_blocks,
)
from ..optimization import certify, newton, newton_many

__all__ = ["AnyReplicates", "Batch", "BatchOptimum", "why_not"]

Array = np.ndarray
#: replicates on a tree of levels, or responses on one level
AnyReplicates = LevelResponses | Replicates

#: numbers in the lowest floor of the replicates that are solved together
CHUNK = 1 << 17
#: numbers in one tree above which its replicates are searched one after another
LARGE = 1 << 12
#: an eigenvalue of D below this share of the largest, or this size, counts as zero
NULL_SHARE, NULL_SIZE = 1e-9, 1e-10
#: curvature per observation below which a direction is flat
FLAT = 1e-7
#: share of a column of X that is left, below which it may be collinear
COLLINEAR = 1e-10
LOG_2PI = math.log(2.0 * math.pi)


def why_not(compiled: Compiled, fitted: FittedModel) -> str:
    """Why replicates of this design have to be fitted one by one; empty if not."""
    design = compiled.design
    if "replicates" in fitted.posterior.refusals:
        return fitted.posterior.refusals["replicates"]
    if not design.equations:
        return "no random effects"
    if design.precision is not None or design.offset is not None:
        return "precision weights or an offset"
    if not fitted.results.converged or not fitted.sigma2 > 0:
        return "no converged fit to start from"
    return ""


@dataclass(frozen=True, eq=False)
class BatchOptimum:
    """Where the searches of several replicates ended.

    Parameters
    ----------
    D_blocks : list of ndarray of shape (q, q, B)
        Sigma / sigma^2 of each equation in its scaled columns; what is as good as zero
        is zero.
    pieces : ManyPieces
    nn : ndarray of shape (B,)
        Observations, under REML less the columns of X.
    certain, singular : ndarray of bool, shape (B,)
        Whether the optimum is certified, and whether some D is singular there.
    n_iter : ndarray of int, shape (B,)
    value : ndarray of shape (B,)
        -2 log likelihood up to a constant of the design.
    """

    D_blocks: list[Array]
    pieces: ManyPieces
    nn: Array
    certain: Array
    singular: Array
    n_iter: Array
    value: Array


@dataclass(frozen=True, eq=False)
class Batch:
    """One design, ready to be fitted to any number of replicates.

    Parameters
    ----------
    compiled : Compiled
    pool : Pool
    tree : Tree
    model : VarianceModel
    reml : bool
    starts : tuple of ndarray of shape (m,)
        gamma to start from; two where the likelihood may have two maxima.
    """

    compiled: Compiled
    pool: Pool
    tree: Tree
    model: VarianceModel
    reml: bool
    starts: tuple[Array, ...]

    @classmethod
    def of(cls, compiled: Compiled, fitted: FittedModel) -> Batch:
        """From a design and its fit."""
        design, pool = compiled.design, fitted.pool
        tree = build_tree(design, pool)
        blocks = equation_blocks(design, pool, tree)
        model = VarianceModel(blocks, tree.depth, PARAMETERIZATIONS["matsqrt"])
        D_blocks = []
        for block, equation in zip(blocks, fitted.equations, strict=True):
            back = np.linalg.inv(block.metric)
            D = back @ equation.Sigma @ back.T / fitted.sigma2
            # a zero variance is stationary: start beside it
            values = np.linalg.eigvalsh(D)
            if values[0] <= max(1e-6 * values[-1], NULL_SIZE):
                D = D + 0.1 * max(values.mean(), 0.1) * np.eye(len(D))
            D_blocks.append(D)
        starts = [model.join(D_blocks)]
        if any(ambiguous(block) for block in blocks):
            q = [b.structure.q for b in blocks]
            usual = [np.eye(k) / (k * len(blocks)) for k in q]
            starts.append(model.join(usual))
        return cls(compiled, pool, tree, model, fitted.reml, tuple(starts))

    @property
    def many_maxima(self) -> bool:
        """Whether a single fit would look for several maxima on a grid of scales."""
        shared = [
            b for b in self.model.blocks if b.structure.n_variances < b.structure.q
        ]
        sizes = [np.sqrt((b.Lambda**2).sum(axis=0)) for b in shared]
        return any(size.max() >= 5.0 * size.min() for size in sizes)

    def reweighted(self) -> Reweighted:
        """Maker of replicates by counts of top-level groups."""
        return Reweighted.of(self.tree, self.compiled.design, self.pool)

    def redrawn(self) -> Redrawn:
        """Maker of replicates by responses."""
        return Redrawn.of(self.tree, self.compiled.design, self.pool)

    @property
    def chunk(self) -> int:
        """How many replicates are solved together."""
        floors = self.tree.shards[0].floors
        size = sum(f.block.size for f in floors) + self.compiled.design.n_rows
        return max(8, min(1000, CHUNK // size))

    def fit(self, data: Replicates, metric: str) -> tuple[Array, Array]:
        """Estimates of every replicate.

        Parameters
        ----------
        data : Replicates
        metric : {"sd", "variance"}

        Returns
        -------
        theta : ndarray of shape (B, k)
            Coefficients, the constant last, then the variance parameters in the
            order of the results.
        certain : ndarray of bool, shape (B,)
            Whether the optimum is certified.
        """
        theta, _, certain = self._search(data, metric)
        return theta, certain

    def deviances(self, data: Replicates) -> tuple[Array, Array]:
        """-2 log likelihood of every replicate up to a constant, and what is certified.

        The constant is the same for all responses of a design.
        """
        _, value, certain = self._search(data, "sd")
        return value, certain

    def _search(self, data: Replicates, metric: str) -> tuple[Array, Array, Array]:
        """Estimates, deviances and what is certified."""
        size = sum(f.block.shape[0] * f.block[0, ..., 0].size for f in data.floors)
        if size > LARGE:  # arithmetic costs more than the calls for it
            return self._one_by_one(data, metric)
        at = self.search(data)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            theta = self._theta(
                at.pieces.beta, at.pieces.c / at.nn, at.D_blocks, metric
            )
        certain = at.certain & (np.isfinite(theta).all(axis=1) | at.singular)
        return theta, at.value, certain

    def search(
        self,
        data: AnyReplicates,
        *,
        starts: Sequence[Array] = (),
        tol: float = 1e-10,
        max_iter: int = 50,
    ) -> BatchOptimum:
        """The optimum of every replicate, with what certifies it.

        Parameters
        ----------
        data : Replicates or LevelResponses
        starts : sequence of ndarray of shape (m, B)
            gamma of each replicate to start from, besides the batch's own.
        """
        model, B = self.model, len(data)
        nn = data.n - data.p if self.reml else data.n

        def evaluate(which: Array, gamma: Array) -> tuple[Array, Array, Array]:
            part = data if len(which) == B else data.take(which)
            return self._evaluate(part, nn[which], gamma)

        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            found, *others = (
                newton_many(
                    evaluate,
                    self._scale,
                    gamma,
                    nn,
                    tol=tol,
                    max_iter=max_iter,
                )
                for gamma in [
                    *(np.repeat(g[:, None], B, axis=1) for g in self.starts),
                    *starts,
                ]
            )
            for other in others:
                found = found.better(other)
            D_blocks = [self._split(b, found.gamma[s]) for b, s in self._parts()]
            at = data.pieces(self.floors(D_blocks), reml=self.reml)
            share = nn / at.c
            certain = found.converged & np.isfinite(found.value) & (at.c > 0)
            certain &= at.pivot > COLLINEAR
            singular = np.zeros(B, dtype=bool)
            for k, block in enumerate(model.blocks):
                W = share * at.c_D[block.floor] + at.l_D[block.floor]
                zero, falls, D_blocks[k] = _boundary(block, D_blocks[k], W, nn)
                singular |= zero
                certain &= ~falls
            certain &= singular | (found.smallest > FLAT)
        return BatchOptimum(
            D_blocks, at, nn, certain, singular, found.n_iter, found.value
        )

    def values(self, data: AnyReplicates, D_blocks: list[Array]) -> Array:
        """-2 log likelihood of every replicate, up to a constant, at the same D_b."""
        B = len(data)
        nn = data.n - data.p if self.reml else data.n
        at = data.pieces(
            self.floors([np.repeat(D[..., None], B, axis=2) for D in D_blocks]),
            reml=self.reml,
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return nn * np.log(at.c) + at.l

    def _one_by_one(self, data: Replicates, metric: str) -> tuple[Array, Array, Array]:
        """The same with the engine of a single fit, from the trees that are there."""
        model, theta, value, certain = self.model, [], [], []
        for b in range(len(data)):
            objective = NestedObjective(
                data.tree(b), model, reml=self.reml, log_det_basis=0.0
            )
            found = min(
                (newton(objective, gamma, max_iter=50) for gamma in self.starts),
                key=lambda optimum: optimum.value,
            )
            D_blocks = model.split(found.gamma)
            at = objective.last(found.gamma) or objective.pieces(D_blocks)
            certificate = certify(objective, found, 1e-10)
            if certificate.boundary:
                D_blocks = objective.on_boundary(D_blocks)
            size = np.diagonal(at.S)[: data.p]
            pivot = np.diagonal(np.linalg.inv(at.root.F)) ** 2 / size
            certain.append(
                certificate.converged and at.c > 0 and pivot.min(initial=1) > COLLINEAR
            )
            row = self._theta(
                at.root.beta[:, None],
                np.array([at.c / objective.nn]),
                [D[:, :, None] for D in D_blocks],
                metric,
            )
            theta.append(row[0])
            value.append(found.value)
        return np.array(theta), np.array(value), np.array(certain, dtype=bool)

    def _parts(self) -> list[tuple[Block, slice]]:
        return list(zip(self.model.blocks, self.model.slices, strict=True))

    @staticmethod
    def _spread(structure: Structure, gamma: Array) -> Array:
        return np.tensordot(structure.basis, gamma, axes=([0], [0]))

    def _split(self, block: Block, gamma: Array) -> Array:
        """D_b = S S of every replicate, (q, q, B)."""
        S = self._spread(block.structure, gamma)
        return np.einsum("acB,cbB->abB", S, S)

    def floors(self, D_blocks: list[Array]) -> list[Array]:
        """D of each floor, (q, q, B), from those of the equations."""
        floors = self.tree.shards[0].floors
        B = D_blocks[0].shape[-1]
        D = [np.zeros((f.q, f.q, B)) for f in floors]
        for block, D_b in zip(self.model.blocks, D_blocks, strict=True):
            D[block.floor] += sandwich(block.Lambda, D_b)
        return D

    def _scale(self, gamma: Array) -> Array:
        unit = np.ones_like(gamma)
        for block, s in self._parts():
            S = self._spread(block.structure, gamma[s])
            size = np.sqrt(np.maximum(1.0, np.abs(np.einsum("aaB->aB", S))))
            unit[s] = [size[i] * size[j] for i, j in block.structure.places]
        return unit

    def _evaluate(
        self, data: AnyReplicates, nn: Array, gamma: Array
    ) -> tuple[Array, Array, Array]:
        """-2 L (up to a constant of the basis), gradients and Hessians."""
        m, B = gamma.shape
        D_blocks, firsts, directions = [], [], []
        for block, s in self._parts():
            S = self._spread(block.structure, gamma[s])
            D_blocks.append(np.einsum("acB,cbB->abB", S, S))
            half = np.tensordot(block.structure.basis, S, axes=([2], [0]))
            first = half + half.swapaxes(1, 2)  # (m_b, q, q, B)
            firsts.append(first)
            directions += [(block.floor, sandwich(block.Lambda, M)) for M in first]
        at = data.pieces(self.floors(D_blocks), reml=self.reml, directions=directions)
        assert at.c_2 is not None
        assert at.l_2 is not None
        f = nn * (LOG_2PI + 1.0 - np.log(nn)) + nn * np.log(at.c) + at.l
        share = nn / at.c
        c_1, l_1 = np.empty((m, B)), np.empty((m, B))
        bend = np.zeros((m, m, B))
        for (block, s), first in zip(self._parts(), firsts, strict=True):
            c_b = sandwich(block.Lambda.T, at.c_D[block.floor])
            l_b = sandwich(block.Lambda.T, at.l_D[block.floor])
            c_1[s] = np.einsum("nabB,abB->nB", first, c_b)
            l_1[s] = np.einsum("nabB,abB->nB", first, l_b)
            basis = block.structure.basis
            W = share * c_b + l_b
            pairs = np.einsum("ibc,jca->ijab", basis, basis)
            bend[s, s] = 2.0 * np.tensordot(pairs, W, axes=([3, 2], [0, 1]))
        slope = c_1 / at.c  # first, for responses of any size
        H = share * at.c_2 - nn * slope[:, None] * slope[None] + at.l_2 + bend
        return f, share * c_1 + l_1, H

    def _theta(
        self, beta: Array, sigma2: Array, D_blocks: list[Array], metric: str
    ) -> Array:
        compiled, pool = self.compiled, self.pool
        a = int(compiled.design.intercept)
        kept = pool.beta_0[:, None] + np.linalg.solve(pool.R, beta)
        coef = np.zeros((len(compiled.fixed_names), beta.shape[1]))
        coef[compiled.kept] = kept[a:]
        parts = [coef, kept[:a]]
        for (block, _), D in zip(self._parts(), D_blocks, strict=True):
            Sigma = sigma2 * sandwich(block.metric, D)
            parts.append(_parameters(block.structure, Sigma, metric))
        parts.append((np.sqrt(sigma2) if metric == "sd" else sigma2)[None])
        return np.concatenate(parts).T


def ambiguous(block: Block) -> bool:
    """Whether several effects without a free correlation can stand for one another."""
    return block.structure.q > 1 and block.structure.name != "unstructured"


def sandwich(L: Array, D: Array) -> Array:
    """L D L' of every replicate."""
    return np.einsum("acB,bc->abB", np.tensordot(L, D, axes=1), L)


def _parameters(structure: Structure, Sigma: Array, metric: str) -> Array:
    """Variances and covariances, or standard deviations and correlations."""
    out = np.array([Sigma[i, j] for i, j in structure.places])
    if metric == "variance":
        return out
    sd = np.sqrt(np.einsum("aaB->aB", Sigma).clip(0.0))
    for k, (i, j) in enumerate(structure.places):
        if i == j:
            out[k] = sd[i]
        else:
            scale = sd[i] * sd[j]
            r = np.divide(
                out[k], scale, out=np.full_like(scale, np.nan), where=scale > 0
            )
            out[k] = r.clip(-1.0, 1.0)
    return out


def _boundary(
    block: Block, D: Array, W: Array, nn: Array
) -> tuple[Array, Array, Array]:
    """Whether an equation is at a zero variance, and whether -2 L falls beyond it.

    The third result is D with what is as good as zero set to zero.
    """
    structure = block.structure
    values, vectors = np.linalg.eigh(D.transpose(2, 0, 1))
    null = values <= np.maximum(NULL_SHARE * values[:, -1:], NULL_SIZE)
    zero = np.asarray(null.any(axis=1))
    falls = np.zeros(len(values), dtype=bool)
    if zero.any():
        at = np.flatnonzero(zero)
        slopes = _patterned(structure, sandwich(block.Lambda.T, W[:, :, at]))
        V = vectors[at] * null[at][:, None, :]
        flat = np.einsum("Bai,abB,Bbj->Bij", V, slopes, V)
        falls[at] = np.linalg.eigvalsh(flat)[:, 0] < -1e-7 * np.sqrt(nn[at])
        kept = np.where(null[at], 0.0, values[at])
        clipped = np.einsum("Bai,Bi,Bbi->abB", vectors[at], kept, vectors[at])
        D = D.copy()
        D[:, :, at] = _patterned(structure, clipped)
    return zero, falls, D


def _patterned(structure: Structure, matrices: Array) -> Array:
    """Averages over equal elements, (q, q, B)."""
    flat = matrices.reshape(-1, matrices.shape[-1])
    return np.tensordot(structure.basis, structure.averages @ flat, axes=([0], [0]))
