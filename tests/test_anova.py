"""Tests of terms: what is tested, what is refused, what is kept."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
    xtmixed,
)
from sklearn_xmixed.exceptions import MixedModelWarning


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 160
    frame = pd.DataFrame(
        {
            "g": rng.integers(0, 20, n),
            "a": rng.choice(["u", "v", "w"], n, p=[0.5, 0.3, 0.2]),
            "b": rng.choice(["p", "q"], n, p=[0.7, 0.3]),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) + 3.0,
        }
    )
    frame["t"] = frame.groupby("g").cumcount()
    shift = rng.normal(size=20)[frame["g"]]
    frame["y"] = frame["x"] + (frame["a"] == "v") + shift + rng.normal(size=n)
    return frame


@pytest.fixture(scope="module")
def plain(data):
    X = data[["g", "x", "z"]].assign(
        v=(data["a"] == "v") * 1.0, w=(data["a"] == "w") * 1.0
    )
    return MixedLinearRegressor("g", method="reml").fit(X, data["y"])


@pytest.fixture(scope="module")
def crossed(data):
    return from_formula("y ~ a * b + x + (1 | g)", data, method="reml")


# -- columns ----------------------------------------------------------------------------


def test_columns_are_terms_of_their_own(plain):
    table = plain.anova()
    assert list(table.index) == ["x", "z", "v", "w"]
    assert list(table.columns) == ["df", "chi2", "p_value"]
    assert [t.name for t in plain.terms_] == plain.fixed_names_
    assert_allclose(table["chi2"], plain.coef_table()["z"].drop("_cons") ** 2)
    assert_allclose(table["p_value"], plain.coef_table()["p_value"].drop("_cons"))
    assert_allclose(table["chi2"], plain.anova(2)["chi2"])


def test_named_columns_are_tested_jointly(plain):
    terms = {"a": ["v", "w"], "x": "x"}
    table = plain.anova(terms=terms)
    assert list(table.index) == ["a", "x"]
    joint = plain.wald_test(["v", "w"])
    assert table.loc["a", "df"] == joint.df == 2
    assert_allclose(table.loc["a", "chi2"], joint.chi2, rtol=1e-10)
    assert_allclose(table.loc["a", "p_value"], joint.p_value, rtol=1e-8)
    assert_allclose(plain.anova(2, terms=terms)["chi2"], table["chi2"], rtol=1e-10)


@pytest.mark.parametrize("df", ["residual", "satterthwaite", "kenward-roger"])
def test_small_samples(plain, df):
    table = plain.anova(terms={"a": ["v", "w"], "x": "x"}, df=df)
    assert list(table.columns) == ["df", "f_value", "df_denom", "p_value"]
    assert table.attrs["method"] == df
    for term, hypothesis in {"a": ["v", "w"], "x": ["x"]}.items():
        test = plain.wald_test(hypothesis, df=df)
        row = table.loc[term]
        assert row["df"] == test.df
        assert_allclose(row["f_value"], test.f_value, rtol=1e-10)
        assert_allclose(row["df_denom"], test.df_denom, rtol=1e-6)
        assert_allclose(row["p_value"], test.p_value, rtol=1e-6)


def test_the_constructor_says_which_degrees_of_freedom(data):
    parameters = {"method": "reml", "df_method": "residual"}
    fit = from_formula("y ~ a + x + (1 | g)", data, **parameters)
    assert "df_denom" in fit.anova()
    assert (fit.anova()["df_denom"] == len(data) - 4).all()
    assert "chi2" in fit.anova(df="asymptotic")


def test_sequential_tests_of_columns_are_those_of_smaller_models(data):
    """By hand, in a linear regression: what each column takes from the sum of squares."""
    X = data[["x", "z"]].assign(v=(data["a"] == "v") * 1.0)
    fit = MixedLinearRegressor(method="reml").fit(X, data["y"])
    table = fit.anova(1)

    def rest(columns):
        A = np.column_stack([np.ones(len(X)), X[columns]])
        return (
            (data["y"] - A @ np.linalg.lstsq(A, data["y"], rcond=None)[0]) ** 2
        ).sum()

    sums = [rest(list(X)[:k]) for k in range(4)]
    expected = -np.diff(sums) / (sums[-1] / (len(X) - 4))
    assert_allclose(table["chi2"], expected, rtol=1e-9)
    # columns that no term names come first
    last = fit.anova(1, terms={"z": ["z"]})
    assert_allclose(last.loc["z", "chi2"], fit.anova().loc["z", "chi2"], rtol=1e-9)


def test_omitted_columns_are_no_part_of_a_hypothesis(data):
    X = data[["g", "x", "z"]].assign(twice=2 * data["x"])
    fit = MixedLinearRegressor("g").fit(X, data["y"])
    table = fit.anova()
    assert table["df"].to_dict() == {"x": 1, "z": 1, "twice": 0}
    assert np.isnan(table.loc["twice", "chi2"])
    assert np.isnan(fit.anova(df="satterthwaite").loc["twice", "p_value"])
    assert_allclose(table.loc["x", "chi2"], fit.wald_test("x").chi2, rtol=1e-10)
    both = fit.anova(terms={"x": ["x", "twice"]})
    assert both.loc["x", "df"] == 1


# -- terms ------------------------------------------------------------------------------


def test_terms_of_a_formula(crossed):
    names = [t.name for t in crossed.terms_]
    assert names == ["a", "b", "x", "a:b"]
    product = crossed.terms_[-1]
    assert product.factors == ("a", "b")
    assert product.columns == ("a[T.v]:b[T.q]", "a[T.w]:b[T.q]")
    assert crossed.terms_[2].covariates == ("x",)
    assert product.contains(crossed.terms_[0])
    assert not product.contains(crossed.terms_[2])
    assert not crossed.terms_[0].contains(product)


def test_terms_of_a_command(data):
    fit = xtmixed("y ib2.a##c.x c.x#c.x 2.b || g:, reml nolog", data, show=False)
    said = {t.name: (t.factors, t.covariates, t.columns) for t in fit.terms_}
    assert said == {
        "a": (("a",), (), ("1.a", "3.a")),
        "x": ((), ("x",), ("x",)),
        "a#c.x": (("a",), ("x",), ("1.a#c.x", "3.a#c.x")),
        "c.x#c.x": ((), ("x", "x"), ("c.x#c.x",)),
        "b": ((), ("b",), ("2.b",)),
    }
    assert list(fit.anova().index) == list(said)


def test_types_agree_where_nothing_is_contained(data):
    fit = from_formula("y ~ a + b + x + (1 | g)", data, method="reml")
    assert_allclose(fit.anova(2)["chi2"], fit.anova(3)["chi2"], rtol=1e-9)
    assert_allclose(fit.anova(1).loc["x"], fit.anova(3).loc["x"], rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"vce": "robust"},
        {"residuals": Residuals("ar", time="t")},
        {"fit_intercept": True, "std_errors": False},
    ],
)
def test_every_kind_of_fit(data, options):
    """Least squares behind types I and II are those of the rows, whatever the errors."""
    X = pd.get_dummies(data[["a"]], dtype=float)[["a_v", "a_w"]].assign(
        x=data["x"], g=data["g"], t=data["t"]
    )
    fixed = ["a_v", "x", "a_w"]
    fit = MixedLinearRegressor("g", fixed=fixed, **options).fit(X, data["y"])
    A = np.column_stack([np.ones(len(X)), X["a_v"], X["x"]])
    # what a_w adds to the columns before it is its coefficient alone
    assert_allclose(
        fit.anova(1).loc["a_w", "chi2"], fit.wald_test("a_w").chi2, rtol=1e-8
    )
    # and x is tested with the slope of a_w on the columns up to x left in
    slope = np.linalg.lstsq(A, X["a_w"], rcond=None)[0][2]
    expected = fit.wald_test(f"x + {slope!r} * a_w".replace("np.float64", "")).chi2
    assert_allclose(fit.anova(1).loc["x", "chi2"], expected, rtol=1e-8)


def test_empty_cells_are_told(data):
    rows = data[~((data["a"] == "w") & (data["b"] == "q"))]
    fit = from_formula("y ~ a * b + (1 | g)", rows, method="reml")
    with pytest.warns(MixedModelWarning, match="In a:b some combinations have no rows"):
        table = fit.anova()
    assert table.attrs["note"].startswith("In a:b some")
    assert table["df"].to_dict() == {"a": 2, "b": 1, "a:b": 1}
    assert "note" not in fit.anova(2).attrs
    command = xtmixed("y i.a##i.b || g:, reml nolog", rows, show=False)
    with pytest.warns(MixedModelWarning, match="In a#b some combinations"):
        assert_allclose(command.anova()["chi2"], table["chi2"], rtol=1e-6)


def test_cells_that_are_not_spanned_are_told(data):
    fit = xtmixed("y i.a x, noconstant || g:, reml nolog", data, show=False)
    with pytest.warns(MixedModelWarning, match="do not span all combinations"):
        table = fit.anova()
    assert_allclose(table.loc["a", "chi2"], fit.wald_test("2.a, 3.a").chi2, rtol=1e-9)


def test_a_level_that_no_row_has(data):
    """A category without rows changes nothing."""
    kinds = pd.Categorical(data["a"], categories=["none", "u", "v", "w"])
    fit = from_formula("y ~ k * b + x + (1 | g)", data.assign(k=kinds), method="reml")
    with pytest.warns(MixedModelWarning, match="In k, k:b some combinations"):
        found = fit.anova()
    other = from_formula("y ~ a * b + x + (1 | g)", data, method="reml").anova()
    assert_allclose(found["chi2"], other["chi2"], rtol=1e-6)
    assert list(found["df"]) == list(other["df"])


def test_contrasts_that_leave_levels_out_are_tested_as_they_are(data):
    one = {"u": 0.0, "v": 1.0, "w": 0.5}
    fit = from_formula(
        "y ~ C(a, contr.custom([[0.0], [1.0], [0.5]], names=['up'])) + x + (1 | g)",
        data,
        method="reml",
    )
    score = from_formula(
        "y ~ s + x + (1 | g)", data.assign(s=data["a"].map(one)), method="reml"
    )
    assert_allclose(fit.anova()["chi2"], score.anova()["chi2"], rtol=1e-7)


def test_pickles_and_clones(crossed, data):
    again = pickle.loads(pickle.dumps(crossed))
    pd.testing.assert_frame_equal(again.anova(), crossed.anova())
    assert again.terms_ == crossed.terms_
    fresh = clone(crossed)
    with pytest.raises(AttributeError, match="not fitted yet"):
        _ = fresh.terms_
    pd.testing.assert_frame_equal(fresh.fit(data).anova(), crossed.anova())
    command = xtmixed("y i.a##i.b x || g:, reml nolog", data, show=False)
    assert pickle.loads(pickle.dumps(command)).terms_ == command.terms_


# -- refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [0, 4, "III", None, True])
def test_other_types(plain, kind):
    with pytest.raises(ValueError, match=r"type must be 1 .* got "):
        plain.anova(kind)


@pytest.mark.parametrize(
    ("terms", "error", "problem"),
    [
        (["v", "w"], TypeError, "terms must be a dict"),
        ({}, ValueError, "terms is empty"),
        ({"a": []}, ValueError, "'a' of terms has no columns"),
        ({"a": ["v", "u"]}, ValueError, "names 'u', which is no column"),
        ({"c": ["_cons"]}, ValueError, "names '_cons', which is no column"),
        ({"a": ["v"], "b": ["v"]}, ValueError, "stands in the terms 'a' and 'b'"),
    ],
)
def test_terms_that_are_none(plain, terms, error, problem):
    with pytest.raises(error, match=problem):
        plain.anova(terms=terms)


def test_no_such_method(plain):
    with pytest.raises(ValueError, match="df must be None, 'asymptotic' or one of"):
        plain.anova(df="kr")


def test_nothing_to_test(data):
    fit = MixedLinearRegressor(RandomEffects("g"), fixed=[]).fit(data[["g"]], data["y"])
    assert fit.terms_ == ()
    assert fit.anova().empty
    assert list(fit.anova(df="residual").columns) == [
        "df",
        "f_value",
        "df_denom",
        "p_value",
    ]
