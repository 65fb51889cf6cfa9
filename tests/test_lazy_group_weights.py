"""Weights of groups, and scaled weights of rows, over lazy tables: as in memory."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_tables import assert_same, lazy, make_data

FIXED = ["x", "b"]


def make_rows():
    data = make_data(1200)
    rng = np.random.default_rng(11)
    data["district"] = data["school"] % 5
    data["p"] = rng.uniform(0.5, 2.0, len(data))
    data["p_district"] = rng.uniform(0.5, 2.0, 5)[data["district"]]
    data["p_school"] = rng.uniform(0.5, 2.0, 12)[data["school"]]
    data["p_class"] = rng.uniform(0.5, 2.0, (12, 9))[data["school"], data["class"]]
    data["n_school"] = rng.integers(1, 4, 12)[data["school"]]
    data["n_class"] = rng.integers(1, 4, (12, 9))[data["school"], data["class"]]
    return data


DATA = make_rows()
SLOPES = RandomEffects("school", ["x"], covariance="unstructured", weight="p_school")
CLASS = RandomEffects("class", ["x"], weight="p_class")
SPECS = {
    "one level": SLOPES,
    "two levels": [RandomEffects("school", weight="p_school"), CLASS],
    "three levels": [
        RandomEffects("district", weight="p_district"),
        RandomEffects("school", weight="p_school"),
        CLASS,
    ],
    "the top alone": [SLOPES, "class"],
    "the lowest alone": ["school", CLASS],
    "a level without effects at the top": [
        RandomEffects("district", intercept=False, weight="p_district"),
        RandomEffects("school", weight="p_school"),
        "class",
    ],
    "levels without effects below": [
        RandomEffects("district", weight="p_district"),
        RandomEffects("school", intercept=False, weight="p_school"),
        RandomEffects("class", intercept=False, weight="p_class"),
    ],
}


def both(spec, engine, weight=None, data=DATA, **kwargs):
    kwargs = {"fixed": FIXED, "tol": 1e-20, **kwargs}
    X = data.drop(columns=["y"])
    expected = MixedLinearRegressor(spec, **kwargs)
    expected.fit(X, data["y"], sample_weight=weight and data[weight])
    found = MixedLinearRegressor(spec, **kwargs).fit(lazy(data, engine), "y", weight)
    return found, expected


def assert_as_in_memory(*args, **kwargs):
    found, expected = both(*args, **kwargs)
    assert_same(found, expected)
    assert found.results_.specification == expected.results_.specification
    assert found.results_.n_clusters == pytest.approx(
        expected.results_.n_clusters, nan_ok=True
    )
    np.testing.assert_allclose(found._fitted.fixed_means, expected._fitted.fixed_means)
    return found


@pytest.mark.parametrize("weight", [None, "p"])
@pytest.mark.parametrize(
    ("spec", "engine"), zip(SPECS, [*["duckdb", "polars"] * 3, "duckdb"], strict=True)
)
@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.NotConvergedWarning")
def test_sampling_weights(spec, engine, weight):
    assert_as_in_memory(SPECS[spec], engine, weight, weight_type="sampling")


@pytest.mark.parametrize("vce", ["oim", "robust", "CR1"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_frequency_weights(vce, weight):
    spec = [
        RandomEffects("school", weight="n_school"),
        RandomEffects("class", weight="n_class"),
    ]
    found = assert_as_in_memory(spec, "duckdb", weight, vce=vce)
    own = DATA["n_school"] * DATA["n_class"] * (DATA[weight] if weight else 1)
    assert found.results_.n_obs == own.sum()


@pytest.mark.parametrize("group_weight", [None, "p_school"])
@pytest.mark.parametrize(
    ("scaling", "engine"),
    [("size", "duckdb"), ("effective", "polars"), ("gk", "duckdb"), ("gk", "polars")],
)
def test_scalings(scaling, engine, group_weight):
    spec = RandomEffects("school", ["x"], weight=group_weight)
    kwargs = {"weight_type": "sampling", "weight_scaling": scaling}
    assert_as_in_memory(spec, engine, "p", **kwargs)
    if engine == "polars":  # all of one are left as they are
        assert_as_in_memory(spec, engine, **kwargs)


def test_scalings_and_clusters():
    kwargs = {"weight_type": "sampling", "weight_scaling": "size"}
    assert_as_in_memory(
        SLOPES, "duckdb", "p", vce="cluster", cluster="district", **kwargs
    )


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_weights_of_zero_and_missing_ones(engine):
    data = DATA.copy()
    data.loc[data["school"] == 3, "p_school"] = 0.0
    data.loc[(data["school"] == 4) & (data["class"] == 4), "p_class"] = np.nan
    data.loc[7, "x"] = np.nan
    kwargs = {"weight_type": "sampling", "missing": "drop"}
    assert_as_in_memory(SPECS["two levels"], engine, "p", data, **kwargs)
    model = MixedLinearRegressor(SPECS["two levels"], fixed=FIXED)
    with pytest.raises(ValueError, match=r"missing values by column are .*'p_class'"):
        model.fit(lazy(data, engine), "y", "p")


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"p_school": DATA["p"]}, "'p_school' must be constant within its groups"),
        (
            {"p_class": DATA["p_class"].where(DATA.index != DATA.index[9], 0.0)},
            "'p_class' must be constant within its groups, but in group",
        ),
        ({"p_school": -1.0}, "'p_school' of level 'school' must be finite and not neg"),
        ({"p_class": 0.0}, "'p_class' of level 'class' are zero in all rows"),
        ({"p_class": np.inf}, "infinity"),
        ({"p_class": "a"}, "hold text"),
    ],
)
def test_bad_weights(engine, change, match):
    model = MixedLinearRegressor(SPECS["two levels"], fixed=FIXED)
    with pytest.raises(ValueError, match=match):
        model.fit(lazy(DATA.assign(**change), engine), "y")


@pytest.mark.parametrize(
    ("spec", "params", "match"),
    [
        (RandomEffects("school", weight="nowhere"), {}, "the weight of level 'school'"),
        (
            [
                RandomEffects("school", weight="p_school"),
                RandomEffects("school", ["x"], intercept=False, weight="n_school"),
            ],
            {},
            "a level has one",
        ),
        (SLOPES, {"weight_type": "precision"}, "groups have none"),
        (
            ["school", "class"],
            {"weight_type": "sampling", "weight_scaling": "size"},
            "defined for models with one level",
        ),
        (SLOPES, {"method": "reml"}, "not supported with method='reml'"),
    ],
)
def test_what_is_refused_in_memory_is_refused(spec, params, match):
    model = MixedLinearRegressor(spec, fixed=FIXED).set_params(**params)
    with pytest.raises(ValueError, match=match):
        model.fit(lazy(DATA, "duckdb"), "y", "p")
