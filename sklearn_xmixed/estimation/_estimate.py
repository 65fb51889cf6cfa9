"""One fit from a frozen design: start values, EM, gradient search, certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..covariance import PARAMETERIZATIONS
from ..design._design import Design
from ..likelihood import (
    Border,
    CrossedOptions,
    Kind,
    Objective,
    Pieces,
    Pool,
    lay,
)
from ..optimization import Certificate, Iteration, Optimum, certify, em, lbfgs, newton

__all__ = ["Estimate", "SearchOptions", "estimate"]

Array = np.ndarray
#: effects of an equation, and their covariance matrix over sigma^2
Start = tuple[tuple[str, ...], Array]
#: condition of a covariance matrix beyond which no search begins with it
SINGULAR = 1e8
#: called with an iteration and a maker of the estimate as of then; True stops
Watcher = Callable[[Iteration, Callable[[], "Estimate"]], bool]


@dataclass(frozen=True)
class SearchOptions:
    """How the maximum is looked for; see ``MixedLinearRegressor``."""

    parameterization: str = "matsqrt"
    solver: str = "newton"
    em_iter: int = 20
    em_tol: float = 1e-10
    em_only: bool = False
    max_iter: int = 100
    tol: float = 1e-10


@dataclass(frozen=True, eq=False)
class Estimate:
    """The optimum in the engine's terms.

    Parameters
    ----------
    kind : Kind
        The model, settled at ``psi``.
    D_blocks : list of ndarray
        Sigma / sigma^2 of each equation, in its scaled columns.
    pieces : Pieces
        c, l and their gradients at the optimum.
    sigma2 : float
        Residual variance.
    deviance : float
        -2 log (restricted) likelihood.
    log : list of Iteration
    certificate : Certificate
    psi : ndarray of shape (k,)
        Parameters of the residuals' structure.
    gamma : ndarray of shape (m,) or None
        The optimiser's parameters, where it came to an end.
    border : Border or None
        Where the search, or one of the searches, came to the end of the parameters.
    """

    kind: Kind
    D_blocks: list[Array]
    pieces: Pieces
    sigma2: float
    deviance: float
    log: list[Iteration]
    certificate: Certificate
    psi: Array
    gamma: Array | None = None
    border: Border | None = None

    @classmethod
    def of(
        cls,
        kind: Kind,
        D_blocks: list[Array],
        pieces: Pieces,
        log: list[Iteration],
        certificate: Certificate,
        *,
        gamma: Array | None = None,
        border: Border | None = None,
    ) -> Estimate:
        """At given covariances, and the psi of the last ``settle``."""
        objective, nn = kind.objective, kind.objective.nn
        sigma2 = max(float(pieces.c), 0.0) / nn if nn > 0 else 0.0
        deviance = float(objective.deviance(pieces))
        return cls(
            kind,
            D_blocks,
            pieces,
            sigma2,
            deviance,
            log,
            certificate,
            kind.psi,
            gamma,
            border,
        )

    @property
    def objective(self) -> Objective:
        """-2 L as a function of gamma (and psi)."""
        return self.kind.objective

    @property
    def pool(self) -> Pool:
        """Columns of the data."""
        return self.kind.pool

    @cached_property
    def D(self) -> list[Array]:
        """Sigma / sigma^2 of each floor or term in the tree's basis."""
        return self.kind.model.floors(self.D_blocks)

    @cached_property
    def Sigmas(self) -> list[Array]:
        """Covariance matrix of each equation in the user's columns."""
        return [
            block.structure.reported(self.sigma2 * block.metric @ D @ block.metric.T)
            for block, D in zip(self.kind.model.blocks, self.D_blocks, strict=True)
        ]


def estimate(
    design: Design,
    options: SearchOptions,
    *,
    reml: bool,
    crossed: CrossedOptions | None = None,
    watch: Watcher | None = None,
    start: Sequence[Start] | None = None,
) -> Estimate:
    """Fit the variance parameters of a design.

    Parameters
    ----------
    design : Design
    options : SearchOptions
    reml : bool
    crossed : CrossedOptions, optional
    watch : callable, optional
        Called after every iteration; True stops the fit there.
    start : sequence of Start, optional
        Where to begin: what a fit of fewer rows found, equation by equation.
    """
    metric = PARAMETERIZATIONS[options.parameterization]
    kind = lay(design, metric, reml=reml, crossed=crossed or CrossedOptions())
    nothing = kind.leaves_nothing()
    if nothing or not kind.searched:
        found = _without_search(kind, nothing)
        if watch is not None:
            watch(found.log[0], lambda: found)
        return found
    found = _Fit(kind, options, watch).run(_start_at(kind, design, start))
    if found.log[-1].stopped:
        return found
    if kind.runs_out(found.D_blocks, found.pieces):
        return _without_search(kind, "within")
    if not options.em_only and kind.sharpen(found.pieces):
        again = _Fit(kind, options, watch)
        again.log = [*found.log]
        return again.run(found.D_blocks)
    return found


class _Fit:
    """One search for the maximum, with what is watched of it."""

    def __init__(self, kind: Kind, options: SearchOptions, watch: Watcher | None):
        self.kind, self.objective = kind, kind.objective
        self.options, self.watch = options, watch
        self.log: list[Iteration] = []
        self.border: Border | None = None

    def run(self, start: list[Array] | None = None) -> Estimate:
        """EM, then the gradient search; from ``start`` where that is further on."""
        options = self.options
        first, *others = self.objective.starts()
        gamma = None if options.em_only else self.kind.rough(first)
        if start is not None and not options.em_only:
            value, at = self.objective.value, self.objective.join(start)
            if gamma is None or value(at) < value(gamma):
                found = self._search(at, others)
                return self._certified(self.kind.at_the_end(found))
        D_blocks = first
        if gamma is not None:
            D_blocks = self.kind.model.split(gamma)
        elif (options.em_iter > 0 and self.kind.model.blocks) or options.em_only:
            D_blocks, done = self._score(first, others) or self._expect(first)
            stopped = any(line.stopped for line in self.log)
            if options.em_only or stopped:
                return self._end_of_em(D_blocks, done, stopped)
        if gamma is None:
            gamma = self.objective.join(D_blocks)
        found = self._search(self.kind.closer(gamma), others)
        return self._certified(self.kind.at_the_end(found))

    # -- EM, or one step of scoring ----------------------------------------------------

    def _score(
        self, D_blocks: list[Array], others: list[list[Array]]
    ) -> tuple[list[Array], bool] | None:
        """One step of scoring; None where EM is to begin.

        EM goes where the likelihood has the maximum next to the start, which counts
        where it may have several.
        """
        found = None
        if not (self.options.em_only or others):
            found = self.kind.scored(D_blocks)
        if found is None:
            return None
        value, promised, new = found
        line = Iteration("scoring", 0, value, promised)
        self.log = [line]
        if self.watch is not None and self._seen_by_em(line, D_blocks):
            self.log = [replace(line, note="stopped")]
            return D_blocks, False
        return new, False

    def _expect(self, D_blocks: list[Array]) -> tuple[list[Array], bool]:
        options, steps = self.options, self.kind.em_steps
        D_blocks, done, self.log = em(
            self.objective,
            D_blocks,
            max_iter=options.em_iter
            if options.em_only
            else min(options.em_iter, steps),
            tol=options.em_tol,
            watch=None if self.watch is None else self._seen_by_em,
        )
        return D_blocks, done

    def _end_of_em(self, D_blocks: list[Array], done: bool, stopped: bool) -> Estimate:
        objective, log = self.objective, self.log
        pieces = objective.pieces(D_blocks)
        certificate = Certificate.of_em(
            done and not stopped,
            log[-1].criterion,
            self.options.em_tol,
            objective.single_rows(),
        )
        if not stopped:  # the log ends where the fit does
            last = objective.deviance(pieces)
            log.append(Iteration("em", len(log), last, log[-1].criterion))
            if self.watch is not None:
                self._seen_by_em(log[-1], D_blocks)
        return Estimate.of(self.kind, D_blocks, pieces, log, certificate)

    # -- gradient search -------------------------------------------------------------

    def _search(self, gamma: Array, others: list[list[Array]]) -> Optimum:
        """The best of the searches from all starts."""
        objective, tol = self.objective, self.options.tol
        found = again = self._descend(gamma)
        ran_off = self._runs_off(found)
        points = [*map(objective.join, others), *self.kind.other_starts()]
        for start in points:
            if again.log[-1].stopped:
                break
            again = self._descend(start)
            off = self._runs_off(again)
            further = again.value < found.value - tol * (1.0 + abs(found.value))
            # a maximum inside rather than none
            inside = ran_off and not off and again.converged
            if inside or (further and off <= ran_off):
                found, ran_off = again, off
        self.log += found.log  # of the search that came furthest
        if found is not again:
            objective.hessian(found.gamma)  # standard errors use the last derivatives
        return found

    def _runs_off(self, found: Optimum) -> bool:
        """Whether a search went where the likelihood has no bound."""
        border = None if found.converged else self.kind.border(found.gamma)
        if border is None or not border.unbounded:
            return False
        self.border = border
        return True

    def _descend(self, gamma: Array) -> Optimum:
        """Search, and go on beyond a zero variance that was a dead end."""
        search = newton if self.options.solver == "newton" else lbfgs
        tol, max_iter = self.options.tol, self.options.max_iter
        watch = None if self.watch is None else self._seen
        objective = self.objective
        found = search(objective, gamma, tol=tol, max_iter=max_iter, watch=watch)
        lines = found.log
        for _ in range(len(self.kind.model.blocks) + 2):
            if lines[-1].stopped or len(found.log) > max_iter:
                break
            better = _leave_boundary(objective, found)
            if better is None:
                break
            last = found
            found = search(objective, better, tol=tol, max_iter=max_iter, watch=watch)
            lines = lines + found.log
            if not found.value < last.value:
                found = last
                break
        found.log = lines
        return found

    def _certified(self, found: Optimum) -> Estimate:
        """The estimate at an optimum, on the boundary where that is as good."""
        objective = self.objective
        certificate = certify(objective, found, self.options.tol)
        if not certificate.converged and self.border is None:
            self.border = self.kind.border(found.gamma)
        objective.settle(found.gamma)
        D_blocks = self.kind.model.split(found.gamma)
        pieces = objective.last(found.gamma) or objective.pieces(D_blocks)
        if certificate.boundary:
            D_zero = objective.on_boundary(D_blocks)
            at_zero = objective.pieces(D_zero)
            slack = 1e-9 * (1.0 + abs(found.value) / 1e4)
            if objective.deviance(at_zero) <= found.value + slack:
                D_blocks, pieces = D_zero, at_zero
        return Estimate.of(
            self.kind,
            D_blocks,
            pieces,
            self.log,
            certificate,
            gamma=found.gamma,
            border=self.border,
        )

    # -- what is watched ---------------------------------------------------------------

    def _at(self, D_blocks: list[Array]) -> Estimate:
        pieces = self.objective.pieces(D_blocks)
        unfinished = Certificate(converged=False)
        return Estimate.of(self.kind, D_blocks, pieces, [], unfinished)

    def _seen_by_em(self, line: Iteration, D_blocks: list[Array]) -> bool:
        assert self.watch is not None
        return self.watch(line, lambda: self._at(D_blocks))

    def _seen(self, line: Iteration, gamma: Array) -> bool:
        assert self.watch is not None

        def snapshot() -> Estimate:
            self.objective.settle(gamma)
            return self._at(self.kind.model.split(gamma))

        return self.watch(line, snapshot)


def _start_at(
    kind: Kind, design: Design, start: Sequence[Start] | None
) -> list[Array] | None:
    """The covariance matrices to begin with; None where they are of another model."""
    blocks = kind.model.blocks
    if start is None or len(start) != len(blocks):
        return None
    D_blocks = []
    for block, equation, (effects, S) in zip(
        blocks, design.equations, start, strict=True
    ):
        if effects != equation.effects:
            return None
        to = np.linalg.inv(block.metric)
        D = to @ S @ to.T
        # from a matrix that is nearly singular a search may not get away
        if not np.linalg.cond(D) < SINGULAR:
            return None
        D_blocks.append(0.5 * (D + D.T))
    return D_blocks


def _without_search(kind: Kind, nothing: str) -> Estimate:
    """Linear regression, or a response that leaves no residual."""
    D_blocks = [np.zeros((b.structure.q, b.structure.q)) for b in kind.model.blocks]
    pieces = kind.objective.pieces(D_blocks)
    if nothing == "fixed":
        pieces = replace(pieces, c=0.0)
    deviance = kind.objective.deviance(pieces)
    certificate = Certificate.closed_form(exact=bool(nothing))
    log = [Iteration("gradient", 0, deviance, 0.0)]
    return Estimate.of(kind, D_blocks, pieces, log, certificate)


def _leave_boundary(objective: Objective, found: Optimum) -> Array | None:
    """A better point off a zero variance where -2 L falls; else None."""
    outward = objective.outward(found.gamma)
    if not outward:
        return None
    model = objective.model
    D_blocks = model.split(found.gamma)
    best, best_value = None, found.value
    for size in 10.0 ** np.arange(0.0, -9.0, -1.0):
        moved = [D.copy() for D in D_blocks]
        for k, direction, _ in outward:
            moved[k] = moved[k] + size * direction
        gamma = objective.join(moved, found.gamma)
        value = objective.value(gamma)
        if value < best_value:
            best, best_value = gamma, value
    return best
