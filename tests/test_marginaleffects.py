"""Fits as models of the package marginaleffects."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import (
    MixedLinearRegressor,
    from_formula,
    to_marginaleffects,
    xtmixed,
)
from sklearn_xmixed.datasets import load_orthodont, load_sleepstudy
from tests.conftest import manual_data

pytestmark = pytest.mark.filterwarnings("ignore:.*get_categories:DeprecationWarning")


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


def test_comparisons(model, data):
    me = pytest.importorskip("marginaleffects")
    found = me.avg_comparisons(
        to_marginaleffects(model, data), variables="sex"
    ).to_pandas()
    pairs = model.marginal_means("sex", weights="observed").pairs().table
    assert_allclose(found["estimate"], -pairs["estimate"], rtol=1e-6)
    assert_allclose(found["std_error"], pairs["std_error"], rtol=1e-4)


def test_comparisons_of_several_factors(data):
    """Columns that are coded inside, text and categories in an order of their own."""
    me = pytest.importorskip("marginaleffects")
    order = pd.CategoricalDtype(["young", "old"], ordered=True)
    data = data.assign(
        stage=np.where(data["age"] > 10, "old", "young").astype(object)
    ).astype({"stage": order, "sex": object})
    model = MixedLinearRegressor(
        "subject", fixed=["sex", "stage"], categorical="treatment"
    )
    model.fit(data.drop(columns="distance"), data["distance"])
    found = me.avg_comparisons(to_marginaleffects(model, data)).to_pandas()
    found = found.set_index("term")["estimate"]
    wanted = dict(zip(model.fixed_names_, model.coef_, strict=True))
    assert found["sex"] == pytest.approx(wanted["sex[T.Male]"], rel=1e-8)
    assert found["stage"] == pytest.approx(wanted["stage[T.old]"], rel=1e-8)
    pairs = me.comparisons(
        to_marginaleffects(model, data), variables={"stage": "pairwise"}
    ).to_pandas()
    assert_allclose(pairs["estimate"], wanted["stage[T.old]"], rtol=1e-8)


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


MANUAL = [
    ("pig", "weight week c.week#c.week || id: week", "week", ""),
    ("childweight", "weight i.girl##c.age c.age#c.age || id: age", "age", "girl"),
    ("productivity", "gsp private i.region##c.unemp || region: || state:", "unemp", "region"),
    ("veneer", "gcf i.followup base_gcf c.cda##c.age || patient:", "age", "followup"),
    ("exercise", "strength i.program##c.day || id: day", "day", "program"),
]  # fmt: skip


@pytest.fixture(scope="module", params=MANUAL, ids=[name for name, *_ in MANUAL])
def manual(request):
    name, command, covariate, factor = request.param
    fit = xtmixed(command, manual_data(name), show=False)
    rows = manual_data(name).loc[fit.sample_].reset_index(drop=True)
    return fit, rows, covariate, factor


def by_definition(fit, rows):
    """The mean of the predictions, and its error: the function is linear."""
    L = np.mean(fit._fixed_rows(rows)[0], axis=0)
    error = np.sqrt(L @ fit.results_.beta_vcov @ L)
    return fit.predict(rows, kind="fixed").mean(), error


def found(estimates, k=0):
    return tuple(estimates.table[["estimate", "std_error"]].iloc[k])


def test_margins_of_the_manuals_data_by_definition(manual):
    fit, rows, covariate, factor = manual
    assert found(fit.margins("margins")) == pytest.approx(by_definition(fit, rows))
    low, high = map(float, (rows[covariate].min(), rows[covariate].max()))
    at = fit.margins(f"margins, at({covariate}=({low!r} {high!r}))")
    for k, value in enumerate((low, high)):
        wanted = by_definition(fit, rows.assign(**{covariate: value}))
        assert found(at, k) == pytest.approx(wanted)
    for k, level in enumerate(sorted(rows[factor].unique()) if factor else ()):
        levels = fit.margins(f"margins {factor}")
        wanted = by_definition(fit, rows.assign(**{factor: level}))
        assert found(levels, k) == pytest.approx(wanted)
        over = fit.margins(f"margins, over({factor})")
        wanted = by_definition(fit, rows[rows[factor] == level])
        assert found(over, k) == pytest.approx(wanted)
    h = 1e-4 * (high - low)
    (up, _), (down, _) = (
        by_definition(fit, rows.assign(**{covariate: rows[covariate] + s * h}))
        for s in (1, -1)
    )
    slope, _ = found(fit.margins(f"margins, dydx({covariate})"))
    assert slope == pytest.approx((up - down) / (2 * h), rel=1e-5)


def same(ours, theirs, rtol=1e-4):
    for name in ("estimate", "std_error"):
        assert_allclose(ours.table[name], theirs[name], rtol=rtol)


def test_margins_of_the_manuals_data(manual):
    me = pytest.importorskip("marginaleffects")
    fit, rows, covariate, factor = manual
    as_me = to_marginaleffects(fit, rows)
    same(fit.margins("margins"), me.avg_predictions(as_me).to_pandas())
    # its usual step, 1e-4 of the range, leaves errors of a percent in standard errors
    slope = me.avg_slopes(as_me, variables=covariate, eps=0.1).to_pandas()
    same(fit.margins(f"margins, dydx({covariate})"), slope)
    if factor:
        levels = me.avg_predictions(as_me, by=factor).to_pandas()
        key = pd.to_numeric(levels[factor].astype(str)).argsort()
        same(fit.margins(f"margins, over({factor})"), levels.iloc[key])


def test_effects_of_factors_in_the_manuals_data(manual):
    me = pytest.importorskip("marginaleffects")
    fit, rows, _, factor = manual
    if not factor:
        pytest.skip("the model has no factor")
    pairs = me.avg_comparisons(to_marginaleffects(fit, rows), variables=factor)
    pairs = pairs.to_pandas()
    key = pd.to_numeric(pairs["contrast"].str.split().str[0]).argsort()
    same(fit.margins(f"margins, dydx({factor})"), pairs.iloc[key])
