"""Lazy tables: robust errors, sampling and precision weights, as in memory."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_crossed import MODELS as CROSSED
from tests.test_lazy_tables import CLASS, assert_same, lazy, make_data

FIXED = ["x", "b"]


def make_rows():
    data = make_data(1200)
    data["district"] = data["school"] % 5
    data["region"] = "r" + (data["school"] % 4).astype(str)
    rng = np.random.default_rng(3)
    data["rater"] = rng.integers(0, 20, len(data))
    data["task"] = data["name"]
    data["p"] = rng.uniform(0.5, 2.0, len(data))
    return data


DATA = make_rows()
SLOPES = RandomEffects("school", ["x"], covariance="unstructured")
NESTED = {
    "intercept": "school",
    "slopes": SLOPES,
    "nested": ["school", CLASS],
    "a level without effects": [
        RandomEffects("district", intercept=False),
        RandomEffects("school"),
        "class",
    ],
}


def assert_as_in_memory(spec, engine, weight=None, data=DATA, **kwargs):
    kwargs = {"fixed": FIXED, **kwargs}
    X = data.drop(columns=["y", "w", "p"])
    expected = MixedLinearRegressor(spec, **kwargs)
    expected.fit(X, data["y"], sample_weight=weight and data[weight])
    found = MixedLinearRegressor(spec, **kwargs).fit(lazy(data, engine), "y", weight)
    assert_same(found, expected)
    assert found.results_.n_clusters == pytest.approx(
        expected.results_.n_clusters, nan_ok=True
    )
    return found, expected


@pytest.mark.parametrize(
    ("spec", "engine"), zip(NESTED, ["duckdb", "polars"] * 2, strict=True)
)
def test_robust(spec, engine):
    assert_as_in_memory(NESTED[spec], engine, vce="robust")


@pytest.mark.parametrize(
    ("spec", "engine", "cluster"),
    [
        ("nested", "duckdb", "region"),
        ("slopes", "polars", "region"),
        ("intercept", "duckdb", "school"),
        ("slopes", "polars", "district"),
    ],
)
def test_clusters(spec, engine, cluster):
    assert_as_in_memory(NESTED[spec], engine, vce="cluster", cluster=cluster)


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_clusters_of_linear_regression(engine):
    kwargs = {"vce": "cluster", "cluster": "region"}
    assert_as_in_memory(None, engine, **kwargs)
    assert_as_in_memory(None, engine, weight="w", **kwargs)


def test_robust_errors_of_frequency_weights():
    assert_as_in_memory("school", "duckdb", "w", vce="robust")


@pytest.mark.parametrize(
    ("spec", "engine"), [("intercept", "duckdb"), ("slopes", "polars")]
)
def test_sampling_weights(spec, engine):
    found, expected = assert_as_in_memory(
        NESTED[spec], engine, "p", weight_type="sampling"
    )
    assert found.results_.n_obs == expected.results_.n_obs == len(DATA)
    assert found.results_.vce == "robust"


def test_groups_that_lie_in_two_clusters():
    model = MixedLinearRegressor("school", fixed=FIXED, vce="cluster", cluster="class")
    with pytest.raises(ValueError, match="must nest in the clusters"):
        model.fit(lazy(DATA, "duckdb"), "y")
    with pytest.raises(ValueError, match="at least two clusters"):
        MixedLinearRegressor("_all", fixed=FIXED, vce="robust").fit(
            lazy(DATA, "polars"), "y"
        )
    model.set_params(cluster="nobody")
    with pytest.raises(ValueError, match="cluster variable 'nobody' is no column"):
        model.fit(lazy(DATA, "duckdb"), "y")


# -- precision weights -----------------------------------------------------------------


@pytest.mark.daily
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize(
    ("spec", "engine"),
    [
        (None, "polars"),
        ("school", "duckdb"),
        (SLOPES, "polars"),
        (["school", CLASS], "duckdb"),
        (CROSSED["two factors"], "duckdb"),
        (
            [
                RandomEffects(
                    "_all", ["x"], factor="school", covariance="unstructured"
                ),
                RandomEffects("class"),
            ],
            "polars",
        ),
    ],
    ids=["linear", "intercept", "slopes", "nested", "factors", "slopes of a factor"],
)
def test_precision_weights(spec, engine, method):
    kwargs = {"weight_type": "precision", "method": method}
    found, expected = assert_as_in_memory(spec, engine, "p", **kwargs)
    assert found.results_.n_obs == expected.results_.n_obs == len(DATA)


def test_precision_weights_of_any_size():
    """Far from one they are no number of rows; zeros leave rows out."""
    data = DATA.assign(p=DATA["p"] * 1e-6 * (DATA["w"] > 0))
    assert_as_in_memory(
        SLOPES, "duckdb", "p", data, weight_type="precision", missing="drop"
    )


def test_precision_weights_with_robust_errors():
    assert_as_in_memory(SLOPES, "polars", "p", weight_type="precision", vce="robust")


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"vce": "robust"}, "Name a column of clusters"),
        ({"weight_type": "sampling"}, "without random effects makes every row"),
    ],
)
def test_what_is_not_there_says_so(params, match):
    with pytest.raises(NotImplementedError, match=match):
        MixedLinearRegressor(fixed=FIXED).set_params(**params).fit(
            lazy(DATA, "polars"), "y", "p"
        )
