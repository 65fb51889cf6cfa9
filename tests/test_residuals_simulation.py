"""Simulated data: estimates are unbiased and intervals cover as they should.

``python tests/test_residuals_simulation.py`` prints the table of docs/residuals.md.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

REPLICATES, GROUPS, TIMES = 400, 200, 6
LAG = np.abs(np.subtract.outer(np.arange(TIMES), np.arange(TIMES)))


def ar2_correlations(phi1: float, phi2: float) -> np.ndarray:
    r = [1.0, phi1 / (1 - phi2)]
    while len(r) < TIMES:
        r.append(phi1 * r[-1] + phi2 * r[-2])
    return np.array(r)


def unstructured() -> tuple[np.ndarray, dict[str, float]]:
    sd = np.array([1.0, 1.2, 0.9, 1.1, 1.4, 1.0])
    V = np.outer(sd, sd) * 0.8**LAG
    truth = {f"sd(e{i})": sd[i] for i in range(TIMES)}
    for i in range(TIMES):
        for j in range(i + 1, TIMES):
            truth[f"corr(e{i},e{j})"] = 0.8 ** (j - i)
    return V, truth


def banded() -> tuple[np.ndarray, dict[str, float]]:
    sd = np.array([1.0, 1.2, 0.9, 1.1, 1.4, 1.0])
    V = np.outer(sd, sd) * np.where(LAG == 0, 1.0, np.where(LAG == 1, 0.4, 0.0))
    truth = {f"sd(e{i})": sd[i] for i in range(TIMES)}
    return V, truth | {f"corr(e{i},e{i + 1})": 0.4 for i in range(TIMES - 1)}


def lagged(*r: float) -> np.ndarray:
    return np.append(r, np.zeros(TIMES))[LAG]


#: structure, covariance over the times, truth, whether a random intercept is added
DESIGNS = {
    "exchangeable": (
        Residuals("exchangeable"),
        np.where(LAG == 0, 1.0, 0.3),
        {"sd(e)": 1.0, "corr(e)": 0.3},
        False,
    ),
    "ar 1": (
        Residuals("ar", time="t"),
        0.6**LAG,
        {"rho": 0.6, "sd(e)": 1.0},
        True,
    ),
    "ar 2": (
        Residuals("ar", order=2, time="t"),
        ar2_correlations(0.5, 0.2)[LAG],
        {"phi1": 0.5, "phi2": 0.2, "sd(e)": 1.0},
        False,
    ),
    "ma 1": (
        Residuals("ma", time="t"),
        lagged(1.0, 0.5 / 1.25),
        {"theta1": 0.5, "sd(e)": 1.0},
        True,
    ),
    "ma 2": (
        Residuals("ma", order=2, time="t"),
        lagged(1.0, (0.5 + 0.5 * 0.3) / 1.34, 0.3 / 1.34),
        {"theta1": 0.5, "theta2": 0.3, "sd(e)": 1.0},
        False,
    ),
    "unstructured": (Residuals("unstructured", time="t"), *unstructured(), False),
    "banded 1": (Residuals("banded", order=1, time="t"), *banded(), False),
    "toeplitz 2": (
        Residuals("toeplitz", order=2, time="t"),
        lagged(1.0, 0.5, 0.2),
        {"rho1": 0.5, "rho2": 0.2, "sd(e)": 1.0},
        False,
    ),
    "exponential": (
        Residuals("exponential", time="t"),
        0.4**LAG,
        {"rho": 0.4, "sd(e)": 1.0},
        True,
    ),
}


def replicate(name: str, seed: int) -> pd.DataFrame:
    """Estimates with intervals, and the truth, of one simulated data set."""
    spec, V, truth, intercept = DESIGNS[name]
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(GROUPS, TIMES)) @ np.linalg.cholesky(V).T
    frame = pd.DataFrame(
        {
            "g": np.repeat(np.arange(GROUPS), TIMES),
            "t": np.tile(np.arange(TIMES), GROUPS),
            "x": rng.normal(size=GROUPS * TIMES),
        }
    )
    y = 1.0 + frame.x + e.ravel()
    if intercept:
        y = y + rng.normal(size=GROUPS)[frame.g]
        truth = {**truth, "sd(_cons)": 1.0}
    seen = rng.random(len(frame)) < 0.85  # gaps
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=intercept),
        fixed=["x"],
        method="reml",
        residuals=spec,
    ).fit(frame[seen], y[seen])
    table = model.results_.variance_frame("sd").droplevel("level")
    return table.assign(truth=pd.Series(truth))


def coverage(name: str, replicates: int = REPLICATES) -> pd.DataFrame:
    """Mean, bias in standard errors of the mean, and coverage of each parameter."""
    tables = [replicate(name, seed) for seed in range(replicates)]
    estimate = np.array([t["estimate"] for t in tables])
    inside = np.array(
        [(t.ci_lower <= t.truth) & (t.truth <= t.ci_upper) for t in tables]
    )
    out = tables[0][["truth"]].copy()
    out["mean"] = estimate.mean(axis=0)
    spread = estimate.std(axis=0, ddof=1)
    out["bias"] = (out["mean"] - out["truth"]) / spread
    out["ratio"] = np.array([t["std_error"] for t in tables]).mean(axis=0) / spread
    out["coverage"] = inside.mean(axis=0)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_recovery_and_coverage(name):
    table = coverage(name)
    # a coverage has a binomial sd of 1.1 %, and there are some fifty parameters: four
    # of these
    sd = np.sqrt(0.95 * 0.05 / REPLICATES)
    assert table["bias"].abs().max() < 0.3
    assert table["coverage"].min() > 0.95 - 4 * sd
    assert table["coverage"].mean() > 0.93
    assert table["ratio"].between(0.85, 1.15).all()


if __name__ == "__main__":
    for design in DESIGNS:
        print(f"\n{design}\n{coverage(design).round(3).to_string()}", flush=True)
