"""Degrees of freedom of residual structures are SAS's, on data that SAS's are known for.

SAS takes the observed information.  Its search stops where a step would gain 1e-8 of
-2 log L: for the unstructured matrix the estimates that it prints are off in the fourth
digit, and the oracle at these estimates gives all that it prints.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from tests.small_sample_oracle import Linear, SmallSample, of_model

DOCUMENT = json.loads((Path(__file__).parent / "fev.json").read_text())
STRUCTURES = {
    "ar(1)": Residuals("ar", time="visit"),
    "cs": Residuals("exchangeable"),
    "un": Residuals("unstructured", time="visit"),
}
ROWS = {"treated": [1.0, 0.0], "_cons": [0.0, 1.0], "sum": [1.0, 1.0]}
# relative differences that SAS's search leaves, besides half a unit of the last place
LEFT = {"ar(1)": 1e-7, "cs": 1e-6, "un": 2e-4}

asks_df = pytest.mark.skipif(
    "df" not in inspect.signature(MixedLinearRegressor.coef_table).parameters,
    reason="coef_table does not take df= yet",
)


@cache
def both(structure):
    frame = pd.DataFrame(DOCUMENT["data"])
    equations = [RandomEffects("subject", intercept=False)]
    model = MixedLinearRegressor(
        equations, fixed=["treated"], residuals=STRUCTURES[structure], method="reml"
    ).fit(frame.drop(columns="fev1"), frame["fev1"])
    return model, of_model(model, equations, frame, frame["fev1"])


def agrees(ours, printed, left):
    """To the last digit that was printed, but for a relative error of SAS's search."""
    decimals = len(printed.partition(".")[2])
    return abs(ours - float(printed)) <= 0.5 * 10.0**-decimals + left * abs(ours)


def cases():
    return [pytest.param(case, id=case["file"]) for case in DOCUMENT["sas"]]


@pytest.mark.parametrize("case", cases())
def test_likelihood(case):
    model, oracle = both(case["type"])
    printed = float(case["minus_2_log_likelihood"])
    assert_allclose(
        -2.0 * oracle.log_likelihood, -2.0 * model.log_likelihood_, rtol=1e-12
    )
    # SAS's is the larger one
    assert -1e-8 <= printed + 2.0 * model.log_likelihood_ < 1e-5


def at_their_estimates(case):
    """The oracle; where SAS's estimates are not the maximum to all digits, at these."""
    model, oracle = both(case["type"])
    if "estimates" not in case:
        return oracle
    theta = np.array([case["estimates"][name] for name in model.residual_parameters_])
    X = oracle.X * oracle.size
    return SmallSample(X, oracle.y, [Linear(theta, oracle.dV)])


@pytest.mark.parametrize("case", cases())
def test_oracle(case):
    oracle, method = at_their_estimates(case), case["method"]
    V = oracle.vcov(method)
    for name, row in ROWS.items():
        row = np.array(row)
        df = oracle.df(method, row[None, :])[0]
        ours = (row @ oracle.beta, np.sqrt(row @ V @ row), df)
        for value, printed in zip(ours, case[name], strict=True):
            assert agrees(value, printed, 0.0), (name, value, printed)


@pytest.mark.parametrize("case", [c for c in DOCUMENT["sas"] if "exact" in c])
def test_all_digits(case):
    _, oracle = both(case["type"])
    se = np.sqrt(oracle.vcov(case["method"])[0, 0])
    df = oracle.df(case["method"], np.eye(2)[:1])[0]
    expected = [float(x) for x in case["exact"]]
    assert_allclose([oracle.beta[0], se, df], expected, rtol=LEFT[case["type"]])


def test_observed_and_expected_information_differ():
    """By as much as is known of AR(1); the expected one is not SAS's."""
    _, oracle = both("ar(1)")
    known = {
        "kenward-roger": ("0.95893", "220.5"),
        "kenward-roger-linear": ("0.96042", "220.5"),
        "kenward-roger-observed": ("0.95865", "188.47"),
        "kenward-roger-linear-observed": ("0.96058", "188.47"),
    }
    for method, (se, df) in known.items():
        assert agrees(np.sqrt(oracle.vcov(method)[0, 0]), se, 0.0), method
        assert agrees(oracle.df(method, np.eye(2)[:1])[0], df, 0.0), method


@asks_df
@pytest.mark.parametrize("case", cases())
def test_coefficient_table(case):
    model, _ = both(case["type"])
    table = model.coef_table(df=case["method"])
    left = LEFT[case["type"]]
    for name in ("treated", "_cons"):
        estimate, se, df = case[name]
        assert agrees(table.loc[name, "estimate"], estimate, left)
        assert agrees(table.loc[name, "std_error"], se, left)
        assert agrees(table.loc[name, "df"], df, left)
    total = model.lincom("treated + _cons", df=case["method"]).iloc[0]
    assert agrees(total["std_error"], case["sum"][1], left)
    if "exact" in case:
        row = table.loc["treated", ["estimate", "std_error", "df"]].to_numpy(float)
        assert_allclose(row, [float(x) for x in case["exact"]], rtol=left)
