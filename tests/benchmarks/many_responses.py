"""Thousands of responses on one design against loops of single fits.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/many_responses.py [--reps N] [--some N]

CPU milliseconds a response (the machine may be busy), one thread: ``fit(X, Y)`` with
standard errors of all parameters, the table of p-values with Satterthwaite's degrees of
freedom, the same fits in a loop, and lme4's ``refit`` in a loop with the standard errors
of the coefficients.  Loops run over some of the responses; their log likelihoods are
compared with those of the whole.  Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects

SCRIPT = Path(__file__).with_suffix(".R")
FIXED = ["x", "z"]


def responses(m: int, slope: str | None = None, *, groups: int = 24, size: int = 5):
    """Rows, and m responses whose variances of groups differ, some of them zero."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(groups), size)
    X = pd.DataFrame(rng.normal(size=(len(g), 2)), columns=FIXED)
    X["time"], X["g"] = np.tile(np.arange(float(size)), groups), g
    sd = rng.choice([0.0, 0.3, 0.7, 1.5], size=m)
    Y = rng.normal(size=(len(g), m)) + (rng.normal(size=(groups, m)) * sd)[g]
    if slope is not None:
        by_group = rng.normal(size=(groups, m)) * rng.choice([0.2, 0.6], size=m)
        Y += X[slope].to_numpy()[:, None] * by_group[g]
    return X, Y


def correlated(slope: str) -> RandomEffects:
    return RandomEffects("g", [slope], covariance="unstructured")


CASES: dict[str, tuple[int, str | None, list[str]]] = {
    "random intercept": (20_000, None, FIXED),
    "correlated slopes on a covariate": (2_000, "x", FIXED),
    "correlated slopes on time": (2_000, "time", [*FIXED, "time"]),
}


def cpu(call: Callable[[], Any]) -> float:
    """Seconds of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def lme4(X: pd.DataFrame, Y: np.ndarray, formula: str) -> tuple[float, np.ndarray]:
    """Milliseconds a response, and log likelihoods."""
    with tempfile.TemporaryDirectory() as folder:
        rows, values = Path(folder, "rows.csv"), Path(folder, "responses.csv")
        X.to_csv(rows, index=False)
        pd.DataFrame(Y).to_csv(values, index=False)
        done = subprocess.run(
            ["Rscript", str(SCRIPT), str(rows), str(values), formula],
            capture_output=True,
            text=True,
            check=True,
        )
    first, *likelihoods, _ = done.stdout.split()
    return float(first), np.array(likelihoods, dtype=float)


def compare(name: str, reps: int, some: int) -> str:
    """A line of the table."""
    m, slope, fixed = CASES[name]
    X, Y = responses(m, slope)
    effects: Any = "g" if slope is None else correlated(slope)

    def model() -> MixedLinearRegressor:
        return MixedLinearRegressor(effects, fixed=fixed, method="reml")

    model().fit(X, Y[:, :50])
    calls: dict[str, tuple[int, Callable[[], Any]]] = {
        "together": (m, lambda: model().fit(X, Y)),
        "table": (m, lambda: many.coef_table(df="satterthwaite", adjust="fdr")),
        "loop": (some, lambda: [model().fit(X, y) for y in Y.T[:some]]),
    }
    spent: dict[str, list[float]] = {name: [] for name in calls}
    many = model().fit(X, Y)
    for _ in range(reps):
        for what, (count, call) in calls.items():
            spent[what].append(1e3 * cpu(call) / count)
    alone = [model().fit(X, y).log_likelihood_ for y in Y.T[:some]]
    gap = np.abs(many.log_likelihood_[:some] - alone).max()
    ours, table, one = (statistics.median(times) for times in spent.values())
    cells = [name, f"{m:,}", f"{ours:.3f}", f"{table:.3f}"]
    cells += [f"{one:.1f} ({one / ours:,.0f}x)", f"{gap:.0e}"]
    if shutil.which("Rscript"):
        effect = "(1 | g)" if slope is None else f"({slope} | g)"
        theirs, likelihoods = lme4(
            X, Y[:, :some], f"y ~ {' + '.join(fixed)} + {effect}"
        )
        below = (likelihoods - many.log_likelihood_[:some]).min()
        above = (likelihoods - many.log_likelihood_[:some]).max()
        cells += [f"{theirs:.1f} ({theirs / ours:,.0f}x)"]
        cells += [f"{below:.0e} to {above:.0e}"]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--some", type=int, default=100)
    arguments = parser.parse_args()
    head = ["case", "responses", "fit(X, Y)", "table", "loop of fits", "max gap"]
    if shutil.which("Rscript"):
        head += ["lme4 refit", "lme4's log likelihood less ours"]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for name in CASES:
        print(compare(name, arguments.reps, arguments.some), flush=True)


if __name__ == "__main__":
    main()
