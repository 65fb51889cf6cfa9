"""Small-sample corrections of robust errors are those of clubSandwich.

Standard errors for CR0 to CR3, Satterthwaite degrees of freedom and HTZ tests of fits by
nlme and lme4; ``make_cluster_robust.R`` says how they were made.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from tests.reference.conftest import FOLDERS

DOCUMENT = json.loads((Path(__file__).parent / "cluster_robust.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
KINDS = ("CR0", "CR1", "CR1S", "CR2", "CR3")

CHILD = RandomEffects("subject", intercept=False)
SLOPE = RandomEffects("subject", ["days"], covariance="unstructured")
STATES = ["region", "state"]
#: equations and residuals of every case
MODELS = {
    "slope": ([SLOPE], None),
    "slope-ml": ([SLOPE], None),
    "two-variances": (
        [RandomEffects("subject", ["days"], covariance="independent")],
        None,
    ),
    "growth": (["subject"], None),
    "three-levels": (STATES, None),
    "three-levels-ml": (STATES, None),
    "above": (["state"], None),
    "above-slopes": (
        [RandomEffects("state", ["unemp"], covariance="independent")],
        None,
    ),
    "lme-growth": (
        [RandomEffects("subject", ["age"], covariance="unstructured")],
        None,
    ),
    "lme-growth-ml": (["subject"], None),
    "lme-ar": (["subject"], Residuals("ar", time="days")),
    "lme-three-levels": (STATES, None),
    "gls-ar": ([CHILD], Residuals("ar", time="visit")),
    "gls-ovary": (
        [RandomEffects("mare", intercept=False)],
        Residuals("ar", time="time"),
    ),
    "gls-exchangeable": ([CHILD], Residuals("exchangeable")),
    "gls-unstructured": ([CHILD], Residuals("unstructured", time="visit")),
    "gls-by": ([CHILD], Residuals("independent", by="sex")),
    "linear": ([], None),
}
RESPONSES = {
    "sleepstudy": "reaction",
    "orthodont": "distance",
    "productivity": "gsp",
    "ovary": "follicles",
}


def frame_of(case) -> pd.DataFrame:
    frame = pd.read_csv(FOLDERS["bundled"] / f"{case['data']}.csv")
    if case["drop"]:
        frame = frame[np.arange(1, len(frame) + 1) % case["drop"] != 0]
    frame = frame.reset_index(drop=True)
    for name, text in (case["derive"] or {}).items():
        frame[name] = frame.eval(text).astype(float)
    return frame


def fit(case, vce) -> MixedLinearRegressor:
    frame, y = frame_of(case), RESPONSES[case["data"]]
    equations, residuals = MODELS[case["id"]]
    tops = [getattr(e, "group", e) for e in equations]
    above = tops[:1] != [case["cluster"]]
    model = MixedLinearRegressor(
        equations,
        residuals=residuals,
        method=case["method"],
        fixed=case["names"][:-1],
        vce=vce,
        cluster=case["cluster"] if above else None,
        em_iter=0,
    )
    return model.fit(frame.drop(columns=y), frame[y])


def test_every_case_has_a_model():
    assert list(MODELS) == list(CASES)


@pytest.mark.parametrize("vce", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_clubsandwich(name, vce):
    case = CASES[name]
    expected = case["answers"][vce]
    model = fit(case, vce)
    r, robust = model.results_, model._fitted.robust
    p = len(case["names"])
    # where the two searches end differs by this much
    assert_allclose(r.log_likelihood, case["log_likelihood"], rtol=1e-7)
    errors = np.sqrt(np.diagonal(r.beta_vcov))
    assert_allclose(errors, expected["std_error"], rtol=1e-5)
    assert_allclose(robust.df(np.eye(p)), expected["df"], rtol=2e-5)
    for joint in expected["joint"]:
        L = np.eye(p)[: joint["rows"]]
        found = robust.test(L, r.beta[: joint["rows"]])
        assert_allclose(found.df_denom, joint["df"], rtol=2e-5)
        assert_allclose(found.f_value, joint["f"], rtol=2e-5)
