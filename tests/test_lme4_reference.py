"""The other ways to an optimum end where the reference fits end as well.

``tests/reference`` compares the default search with every number of the
reference; here the likelihood is reached by the other parameterisation and solver.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import manual_data

FILE = Path(__file__).parent / "reference" / "lme4.json"
if not FILE.exists():
    pytest.skip(
        f"{FILE} is not there yet; tests/reference/make_lme4.R writes it",
        allow_module_level=True,
    )
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
BUNDLED = Path(__file__).parents[1] / "sklearn_xmixed" / "datasets" / "data"
CASES = [case for case in DOCUMENT["cases"] if not case["residuals"]]


def derived(recipe, source):
    match recipe["op"]:
        case "product":
            return source.prod(axis=1).astype(float)
        case "equals":
            return (source.iloc[:, 0] == recipe["value"]).astype(float)
        case "sin2pi":
            return np.sin(2 * np.pi * source.iloc[:, 0])
        case "cos2pi":
            return np.cos(2 * np.pi * source.iloc[:, 0])
    raise ValueError(recipe["op"])


def frame_of(case):
    folder, name = case["data"].split("/")
    if folder == "stored":
        frame = pd.DataFrame(DOCUMENT["data"][name])
    elif folder == "bundled":
        frame = pd.read_csv(BUNDLED / f"{name}.csv")
    else:
        frame = manual_data(name)
    if case["rows"]:
        frame = frame[frame[case["rows"]["column"]].isin(case["rows"]["among"])]
    frame = frame[frame[case["response"]].notna()].reset_index(drop=True)
    for recipe in case["derive"]:
        frame[recipe["name"]] = derived(recipe, frame[recipe["of"]])
    return frame


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
@pytest.mark.parametrize(
    "way",
    [{"parameterization": "matlog"}, {"solver": "lbfgs"}],
    ids=["matlog", "lbfgs"],
)
def test_optimum(case, way):
    frame = frame_of(case)
    model = MixedLinearRegressor(
        [RandomEffects(**equation) for equation in case["random_effects"]],
        method=case["method"],
        fixed=case["fixed"],
        **way,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame.drop(columns=case["response"]), frame[case["response"]])
    singular = case["at_boundary"]
    # matlog only approaches a singular matrix
    tolerance = 1e-6 if singular and "parameterization" in way else 1e-10
    assert_allclose(model.log_likelihood_, case["log_likelihood"], rtol=tolerance)
    assert model.log_likelihood_ <= case["log_likelihood"] * (
        1 + np.sign(case["log_likelihood"]) * 1e-10
    )
    if not singular:
        assert_allclose(model.sigma_, case["sigma"], rtol=1e-5)
        coef = [*case["coef"].values()]
        ours = [*model.coef_, model.intercept_]
        assert_allclose(ours, coef, rtol=0, atol=1e-6 * np.abs(coef).max())
