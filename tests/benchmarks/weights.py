"""What weights and robust standard errors cost, as a multiple of the plain fit.

    python -m tests.benchmarks.weights [repetitions]

All fits of a design take turns, so that the load of the machine falls on all of them;
medians are compared.  Prints a Markdown table.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

FIXED = ["x0", "x1", "x2"]
KINDS = {
    "robust": "robust",
    "rows": "frequency weights of rows",
    "sampled rows": "sampling weights of rows",
    "sampled groups": "sampling weights of groups",
    "sampled both": "sampling weights of both",
}


def data(groups: int, size: int, *, balanced: bool = False, seed: int = 0):
    """Groups of ``size`` rows, or of half to one and a half times as many."""
    rng = np.random.default_rng(seed)
    sizes = np.full(groups, size)
    if not balanced:
        sizes = rng.integers(max(1, size // 2), size * 3 // 2 + 1, groups)
    g = np.repeat(np.arange(groups), sizes)
    n = len(g)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=FIXED)
    X["h"], X["g"] = g // 20, g
    X["t"] = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    y = 1 + X["x0"] + X["x1"] + rng.normal(size=n) + rng.normal(size=groups)[g]
    y += 0.5 * rng.normal(size=groups)[g] * X["x0"] + rng.normal(size=n)[X["h"]]
    X["w"] = rng.uniform(0.5, 3.0, groups)[g]
    return X, y.to_numpy(), rng.uniform(0.5, 3.0, n)


def fits(
    equation: Callable[..., list],
    X,
    y,
    w,
    *,
    of_rows: bool = True,
    of_groups=True,
    **more,
) -> dict[str, Callable[[], object]]:
    """The plain fit and the others; ``equation`` takes the name of the weights."""

    def fit(weights=None, name=None, **options):
        model = MixedLinearRegressor(equation(name), fixed=FIXED, **options, **more)
        return lambda: model.fit(X, y, weights)

    out = {"plain": fit(), "robust": fit(vce="robust")}
    sampling = {"weight_type": "sampling"}
    if of_rows:
        out["rows"] = fit(w)
        out["sampled rows"] = fit(w, **sampling)
    if of_groups:
        out["sampled groups"] = fit(name="w", **sampling)
    if of_rows and of_groups:
        out["sampled both"] = fit(w, "w", **sampling)
    return out


def designs() -> dict[str, Callable[[], dict]]:
    def intercept(w):
        return [RandomEffects("g", weight=w)]

    def slope(column):
        return lambda w: [
            RandomEffects("g", [column], covariance="unstructured", weight=w)
        ]

    def three(w):
        return ["h", RandomEffects("g", weight=w)]

    def none(w):
        return [RandomEffects("g", intercept=False, weight=w)]

    def residuals(structure):
        return {"of_rows": False, "residuals": Residuals(structure, time="t")}

    return {
        "intercept, 10,000 x 10 balanced": lambda: fits(
            intercept, *data(10_000, 10, balanced=True)
        ),
        "intercept, 10,000 x 10": lambda: fits(intercept, *data(10_000, 10)),
        "intercept, 100,000 x 10": lambda: fits(intercept, *data(100_000, 10)),
        "slope on a covariate, 10,000 x 10": lambda: fits(
            slope("x0"), *data(10_000, 10)
        ),
        "slope on time, 10,000 x 10 balanced": lambda: fits(
            slope("t"), *data(10_000, 10, balanced=True)
        ),
        "three levels, 500 x 20 x 10": lambda: fits(three, *data(10_000, 10)),
        "intercept, 50 x 10": lambda: fits(intercept, *data(50, 10)),
        "AR(1) and intercept, 10,000 x 10": lambda: fits(
            intercept, *data(10_000, 10), **residuals("ar")
        ),
        "unstructured residuals, 5,000 x 6 balanced": lambda: fits(
            none, *data(5_000, 6, balanced=True), **residuals("unstructured")
        ),
        "linear regression, 100,000": lambda: fits(
            lambda w: [], *data(10_000, 10), of_groups=False
        ),
    }


def main(repetitions: int) -> None:
    warnings.simplefilter("ignore")
    print("| design | plain | " + " | ".join(KINDS.values()) + " |")
    print("| --- " * (len(KINDS) + 2) + "|")
    for name, make in designs().items():
        runs = make()
        times: dict[str, list[float]] = {k: [] for k in runs}
        for run in runs.values():
            run()
        for _ in range(repetitions):
            for kind, run in runs.items():
                start = time.perf_counter()
                run()
                times[kind].append(time.perf_counter() - start)
        plain = statistics.median(times["plain"])
        cells = [
            f"{statistics.median(times[k]) / plain:.2f}" if k in runs else ""
            for k in KINDS
        ]
        print(f"| {name} | {1e3 * plain:.1f} ms | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
