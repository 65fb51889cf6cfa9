"""Degrees of freedom are those of lmerTest and pbkrtest, also of the dense oracle.

Where a variance is zero pbkrtest's numbers are of the model without it, lmerTest's of the
model as it stands; both are what the oracle and the package say of the singular one.
"""

from __future__ import annotations

import inspect
import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.reference.conftest import FOLDERS
from tests.small_sample_oracle import of_model

DOCUMENT = json.loads((Path(__file__).parent / "small_samples.json").read_text())
CASES = {case["id"]: case for case in DOCUMENT["cases"]}
METHODS = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward_roger"}
PAIRS = [
    (name, method)
    for name, case in CASES.items()
    for method, key in METHODS.items()
    if case[key]
]

# Both optima are right to 1e-8 of a standard error; lmerTest takes its derivatives by
# differences, good for about seven digits.
ERROR = 2e-7
DF = 1e-6

asks_df = pytest.mark.skipif(
    "df" not in inspect.signature(MixedLinearRegressor.coef_table).parameters,
    reason="coef_table does not take df= yet",
)


def frame_of(case):
    folder, name = case["data"].split("/")
    if folder == "stored":
        return pd.DataFrame(DOCUMENT["data"][name])
    return pd.read_csv(FOLDERS[folder] / f"{name}.csv")


@cache
def both(name):
    """Our fit and the oracle at its estimates."""
    case = CASES[name]
    frame, y = frame_of(case), case["response"]
    equations = [RandomEffects(**equation) for equation in case["random_effects"]]
    model = MixedLinearRegressor(
        equations,
        fixed=case["fixed"],
        fit_intercept=case["fit_intercept"],
        method="reml",
    )
    with warnings.catch_warnings():
        # a variance at its bound is told by a warning; some cases are there for that
        warnings.simplefilter("ignore")
        model.fit(frame.drop(columns=y), frame[y])
    return model, of_model(model, equations, frame, frame[y])


def terms_of(case):
    return [*case["fixed"], *(["_cons"] if case["fit_intercept"] else [])]


def hypotheses_of(case):
    for hypothesis in case["hypotheses"]:
        rows = pd.DataFrame(hypothesis["L"], columns=hypothesis["terms"])
        yield rows.reindex(columns=terms_of(case), fill_value=0).to_numpy(float)


def column(theirs, key, case):
    return [theirs[key][term] for term in terms_of(case)]


@pytest.mark.parametrize("name", CASES)
def test_the_fit_is_the_same(name):
    model, oracle = both(name)
    case = CASES[name]
    assert case["gradient"] < 1e-6
    assert_allclose(model.log_likelihood_, case["log_likelihood"], rtol=1e-11)
    assert_allclose(oracle.log_likelihood, case["log_likelihood"], rtol=1e-11)
    found = model.coef_table()["estimate"].loc[terms_of(case)]
    assert_allclose(found, [case["coef"][term] for term in terms_of(case)], rtol=1e-7)
    assert_allclose(model.sigma_, case["sigma"], rtol=ERROR)


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_oracle(name, method):
    _, oracle = both(name)
    case, theirs = CASES[name], CASES[name][METHODS[method]]
    p = len(terms_of(case))
    se = np.sqrt(np.diag(oracle.vcov(method)))
    assert_allclose(se, column(theirs, "std_error", case), rtol=ERROR)
    assert_allclose(oracle.df(method, np.eye(p)), column(theirs, "df", case), rtol=DF)
    for L, test in zip(hypotheses_of(case), theirs["tests"], strict=True):
        F, l, m, scale = oracle.test(method, L)
        assert l == test["df"]
        assert_allclose([F, scale], [test["f_value"], test.get("scale", 1)], rtol=ERROR)
        assert_allclose(m, test["df_denom"], rtol=DF)


@pytest.mark.parametrize("name", [n for n, m in PAIRS if m == "kenward-roger"])
def test_adjusted_covariance_matrix_of_the_oracle(name):
    _, oracle = both(name)
    case = CASES[name]
    theirs = case["kenward_roger"]
    rows = [theirs["terms"].index(term) for term in terms_of(case)]
    expected = np.array(theirs["vcov"])[np.ix_(rows, rows)]
    size = np.sqrt(np.diag(expected))
    scale = np.outer(size, size)
    assert_allclose(oracle.vcov("kenward-roger") / scale, expected / scale, atol=ERROR)


@asks_df
@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_coefficient_table(name, method):
    model, _ = both(name)
    case, theirs = CASES[name], CASES[name][METHODS[method]]
    table = model.coef_table(df=method).loc[terms_of(case)]
    assert_allclose(table["std_error"], column(theirs, "std_error", case), rtol=ERROR)
    assert_allclose(table["df"], column(theirs, "df", case), rtol=DF)
    assert_allclose(table["t"], column(theirs, "t", case), rtol=DF)
    expected = column(theirs, "p_value", case)
    # a relative error of t is multiplied by about t^2 in the tail
    assert_allclose(table["p_value"], expected, rtol=1e-4, atol=1e-12)


@asks_df
@pytest.mark.parametrize(
    ("name", "method"), [pair for pair in PAIRS if CASES[pair[0]]["hypotheses"]]
)
def test_joint_tests(name, method):
    model, _ = both(name)
    case, theirs = CASES[name], CASES[name][METHODS[method]]
    for L, expected in zip(hypotheses_of(case), theirs["tests"], strict=True):
        test = model.wald_test(L, df=method)
        assert test.df == expected["df"]
        found = [test.f_value, test.scale]
        assert_allclose(found, [expected["f_value"], expected.get("scale", 1)], rtol=DF)
        assert_allclose(test.df_denom, expected["df_denom"], rtol=DF)
        assert_allclose(test.p_value, expected["p_value"], rtol=1e-4, atol=1e-12)


@asks_df
@pytest.mark.parametrize("name", ["oats", "stools", "beets", "cake"])
def test_balanced_designs_have_whole_numbers(name):
    """Those of the analysis of variance: split plots, blocks."""
    model, _ = both(name)
    expected = {"oats": [10, 51], "stools": [24], "beets": [2, 20], "cake": [28, 222]}
    for method in METHODS:
        df = model.coef_table(df=method)["df"].drop("_cons")
        assert_allclose(sorted(set(np.round(df, 6))), expected[name], rtol=1e-6)
