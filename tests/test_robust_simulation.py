"""Coverage where the model is wrong: robust intervals keep it, model-based ones do not.

Residuals within a group follow an AR(1) process, scaled by a factor of the group
(heavy tails).  The covariance matrix of a group has the AR(1) structure all the same,
so that its parameters are estimated consistently.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

REPLICATES, GROUPS, SIZE, RHO = 400, 200, 6, 0.7


def sample(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    e = rng.normal(size=(GROUPS, SIZE))
    for t in range(1, SIZE):
        e[:, t] = RHO * e[:, t - 1] + np.sqrt(1 - RHO**2) * e[:, t]
    e *= np.sqrt(rng.gamma(2.0, 0.5, GROUPS))[:, None]  # mean square one
    time = np.tile(np.arange(SIZE), GROUPS)
    X = pd.DataFrame({"g": np.repeat(np.arange(GROUPS), SIZE), "time": time})
    X["trend"] = time / SIZE
    return X, 1.0 + 0.5 * X["trend"].to_numpy() + e.ravel()


def coverage(structure: str, vce: str) -> dict[str, float]:
    """Share of 95 % intervals that hold the truth."""
    rng = np.random.default_rng(7)
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=False),
        fixed=["trend"],
        residuals=Residuals(structure, time="time"),
        vce=vce,
        lr_test=False,
    )
    truth = {"trend": 0.5, "_cons": 1.0}
    if structure == "ar":
        truth |= {"rho": RHO, "sd(e)": 1.0}
    held = dict.fromkeys(truth, 0)
    for _ in range(REPLICATES):
        X, y = sample(rng)
        model.fit(X, y)
        ends = model.coef_table()[["ci_lower", "ci_upper"]]
        variances = model.results_.variance_frame("sd").loc["Residual"]
        ends = pd.concat([ends, variances[["ci_lower", "ci_upper"]]])
        for name, value in truth.items():
            low, high = ends.loc[name]
            held[name] += int(low < value < high)
    return {name: count / REPLICATES for name, count in held.items()}


@pytest.mark.slow
def test_robust_intervals_cover_where_the_model_is_wrong():
    # four binomial standard deviations below 0.95 are 0.906
    wrong, right = coverage("exchangeable", "oim"), coverage("exchangeable", "robust")
    print(wrong, right)
    assert wrong["trend"] < 0.88
    assert min(right.values()) > 0.906
    tails, robust = coverage("ar", "oim"), coverage("ar", "robust")
    print(tails, robust)
    assert tails["sd(e)"] < 0.88
    assert min(robust.values()) > 0.906
