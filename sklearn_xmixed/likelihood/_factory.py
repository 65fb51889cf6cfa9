"""Which kind of model a design asks for: the one place that knows all kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..covariance import Compound, Parameterization
from ..design._design import Design, Equation, Level, Term
from ..optimization import orthogonal, upper_inverse
from ._basis import Pool, constant_size
from ._kind import Kind
from ._model import Block, VarianceModel
from .crossed._crossing import build_crossing
from .crossed._exact import Frame
from .crossed._iterative import Probes
from .crossed._kind import Crossed
from .crossed._objective import (
    CrossedModel,
    ExactObjective,
    ExchangeableBlock,
    IterativeObjective,
)
from .crossed._plan import Plan, make_plan
from .crossed._trial import FEW_COLUMNS, PROBES, Trial
from .nested._crossproducts import build_tree
from .nested._distributed import (
    DistributedNested,
    DistributedTree,
    distributed_tree,
)
from .nested._kind import Nested
from .nested._tree import Tree
from .structured._kind import Structured
from .structured._rows import Rows
from .structured._stand_ins import StandInStructured, stand_in_rows

__all__ = ["CrossedOptions", "equation_blocks", "lay"]

Array = np.ndarray


@dataclass(frozen=True)
class CrossedOptions:
    """How crossed factors are dealt with.

    Parameters
    ----------
    method : {"auto", "exact", "iterative"}
    n_probes : int or None
        Of the iterative way; None for as many as its error asks for.
    seed : int
    tell : callable, optional
        Called with the plan.
    """

    method: str = "auto"
    n_probes: int | None = None
    seed: int = 0
    tell: Callable[[Plan], None] | None = None


def lay(
    design: Design,
    metric: Parameterization,
    *,
    reml: bool,
    crossed: CrossedOptions,
) -> Kind:
    """The model of a design.

    Parameters
    ----------
    design : Design
        Sorted.
    metric : Parameterization
        Of the covariance matrices in the search.
    reml : bool
    crossed : CrossedOptions
    """
    pool = _pool(design)
    if design.terms:
        return _crossed(design, pool, metric, reml, crossed)
    if design.residual is None:
        kind: type[Nested] = Nested
        tree: Tree | DistributedTree
        if design.products is not None and design.products.elsewhere:
            kind, tree = DistributedNested, distributed_tree(design, pool)
        else:
            tree = build_tree(design, pool)
        model = VarianceModel(equation_blocks(design, pool, tree), tree.depth, metric)
        return kind(design, pool, tree, model, reml=reml)
    whole: type[Structured] = Structured
    if design.products is None:
        rows = Rows.of(design, pool)
    else:
        rows, whole = stand_in_rows(design, pool), StandInStructured
    pool = rows.pool
    if not design.levels:
        return whole(design, pool, rows, None, VarianceModel([], 0, metric), reml=reml)
    tree, _ = rows.tree(rows.start)
    model = VarianceModel(equation_blocks(design, pool, tree), tree.depth, metric)
    return whole(design, pool, rows, tree, model, reml=reml)


def _pool(design: Design) -> Pool:
    # divided by a standard deviation the constant is a column as any other
    alone = ((), True) if design.precise else None
    pool = Pool.build(
        design.moments,
        design.X.shape[1],
        design.intercept,
        [(level.columns, level.constant) for level in design.levels[::-1]],
        [
            (tuple(p - 1 for p in t.positions if p), 0 in t.positions)
            if t.positions
            else alone
            for t in design.terms
        ],
    )
    mean = design.mean_precision
    return pool if mean is None else pool.scaled(float(np.sqrt(mean)))


def _crossed(
    design: Design,
    pool: Pool,
    metric: Parameterization,
    reml: bool,
    options: CrossedOptions,
) -> Crossed:
    crossing = build_crossing(design, pool)
    blocks = equation_blocks(design, pool, crossing)
    model = CrossedModel(blocks, crossing.q, metric)
    frame = Frame(crossing)
    plan = make_plan(frame, options.method, options.n_probes)
    if any(isinstance(b, ExchangeableBlock) for b in blocks) and plan.rival is not None:
        plan = replace(plan, rival=None)  # a covariance may be negative: exact only
    at_X: dict[str, Any] = {
        "reml": reml,
        "log_det_basis": pool.log_det_R,
        "log_det_rows": design.log_det_rows,
    }
    trial = None
    open_ = plan.method == "iterative" and options.n_probes is None
    if plan.rival is not None or (open_ and crossing.N >= FEW_COLUMNS):
        few = Probes(crossing, PROBES, seed=1, tol=1e-8)
        rough = IterativeObjective(frame, model, few, reml=reml, log_det_basis=0.0)
        trial = Trial.of(rough, rough.start())
        plan = plan.settled(trial.spread, options.n_probes)
    if options.tell is not None:
        options.tell(plan)
    if plan.method == "exact":
        objective = ExactObjective(frame, model, **at_X)
        return Crossed(design, pool, objective, plan, trial)
    probes = Probes(crossing, plan.n_probes, options.seed)
    iterative = IterativeObjective(frame, model, probes, **at_X)
    return Crossed(design, pool, iterative, plan, trial)


def equation_blocks(design: Design, pool: Pool, tree: Any) -> list[Block]:
    """The equations in the tree's basis, in columns of unit size."""
    depth = len(design.levels)
    out = []
    owner: Level | Term
    for equation in design.equations:
        if equation.terms and not equation.positions:
            out.append(_factor_block(equation, depth, pool))
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
            Lambda, R = orthogonal(T @ unit)
            if np.abs(np.diagonal(R)).min() > 1e-12:
                metric = unit @ upper_inverse(R)
            else:  # collinear columns kept on request
                Lambda, metric = T @ unit, unit
        else:
            if equation.structure.name != "independent":
                size = np.full(q, np.sqrt((size**2).mean()))
            metric = np.diag(1.0 / np.where(size > 0, size, 1.0))
            Lambda = T @ metric
        n_groups = tree.n_groups(floor)
        out.append(Block(floor, equation.structure, Lambda, metric, n_groups))
    return out


def _factor_block(equation: Equation, depth: int, pool: Pool) -> Block:
    """A factor's equation; its terms are numbered after the levels."""
    q = equation.structure.q
    own, *common = (depth + t for t in equation.terms)
    metric = np.eye(q) / constant_size(pool.terms[equation.terms[0]])
    parts = (own, equation.structure, np.eye(q), metric, float(equation.n_groups))
    if not common:
        return Block(*parts)
    assert isinstance(equation.structure, Compound)
    size = equation.structure.size
    draws = np.array([[size - 1.0, 1.0], [1.0, 1.0]]) * equation.n_groups
    return ExchangeableBlock(*parts[:-1], draws, common[0], size)
