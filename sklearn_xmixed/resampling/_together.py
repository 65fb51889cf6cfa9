"""Many responses on one design, fitted at once.

What X explains is taken away first and what is left has unit size, so that responses
of any mean and scale are searched alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..covariance import PARAMETERIZATIONS, Structure
from ..design._compile import Compiled
from ..fitted._fitted import FittedModel
from ..fitted._responses import ResponseEffects, ResponseEstimates
from ..fitted._saved import Order
from ..likelihood import (
    CrossedOptions,
    ManyPieces,
    Redrawn,
    Replicates,
    effects_many,
    evaluate_many,
    lay,
)
from ._batch import LOG_2PI, Batch, BatchOptimum, sandwich

__all__ = ["Solved", "Together"]

Array = np.ndarray

#: share of a response that X leaves, below which it is fitted alone
EXPLAINED = 1e-6
#: numbers that are held for the groups of a batch, lowest floor
CHUNK = 1 << 18
#: share of an eigenvalue of D below which its standard errors are left to a single fit
NEAR = 1e-6


@dataclass(frozen=True, eq=False)
class Solved:
    """Responses that were fitted together.

    Parameters
    ----------
    estimates : ResponseEstimates
    effects : ResponseEffects
    certain : ndarray of bool, shape (B,)
        Whether estimates and standard errors are certified; else they are left to a
        fit of their own.
    """

    estimates: ResponseEstimates
    effects: ResponseEffects
    certain: Array


@dataclass(frozen=True, eq=False)
class Together:
    """One design, ready to be fitted to any number of responses.

    Parameters
    ----------
    template : FittedModel
        A fit of one of them.
    batch : Batch
    maker : Redrawn
    constant : float
        What -2 L has beyond the sums over groups.
    std_errors : bool
    tol : float
    max_iter : int
    """

    template: FittedModel
    batch: Batch
    maker: Redrawn
    constant: float
    std_errors: bool
    tol: float
    max_iter: int

    @classmethod
    def of(
        cls,
        compiled: Compiled,
        template: FittedModel,
        *,
        std_errors: bool,
        tol: float,
        max_iter: int,
    ) -> Together | None:
        """From a design and a fit of it; None where responses have to be fitted alone."""
        design, reml = compiled.design, template.reml
        weighted = design.weights is not None or any(
            level.weights is not None for level in design.levels
        )
        if (
            weighted
            or not design.equations
            or template.posterior.refusals
            or not template.sigma2 > 0
        ):
            return None
        metric = PARAMETERIZATIONS["matsqrt"]
        kind = lay(design, metric, reml=reml, crossed=CrossedOptions())
        pool = replace(kind.pool, beta_0=np.zeros(kind.pool.p))
        model, objective = kind.model, kind.objective
        starts = tuple(objective.join(D_blocks) for D_blocks in objective.starts())
        batch = Batch(compiled, pool, kind.tree, model, reml, starts)
        if batch.many_maxima or len(kind.tree.shards) != 1:
            return None
        maker = Redrawn.of(kind.tree, design, pool).centred()
        return cls(
            template, batch, maker, objective.constant, std_errors, tol, max_iter
        )

    @property
    def chunk(self) -> int:
        """How many responses are solved together."""
        floors = self.batch.tree.shards[0].floors
        size = sum(f.block.size for f in floors) + self.batch.compiled.design.n_rows
        return max(8, min(2000, CHUNK // size))

    def solve(self, Y: Array) -> Solved:
        """Estimates, standard errors and effects of some responses.

        Parameters
        ----------
        Y : ndarray of shape (n, B)
            Rows in the order of the design.
        """
        left, slopes = self.maker.residual(Y)
        size = np.sqrt((left**2).mean(axis=0))
        whole = np.sqrt((Y**2).mean(axis=0))
        plain = (size > EXPLAINED * whole) & (size > 0)
        scale = np.where(plain, size, 1.0)
        left = left / scale
        batch = self.batch
        data = self.maker.replicates(left)
        found = self._search(data)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            directions = [
                (floor, np.broadcast_to(M[:, :, None], (*M.shape, len(scale))))
                for floor, M in (batch.model.elements() if self.std_errors else ())
            ]
            D = batch.floors(found.D_blocks)
            at = evaluate_many(data, D, reml=batch.reml, directions=directions)
            certain = found.certain & plain & np.isfinite(at.c)
            estimates, sure = self._estimates(found, at, scale, slopes)
            groups = self.maker.replicates(left, merge=False)
            e = effects_many(groups, D, at.beta)
        gains = {
            equation.name: sandwich_half(block.metric, D_b, block.Lambda)
            for equation, block, D_b in zip(
                self.template.equations,
                batch.model.blocks,
                found.D_blocks,
                strict=True,
            )
        }
        effects = ResponseEffects(tuple(part * scale for part in e), tuple(D), gains)
        return Solved(estimates, effects, certain & sure)

    def _search(self, data: Replicates) -> BatchOptimum:
        """From the usual start, then from small variances where that came to nothing.

        A step that overshoots ends at a zero variance, where the slope vanishes.
        """
        batch = self.batch
        found = batch.search(data, tol=self.tol, max_iter=self.max_iter)
        for share in (0.1, 0.01):
            lost = np.flatnonzero(~found.certain)
            if not len(lost):
                break
            small = tuple(np.sqrt(share) * start for start in batch.starts)
            again = replace(batch, starts=small).search(
                data.take(lost), tol=self.tol, max_iter=self.max_iter
            )
            for whole, part in zip(found.D_blocks, again.D_blocks, strict=True):
                whole[..., lost] = part
            found.certain[lost] = again.certain
            found.singular[lost] = again.singular
            found.n_iter[lost] += again.n_iter
        return found

    def _estimates(
        self, found: BatchOptimum, at: ManyPieces, scale: Array, slopes: Array
    ) -> tuple[ResponseEstimates, Array]:
        """In the user's terms, and which standard errors are sure."""
        batch, nn = self.batch, found.nn
        compiled, pool, B = batch.compiled, batch.pool, len(scale)
        order = Order.of(compiled)
        sigma2 = at.c / nn * scale**2
        beta = order.coefficients(np.linalg.solve(pool.R, slopes + scale * at.beta))
        F = np.tensordot(np.linalg.inv(pool.R), at.F, axes=1)
        kept = np.einsum("iaB,jaB->Bij", F, F) * sigma2[:, None, None]
        k = len(order.names)
        beta_vcov = np.zeros((B, k, k))
        here = np.ix_(np.arange(B), order.place, order.place)
        beta_vcov[here] = kept[np.ix_(np.arange(B), order.order, order.order)]
        alpha, alpha_vcov, sure = _natural(batch, found, at, scale, self.std_errors)
        deviance = (
            nn * (LOG_2PI + 1.0 - np.log(nn))
            + nn * np.log(at.c)
            + at.l
            + self.constant
            + 2.0 * nn * np.log(scale)
        )
        results = self.template.results
        present = np.zeros(k, dtype=bool)
        present[order.place] = True
        return (
            ResponseEstimates(
                beta=beta.T,
                beta_vcov=beta_vcov,
                kept=np.repeat(present[None], B, axis=0),
                alpha=alpha.T,
                alpha_vcov=alpha_vcov,
                sigma2=sigma2,
                log_likelihood=-0.5 * deviance,
                n_obs=np.full(B, results.n_obs),
                n_params=np.full(B, results.n_params),
                n_iter=found.n_iter,
                converged=np.ones(B, dtype=bool),
                messages=np.full(B, "", dtype=object),
            ),
            sure,
        )


def sandwich_half(L: Array, D: Array, M: Array) -> Array:
    """L D M' of every replicate."""
    return np.einsum("acB,bc->abB", np.tensordot(L, D, axes=1), M)


def _natural(
    batch: Batch, found: BatchOptimum, at: ManyPieces, scale: Array, std_errors: bool
) -> tuple[Array, Array, Array]:
    """alpha (a, B), its covariance matrices (B, a, a), and which of these are sure.

    The information is that of the elements of the D_b and log sigma (Eq. 15); a variance
    of zero is held.  A singular matrix that is not zero has curved bounds and is left
    to a fit of its own.
    """
    B, m = len(scale), batch.model.n_params
    sigma2 = at.c / found.nn
    alpha = np.empty((m + 1, B))
    alpha[m] = 0.5 * np.log(sigma2) + np.log(scale)
    J = np.zeros((m + 1, m + 1, B))
    J[m, m] = 1.0
    held = np.zeros((m + 1, B), dtype=bool)
    slope = np.zeros((m + 1, B))
    sure = np.ones(B, dtype=bool)
    for block, s, D in zip(
        batch.model.blocks, batch.model.slices, found.D_blocks, strict=True
    ):
        structure = block.structure
        Sigma = sigma2 * sandwich(block.metric, D)
        moved = block.metric @ structure.basis @ block.metric.T
        alpha[s], J[s, s], J[s, m] = _natural_slopes(structure, Sigma, moved, sigma2)
        k = structure.n_variances
        alpha[s][:k] += np.log(scale)
        held[s], free = _held(structure, D, found.singular)
        sure &= free
        pulled = sandwich(block.Lambda.T, at.c_D[block.floor])
        slope[s] = np.tensordot(structure.basis, pulled, axes=([1, 2], [0, 1]))
    vcov = np.full((B, m + 1, m + 1), np.nan)
    if not std_errors:
        return alpha, vcov, np.ones(B, dtype=bool)
    H = np.zeros((m + 1, m + 1, B))
    H[:m, :m] = at.c_2 / sigma2 + at.l_2
    H[m] -= 2.0 * slope / sigma2
    H[:, m] -= 2.0 * slope / sigma2
    H[m, m] += 4.0 * found.nn
    eye = np.eye(m + 1)[:, :, None]
    H = np.where(held[:, None] | held[None], eye, H).transpose(2, 0, 1)
    size = np.sqrt(np.abs(np.einsum("Bii->Bi", H)))
    finite = np.isfinite(H).all(axis=(1, 2)) & (size > 0).all(axis=1)
    H = np.where(finite[:, None, None], H, np.eye(m + 1))
    size = np.where(finite[:, None], size, 1.0)
    values, vectors = np.linalg.eigh(H / (size[:, :, None] * size[:, None, :]))
    sure &= finite & (values[:, 0] > 1e-9)
    half = vectors / np.sqrt(values)[:, None, :] / size[:, :, None]
    J = np.where(held[:, None] | held[None], eye, J).transpose(2, 0, 1)
    half = J @ half
    vcov = 2.0 * half @ half.swapaxes(1, 2)
    gone = held.T
    vcov[gone[:, :, None] | gone[:, None, :]] = np.nan
    sure &= np.isfinite(vcov).all(axis=(1, 2)) | gone.any(axis=1)
    return alpha, vcov, sure


def _held(structure: Structure, D: Array, singular: Array) -> tuple[Array, Array]:
    """Which parameters are zero variances or hang on one, (m, B), and where that is all."""
    diagonal = np.einsum("aaB->aB", D)
    zero = diagonal <= 0.0
    held = np.array([zero[i] | zero[j] for i, j in structure.places])
    whole = zero.all(axis=0)
    free = whole | (structure.n_variances == structure.n_params)
    values = np.linalg.eigvalsh(D.transpose(2, 0, 1))
    inside = values[:, 0] > NEAR * np.maximum(1.0, values[:, -1])
    return held, inside | (free & singular)


def _natural_slopes(
    structure: Structure, Sigma: Array, moved: Array, sigma2: Array
) -> tuple[Array, Array, Array]:
    """alpha, its slopes in the elements of D and in log sigma, of every replicate."""
    m, B = structure.n_params, len(sigma2)
    alpha, J, on_sigma = np.empty((m, B)), np.zeros((m, m, B)), np.zeros((m, B))
    variance = np.einsum("aaB->aB", Sigma)
    sd = np.sqrt(variance)
    steps = np.einsum("maa->ma", moved)  # the elements' shares in the variances
    log_sd = 0.5 * steps[:, :, None] * sigma2 / variance
    for k, (i, j) in enumerate(structure.places):
        if i == j:
            alpha[k] = 0.5 * np.log(variance[i])
            J[k], on_sigma[k] = log_sd[:, i], 1.0
            continue
        size = sd[i] * sd[j]
        r = np.clip(Sigma[i, j] / size, -1.0, 1.0)
        alpha[k] = np.arctanh(r)
        slope = moved[:, i, j][:, None] * sigma2 / size
        J[k] = (slope - r * (log_sd[:, i] + log_sd[:, j])) / ((1.0 - r) * (1.0 + r))
    return alpha, J, on_sigma


def concatenate(solved: Sequence[ResponseEffects]) -> ResponseEffects:
    """Effects of several batches side by side."""
    first = solved[0]
    return ResponseEffects(
        tuple(
            np.concatenate([s.e[k] for s in solved], axis=-1)
            for k in range(len(first.e))
        ),
        tuple(
            np.concatenate([s.D[k] for s in solved], axis=-1)
            for k in range(len(first.D))
        ),
        {
            name: np.concatenate([s.gains[name] for s in solved], axis=-1)
            for name in first.gains
        },
    )
