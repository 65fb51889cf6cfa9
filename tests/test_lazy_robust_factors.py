"""Robust errors of lazy tables with factors that cross below the top level."""

from __future__ import annotations

import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_tables import lazy
from tests.test_lazy_weights import DATA, assert_as_in_memory

SPECS = {
    "a level and two factors": [
        "school",
        RandomEffects("school", factor="task"),
        RandomEffects("school", factor="rater"),
    ],
    "the top alone has none": [RandomEffects("school", factor="rater"), "class"],
    "slopes": [
        "school",
        RandomEffects("school", ["x"], factor="rater"),
        RandomEffects("school", factor="task"),
    ],
    "what a group shares": [
        RandomEffects("school", factor="rater", covariance="exchangeable"),
        RandomEffects("school", factor="task"),
    ],
    "two levels": [
        RandomEffects("district", factor="rater"),
        RandomEffects("district", factor="task"),
        "school",
    ],
}
#: the optimum of both fits to the digits that are compared
EXACT = {"tol": 1e-20}


@pytest.mark.parametrize(
    ("spec", "engine"), zip(SPECS, ["duckdb", "polars"] * 2 + ["duckdb"], strict=True)
)
def test_robust(spec, engine):
    assert_as_in_memory(SPECS[spec], engine, vce="robust", **EXACT)


def test_clusters():
    kwargs = {"vce": "cluster", "cluster": "region", **EXACT}
    assert_as_in_memory(SPECS["a level and two factors"], "polars", **kwargs)


@pytest.mark.parametrize(
    ("weight", "params"),
    [
        ("p", {"weight_type": "sampling"}),
        ("w", {"vce": "robust"}),
        ("p", {"weight_type": "precision", "vce": "robust"}),
    ],
    ids=["sampling", "frequency", "precision"],
)
def test_weights(weight, params):
    spec = SPECS["a level and two factors"]
    assert_as_in_memory(spec, "duckdb", weight, **params, **EXACT)


def test_corrections_need_rows():
    model = MixedLinearRegressor(SPECS["two levels"], fixed=["x"], vce="CR2")
    with pytest.raises(NotImplementedError, match="corrects by matrices of all rows"):
        model.fit(lazy(DATA, "duckdb"), "y")
    model.set_params(random_effects=RandomEffects("_all", factor="task"), vce="robust")
    with pytest.raises(ValueError, match="need independent groups at the top level"):
        model.fit(lazy(DATA, "duckdb"), "y")
