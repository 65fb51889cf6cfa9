"""CPU seconds of fits with structured residuals and random effects.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/structured.py [PART OF A NAME ...]

prints the least of several fits, and the log likelihood.  The patients are mmrm's data
set ``bcva_data`` as a CSV file; XMIXED_BCVA says where it is.
"""

from __future__ import annotations

import os
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
    return X, raw.BCVA_CHG, fixed


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


AR, TOEPLITZ = Residuals("ar", time="t"), Residuals("toeplitz", time="t")
CASES: dict[str, tuple[Data, RandomEffects, Residuals]] = {
    "patients, unstructured": (patients, NOBODY, Residuals("unstructured", time="t")),
    "patients, toeplitz": (patients, NOBODY, TOEPLITZ),
    "patients, intercept, ar": (patients, INTERCEPT, AR),
    "patients, intercept, toeplitz": (patients, INTERCEPT, TOEPLITZ),
    "patients, slope, ar": (patients, SLOPE, AR),
    "patients, intercept, ar by arm": (
        patients,
        INTERCEPT,
        Residuals("ar", time="t", by="arm"),
    ),
    "patients, slope, ar by arm": (
        patients,
        SLOPE,
        Residuals("ar", time="t", by="arm"),
    ),
    "simulated, intercept, ar": (simulated, INTERCEPT, AR),
    "simulated, slope, ar": (simulated, SLOPE, AR),
}


def main() -> None:
    """Time the cases whose names have one of the arguments in them."""
    for name, (data, effects, residuals) in CASES.items():
        if sys.argv[1:] and not any(part in name for part in sys.argv[1:]):
            continue
        X, y, fixed = data()
        model = MixedLinearRegressor(
            effects, fixed=fixed, residuals=residuals, method="reml"
        )
        took = []
        for _ in range(REPS):
            start = time.process_time()
            model.fit(X, y)
            took.append(time.process_time() - start)
        print(f"| {name} | {min(took):.2f} | {model.log_likelihood_:.4f} |", flush=True)


if __name__ == "__main__":
    main()
