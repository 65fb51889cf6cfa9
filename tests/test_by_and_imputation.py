"""Fits by category and window, and Rubin's rules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    by,
    mi_estimate,
    rolling,
    statsby,
)
from sklearn_xmixed.datasets import load_orthodont, load_sleepstudy
from sklearn_xmixed.resampling import ResamplingWarning, pool

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "resampling.json").read_text()
)["imputations"]


# -- by, statsby, rolling --------------------------------------------------------------


def test_by_fits_each_category():
    X, y = load_orthodont(return_X_y=True)
    fits = by(MixedLinearRegressor("subject"), X, y, by="sex")
    assert list(fits) == ["Female", "Male"]
    for sex, fit in fits.items():
        mine = X["sex"] == sex
        alone = MixedLinearRegressor("subject").fit(
            X.loc[mine, ["subject", "age"]], y[mine]
        )
        assert_allclose(fit.log_likelihood_, alone.log_likelihood_, rtol=1e-12)
        assert fit.results_.has_lr_test
        assert fit.results_.std_errors
    text = fits.summary()
    assert "-> sex = Female" in text
    assert text.count("Mixed-effects ML regression") == 2
    frame = fits.to_frame()
    assert frame.loc["Male", ("distance", "age")] == fits["Male"].coef_[0]
    with pytest.raises(KeyError, match="categories are"):
        fits["female"]


def test_several_variables_and_n_jobs():
    X, y = load_orthodont(return_X_y=True)
    X = X.assign(early=(X["age"] < 11).astype(int))
    model = MixedLinearRegressor("subject")
    with parallel_config("threading"):  # no processes to wait for
        frame = statsby(model, X, y, by=["sex", "early"], n_jobs=2)
    assert list(frame.index) == [("Female", 0), ("Female", 1), ("Male", 0), ("Male", 1)]
    assert frame[("n_obs", "")].sum() == len(X)
    assert frame[("converged", "")].all()
    one = by(model, X, y, by=["sex", "early"])[("Male", 1)]
    assert frame.loc[("Male", 1), ("distance", "age")] == one.coef_[0]


def test_by_variable_in_groups_and_missing_values():
    X, y = load_orthodont(return_X_y=True)
    sex = X["sex"].where(X["subject"] != "M01")
    fits = by(
        MixedLinearRegressor("subject"), X[["subject", "age"]], y, by="sex",
        groups=pd.DataFrame({"sex": sex}),
    )  # fmt: skip
    assert fits["Male"].results_.n_obs == (X["sex"] == "Male").sum() - 4


def test_categories_that_fail_are_told():
    X, y = load_orthodont(return_X_y=True)
    X = X.assign(part=np.where(X.index < 1, 1, 2))
    model = MixedLinearRegressor("subject", missing="raise")
    y = y.where(X["part"] == 2)
    with pytest.warns(ResamplingWarning, match="1 categories could not"):
        frame = statsby(
            model, X[["subject", "age", "part"]], y, by="part",
            statistic=_needs_rows,
        )  # fmt: skip
    assert frame.loc[1].isna().iloc[0]
    assert frame.loc[2].notna().all()


def _needs_rows(fitted):
    return fitted.coef_[0]


def test_rolling_windows():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject")
    frame = rolling(model, X, y, window=4, step=2, time="days")
    assert list(frame.index) == [(0, 3), (2, 5), (4, 7), (6, 9)]
    inside = X["days"].between(2, 5)
    alone = MixedLinearRegressor("subject").fit(X[inside], y[inside])
    assert_allclose(frame.loc[(2, 5), ("reaction", "days")], alone.coef_[0], rtol=1e-10)
    assert (frame[("n_obs", "")] == 72).all()
    grown = rolling(model, X, y, window=4, step=2, time="days", recursive=True)
    assert list(grown.index) == [(0, 3), (0, 5), (0, 7), (0, 9)]
    assert rolling(model, X, y, window=10, time="days").index.to_list() == [(0, 9)]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"window": 0}, "window must be"), ({"window": 3, "step": -1}, "step must be")],
)
def test_bad_windows(options, message):
    X, y = load_sleepstudy(return_X_y=True)
    with pytest.raises(ValueError, match=message):
        rolling(MixedLinearRegressor("subject"), X, y, time="days", **options)


def test_unknown_variables_are_told():
    X, y = load_sleepstudy(return_X_y=True)
    with pytest.raises(ValueError, match="'sex' is no column"):
        by(MixedLinearRegressor("subject"), X, y, by="sex")


# -- Rubin's rules ---------------------------------------------------------------------


def imputed():
    X, _ = load_orthodont(return_X_y=True)
    female = (X["sex"] == "Female").astype(float)
    X = X[["subject", "age"]].assign(female=female)
    return [(X, pd.Series(y, name="distance")) for y in REFERENCE["distance"]]


@pytest.mark.parametrize(
    ("rule", "complete_df"), [("default", None), ("large", np.inf)]
)
def test_pooled_fits_are_those_of_mice(rule, complete_df):
    expected = pd.DataFrame(REFERENCE["pooled"][rule]).set_index("term")
    expected = expected.rename({"(Intercept)": "_cons"})
    model = MixedLinearRegressor("subject")
    result = mi_estimate(model, imputed(), complete_df=complete_df)
    pooled = result.pooled.loc["distance"]
    expected = expected.loc[pooled.index]
    for own, theirs in (
        ("estimate", "estimate"),
        ("within", "ubar"),
        ("between", "b"),
        ("total", "t"),
        ("riv", "riv"),
        ("lambda_", "lambda"),
        ("df", "df"),
        ("fmi", "fmi"),
    ):
        assert_allclose(pooled[own], expected[theirs].astype(float), rtol=2e-5)
    if rule == "default":
        assert set(expected["dfcom"]) == {result.complete_df}


def test_variances_are_pooled_in_their_metric():
    X, y = load_sleepstudy(return_X_y=True)
    equation = RandomEffects("subject", ["days"], covariance="unstructured")
    model = MixedLinearRegressor(equation)
    rng = np.random.default_rng(1)
    data = [{"X": X, "y": y + rng.normal(scale=5, size=len(y))} for _ in range(4)]
    with parallel_config("threading"):
        result = mi_estimate(model, data, n_jobs=2)
    alpha = np.array([fit.results_.alpha for fit in result.fits])
    assert_allclose(result.pooled["estimate"].to_numpy()[2:], alpha.mean(axis=0))
    sd = result.to_frame("sd", 0.9)
    at = ("subject", "corr(days,_cons)")
    raw = result.pooled.loc[("subject", "atr(days,_cons)")]
    assert_allclose(sd.loc[at, "estimate"], np.tanh(raw["estimate"]))
    half = stats.t.ppf(0.95, raw["df"]) * raw["std_error"]
    assert_allclose(sd.loc[at, "ci_upper"], np.tanh(raw["estimate"] + half))
    slope = 1 - np.tanh(raw["estimate"]) ** 2
    assert_allclose(sd.loc[at, "std_error"], slope * raw["std_error"])
    variance = result.to_frame("variance")
    at = ("subject", "cov(days,_cons)")
    sds = sd.loc["subject"]["estimate"]
    product = sds["sd(days)"] * sds["sd(_cons)"] * sds["corr(days,_cons)"]
    assert_allclose(variance.loc[at, "estimate"], product)
    assert variance.loc[at, "ci_lower"] < product < variance.loc[at, "ci_upper"]
    assert sd["t"].notna().to_list() == [True] * 2 + [False] * 4
    assert "estimation" not in str(result)
    for part in ("Multiple-imputation", "Imputations", "Largest FMI"):
        assert part in str(result)
    assert "<table" in result._repr_html_()


def test_equal_data_sets_leave_nothing_missing():
    X, y = load_sleepstudy(return_X_y=True)
    result = mi_estimate(MixedLinearRegressor("subject"), [(X, y), (X, y), (X, y)])
    fitted = MixedLinearRegressor("subject").fit(X, y)
    assert_allclose(
        result.pooled["std_error"].iloc[:2], fitted.coef_table()["std_error"]
    )
    assert_allclose(result.pooled["riv"], 0, atol=1e-12)
    assert np.isfinite(result.pooled["df"]).all()
    same = pool(result.fits)
    pd.testing.assert_frame_equal(same.pooled, result.pooled)


def test_bad_data_sets():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject")
    with pytest.raises(ValueError, match="at least two"):
        mi_estimate(model, [(X, y)])
    with pytest.raises(TypeError, match="Data set 1"):
        mi_estimate(model, [(X, y), X])
    with pytest.raises(ValueError, match="differ"):
        mi_estimate(model, [(X, y), (X.assign(other=X["days"] ** 2), y)])
