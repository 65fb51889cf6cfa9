"""Toeplitz residuals agree with glmmTMB: likelihood, estimates, standard errors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_orthodont
from tests.reference.conftest import fit_case

HERE = Path(__file__).parent
DOCUMENT = json.loads((HERE / "glmmtmb.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}


@cache
def frame_of(name: str) -> pd.DataFrame:
    """The rows and derived columns that make_glmmtmb.R uses."""
    if name == "orthodont":
        frame = load_orthodont().frame.copy()
        frame["t"] = (frame["age"] - 8) // 2 + 1
        frame["male"] = (frame["sex"] == "Male").astype(float)
        frame["g"] = frame["subject"]
    else:
        frame = pd.DataFrame(DOCUMENT["data"][name])
    # the order of rows makes no difference
    return frame.sample(frac=1.0, random_state=1).reset_index(drop=True)


@cache
def fitted(name: str) -> MixedLinearRegressor:
    case = CASES[name]
    above = [RandomEffects(case["above"])] if case["above"] else []
    effects = [*above, RandomEffects("g", intercept=False)]
    return fit_case(case, frame_of(case["data"]), effects)


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param], fitted(request.param)


def test_log_likelihood(case):
    theirs, model = case
    assert model.converged_
    assert model.results_.n_obs == theirs["n_obs"]
    # both at a gradient of zero
    assert_allclose(model.log_likelihood_, theirs["log_likelihood"], rtol=1e-10)
    # glmmTMB as it is used, where it stops and with the rounding errors it has
    assert_allclose(model.log_likelihood_, theirs["log_likelihood_zero"], rtol=1e-6)


def test_fixed_effects_and_their_standard_errors(case):
    theirs, model = case
    table = model.coef_table()
    se = np.array(theirs["se"])
    # in units of their standard errors
    assert_allclose(
        table["estimate"] / se, np.array(theirs["coef"]) / se, rtol=0, atol=1e-6
    )
    assert_allclose(table["std_error"], se, rtol=1e-6)


def test_variance_parameters_and_their_standard_errors(case):
    theirs, model = case
    frame = model.results_.variance_frame("sd")
    ours = frame.loc["Residual"]
    assert set(ours.index) == set(theirs["residual"])
    rows = [
        (ours.loc[term], value, theirs["residual_se"][term])
        for term, value in theirs["residual"].items()
    ]
    if theirs["above"]:
        above = frame.loc[theirs["above"], "sd(_cons)"]
        rows.append((above, theirs["effect"], theirs["effect_se"]))
    else:
        assert theirs["effect"] is None
    for row, value, se in rows:
        # in units of their standard errors
        assert_allclose(row["estimate"] / se, value / se, rtol=0, atol=1e-6)
        # differences of a gradient there, complex steps here
        assert_allclose(row["std_error"], se, rtol=1e-6)
