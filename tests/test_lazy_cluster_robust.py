"""Small-sample corrections of robust errors over lazy tables: as from rows in memory."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_tables import CLASS, assert_same, lazy
from tests.test_lazy_weights import DATA, FIXED, NESTED

KINDS = ["CR0", "CR1", "CR1S", "CR2", "CR3"]
#: the optimum of both fits to the digits that are compared
EXACT = {"fixed": FIXED, "tol": 1e-20}


def both(spec, engine, weight=None, data=DATA, **kwargs):
    kwargs = {**EXACT, **kwargs}
    X = data.drop(columns=["y", "w", "p"])
    expected = MixedLinearRegressor(spec, **kwargs)
    expected.fit(X, data["y"], sample_weight=weight and data[weight])
    found = MixedLinearRegressor(spec, **kwargs).fit(lazy(data, engine), "y", weight)
    return found, expected


def assert_as_in_memory(*args, **kwargs):
    """Errors, degrees of freedom, and a joint test of what is tested jointly."""
    found, expected = both(*args, **kwargs)
    assert_same(found, expected)
    assert found.results_.n_clusters == expected.results_.n_clusters
    df = "satterthwaite"
    one, other = (m.coef_table(df=df) for m in (found, expected))
    np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)
    one, other = (m.wald_test(FIXED, df=df) for m in (found, expected))
    assert one.f_value == pytest.approx(other.f_value, rel=1e-7)
    assert one.df_denom == pytest.approx(other.df_denom, rel=1e-7)
    return found


@pytest.mark.parametrize(
    ("spec", "method", "vce"),
    [
        *(("nested", "ml", vce) for vce in KINDS),
        ("intercept", "reml", "CR2"),
        ("slopes", "reml", "CR2"),
        ("slopes", "ml", "CR3"),
        ("a level without effects", "reml", "CR1S"),
        ("a level without effects", "reml", "CR3"),
    ],
)
def test_top_level_groups(spec, method, vce):
    engine = "polars" if vce in ("CR0", "CR2") else "duckdb"
    assert_as_in_memory(NESTED[spec], engine, vce=vce, method=method)


@pytest.mark.parametrize(
    ("cluster", "vce"), [("region", "CR1S"), ("region", "CR2"), ("district", "CR3")]
)
def test_coarser_clusters(cluster, vce):
    spec = ["school", CLASS]
    assert_as_in_memory(
        spec, "duckdb", fixed=["x", "b"], vce=vce, method="reml", cluster=cluster
    )


@pytest.mark.parametrize("vce", ["CR0", "CR2"])
def test_linear_regression(vce):
    assert_as_in_memory(None, "duckdb", vce=vce, cluster="region")


@pytest.mark.parametrize("vce", ["CR1", "CR2"])
def test_frequency_weights(vce):
    assert_as_in_memory(NESTED["nested"], "polars", "w", vce=vce)


def test_precision_weights():
    """CR2 changes if rows are divided by numbers, and needs them."""
    kwargs = {"weight_type": "precision", "method": "reml"}
    for vce in ("CR1", "CR3"):
        assert_as_in_memory(NESTED["slopes"], "duckdb", "p", vce=vce, **kwargs)
    model = MixedLinearRegressor("school", vce="CR2", fixed=FIXED, **kwargs)
    with pytest.raises(NotImplementedError, match="Use vce='CR1' or 'CR3'"):
        model.fit(lazy(DATA, "duckdb"), "y", "p")


def test_clusters_that_fit_themselves():
    """A column that varies in one cluster only: its residual there has no variance."""
    data = DATA.assign(one=(DATA["region"] == "r2").astype(float) * DATA["z"])
    kwargs = {"fixed": ["x", "one"], "cluster": "region", "method": "reml"}
    for vce in ("CR2", "CR3"):
        found, expected = both("school", "duckdb", data=data, vce=vce, **kwargs)
        np.testing.assert_allclose(found.vcov(), expected.vcov(), rtol=1e-7, atol=1e-14)


def test_calendar_years_are_summed_again():
    """Columns so close that sums about the means would not do."""
    data = DATA.assign(close=DATA["x"] + 1e-3 * DATA["z"])
    spec = ["school", RandomEffects("class", ["close"])]
    assert_as_in_memory(
        spec, "duckdb", data=data, fixed=["x", "b", "close"], vce="CR2", method="reml"
    )
