"""Fits as models of the package marginaleffects."""

from __future__ import annotations

import sys

import numpy as np
import polars
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import (
    MixedLinearRegressor,
    from_formula,
    to_marginaleffects,
    xtmixed,
)
from sklearn_xmixed.datasets import load_orthodont, load_sleepstudy


@pytest.fixture(scope="module")
def data():
    return load_orthodont().frame


@pytest.fixture(scope="module")
def model(data):
    return from_formula("distance ~ sex * age + (age | subject)", data)


def test_without_the_package(monkeypatch, model):
    monkeypatch.setitem(sys.modules, "marginaleffects", None)
    monkeypatch.setitem(sys.modules, "marginaleffects.classes", None)
    with pytest.raises(ImportError, match="pip install"):
        to_marginaleffects(model)


def test_unknown_kind(model):
    with pytest.raises(ValueError, match="kind must be"):
        to_marginaleffects(model, kind="mean")


def test_averages_and_slopes(model, data):
    me = pytest.importorskip("marginaleffects")
    as_me = to_marginaleffects(model, data)
    means = me.avg_predictions(as_me, by="sex").to_pandas().set_index("sex")
    wanted = model.marginal_means("sex", weights="observed").table
    # both sexes were measured at the same ages
    assert_allclose(means.loc[wanted.index, "estimate"], wanted["estimate"], rtol=1e-8)
    assert_allclose(
        means.loc[wanted.index, "std_error"], wanted["std_error"], rtol=1e-5
    )
    slopes = (
        me.avg_slopes(as_me, variables="age", by="sex").to_pandas().set_index("sex")
    )
    wanted = model.marginal_trends("sex", "age").table
    assert_allclose(slopes.loc[wanted.index, "estimate"], wanted["estimate"], rtol=1e-5)


@pytest.mark.skipif(
    int(polars.__version__.split(".")[0]) > 1,
    reason="marginaleffects 0.6 compares factors by what polars 2 has no more",
)
def test_comparisons(model, data):
    me = pytest.importorskip("marginaleffects")
    found = me.avg_comparisons(
        to_marginaleffects(model, data), variables="sex"
    ).to_pandas()
    pairs = model.marginal_means("sex", weights="observed").pairs().table
    assert_allclose(found["estimate"], -pairs["estimate"], rtol=1e-6)
    assert_allclose(found["std_error"], pairs["std_error"], rtol=1e-4)


def test_rows_that_the_fit_keeps(model, data):
    me = pytest.importorskip("marginaleffects")
    one = me.avg_predictions(to_marginaleffects(model)).to_pandas()
    assert one["estimate"][0] == pytest.approx(model.predict(data, kind="fixed").mean())


def test_known_groups(model, data):
    me = pytest.importorskip("marginaleffects")
    found = me.predictions(to_marginaleffects(model, data, kind="blup")).to_pandas()
    assert_allclose(found["estimate"], model.predict(data), rtol=1e-10)
    with pytest.raises(ValueError, match="needs the groups"):
        to_marginaleffects(model, kind="blup")


def test_commands_and_plain_estimators(data):
    me = pytest.importorskip("marginaleffects")
    command = xtmixed("distance i.sex##c.age || subject:", data, show=False)
    formula = from_formula("distance ~ sex * age + (1 | subject)", data)
    one = me.avg_slopes(to_marginaleffects(command, data), variables="age").to_pandas()
    two = me.avg_slopes(to_marginaleffects(formula, data), variables="age").to_pandas()
    assert_allclose(one["estimate"], two["estimate"], rtol=1e-6)
    X, y = load_sleepstudy(return_X_y=True)
    plain = MixedLinearRegressor("subject").fit(X, y)
    found = me.avg_slopes(to_marginaleffects(plain, X), variables="days").to_pandas()
    assert found["estimate"][0] == pytest.approx(plain.coef_[0], rel=1e-5)
    with pytest.raises(ValueError, match="keeps no rows"):
        to_marginaleffects(plain)
    with pytest.raises(ValueError, match="no column 'days'"):
        to_marginaleffects(plain, X[["subject"]])


def test_small_samples(model, data):
    pytest.importorskip("marginaleffects")
    reml = from_formula("distance ~ sex * age + (1 | subject)", data, method="reml")
    adjusted = to_marginaleffects(reml, data, df="kenward-roger").get_vcov(True)
    assert np.shape(adjusted) == (4, 4)
    assert_allclose(
        np.sqrt(np.diagonal(adjusted)),
        reml.coef_table(df="kenward-roger")["std_error"],
    )
