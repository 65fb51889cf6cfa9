"""Structured residuals agree with nlme: likelihood, estimates, standard errors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import manual_data
from tests.reference.conftest import fit_case

HERE = Path(__file__).parent
DOCUMENT = json.loads((HERE / "nlme.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
BUNDLED = HERE.parents[1] / "sklearn_xmixed" / "datasets" / "data"

# nlme stops when its likelihood no longer changes: 1e-12 of it are 1e-6 of a parameter
LIKELIHOOD = 1e-9
ESTIMATE = 1e-4


@cache
def frame_of(name: str) -> pd.DataFrame:
    """The rows and derived columns that make_nlme.R uses."""
    path = BUNDLED / f"{name}.csv"
    if path.is_file():
        frame = pd.read_csv(path)
    else:
        frame = manual_data(name)
    if name == "orthodont":
        frame["t"] = (frame["age"] - 8) // 2 + 1
        frame["male"] = (frame["sex"] == "Male").astype(float)
    if name == "exercise":
        frame = frame[frame["day"].isin([0, 4, 6, 8, 12])].dropna()
        frame["group"] = (frame["program"] == 2).astype(float)
        frame["slope"] = frame["group"] * frame["day"]
    if name == "ovary":
        frame = frame[~frame["time"].isin([5, 6, 13])].copy()
        frame["sin1"] = np.sin(2 * np.pi * frame["stime"])
        frame["cos1"] = np.cos(2 * np.pi * frame["stime"])
    # the order of rows makes no difference
    return frame.sample(frac=1.0, random_state=1).reset_index(drop=True)


@cache
def fitted(name: str) -> MixedLinearRegressor:
    case = CASES[name]
    effects = [RandomEffects(**e) for e in case["equations"]]
    return fit_case(case, frame_of(case["data"]), effects)


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param], fitted(request.param)


def test_log_likelihood(case):
    theirs, model = case
    assert model.converged_
    assert model.results_.n_obs == theirs["n_obs"]
    assert_allclose(model.log_likelihood_, theirs["log_likelihood"], rtol=LIKELIHOOD)


def test_fixed_effects_and_their_standard_errors(case):
    theirs, model = case
    table = model.coef_table()
    se = np.array(theirs["se"])
    # in units of their standard errors
    assert_allclose(
        table["estimate"] / se, np.array(theirs["coef"]) / se, rtol=0, atol=1e-4
    )
    assert_allclose(table["std_error"], se, rtol=1e-4)


def test_residual_parameters(case):
    theirs, model = case
    ours = model.results_.variance_frame("sd")["estimate"].loc["Residual"]
    assert set(ours.index) == set(theirs["residual"])
    for term, value in theirs["residual"].items():
        assert_allclose(ours[term], value, rtol=ESTIMATE, err_msg=term)


def test_standard_deviations_of_random_effects(case):
    theirs, model = case
    if theirs["effects"] is None:
        assert model.covariances_ == {}
        return
    for level, sds in theirs["effects"].items():
        Sigma = model.covariances_[level]
        for term, value in sds.items():
            # a zero variance is approached by nlme, and reached here
            assert_allclose(
                np.sqrt(Sigma.loc[term, term]),
                value,
                rtol=1e-4,
                atol=1e-3 * model.sigma_,
            )


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case["robust"]], ids=str
)
def test_robust_errors_are_those_of_clubsandwich(name):
    """CR0 times M / (M - 1); what is left is where the two searches end."""
    theirs, model = CASES[name], fitted(name)
    M = theirs["robust"]["n_clusters"]
    frame = frame_of(theirs["data"])
    response = theirs["response"]
    robust = clone(model).set_params(vce="robust")
    r = robust.fit(frame.drop(columns=response), frame[response]).results_
    assert r.n_clusters == M
    expected = np.array(theirs["robust"]["cr0"]) * M / (M - 1)
    size = np.sqrt(np.diagonal(expected))
    scale = np.outer(size, size)
    assert_allclose(r.beta_vcov / scale, expected / scale, rtol=0, atol=3e-5)
