"""Offsets of lazy tables and of batches: the same as in memory."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_tables import (
    CLASS,
    DATA,
    FIXED,
    assert_same,
    collected,
    lazy,
    predictions,
)
from tests.test_partial_fit import batches

ROWS = DATA.assign(e=0.5 * DATA["x"] ** 2 + 3.0 * (DATA["school"] % 3))
SPECS = {
    "linear": None,
    "nested": ["school", CLASS],
    "factors": [RandomEffects("_all", factor="school"), RandomEffects("class")],
}


def in_memory(model, data=ROWS, weight=None, **kwargs):
    X = data.drop(columns=["y", "w"])
    return model.fit(X, data["y"], sample_weight=weight and data[weight], **kwargs)


@pytest.mark.parametrize(
    ("spec", "engine"), zip(SPECS, ["duckdb", "polars", "duckdb"], strict=True)
)
def test_a_column_that_the_constructor_names(spec, engine):
    kwargs = {"fixed": FIXED, "offset": "e"}
    expected = in_memory(MixedLinearRegressor(SPECS[spec], **kwargs))
    found = MixedLinearRegressor(SPECS[spec], **kwargs).fit(lazy(ROWS, engine), "y")
    assert_same(found, expected)
    assert found.results_.specification.offset == "e"
    assert found._fitted.offset_mean == pytest.approx(ROWS["e"].mean(), rel=1e-12)
    X = ROWS.drop(columns=["y", "w"])
    for kind in ({}, {"kind": "fixed"}):
        mean = predictions(found, ROWS, engine, **kind)
        np.testing.assert_allclose(mean, expected.predict(X, **kind), rtol=1e-8)
    assert found.score(lazy(ROWS, engine), "y") == pytest.approx(
        expected.score(X, ROWS["y"]), rel=1e-9
    )
    with pytest.raises(ValueError, match="the offset 'e' is no column"):
        found.predict(lazy(ROWS.drop(columns="e"), engine))
    plain = MixedLinearRegressor(SPECS[spec], fixed=FIXED)
    plain.fit(lazy(ROWS, engine), "y")
    assert abs(plain.log_likelihood_ - found.log_likelihood_) > 1.0


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_a_column_that_is_passed(engine):
    """As an array is in memory: it is not kept, and new rows have their own."""
    data = ROWS[["school", "x", "z", "y", "w", "e"]]
    X = data.drop(columns=["y", "w", "e"])
    expected = MixedLinearRegressor("school").fit(
        X, data["y"], data["w"], offset=data["e"]
    )
    table = lazy(data, engine)
    found = MixedLinearRegressor("school").fit(table, "y", "w", offset="e")
    assert found.fixed_names_ == ["x", "z"]
    assert_same(found, expected)
    assert found.results_.specification == expected.results_.specification
    for given in ({}, {"offset": "e"}):
        own = {"offset": data["e"]} if given else {}
        mean = predictions(found, data, engine, **given)
        np.testing.assert_allclose(mean, expected.predict(X, **own), rtol=1e-8)
    both = found.predict(table, return_std=True, offset="e")
    assert {"prediction", "std_error"} <= set(collected(both).columns)
    assert found.score(table, "y", offset="e") == pytest.approx(
        expected.score(X, data["y"], offset=data["e"]), rel=1e-9
    )
    with pytest.raises(ValueError, match="Scores without offset= need the offset"):
        found.score(table, "y")


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_rows_without_an_offset(engine):
    data = ROWS.copy()
    data.loc[3, "e"] = np.nan
    data.loc[5, "y"] = np.nan
    kwargs = {"fixed": FIXED, "offset": "e"}
    with pytest.raises(ValueError, match=r"missing values by column are .*'e': 1"):
        MixedLinearRegressor("school", **kwargs).fit(lazy(data, engine), "y")
    kwargs["missing"] = "drop"
    expected = in_memory(MixedLinearRegressor("school", **kwargs), data, "w")
    found = MixedLinearRegressor("school", **kwargs).fit(lazy(data, engine), "y", "w")
    assert_same(found, expected)
    assert found.results_.specification == expected.results_.specification


@pytest.mark.parametrize("engine", ["memory", "duckdb", "polars"])
def test_batches(engine):
    """The offset of every batch is its own column's."""
    kwargs = {"fixed": FIXED, "offset": "e", "tol": 1e-20}
    expected = in_memory(MixedLinearRegressor(["school", CLASS], **kwargs))
    model = MixedLinearRegressor(["school", CLASS], **kwargs)
    for part in batches(ROWS):
        X = part.drop(columns=["y", "w"])
        if engine == "memory":
            model.partial_fit(X, part["y"])
        else:
            model.partial_fit(lazy(X.assign(y=part["y"]), engine), "y")
    assert_same(model, expected)
    assert model._fitted.offset_mean == pytest.approx(ROWS["e"].mean(), rel=1e-12)
    X = ROWS.drop(columns=["y", "w"])
    np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-8)
    with pytest.raises(ValueError, match=r"columns of the offset are \['z'\] here"):
        model.set_params(offset="z").partial_fit(X, ROWS["y"])


def test_offsets_that_are_none_are_refused():
    table, model = lazy(ROWS, "duckdb"), MixedLinearRegressor("school", fixed=FIXED)
    with pytest.raises(TypeError, match="the offset must be the name of one of its"):
        model.fit(table, "y", offset=ROWS["e"])
    with pytest.raises(ValueError, match="the offset 'nowhere' is no column of X"):
        model.fit(table, "y", offset="nowhere")
    with pytest.raises(ValueError, match="'y' is the response"):
        model.fit(table, "y", offset="y")
    with pytest.raises(ValueError, match=r"\['name'\] hold text"):
        model.fit(table, "y", offset="name")
    model.set_params(offset="e")
    for call in (model.fit(table, "y").score, model.fit):
        with pytest.raises(ValueError, match=r"two offsets.*the column 'z'"):
            call(table, "y", offset="z")
