"""Variances by category or covariate, ARMA(1,1) and distances agree with nlme."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import load_orthodont, load_ovary
from sklearn_xmixed.residuals import Exponential, Power

DOCUMENT = json.loads((Path(__file__).parent / "variances.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}

# nlme stops when its likelihood no longer changes: 1e-12 of it are 1e-6 of a parameter
LIKELIHOOD = 1e-6
ESTIMATE = 1e-4


@cache
def frame_of(name: str) -> pd.DataFrame:
    if name in DOCUMENT["data"]:
        return pd.DataFrame(DOCUMENT["data"][name])
    X, y = {"orthodont": load_orthodont, "ovary": load_ovary}[name](return_X_y=True)
    frame = X.assign(**{y.name: y})
    if name == "orthodont":
        frame["t"] = (frame["age"] - 8) // 2 + 1
        frame["male"] = (frame["sex"] == "Male").astype(float)
    else:
        frame["sin1"] = np.sin(2 * np.pi * frame["stime"])
        frame["cos1"] = np.cos(2 * np.pi * frame["stime"])
    return frame


def residuals_of(case) -> Residuals:
    said = dict(case["residuals"])
    structure = said.pop("structure")
    for name, function in (("power", Power), ("exponential", Exponential)):
        if name in said:
            said["variance"] = function(said.pop(name))
    return Residuals(structure, **said)


@cache
def fitted(name: str) -> MixedLinearRegressor:
    case, frame = CASES[name], frame_of(CASES[name]["data"])
    return MixedLinearRegressor(
        RandomEffects(case["group"], intercept=case["intercept"]),
        fixed=case["fixed"],
        method=case["method"],
        residuals=residuals_of(case),
    ).fit(frame.drop(columns=case["y"]), frame[case["y"]])


@pytest.mark.parametrize("name", CASES)
def test_likelihood_and_coefficients(name):
    case, model = CASES[name], fitted(name)
    assert model.converged_
    assert_allclose(
        model.log_likelihood_, case["log_likelihood"], rtol=0, atol=LIKELIHOOD
    )
    ours = [model.intercept_, *(model.coef_[: len(case["fixed"])])]
    assert_allclose(ours, case["coefficients"], rtol=ESTIMATE, atol=1e-5)


def expected_correlations(case) -> list[float]:
    """nlme's parameters as ours."""
    value = np.atleast_1d(case["correlation"] or [])
    if case["residuals"]["structure"] == "exponential" and "-places" in case["id"]:
        return list(np.exp(-1.0 / value))  # a range
    return list(value)


@pytest.mark.parametrize("name", CASES)
def test_parameters_of_the_residuals(name):
    case, found = CASES[name], fitted(name).residual_parameters_
    sds = {k: np.sqrt(v) for k, v in found.items() if k.startswith("var(")}
    given, sigma = case["variance"], case["sigma"]
    if isinstance(given, dict):
        expected = {f"var(e{k})": sigma * v for k, v in given.items()}
    else:
        expected = {"var(e)": sigma}
    assert sds.keys() == expected.keys()
    for term, sd in expected.items():
        assert_allclose(sds[term], sd, rtol=ESTIMATE)
    if not isinstance(given, dict) and given is not None:
        assert_allclose(found["delta"], given, rtol=0, atol=ESTIMATE)
    rest = [v for k, v in found.items() if not k.startswith("var(") and k != "delta"]
    if name == "unstructured":  # covariances
        corr = fitted(name).results_.variance_frame("sd").loc["Residual"]["estimate"]
        rest = [v for k, v in corr.items() if k.startswith("corr(")]
    assert_allclose(rest, expected_correlations(case), rtol=0, atol=ESTIMATE)


@pytest.mark.parametrize("name", [k for k, c in CASES.items() if c["intercept"]])
def test_random_intercepts(name):
    case, model = CASES[name], fitted(name)
    (Sigma,) = model.covariances_.values()
    assert_allclose(np.sqrt(Sigma.iloc[0, 0]), case["random_sd"], rtol=ESTIMATE)
