"""Many responses on one design, fitted at once.

What X explains is taken away first and what is left has unit size, so that responses
of any mean and scale are searched alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..covariance import PARAMETERIZATIONS
from ..design._compile import Compiled
from ..fitted._coefficient_order import Order
from ..fitted._fitted import FittedModel
from ..fitted.responses import ManySmallSamples, ResponseEffects, ResponseEstimates
from ..likelihood import (
    CrossedOptions,
    ManyPieces,
    OneLevel,
    Redrawn,
    VarianceModel,
    lay,
)
from ._batch import LOG_2PI, AnyReplicates, Batch, BatchOptimum, ambiguous
from ._many_variances import many_variances

__all__ = ["Solved", "Together"]

Array = np.ndarray

#: variances, beside that of the residuals, that are tried out
GRID = 10.0 ** np.arange(-3.0, 3.5, 0.5)
#: share of a response that X leaves, below which it is fitted alone
EXPLAINED = 1e-6
#: share of a response that varies within groups, below which it is fitted alone
LEFT = 1e-5
#: numbers in an array of a batch that shall stay in the cache
CACHE = 1 << 16
#: numbers that are held for the groups of a batch, lowest floor
CHUNK = 1 << 18


@dataclass(frozen=True, eq=False)
class Solved:
    """Responses that were fitted together.

    Parameters
    ----------
    estimates : ResponseEstimates
    effects : ResponseEffects
    tests : ManySmallSamples
    certain : ndarray of bool, shape (B,)
        Whether estimates and standard errors are certified; else they are left to a
        fit of their own.
    """

    estimates: ResponseEstimates
    effects: ResponseEffects
    tests: ManySmallSamples
    certain: Array


@dataclass(frozen=True, eq=False)
class Together:
    """One design, ready to be fitted to any number of responses.

    Parameters
    ----------
    template : FittedModel
        A fit of one of them.
    batch : Batch
    offset : ndarray or None
        What responses have in common and is taken from them.
    maker : Redrawn
    level : OneLevel or None
        What responses share where there is one level.
    constant : float
        What -2 L has beyond the sums over groups.
    std_errors : bool
    tol : float
    max_iter : int
    """

    template: FittedModel
    batch: Batch
    offset: Array | None
    maker: Redrawn
    level: OneLevel | None
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
        weighted = design.weights is not None or design.precision is not None
        weighted = weighted or any(level.weights is not None for level in design.levels)
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
            template,
            batch,
            design.offset,
            maker,
            maker.level if pool.p else None,
            objective.constant,
            std_errors,
            tol,
            max_iter,
        )

    @property
    def chunk(self) -> int:
        """How many responses are solved together."""
        if self.level is not None:
            merge = self.level.merge
            nodes = (self.level if merge is None else merge.design).C.shape[2]
            return max(64, min(4096, CACHE // (nodes * self.level.q**2)))
        floors = self.batch.tree.shards[0].floors
        size = sum(f.block.size for f in floors) + self.batch.compiled.design.n_rows
        return max(8, min(2000, CHUNK // size))

    def _trees(self, left: Array) -> tuple[AnyReplicates, AnyReplicates]:
        """All groups of given responses, and stand-ins for those of equal design."""
        if self.level is not None:
            groups = self.maker.on(self.level, left)
            return groups, groups.merged()
        maker = self.maker
        return maker.replicates(left, merge=False), maker.replicates(left)

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
        groups, data = self._trees(left)
        found = self._search(data)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            directions = [
                (floor, np.broadcast_to(M[:, :, None], (*M.shape, len(scale))))
                for floor, M in (batch.model.elements() if self.std_errors else ())
            ]
            D = batch.floors(found.D_blocks)
            at = data.pieces(D, reml=batch.reml, directions=directions)
            certain = found.certain & plain & np.isfinite(at.c)
            certain &= groups.yy > LEFT * len(left)
            estimates, tests, sure = self._estimates(found, at, scale, slopes)
            e = groups.effects(D, at.beta)
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
        return Solved(estimates, effects, tests, certain & sure)

    def _search(self, data: AnyReplicates) -> BatchOptimum:
        """From the usual start, then from small variances where that came to nothing.

        A step that overshoots ends at a zero variance, where the slope vanishes.
        """
        batch = self.batch
        found = batch.search(
            data, starts=self._hollows(data), tol=self.tol, max_iter=self.max_iter
        )
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

    def _hollows(self, data: AnyReplicates) -> list[Array]:
        """Further starts where effects may stand for one another, (m, B) each.

        The scale of such an equation is tried out on a grid, and the two lowest of each
        response's hollows are its starts.
        """
        batch, out = self.batch, []
        own = batch.model.split(batch.starts[0])
        for k, block in enumerate(batch.model.blocks):
            if not ambiguous(block):
                continue
            unit = np.eye(block.structure.q)
            tried = [[*own[:k], x * unit, *own[k + 1 :]] for x in GRID]
            values = np.array([batch.values(data, D_blocks) for D_blocks in tried])
            values = np.where(np.isfinite(values), values, np.inf)
            wall = np.full((1, values.shape[1]), np.inf)
            walled = np.concatenate([wall, values, wall])
            hollow = (values <= walled[:-2]) & (values <= walled[2:])
            best = np.argsort(np.where(hollow, values, np.inf), axis=0)[:2]
            gammas = np.array([batch.model.join(D_blocks) for D_blocks in tried])
            out += [gammas[row].T for row in best]
        return out

    def _estimates(
        self, found: BatchOptimum, at: ManyPieces, scale: Array, slopes: Array
    ) -> tuple[ResponseEstimates, ManySmallSamples, Array]:
        """In the user's terms, what tests refer to, and which standard errors are sure."""
        batch, nn = self.batch, found.nn
        compiled, pool, B = batch.compiled, batch.pool, len(scale)
        order = Order.of(compiled)
        sigma2 = at.c / nn * scale**2
        beta = order.coefficients(np.linalg.solve(pool.R, slopes + scale * at.beta))
        F = np.tensordot(np.linalg.inv(pool.R), at.F, axes=1).transpose(2, 0, 1)
        k = len(order.names)
        root = np.zeros((B, k, pool.p))
        root[:, order.place] = F[:, order.order]
        beta_vcov = sigma2[:, None, None] * (root @ root.swapaxes(1, 2))
        present = np.zeros(k, dtype=bool)
        present[order.place] = True
        with np.errstate(all="ignore"):
            variances = many_variances(
                batch.model, found.D_blocks, at, nn, std_errors=self.std_errors
            )
        deviance = (
            nn * (LOG_2PI + 1.0 - np.log(nn))
            + nn * np.log(at.c)
            + at.l
            + self.constant
            + 2.0 * nn * np.log(scale)
        )
        results = self.template.results
        tests = ManySmallSamples(
            self.template.small_sample,
            self.level,
            batch.model,
            tuple(found.D_blocks),
            batch.floors(found.D_blocks)[0],
            root,
            variances.basis,
            variances.half,
            sigma2,
        )
        return (
            ResponseEstimates(
                beta=beta.T,
                beta_vcov=beta_vcov,
                kept=np.repeat(present[None], B, axis=0),
                alpha=_in_units(variances.alpha, batch.model, scale),
                alpha_vcov=variances.vcov,
                sigma2=sigma2,
                log_likelihood=-0.5 * deviance,
                n_obs=np.full(B, results.n_obs),
                n_params=np.full(B, results.n_params),
                n_iter=found.n_iter,
                converged=np.ones(B, dtype=bool),
                messages=np.full(B, "", dtype=object),
            ),
            tests,
            variances.sure,
        )


def sandwich_half(L: Array, D: Array, M: Array) -> Array:
    """L D M' of every replicate."""
    return np.einsum("acB,bc->abB", np.tensordot(L, D, axes=1), M)


def _in_units(alpha: Array, model: VarianceModel, scale: Array) -> Array:
    """Logarithms of standard deviations in the units of the responses."""
    out = alpha.copy()
    out[:, -1] += np.log(scale)
    for block, s in zip(model.blocks, model.slices, strict=True):
        sds = slice(s.start, s.start + block.structure.n_variances)
        out[:, sds] += np.log(scale)[:, None]
    return out


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
