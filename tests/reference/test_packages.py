"""Fits to the data sets of R's packages, by nlme, lme4 and glmmTMB."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

DOCUMENT = json.loads((Path(__file__).parent / "packages.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}

# a likelihood that is flat at its maximum: 1e-8 of it is 1e-4 of a parameter
SHORT_OF_OURS = 1e-6
OF_STANDARD_ERROR = 1e-3
RELATIVE = 2e-3


@cache
def fitted(name: str) -> tuple[MixedLinearRegressor, pd.DataFrame, pd.Series]:
    case = CASES[name]
    frame = pd.DataFrame(DOCUMENT["data"][case["data"]])
    X, y = frame.drop(columns=case["response"]), frame[case["response"]]
    model = MixedLinearRegressor(
        [RandomEffects(**equation) for equation in case["random_effects"]],
        fixed=case["fixed"],
        fit_intercept=case["fit_intercept"],
        method=case["method"],
        residuals=Residuals(**case["residuals"]) if case["residuals"] else None,
    )
    # rows in another order than R saw them
    order = np.random.default_rng(3).permutation(len(y))
    return model.fit(X.iloc[order], y.iloc[order]), X, y


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param], *fitted(request.param)


def test_the_optimum_is_reached(case):
    theirs, model, _, _ = case
    assert model.converged_
    gain = model.log_likelihood_ - theirs["log_likelihood"]
    assert -1e-9 * (1.0 + abs(model.log_likelihood_)) < gain < SHORT_OF_OURS


def test_fixed_effects(case):
    theirs, model, _, _ = case
    table = model.coef_table()
    names = [*theirs["fixed"], *(["_cons"] if theirs["fit_intercept"] else [])]
    assert list(table.index) == names
    want = np.array([theirs["coef"][name] for name in names])
    unit = table["std_error"].to_numpy()
    assert_allclose(table["estimate"] / unit, want / unit, atol=OF_STANDARD_ERROR)
    if "vcov" not in theirs:
        return
    at = [list(theirs["coef"]).index(name) for name in names]
    vcov = np.array(theirs["vcov"])[np.ix_(at, at)]
    p = len(names)
    ours = model.vcov().to_numpy()[:p, :p]
    assert_allclose(ours / np.outer(unit, unit), vcov / np.outer(unit, unit), atol=2e-3)


def test_covariance_matrices(case):
    theirs, model, _, _ = case
    if "Sigma" not in theirs:
        assert not model.covariances_
        return
    # R names a level once, whatever its blocks; terms tell them apart
    found = list(model.covariances_.values())
    for block in theirs["Sigma"]:
        terms = block["terms"]
        Sigma = np.array(block["Sigma"])
        size = np.sqrt(np.diagonal(Sigma))
        noise = 1e-3 * model.sigma_
        ours = [S for S in found if set(S.index) <= set(terms)]
        near = [
            k
            for k, S in enumerate(ours)
            if np.allclose(
                np.sqrt(np.diagonal(S)),
                size[[terms.index(t) for t in S.index]],
                rtol=RELATIVE,
                atol=noise,
            )
        ]
        seen: list[str] = []
        for k in near:
            S = ours[k]
            at = [terms.index(t) for t in S.index]
            unit = np.outer(size[at] + 10 * noise, size[at] + 10 * noise)
            assert_allclose(S / unit, Sigma[np.ix_(at, at)] / unit, atol=5e-3)
            seen += list(S.index)
        assert set(seen) == set(terms)


def test_residual_parameters(case):
    theirs, model, _, _ = case
    ours = model.results_.variance_frame("sd")["estimate"].loc["Residual"].to_dict()
    sigma = theirs["sigma"]
    if "ratio" in theirs:
        want = {f"{by}: sd(e)": sigma * r for by, r in theirs["ratio"].items()}
    elif theirs["residuals"] is None:
        want = {"sd(Residual)": sigma}
    else:
        names = {"ar": "phi", "ma": "theta", "exponential": "rho"}
        name = names[theirs["residuals"]["structure"]]
        values = np.atleast_1d(theirs["correlation"])
        want = {f"{name}{k + 1}": v for k, v in enumerate(values)}
        if len(values) == 1:
            want = {"rho": values[0]}
        want["sd(e)"] = sigma
    assert set(ours) == set(want)
    for term, value in want.items():
        assert_allclose(ours[term], value, rtol=RELATIVE, err_msg=term)


def test_fitted_values_at_every_level(case):
    theirs, model, X, y = case
    if "fitted" not in theirs:
        pytest.skip("generalized least squares and glmmTMB: no levels")
    rows = X.iloc[::9]
    want = np.array(theirs["fitted"])
    levels = list(model.n_groups_)
    ours = [model.predict(rows, kind="fixed")]
    ours += [model.predict(rows, level=level) for level in levels]
    ours = np.column_stack(ours)[:, -want.shape[1] :]
    assert_allclose(ours, want, atol=2e-4 * y.std())


def test_new_rows(case):
    theirs, model, X, y = case
    if "new" not in theirs:
        pytest.skip("no new rows")
    rows = pd.DataFrame(theirs["new"]).reindex(columns=X.columns)
    want = np.array(theirs["predicted"])
    ours = [model.predict(rows, kind="fixed")]
    ours += [model.predict(rows, level=level) for level in model.n_groups_]
    assert_allclose(np.column_stack(ours), want, atol=1e-5 * y.std())


def test_standard_errors_of_variance_parameters(case):
    theirs, model, _, _ = case
    if "theta" not in theirs:
        pytest.skip("only glmmTMB has exact ones")
    se = model.results_.variance_frame("estimation")["std_error"]
    want, at = {}, 0
    names = list(model.covariances_)
    for name, block in zip(names, theirs["Sigma"], strict=True):
        terms = block["terms"]
        for term in terms:
            want[name, f"lns({term})"] = theirs["se_theta"][at]
            at += 1
        if any(e.get("covariance") for e in theirs["random_effects"]):
            slope = 1.0 / np.hypot(1.0, theirs["theta"][at])
            ours = (name, f"atr({terms[1]},{terms[0]})")
            want[ours] = slope * theirs["se_theta"][at]
            at += 1
    want["Residual", "lns(Residual)"] = theirs["se_log_sigma"]
    assert at == len(theirs["theta"])
    for key, value in want.items():
        assert_allclose(se[key], value, rtol=1e-4, err_msg=str(key))
