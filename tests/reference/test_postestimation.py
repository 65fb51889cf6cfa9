"""Variances, tests and covariance matrices after a fit agree with R."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

HERE = Path(__file__).parent
DOCUMENT = json.loads((HERE / "postestimation.json").read_text())
BUNDLED = HERE.parents[1] / "sklearn_xmixed" / "datasets" / "data"
SLOPES = RandomEffects("subject", ["days"], covariance="unstructured")
INPUTS = ["private", "emp", "hwy", "water", "other", "unemp"]

# how well both programs found the optimum
RELATIVE = 2e-6

FITS = {
    "intercepts": ("reaction", ["days"], "subject", {}),
    "slopes": ("reaction", ["days"], SLOPES, {}),
    "slopes reml": ("reaction", ["days"], SLOPES, {"method": "reml"}),
    "independent": ("reaction", ["days"], RandomEffects("subject", ["days"]), {}),
    "nested": ("gsp", INPUTS, ["region", "state"], {}),
    "crossed": (
        "diameter",
        [],
        [RandomEffects("_all", factor="plate"), RandomEffects("_all", factor="sample")],
        {"method": "reml"},
    ),
}


@cache
def frame_of(name: str) -> pd.DataFrame:
    frame = pd.read_csv(BUNDLED / f"{name}.csv")
    if name == "orthodont":
        frame["t"] = (frame["age"] - 8) // 2 + 1
    return frame


@cache
def fitted(name: str) -> MixedLinearRegressor:
    theirs = next(fit for fit in DOCUMENT["fits"] if fit["id"] == name)
    response, fixed, effects, parameters = FITS[name]
    frame = frame_of(theirs["data"])
    model = MixedLinearRegressor(effects, fixed=fixed, **parameters)
    return model.fit(frame.drop(columns=response), frame[response])


@pytest.fixture(params=DOCUMENT["fits"], ids=lambda fit: fit["id"])
def fit(request):
    theirs = request.param
    frame, response = frame_of(theirs["data"]), FITS[theirs["id"]][0]
    X, y = frame.drop(columns=response), frame[response]
    return theirs, fitted(theirs["id"]), X, y


def test_r2(fit):
    theirs, model, X, _ = fit
    assert_allclose(model.log_likelihood_, theirs["log_likelihood"], rtol=1e-9)
    ours = model.r2(X)
    for part, value in theirs["variances"].items():
        assert_allclose(ours[f"{part}_variance"], value, rtol=RELATIVE, atol=1e-12)
    for name in ("marginal", "conditional"):
        if theirs[name] is not None:
            assert_allclose(ours[name], theirs[name], rtol=RELATIVE, atol=1e-12)


def test_shares_of_each_grouping(fit):
    """performance's ICC by group is the share of a grouping alone."""
    theirs, model, _, _ = fit
    if not theirs["shares"]:
        pytest.skip("performance has none with random slopes")
    ours = model.icc()["icc"]
    shares = theirs["shares"]
    match theirs["id"]:
        case "intercepts":
            expected = {"subject": shares["subject"]}
        case "nested":
            region = shares["region"]
            expected = {"region": region, "state": region + shares["state:region"]}
        case "crossed":
            expected = {f"R.{name}": share for name, share in shares.items()}
    assert set(ours.index) == set(expected)
    for level, value in expected.items():
        assert_allclose(ours[level], value, rtol=1e-5)


def test_fixed_part_and_its_standard_errors(fit):
    theirs, model, X, y = fit
    mean, std = model.predict(X[:20], kind="fixed", return_std=True)
    assert_allclose(mean, theirs["xb"], rtol=1e-7)
    assert_allclose(std, theirs["stdp"], rtol=RELATIVE)
    residuals = model.get_residuals(X, y)[:20]
    assert_allclose(
        residuals, theirs["residuals"], rtol=0, atol=1e-5 * np.std(residuals)
    )


@pytest.mark.parametrize("case", DOCUMENT["tests"], ids=lambda c: str(c["words"]))
def test_wald_tests(case):
    ours = fitted("nested").wald_test(case["words"])
    assert ours.df == case["df"]
    assert_allclose(ours.chi2, case["chi2"], rtol=1e-5)
    assert_allclose(ours.p_value, case["p"], rtol=1e-4)


@pytest.mark.parametrize(
    "case", DOCUMENT["combinations"], ids=lambda case: case["words"]
)
def test_combinations(case):
    """car differentiates symbolically."""
    ours = fitted("nested").nlcom(case["words"]).iloc[0]
    assert_allclose(ours["estimate"], case["estimate"], rtol=1e-6)
    assert_allclose(ours["std_error"], case["std_error"], rtol=1e-5)


GROUPS = {
    "slopes": (SLOPES, None),
    "ar": ("subject", Residuals("ar", time="days")),
    "exponential": ("subject", Residuals("exponential", time="days")),
    "by": ("subject", Residuals("independent", by="sex")),
    "by, other": ("subject", Residuals("independent", by="sex")),
    "ma": ("subject", Residuals("ma", time="t")),
}


@pytest.mark.parametrize("case", DOCUMENT["groups"], ids=lambda case: case["id"])
def test_covariance_matrices_of_a_group(case):
    effects, residuals = GROUPS[case["id"]]
    frame = frame_of(case["data"])
    response = "reaction" if case["data"] == "sleepstudy" else "distance"
    fixed = ["days"] if case["data"] == "sleepstudy" else ["age"]
    model = MixedLinearRegressor(effects, fixed=fixed, residuals=residuals)
    X = frame.drop(columns=response)
    model.fit(X, frame[response])
    # nlme ends its search where the likelihood changes by 1e-12 of itself
    assert_allclose(model.log_likelihood_, case["log_likelihood"], rtol=1e-9)
    label = case["group"]
    group = int(label) if label.isdigit() else label
    for part in ("residual", "total"):
        ours = model.marginal_covariance(X, group=group, part=part)
        V = np.array(case[part])
        assert_allclose(ours, V, rtol=0, atol=2e-5 * V.max())
    R = model.residual_correlation(X, group=group)
    E = np.array(case["residual"])
    sd = np.sqrt(np.diagonal(E))
    assert_allclose(R, E / np.outer(sd, sd), rtol=0, atol=1e-4)
