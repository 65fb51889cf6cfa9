"""CPU seconds of fits with structured residuals and random effects.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/structured.py [PART OF A NAME ...]
        [--against CHECKOUT]

prints the least of several fits, and the log likelihood; with the checkout of another
version the fits of both take turns.  The patients are mmrm's data set ``bcva_data`` as
a CSV file; XMIXED_BCVA says where it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

BCVA = os.environ.get(
    "XMIXED_BCVA",
    Path(__file__).resolve().parents[3] / "shared" / "bundle" / "bcva.csv",
)
REPS = 5
NOBODY = RandomEffects("g", intercept=False)
INTERCEPT = RandomEffects("g")
SLOPE = RandomEffects("g", ["day"], covariance="unstructured")
OWN_SLOPE = RandomEffects("g", ["z"], covariance="unstructured")
SLOPE_ALONE = RandomEffects("g", ["z"], intercept=False)
THREE_LEVELS = [RandomEffects("centre"), RandomEffects("g")]
Effects = RandomEffects | list[RandomEffects]
Data = Callable[[], tuple[pd.DataFrame, pd.Series, list[str]]]


def patients() -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """1,000 patients, up to 10 visits: visits by arms, and the baseline."""
    raw = pd.read_csv(BCVA)
    X = pd.DataFrame({"g": raw.USUBJID.astype(str), "base": raw.BCVA_BL})
    for visit in range(2, 11):
        X[f"visit{visit}"] = (raw.VISITN == visit).astype(float)
    for visit in range(1, 11):
        treated = (raw.ARMCD == "TRT") & (raw.VISITN == visit)
        X[f"treated{visit}"] = treated.astype(float)
    fixed = list(X.columns[1:])
    X = X.assign(t=raw.VISITN, day=raw.VISITN.astype(float), arm=raw.ARMCD)
    # neither a covariate nor centres are in the data set
    rng = np.random.default_rng(5)
    number = pd.factorize(X.g)[0]
    X = X.assign(z=rng.normal(size=len(X)), centre=number // 20)
    effect, slope = rng.normal(size=number.max() + 1), rng.normal(size=number.max() + 1)
    y = raw.BCVA_CHG + 2.0 * effect[X.centre] + 1.5 * slope[number] * X.z
    return X, y, fixed


def simulated() -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """10,000 subjects, up to 10 visits with dropout."""
    n, T = 10_000, 10
    rng = np.random.default_rng(3)
    g, t = np.repeat(np.arange(n), T), np.tile(np.arange(T), n)
    e = rng.normal(size=(n, T))
    for k in range(1, T):
        e[:, k] = 0.5 * e[:, k - 1] + np.sqrt(0.75) * e[:, k]
    x = rng.normal(size=n * T)
    y = pd.Series(1 + 0.3 * t + x + e.ravel() + rng.normal(size=n)[g])
    X = pd.DataFrame({"g": g, "t": t, "day": t.astype(float), "x": x})
    stays = t <= rng.geometric(0.08, size=n)[g]
    return (
        X[stays].reset_index(drop=True),
        y[stays].reset_index(drop=True),
        ["day", "x"],
    )


def deeper() -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """The same subjects with slopes in a covariate of their own, and in centres."""
    X, y, fixed = simulated()
    rng = np.random.default_rng(4)
    X = X.assign(z=rng.normal(size=len(X)), centre=X.g // 20)
    effect, slope = rng.normal(size=10_000), rng.normal(size=10_000)
    return X, y + 0.7 * effect[X.centre] + 0.5 * slope[X.g] * X.z, fixed


AR, TOEPLITZ = Residuals("ar", time="t"), Residuals("toeplitz", time="t")
BY_ARM = Residuals("ar", time="t", by="arm")
CASES: dict[str, tuple[Data, Effects, Residuals]] = {
    "patients, unstructured": (patients, NOBODY, Residuals("unstructured", time="t")),
    "patients, toeplitz": (patients, NOBODY, TOEPLITZ),
    "patients, intercept, ar": (patients, INTERCEPT, AR),
    "patients, intercept, toeplitz": (patients, INTERCEPT, TOEPLITZ),
    "patients, slope, ar": (patients, SLOPE, AR),
    "patients, intercept, ar by arm": (patients, INTERCEPT, BY_ARM),
    "patients, slope, ar by arm": (patients, SLOPE, BY_ARM),
    "patients, own slope, ar": (patients, OWN_SLOPE, AR),
    "patients, own slope, toeplitz": (patients, SLOPE_ALONE, TOEPLITZ),
    "patients, three levels, ar": (patients, THREE_LEVELS, AR),
    "patients, three levels, toeplitz": (
        patients,
        [RandomEffects("centre"), SLOPE_ALONE],
        TOEPLITZ,
    ),
    "simulated, intercept, ar": (simulated, INTERCEPT, AR),
    "simulated, slope, ar": (simulated, SLOPE, AR),
    "simulated, own slope, ar": (deeper, OWN_SLOPE, AR),
    "simulated, three levels, ar": (deeper, THREE_LEVELS, AR),
}


def work() -> None:
    """Fit the cases whose names come in, one fit for each line."""
    known: dict[str, tuple[MixedLinearRegressor, pd.DataFrame, pd.Series]] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in known:
            data, effects, residuals = CASES[name]
            X, y, fixed = data()
            model = MixedLinearRegressor(
                effects, fixed=fixed, residuals=residuals, method="reml"
            )
            known = {name: (model, X, y)}
        model, X, y = known[name]
        start = time.process_time()
        model.fit(X, y)
        took = time.process_time() - start
        print(json.dumps([took, model.log_likelihood_]), flush=True)


def worker(checkout: Path) -> subprocess.Popen[str]:
    """This script with the package of a checkout."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, __file__, "--work"],
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def asked(process: subprocess.Popen[str], name: str) -> tuple[float, float]:
    """Seconds and log likelihood of one fit."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(name + "\n")
    process.stdin.flush()
    took, value = json.loads(process.stdout.readline())
    return took, value


def main() -> None:
    """Time the cases whose names have one of the arguments in them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--reps", type=int, default=REPS)
    parser.add_argument("--work", action="store_true")
    options = parser.parse_args()
    if options.work:
        work()
        return
    here = Path(__file__).resolve().parents[2]
    checkouts = [here] if options.against is None else [options.against, here]
    workers = [worker(checkout) for checkout in checkouts]
    for name in CASES:
        if options.parts and not any(part in name for part in options.parts):
            continue
        rounds = [[asked(w, name) for w in workers] for _ in range(options.reps)]
        least = [min(one[k][0] for one in rounds) for k in range(len(workers))]
        shown = " | ".join(f"{seconds:.3f}" for seconds in least)
        ratio = f" | {least[-1] / least[0]:.2f}" if len(least) > 1 else ""
        values = " | ".join(f"{value:.9f}" for _, value in rounds[-1])
        print(f"| {name} | {shown}{ratio} | {values} |", flush=True)
    for process in workers:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    main()
