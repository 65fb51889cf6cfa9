"""What degrees of freedom for small samples cost beside the fit.

    python tests/benchmarks/small_samples.py

prints a markdown table: seconds of the fit, and of all coefficients' degrees of freedom
and standard errors as a share of it; the best of three each, in turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from cases import INSTEVAL

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, from_formula

METHODS = ("satterthwaite", "kenward-roger", "between-within", "containment")
REPS = 3


def slopes(groups: int, rows: int, covariates: int) -> Callable[[], object]:
    """Correlated random slopes."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(groups), rows)
    X = rng.normal(size=(len(g), covariates))
    u = rng.normal(size=(groups, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    y = X.sum(axis=1) + u[g, 0] + u[g, 1] * X[:, 0] + rng.normal(size=len(g))
    frame = pd.DataFrame(X, columns=[f"x{k}" for k in range(covariates)]).assign(g=g)
    effects = RandomEffects("g", ["x0"], covariance="unstructured")
    return lambda: MixedLinearRegressor(effects, method="reml").fit(frame, y)


def three_levels(groups: int) -> Callable[[], object]:
    """Intercepts at two levels, four covariates."""
    rng = np.random.default_rng(1)
    low = np.repeat(np.arange(groups * 5), 4)
    X = pd.DataFrame(rng.normal(size=(len(low), 4)), columns=list("abcd"))
    y = X.sum(axis=1) + rng.normal(size=groups)[low // 5]
    y += rng.normal(size=groups * 5)[low] + rng.normal(size=len(low))
    X = X.assign(top=low // 5, low=low)
    return lambda: MixedLinearRegressor(["top", "low"], method="reml").fit(X, y)


def autoregression(groups: int) -> Callable[[], object]:
    """AR(1) residuals, ten rows each."""
    rng = np.random.default_rng(2)
    e = rng.normal(size=(groups, 10))
    for t in range(1, 10):
        e[:, t] = 0.6 * e[:, t - 1] + 0.8 * e[:, t]
    X = pd.DataFrame(rng.normal(size=(groups * 10, 4)), columns=list("abcd"))
    y = X.sum(axis=1) + e.ravel()
    X = X.assign(g=np.repeat(np.arange(groups), 10), t=np.tile(np.arange(10), groups))
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=False),
        fixed=list("abcd"),
        residuals=Residuals("ar", time="t"),
        method="reml",
    )
    return lambda: model.fit(X, y)


def insteval() -> Callable[[], object]:
    """Two crossed factors; service by department in the fixed part."""
    frame = pd.read_csv(INSTEVAL).astype({"y": float, "dept": str})
    formula = "y ~ service*dept + (1 | s) + (1 | d)"
    return lambda: from_formula(formula, frame, method="reml")


CASES = {
    "20,000 groups of 10, slopes, 8 covariates": lambda: slopes(20_000, 10, 8),
    "100,000 groups of 10, slopes, 8 covariates": lambda: slopes(100_000, 10, 8),
    "3 levels, 50,000 groups of 5 of 4": lambda: three_levels(50_000),
    "20,000 groups of 10, AR(1)": lambda: autoregression(20_000),
    "InstEval, 73,421 rows, 28 coefficients": insteval,
}


def seconds(call: Callable[[], object]) -> tuple[float, object]:
    """Wall time of one call, and what it returns; nan where that is refused."""
    start = time.perf_counter()
    try:
        out = call()
    except NotImplementedError:
        return np.nan, None
    return time.perf_counter() - start, out


def row(fit: Callable[[], object]) -> str:
    """Cells of one case."""
    own: list[float] = []
    of: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(REPS):
        took, model = seconds(fit)
        own.append(took)
        for method in METHODS:
            model._fitted.small_sample._moments = None  # type: ignore[attr-defined]
            table = partial(model.coef_table, df=method)  # type: ignore[attr-defined]
            of[method].append(seconds(table)[0])
    shares = [min(of[method]) / min(own) for method in METHODS]
    cells = ["-" if np.isnan(share) else f"{share:.2f}" for share in shares]
    return f"{min(own):.2f} | {' | '.join(cells)}"


def main() -> None:
    """Print the table."""
    print(f"| | fit, s | {' | '.join(METHODS)} |\n|{' --- |' * (len(METHODS) + 2)}")
    for name, make in CASES.items():
        print(f"| {name} | {row(make())} |", flush=True)


if __name__ == "__main__":
    main()
