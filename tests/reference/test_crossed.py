"""Crossed factors with and without slopes, nested ones among them, against lme4."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects

HERE = Path(__file__).parent
REFERENCE = json.loads((HERE / "crossed.json").read_text())
INSTEVAL = HERE.parents[2] / "shared" / "bench" / "insteval.csv.gz"
INSTEVAL = Path(os.environ.get("XMIXED_INSTEVAL", INSTEVAL))

UNSTRUCTURED = "unstructured"
S = RandomEffects("_all", ["x"], factor="s", covariance=UNSTRUCTURED)
SPECS = {
    "y ~ x + z + (1 + x | s) + (1 + z | d)": [
        S,
        RandomEffects("_all", ["z"], factor="d", covariance=UNSTRUCTURED),
    ],
    "y ~ x + z + (1 + x | s) + (0 + z | d) + (1 | d)": [
        S,
        RandomEffects("_all", ["z"], factor="d"),
    ],
    "y ~ x + z + (1 | s) + (1 | d) + (1 | k:c)": [
        RandomEffects("_all", factor="s"),
        RandomEffects("_all", factor="d"),
        RandomEffects("k", factor="c"),
    ],
}


def by_lme4(case):
    """Variances by name: lme4 has the constant first, we have it last."""
    found = {k: np.array(v) for k, v in case["covariances"].items()}
    if "d.1" in found:
        found["d"] = np.diag([found["d"].item(), found.pop("d.1").item()])
        found["s"] = found["s"][::-1, ::-1]
        return found
    return {k: v[::-1, ::-1] for k, v in found.items()}


@pytest.mark.parametrize("case", REFERENCE["cases"], ids=lambda c: c["formula"])
def test_simulated(case):
    assert case["gradient"] < 1e-6
    frame = pd.DataFrame(REFERENCE["data"])
    method = "reml" if case["reml"] else "ml"
    model = MixedLinearRegressor(
        SPECS[case["formula"]], fixed=["x", "z"], method=method
    )
    model.fit(frame.drop(columns="y"), frame["y"])
    assert_allclose(model.log_likelihood_, case["log_likelihood"], rtol=1e-11)
    assert_allclose(model.sigma_**2, case["sigma2"], rtol=1e-7)
    constant, *rest = case["beta"]
    assert_allclose([*model.coef_, model.intercept_], [*rest, constant], rtol=1e-6)
    constant, *rest = case["se"]
    assert_allclose(model.coef_table()["std_error"], [*rest, constant], rtol=1e-6)
    expected = by_lme4(case)
    for name, found in model.covariances_.items():
        theirs = expected[name if name in expected else "k:c"]
        assert_allclose(np.atleast_2d(found), theirs, rtol=2e-7, atol=1e-9)
    for name, theirs in case["blups"].items():
        ours = model.random_effects(name.partition(":")[0]).to_numpy()[: len(theirs)]
        columns = ours[:, ::-1]  # the constant first
        if name == "d" and "d.1" in case["covariances"]:
            columns = ours
        assert_allclose(columns, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not INSTEVAL.exists(), reason="InstEval is not at hand")
@pytest.mark.parametrize("case", REFERENCE["insteval"], ids=lambda c: str(c["reml"]))
def test_insteval_with_departments(case):
    frame = pd.read_csv(INSTEVAL)
    spec = [
        RandomEffects("_all", factor="s"),
        RandomEffects("_all", factor="d"),
        RandomEffects("dept", factor="service"),
    ]
    method = "reml" if case["reml"] else "ml"
    model = MixedLinearRegressor(spec, fixed=["service"], method=method)
    model.fit(frame.drop(columns="y"), frame["y"])
    assert_allclose(model.log_likelihood_, case["log_likelihood"], rtol=1e-12)
    expected = [np.ravel(v)[0] for v in case["covariances"].values()]
    found = dict(zip(case["covariances"], expected, strict=True))
    ours = {k: v["variance"].iloc[0] for k, v in model.covariances_.items()}
    assert_allclose(ours["s"], found["s"], rtol=1e-6)
    assert_allclose(ours["d"], found["d"], rtol=1e-6)
    assert_allclose(ours["dept"], found["dept:service"], rtol=1e-6)
