"""Rows that come in batches: robust errors, sampling and precision weights."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_tables import CLASS, assert_same, lazy
from tests.test_lazy_weights import DATA, NESTED
from tests.test_partial_fit import batches

#: the optimum of both fits to the digits that are compared
EXACT = {"fixed": ["x", "b"], "tol": 1e-20}
TOP = RandomEffects("school", intercept=False)


def add(model, data, engine, weight=None):
    X = data.drop(columns=["y", "w", "p"])
    if engine == "memory":
        return model.partial_fit(X, data["y"], weight and data[weight])
    table = X.assign(y=data["y"], **({weight: data[weight]} if weight else {}))
    return model.partial_fit(lazy(table, engine), "y", weight)


def assert_as_one_fit(spec, engine, weight=None, data=DATA, **kwargs):
    kwargs = {**EXACT, **kwargs}
    X = data.drop(columns=["y", "w", "p"])
    expected = MixedLinearRegressor(spec, **kwargs)
    expected.fit(X, data["y"], sample_weight=weight and data[weight])
    model = MixedLinearRegressor(spec, **kwargs)
    for part in batches(data, (300, 500)):
        add(model, part, engine, weight)
    assert_same(model, expected)
    assert model.results_.specification == expected.results_.specification
    assert model.results_.n_clusters == pytest.approx(
        expected.results_.n_clusters, nan_ok=True
    )
    np.testing.assert_allclose(model._fitted.fixed_means, expected._fitted.fixed_means)
    return model, expected


@pytest.mark.parametrize(
    ("spec", "engine"),
    [("slopes", "memory"), ("nested", "duckdb"), ("slopes", "polars")],
)
def test_robust(spec, engine):
    assert_as_one_fit(NESTED[spec], engine, vce="robust")


def test_a_level_without_effects_and_linear_regression():
    assert_as_one_fit(NESTED["a level without effects"], "polars", vce="robust")
    assert_as_one_fit(TOP, "duckdb", vce="robust")


@pytest.mark.parametrize(
    ("spec", "engine", "cluster"),
    [
        ("nested", "memory", "region"),
        ("slopes", "duckdb", "region"),
        ("intercept", "polars", "school"),
        (None, "memory", "region"),
        (None, "duckdb", "region"),
    ],
)
def test_clusters_of_a_column(spec, engine, cluster):
    kwargs = {"vce": "cluster", "cluster": cluster}
    assert_as_one_fit(spec and NESTED[spec], engine, **kwargs)


def test_groups_that_lie_in_two_clusters():
    """In one batch, or in two."""
    kwargs = {**EXACT, "vce": "cluster", "cluster": "region"}
    parts = batches(DATA, (300, 500))
    model = add(MixedLinearRegressor("school", **kwargs), parts[0], "memory")
    before = model.log_likelihood_
    moved = parts[0].assign(region="r9")
    with pytest.raises(ValueError, match="must nest in the clusters, but group 0"):
        add(model, moved, "memory")
    with pytest.raises(ValueError, match=r"columns of the clusters are \['district'\]"):
        add(model.set_params(cluster="district"), parts[1], "memory")
    assert model.log_likelihood_ == before


@pytest.mark.parametrize("vce", ["CR0", "CR2", "CR3"])
def test_few_clusters(vce):
    kwargs = {"vce": vce, "method": "reml"}
    cluster = "region" if vce == "CR0" else None
    model, expected = assert_as_one_fit(
        ["school", CLASS], "memory", cluster=cluster, **kwargs
    )
    one, other = (m.coef_table(df="satterthwaite") for m in (model, expected))
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("engine", ["memory", "polars"])
def test_sampling_weights(engine):
    model, _ = assert_as_one_fit(NESTED["slopes"], engine, "p", weight_type="sampling")
    assert model.results_.n_obs == len(DATA)


def test_frequency_weights_with_robust_errors():
    assert_as_one_fit("school", "memory", "w", vce="robust")


@pytest.mark.parametrize(
    ("spec", "engine"),
    [(None, "polars"), ("nested", "memory"), ("slopes", "duckdb")],
)
def test_precision_weights(spec, engine):
    kwargs = {"weight_type": "precision", "method": "reml"}
    spec = spec and NESTED[spec]
    model, expected = assert_as_one_fit(spec, engine, "p", **kwargs)
    assert model.results_.n_obs == expected.results_.n_obs == len(DATA)


def test_precision_weights_of_some_batches_with_robust_errors():
    """Rows without one have a weight of one."""
    kwargs = {**EXACT, "weight_type": "precision", "vce": "robust"}
    parts = batches(DATA, (300, 500))
    data = DATA.assign(p=DATA["p"].where(~DATA.index.isin(parts[0].index), 1.0))
    X = data.drop(columns=["y", "w", "p"])
    expected = MixedLinearRegressor("school", **kwargs).fit(X, data["y"], data["p"])
    model = MixedLinearRegressor("school", **kwargs)
    for part, weight in zip(parts, (None, "p", "p"), strict=True):
        add(model, part, "memory", weight)
    assert_same(model, expected)


@pytest.mark.parametrize(
    ("spec", "params", "match"),
    [
        (None, {"vce": "robust"}, "makes every row a cluster"),
        ("school", {"vce": "CR2", "weight_type": "precision"}, "Use vce='CR1' or"),
        (
            "school",
            {"weight_type": "sampling", "weight_scaling": "size"},
            "may grow with every call",
        ),
    ],
)
def test_what_sums_do_not_suffice_for(spec, params, match):
    model = MixedLinearRegressor(spec, **EXACT).set_params(**params)
    with pytest.raises(AttributeError) as told:
        add(model, DATA, "memory")
    assert isinstance(told.value.__cause__, NotImplementedError)
    assert re.search(match, str(told.value.__cause__))


def test_sums_by_cluster_are_asked_for_from_the_first_rows_on():
    parts = batches(DATA, (300, 500))
    model = add(MixedLinearRegressor("school", **EXACT), parts[0], "memory")
    before = model.log_likelihood_
    model.set_params(vce="robust")
    with pytest.raises(AttributeError) as told:
        add(model, parts[1], "memory")
    assert "which were not kept of the rows so far" in str(told.value.__cause__)
    assert model.log_likelihood_ == before
    one = add(MixedLinearRegressor("_all", **EXACT), parts[0], "memory")
    assert one.log_likelihood_ < 0
    with pytest.raises(ValueError, match="at least two clusters"):
        add(MixedLinearRegressor("_all", vce="robust", **EXACT), parts[0], "memory")
