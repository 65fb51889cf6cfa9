"""Degrees of freedom as a user meets them: defaults, output, refusals, saved models."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, from_formula
from sklearn_xmixed.datasets import load_orthodont, load_penicillin, load_sleepstudy
from sklearn_xmixed.design._validation import _CHOICES
from sklearn_xmixed.exceptions import ExactFitWarning
from sklearn_xmixed.inference.small_samples import METHODS

SLOPES = RandomEffects("subject", ["days"], covariance="unstructured")


def sleepstudy(**options):
    X, y = load_sleepstudy(return_X_y=True)
    return MixedLinearRegressor(SLOPES, **{"method": "reml", **options}).fit(X, y)


def repeated(**options):
    X, y = load_orthodont(return_X_y=True)
    return MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["age"],
        residuals=Residuals("ar", time="age"),
        method="reml",
        **options,
    ).fit(X, y)


def test_the_constructor_has_the_default():
    model = sleepstudy(df_method="kenward-roger")
    assert clone(model).df_method == "kenward-roger"
    table = model.coef_table()
    assert list(table)[2:4] == ["t", "df"]
    assert model.lincom("_cons + 9*days")["df"].iloc[0] == pytest.approx(17.0)
    assert model.wald_test("days").df_denom == pytest.approx(17.0)
    assert "DF method: Kenward-Roger" in str(model.summary())
    assert "DF: min" in model.summary()._repr_html_()
    large = model.coef_table(df="asymptotic")
    pd.testing.assert_frame_equal(large, sleepstudy().coef_table())
    assert "chi2" in str(model.summary(df="asymptotic"))


def test_the_constructor_knows_all_methods_and_refuses_what_has_none():
    assert set(_CHOICES["df_method"]) == {None, *METHODS}
    with pytest.raises(ValueError, match="defined for method='reml', got method='ml'"):
        sleepstudy(method="ml", df_method="kenward-roger-linear")


def test_models_without_degrees_of_freedom_can_be_saved():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(
        "subject", weight_type="sampling", df_method="satterthwaite"
    ).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match="pseudolikelihood"):
        again.coef_table()
    exact = MixedLinearRegressor(fixed=["days"], df_method="residual")
    with pytest.warns(ExactFitWarning):
        exact.fit(X, X["days"])
    again = pickle.loads(pickle.dumps(exact))
    with pytest.raises(ValueError, match="leaves no residual"):
        again.coef_table()


def test_tables_follow_from_t():
    table = sleepstudy().coef_table(0.9, df="satterthwaite")
    half = stats.t.ppf(0.95, table["df"]) * table["std_error"]
    assert_allclose(table["ci_upper"] - table["estimate"], half)
    assert_allclose(table["t"], table["estimate"] / table["std_error"])
    p = 2 * stats.t.sf(np.abs(table["t"]), table["df"])
    assert_allclose(table["p_value"], p)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_linear_regression_has_the_textbook_degrees_of_freedom(method):
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(method="reml", fixed=["days"]).fit(X, y)
    table = model.coef_table(df=method)
    assert_allclose(table["df"], 178.0)
    test = model.wald_test(["days = 10", "_cons = 250"], df=method)
    assert_allclose([test.df_denom, test.scale], [178.0, 1.0])


def test_counting_methods_know_where_a_column_varies():
    rng = np.random.default_rng(0)
    class_ = np.repeat(np.arange(40), 5)
    X = pd.DataFrame(
        {"school": class_ // 4, "class": class_, "x": rng.normal(size=200)}
    )
    X["size"], X["public"] = rng.normal(size=40)[class_], (class_ // 20).astype(float)
    y = X["x"] + rng.normal(size=10)[class_ // 4] + rng.normal(size=200)
    model = MixedLinearRegressor(["school", "class"], method="reml").fit(X, y)
    count = model.coef_table(df="between-within")["df"]
    # 10 schools less public and the constant, 40 classes less 10 schools and size,
    # 200 rows less 40 classes and x
    expected = {"x": 159.0, "size": 29.0, "public": 8.0, "_cons": 8.0}
    assert count.to_dict() == expected
    contained = model.coef_table(df="containment")["df"]
    assert contained.to_dict() == {
        "x": 159.0,
        "size": 29.0,
        "public": 8.0,
        "_cons": 8.0,
    }


def test_random_slopes_contain_their_column():
    table = sleepstudy().coef_table(df="containment")
    assert table["df"].to_dict() == {"days": 17.0, "_cons": 17.0}


def test_what_is_not_defined_is_refused():
    with pytest.raises(ValueError, match="df must be None, 'asymptotic' or one of"):
        sleepstudy().coef_table(df="kr")
    with pytest.raises(ValueError, match="this fit is by ML"):
        sleepstudy(method="ml").coef_table(df="kenward-roger")
    assert (sleepstudy(method="ml").coef_table(df="satterthwaite")["df"] > 0).all()
    with pytest.raises(ValueError, match="robust ones"):
        sleepstudy(method="ml", vce="robust").coef_table(df="satterthwaite")
    with pytest.raises(ValueError, match="std_errors=True"):
        sleepstudy(std_errors=False).coef_table(df="satterthwaite")
    assert_allclose(sleepstudy(std_errors=False).coef_table(df="residual")["df"], 178)
    with pytest.raises(ValueError, match="parameters of the random part"):
        sleepstudy().lincom("_b[subject:lns(days)]", df="satterthwaite")
    with pytest.raises(ValueError, match="not linear in the coefficients"):
        sleepstudy().wald_test("days*_cons = 1", df="satterthwaite")


def test_crossed_factors_have_no_between_and_within():
    data = load_penicillin().frame
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    model = from_formula(formula, data, method="reml")
    with pytest.raises(NotImplementedError, match="factors cross"):
        model.coef_table(df="between-within")
    # one constant: what the smaller factor adds to it
    assert model.coef_table(df="containment")["df"].iloc[0] == 5.0


def test_sampling_weights_have_none():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject", weight_type="sampling")
    model.fit(X, y, sample_weight=np.linspace(1, 2, len(y)))
    with pytest.raises(ValueError, match="pseudolikelihood"):
        model.coef_table(df="satterthwaite")


def test_frequency_weights_are_copies():
    X, y = load_sleepstudy(return_X_y=True)
    twice = np.arange(len(y)) % 3 == 0
    weights = 1 + twice
    weighted = MixedLinearRegressor("subject").fit(X, y, sample_weight=weights)
    copies = np.repeat(np.arange(len(y)), weights)
    model = MixedLinearRegressor("subject").fit(X.iloc[copies], y.iloc[copies])
    for method in ("satterthwaite", "residual", "between-within", "containment"):
        assert_allclose(
            weighted.coef_table(df=method)["df"],
            model.coef_table(df=method)["df"],
            rtol=1e-6,
        )


def test_a_boundary_is_told():
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"g": np.repeat(np.arange(8), 5), "x": rng.normal(size=40)})
    y = rng.normal(size=40)
    y = y - pd.Series(y).groupby(X["g"]).transform("mean").to_numpy()
    model = MixedLinearRegressor("g", method="reml").fit(X, y)
    assert model.results_.boundary
    # the variance is held, and nothing but the residuals' is left
    assert_allclose(model.coef_table(df="satterthwaite")["df"], 38.0)
    assert_allclose(model.coef_table(df="kenward-roger")["df"], 38.0)
    text = " ".join(str(model.summary(df="kenward-roger")).split())
    assert "Degrees of freedom take it as known." in text


def test_saved_models_know_what_they_were_asked():
    model = sleepstudy()
    again = pickle.loads(pickle.dumps(model))
    for method in ("kenward-roger", "satterthwaite", "containment"):
        pd.testing.assert_frame_equal(
            again.coef_table(df=method), model.coef_table(df=method)
        )
    # with structured residuals they come from the rows, which are not saved
    rows = repeated()
    lost = pickle.loads(pickle.dumps(rows))
    with pytest.raises(ValueError, match="saved without its rows"):
        lost.coef_table(df="kenward-roger")
    expected = rows.coef_table(df="kenward-roger")
    kept = pickle.loads(pickle.dumps(rows))  # it has been asked now
    pd.testing.assert_frame_equal(kept.coef_table(df="kenward-roger"), expected)
    default = pickle.loads(pickle.dumps(repeated(df_method="kenward-roger")))
    pd.testing.assert_frame_equal(default.coef_table(), expected)


def test_omitted_columns_have_none():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(twice=2 * X["days"])
    model = MixedLinearRegressor("subject", method="reml").fit(X, y)
    table = model.coef_table(df="kenward-roger")
    assert np.isnan(table.loc["twice", ["std_error", "t", "df"]].astype(float)).all()
    assert table.loc["days", "df"] > 100
    assert "(omitted)" in str(model.summary(df="kenward-roger"))
