"""What every kind of model answers, against the definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.covariance import PARAMETERIZATIONS
from sklearn_xmixed.design import compile_design
from sklearn_xmixed.likelihood import CrossedOptions, lay

SLOPES = RandomEffects("g", ["x"], covariance="unstructured")
MODELS = {
    "nested": (SLOPES, None),
    "two levels": ([RandomEffects("h"), SLOPES], None),
    "structured": (SLOPES, Residuals("ar", time="t")),
    "crossed": ([RandomEffects("_all", factor="h"), SLOPES], None),
}


def data():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"g": np.arange(60) // 5})
    frame["h"] = frame["g"] % 4
    frame["t"] = np.arange(60) % 5
    frame["x"] = rng.normal(size=60)
    return frame, rng.normal(size=60)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_expected_information_is_that_of_the_definition(name, reml):
    effects, residuals = MODELS[name]
    frame, y = data()
    estimator = MixedLinearRegressor(effects, residuals=residuals, fixed=["x"])
    design = compile_design(estimator, frame, y, None, None).design
    kind = lay(
        design, PARAMETERIZATIONS["matsqrt"], reml=reml, crossed=CrossedOptions("exact")
    )
    rng = np.random.default_rng(1)
    D_blocks, V = [], np.eye(60)
    if residuals is not None:
        theta = np.append(np.zeros(kind.model.n_params), 0.4)
        kind.objective.settle(theta)
        t = frame["t"].to_numpy()
        lags = np.abs(t[:, None] - t)
        same = np.equal.outer(frame["g"].to_numpy(), frame["g"].to_numpy())
        V = same * np.tanh(0.4) ** lags
    directions = []
    for block, equation in zip(kind.model.blocks, design.equations, strict=True):
        A = rng.normal(size=(block.structure.q, block.structure.q))
        D_b = block.structure.spread(block.structure.gather(A @ A.T))
        D_blocks.append(D_b)
        group = frame["h" if block.structure.q == 1 else "g"].to_numpy()
        Z = np.column_stack(
            [np.ones(60) if e == "_cons" else frame["x"] for e in equation.effects]
        )
        if block.structure.q == 1:
            Z = np.ones((60, 1))
        same = np.equal.outer(group, group)

        def spread(M, Z=Z, same=same, block=block):
            return same * (Z @ block.metric @ M @ block.metric.T @ Z.T)

        V = V + spread(D_b)
        directions += [spread(M) for M in block.structure.basis]
    W = np.linalg.inv(V)
    if reml:
        X = np.column_stack([np.ones(60), frame["x"]])
        W = W - W @ X @ np.linalg.solve(X.T @ W @ X, X.T @ W)
    directions.append(V)  # of log sigma^2
    expected = [[0.5 * np.trace(W @ a @ W @ b) for b in directions] for a in directions]
    assert_allclose(kind.expected_information(D_blocks), expected, rtol=1e-8)
