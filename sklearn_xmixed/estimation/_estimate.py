"""One fit from a frozen design: start values, EM, gradient search, certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..covariance import PARAMETERIZATIONS, Compound
from ..design._design import Design, Equation, Level, Term
from ..likelihood import (
    Block,
    CrossedModel,
    CrossedObjective,
    Crossing,
    ExchangeableBlock,
    Frame,
    NestedObjective,
    Objective,
    Pieces,
    Plan,
    Pool,
    Probes,
    Rows,
    StructuredObjective,
    Tree,
    VarianceModel,
    build_crossing,
    build_tree,
    compress,
    make_plan,
)
from ..optimization import Certificate, Iteration, Optimum, certify, em, lbfgs, newton

__all__ = ["Estimate", "equation_blocks", "estimate"]

#: numbers on the lowest floor below which a sweep costs its calls, not its arithmetic
SMALL = 1 << 14

#: remaining columns of crossed factors from which a rough estimate is made first
FEW_COLUMNS = 400
#: and with how many probes
PROBES = 12

Array = np.ndarray
#: called with an iteration and a maker of the estimate as of then; True stops
Watcher = Callable[[Iteration, Callable[[], "Estimate"]], bool]


@dataclass(frozen=True, eq=False)
class Estimate:
    """The optimum in the engine's terms.

    Parameters
    ----------
    pool : Pool
    tree : Tree or Crossing
        All nodes, not compressed; where factors cross, their cross-products.
    objective : Objective
        On the compressed tree.
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
    gamma : ndarray of shape (m,) or None
        The optimiser's parameters, where it came to an end.
    rows : Rows or None
        All rows, with structured residuals.
    psi : ndarray of shape (k,) or None
        Parameters of the residuals' structure.
    """

    pool: Pool
    tree: Tree | Crossing
    objective: Objective
    D_blocks: list[Array]
    pieces: Pieces
    sigma2: float
    deviance: float
    log: list[Iteration]
    certificate: Certificate
    gamma: Array | None = None
    rows: Rows | None = None
    psi: Array | None = None

    @property
    def linear(self) -> Array:
        """Cross-products of [X y] from which linear regression follows."""
        return self.tree.total if self.rows is None else self.rows.total

    @property
    def Sigmas(self) -> list[Array]:
        """Covariance matrix of each equation in the user's columns."""
        out = []
        for block, D in zip(self.objective.model.blocks, self.D_blocks, strict=True):
            Sigma = self.sigma2 * block.metric @ D @ block.metric.T
            if isinstance(block.structure, Compound):
                Sigma = block.structure.reported(Sigma)
            out.append(Sigma)
        return out


def estimate(
    design: Design,
    *,
    reml: bool,
    parameterization: str,
    solver: str,
    em_iter: int,
    em_tol: float,
    em_only: bool,
    max_iter: int,
    tol: float,
    crossed: str = "auto",
    n_probes: int = 50,
    seed: int = 0,
    tell: Callable[[Plan], None] | None = None,
    watch: Watcher | None = None,
) -> Estimate:
    """Fit the variance parameters of a design.

    Parameters
    ----------
    crossed : {"auto", "exact", "iterative"}
        How factors that cross are dealt with; ``n_probes`` and ``seed`` are those of
        the iterative way.
    tell : callable, optional
        Called with the plan for factors that cross.
    """
    lowest_first = design.levels[::-1]
    pool = Pool.build(
        design.moments,
        design.X.shape[1],
        design.intercept,
        [(level.columns, level.constant) for level in lowest_first],
        [
            (tuple(p - 1 for p in t.positions if p), 0 in t.positions)
            if t.positions
            else None
            for t in design.terms
        ],
    )
    rows = None if design.residual is None else Rows.of(design, pool)
    tree: Tree | Crossing
    if design.terms:
        tree = build_crossing(design, pool)
    elif rows is None:
        tree = build_tree(design, pool)
    else:
        tree, _ = rows.tree(rows.residual.start())
    blocks = equation_blocks(design, pool, tree)
    metric = PARAMETERIZATIONS[parameterization]
    objective: Objective
    sample: Rows | None = None
    model: VarianceModel
    if isinstance(tree, Crossing):
        model = CrossedModel(blocks, tree.q, metric)
        frame = Frame(tree)
        plan = make_plan(frame, crossed, n_probes)
        if tell is not None:
            tell(plan)
        probes = None
        if plan.method == "iterative":
            probes = Probes(tree, n_probes, seed)
        objective = CrossedObjective(
            frame,
            model,
            reml=reml,
            log_det_basis=pool.log_det_R,
            probes=probes,
        )
    elif rows is None:
        model = VarianceModel(blocks, tree.depth, metric)
        objective = NestedObjective(
            _worth_merging(tree), model, reml=reml, log_det_basis=pool.log_det_R
        )
    else:
        model = VarianceModel(blocks, tree.depth, metric)
        few = rows.compressed()
        objective = StructuredObjective(
            few, model, reml=reml, log_det_basis=pool.log_det_R
        )
        sample = few.sample()
    nothing = "fixed" if not objective.nn > 0 else _leaves_nothing(tree, design)
    if (not blocks and rows is None) or nothing:
        found_at_once = _without_search(pool, tree, objective, blocks, nothing)
        if watch is not None:
            watch(found_at_once.log[0], lambda: found_at_once)
        return _with_rows(found_at_once, rows)

    def at(D_blocks: list[Array]) -> Estimate:
        pieces = objective.pieces(D_blocks)
        unfinished = Certificate(converged=False)
        estimate = _finish(pool, tree, objective, D_blocks, pieces, [], unfinished)
        return _with_rows(estimate, rows)

    em_watch = gamma_watch = None
    if watch is not None:

        def em_watch(line: Iteration, D_blocks: list[Array]) -> bool:
            return watch(line, lambda: at(D_blocks))

        def gamma_watch(line: Iteration, gamma: Array) -> bool:
            def snapshot() -> Estimate:
                objective.settle(gamma)
                return at(model.split(gamma))

            return watch(line, snapshot)

    first, *others = objective.starts()
    D_blocks, em_done = first, False
    log: list[Iteration] = []
    gamma = None
    if isinstance(objective, CrossedObjective) and not em_only:
        gamma = _from_few_probes(objective, first)
    if gamma is not None:
        D_blocks = model.split(gamma)
    elif (em_iter > 0 and blocks) or em_only:
        D_blocks, em_done, log = em(
            objective,
            D_blocks,
            max_iter=em_iter if em_only else min(em_iter, 1 if design.terms else 3),
            tol=em_tol,
            watch=em_watch,
        )
    stopped = any(line.stopped for line in log)
    if em_only or stopped:
        pieces = objective.pieces(D_blocks)
        certificate = Certificate.of_em(
            em_done and not stopped,
            log[-1].criterion,
            em_tol,
            objective.single_rows(),
        )
        if not stopped:  # the log ends where the fit does
            last = objective.deviance(pieces)
            log.append(Iteration("em", len(log), last, log[-1].criterion))
            if em_watch is not None:
                em_watch(log[-1], D_blocks)
        finished = _finish(pool, tree, objective, D_blocks, pieces, log, certificate)
        return _with_rows(finished, rows)

    search = newton if solver == "newton" else lbfgs

    def descend(gamma: Array) -> Optimum:
        """Search, and go on beyond a zero variance that was a dead end."""
        found = search(objective, gamma, tol=tol, max_iter=max_iter, watch=gamma_watch)
        lines = found.log
        for _ in range(len(blocks) + 2):
            if lines[-1].stopped or len(found.log) > max_iter:
                break
            better = _leave_boundary(objective, found)
            if better is None:
                break
            last = found
            found = search(
                objective, better, tol=tol, max_iter=max_iter, watch=gamma_watch
            )
            lines = lines + found.log
            if not found.value < last.value:
                found = last
                break
        return replace(found, log=lines)

    gamma = objective.join(D_blocks) if gamma is None else gamma
    if sample is not None:
        gamma = _from_sample(objective, sample, gamma)
    found = again = descend(gamma)
    for start in others:
        if again.log[-1].stopped:
            break
        again = descend(objective.join(start))
        if again.value < found.value - tol * (1.0 + abs(found.value)):
            found = again
    log += found.log  # of the search that came furthest
    if found is not again:
        objective.hessian(found.gamma)  # standard errors use the last derivatives
    if isinstance(objective, StructuredObjective):
        found = _at_the_end(objective, found)
    certificate = certify(objective, found, tol)
    objective.settle(found.gamma)
    D_blocks = model.split(found.gamma)
    pieces = objective.last(found.gamma) or objective.pieces(D_blocks)
    if certificate.boundary:
        D_zero = objective.on_boundary(D_blocks)
        at_zero = objective.pieces(D_zero)
        slack = 1e-9 * (1.0 + abs(found.value) / 1e4)
        if objective.deviance(at_zero) <= found.value + slack:
            D_blocks, pieces = D_zero, at_zero
    finished = _finish(pool, tree, objective, D_blocks, pieces, log, certificate)
    return _with_rows(replace(finished, gamma=found.gamma), rows)


def _from_sample(objective: Objective, sample: Rows, gamma: Array) -> Array:
    """Where a search among a part of the groups ends: a better start for all."""
    small = StructuredObjective(
        sample, objective.model, reml=objective.reml, log_det_basis=0.0
    )
    found = newton(small, gamma, tol=1e-2, max_iter=20)
    if small.singular(found.gamma) or not np.isfinite(objective.value(found.gamma)):
        return gamma
    return found.gamma


def _at_the_end(objective: StructuredObjective, found: Optimum) -> Optimum:
    """Parameters of the residuals that the search sends to infinity, taken there.

    Only where -2 L stays the same: a moving average at the border of the
    invertible ones, say.
    """
    there = objective.limit(found.gamma)
    slack = 1e-8 * (1.0 + abs(found.value) / 1e4)
    if (there == found.gamma).all() or found.log[-1].stopped:
        return found
    if not abs(objective.value(there) - found.value) <= slack:
        return found
    value, g, H = objective.hessian(there)
    inside = np.append(
        np.ones(objective.model.n_params, dtype=bool),
        ~objective.residual.at_boundary(there[objective.model.n_params :]),
    )
    g = np.where(inside, g, 0.0)  # nothing is left to gain at the end of a range
    H = np.where(np.outer(inside, inside), H, 0.0)
    return replace(found, gamma=there, value=value, gradient=g, hessian=H)


def _from_few_probes(
    objective: CrossedObjective, D_blocks: list[Array]
) -> Array | None:
    """Where a search with a few probes ends; None where sweeps cost next to nothing."""
    if objective.tree.N < FEW_COLUMNS:
        return None
    rough = objective.rough(PROBES)
    D_blocks, _, _ = em(rough, D_blocks, max_iter=1, tol=1e-10)
    found = newton(rough, rough.join(D_blocks), tol=1e-9, max_iter=30)
    return found.gamma if np.isfinite(found.value) else None


def _worth_merging(tree: Tree) -> Tree:
    """The tree with equal designs merged, unless it is so small that it does not pay."""
    size = sum(shard.floors[0].block.size for shard in tree.shards)
    return compress(tree) if size > SMALL else tree


def _with_rows(estimate: Estimate, rows: Rows | None) -> Estimate:
    """The same with the tree of all rows at the psi that the objective is at."""
    if rows is None:
        return estimate
    assert isinstance(estimate.objective, StructuredObjective)
    objective = estimate.objective
    tree = objective.tree if objective.rows is rows else rows.tree(objective.psi)[0]
    return replace(estimate, tree=tree, rows=rows, psi=objective.psi)


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


def _leaves_nothing(tree: Tree | Crossing, design: Design) -> str:
    """Why the likelihood has no maximum; empty where it has one.

    "fixed" where the fixed part fits y; "within" where it does so within the
    lowest-level groups although these have more rows than random effects.
    """
    p, y = tree.p, design.moments
    if design.n_rows <= p:
        return "fixed"
    size = y.centred[-1, -1] + y.n * y.mean[-1] ** 2
    noise = (np.finfo(float).eps * 64) ** 2 * size
    if not tree.total[-1, -1] > noise:
        return "fixed"
    if isinstance(tree, Crossing) or not tree.depth:
        return ""
    W = tree.within
    within = W[p, p] - W[p, :p] @ np.linalg.pinv(W[:p, :p], rcond=1e-12) @ W[:p, p]
    if within > max(noise, 1e-13 * tree.total[-1, -1]):
        return ""
    lowest = [shard.floors[0] for shard in tree.shards]
    used = sum(int((np.einsum("aag->ag", f.block[:, : f.q]) > 0).sum()) for f in lowest)
    left = design.n_rows - np.linalg.matrix_rank(W[:p, :p], tol=1e-12 * tree.n)
    return "within" if left > used else ""


def _without_search(
    pool: Pool,
    tree: Tree | Crossing,
    objective: Objective,
    blocks: list[Block],
    nothing: str,
) -> Estimate:
    """Linear regression, or a response that leaves no residual."""
    D_blocks = [np.zeros((b.structure.q, b.structure.q)) for b in blocks]
    pieces = objective.pieces(D_blocks)
    if nothing == "fixed":
        pieces = replace(pieces, c=0.0)
    deviance = objective.deviance(pieces)
    certificate = Certificate.closed_form(exact=bool(nothing))
    log = [Iteration("gradient", 0, deviance, 0.0)]
    return _finish(pool, tree, objective, D_blocks, pieces, log, certificate)


def _finish(
    pool: Pool,
    tree: Tree | Crossing,
    objective: Objective,
    D_blocks: list[Array],
    pieces: Pieces,
    log: list[Iteration],
    certificate: Certificate,
) -> Estimate:
    nn = objective.nn
    sigma2 = max(float(pieces.c), 0.0) / nn if nn > 0 else 0.0
    return Estimate(
        pool,
        tree,
        objective,
        D_blocks,
        pieces,
        sigma2,
        float(objective.deviance(pieces)),
        log,
        certificate,
    )


def equation_blocks(design: Design, pool: Pool, tree: Tree | Crossing) -> list[Block]:
    """The equations in the tree's basis, in columns of unit size."""
    depth = len(design.levels)
    out = []
    owner: Level | Term
    for equation in design.equations:
        if equation.terms and not equation.positions:
            out.append(_factor_block(equation, depth))
            continue
        if equation.terms:
            (term,) = equation.terms
            floor, owner = depth + term, design.terms[term]
            basis = pool.terms[term]
            assert basis is not None
        else:
            floor, owner = depth - 1 - equation.level, design.levels[equation.level]
            basis = pool.levels[floor]
        places = owner.positions
        T = basis.T[:, [places.index(p) for p in equation.positions]]
        q = equation.structure.q
        size = np.sqrt((T**2).sum(axis=0))
        if equation.structure.name == "unstructured":
            unit = np.diag(1.0 / np.where(size > 0, size, 1.0))
            Lambda, R = np.linalg.qr(T @ unit)
            if np.abs(np.diagonal(R)).min() > 1e-12:
                metric = unit @ np.linalg.inv(R)
            else:  # collinear columns kept on request
                Lambda, metric = T @ unit, unit
        else:
            if equation.structure.name != "independent":
                size = np.full(q, np.sqrt((size**2).mean()))
            metric = np.diag(1.0 / np.where(size > 0, size, 1.0))
            Lambda = T @ metric
        n_groups = (
            float(tree.G[floor])
            if isinstance(tree, Crossing)
            else sum(float(s.floors[floor].count.sum()) for s in tree.shards)
        )
        out.append(Block(floor, equation.structure, Lambda, metric, n_groups))
    return out


def _factor_block(equation: Equation, depth: int) -> Block:
    """A factor's equation; its terms are numbered after the levels."""
    q = equation.structure.q
    own, *common = (depth + t for t in equation.terms)
    parts = (own, equation.structure, np.eye(q), np.eye(q), float(equation.n_groups))
    if not common:
        return Block(*parts)
    assert isinstance(equation.structure, Compound)
    size = equation.structure.size
    draws = np.array([[size - 1.0, 1.0], [1.0, 1.0]]) * equation.n_groups
    return ExchangeableBlock(*parts[:-1], draws, common[0], size)
