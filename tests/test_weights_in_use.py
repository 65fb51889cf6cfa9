"""Weights as a user passes them: frames, groups, missing values, pipelines, mistakes."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import ALL_ZERO

N = 72
GROUP = np.repeat(np.arange(12), 6)


def data(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"region": GROUP // 3, "school": GROUP, "x": rng.normal(size=N)})
    y = 1 + X["x"].to_numpy() + rng.normal(size=12)[GROUP] + rng.normal(size=N)
    X["w"] = 1.0 + GROUP % 3
    return X, y, rng.uniform(0.5, 2.0, N)


SCHOOLS = RandomEffects("school", weight="w")


def model(spec=SCHOOLS, **options) -> MixedLinearRegressor:
    return MixedLinearRegressor(spec, fixed=["x"], **options)


def same(a: MixedLinearRegressor, b: MixedLinearRegressor) -> None:
    assert_allclose(a.log_likelihood_, b.log_likelihood_, rtol=1e-12)
    assert_allclose(a.results_.beta_vcov, b.results_.beta_vcov, rtol=1e-10)
    assert_allclose(a.results_.alpha_vcov, b.results_.alpha_vcov, rtol=1e-9)


@pytest.mark.parametrize("kind", ["frequency", "sampling"])
def test_weights_from_any_frame_and_from_groups(kind):
    pl = pytest.importorskip("polars")
    X, y, w = data()
    options = {"weight_type": kind}
    first = model(**options).fit(X, y, w)
    polars = pl.from_pandas(X)
    same(model(**options).fit(polars, pl.Series(y), pl.Series(w)), first)
    own, labels = X[["x"]], X[["school", "w"]]
    same(model(**options).fit(own, y, w, groups=labels), first)
    there = model(**options).fit(
        polars.select("x"), y, w, groups=polars.select("school", "w")
    )
    same(there, first)
    # the weights are asked for in fit only
    a = first.predict(X.assign(w=1.0))
    b = there.predict(polars.select("x"), groups=polars.select("school"))
    assert_allclose(a, b, rtol=1e-10)


def test_whole_numbers_and_truth_values_are_weights():
    X, y, w = data()
    first = model().fit(X, y, w)
    for column in (
        X["w"].astype(int),
        X["w"].astype("Int64"),
        X["w"].astype("float32"),
    ):
        same(model().fit(X.assign(w=column), y, w), first)
    keep = GROUP != 3
    some = model().fit(X.assign(w=keep), y)
    same(some, model("school").fit(X[keep], y[keep]))


def test_groups_of_weight_zero_and_without_weight_are_left_out():
    X, y, w = data()
    keep = GROUP != 3
    first = model().fit(X[keep], y[keep], w[keep])
    same(model().fit(X.assign(w=np.where(keep, X["w"], 0.0)), y, w), first)
    gone = X.assign(w=np.where(keep, X["w"], np.nan))
    same(model(missing="drop").fit(gone, y, w), first)
    same(model(missing="drop").fit(X, y, np.where(keep, w, np.nan)), first)
    same(model().fit(X, y, np.where(keep, w, 0.0)), first)
    boxed = gone.assign(w=gone["w"].astype(object).where(keep, None))
    same(model(missing="drop").fit(boxed, y, w), first)


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (
            np.where(GROUP == 3, -1.0, 1.0),
            ValueError,
            r"level 'school'.*-1.0 in row 18",
        ),
        (
            np.where(GROUP == 3, np.nan, 1.0),
            ValueError,
            r"not negative; 6 are not.*nan",
        ),
        (np.where(GROUP == 3, np.inf, 1.0), ValueError, r"finite.*inf in row 18"),
        (np.zeros(N), ValueError, "zero in all rows"),
        (np.repeat("a", N), ValueError, r"must be numbers, found 'a'"),
        (np.arange(N) + 1.0, ValueError, r"in group 0 it takes the values \[1.0, 2.0"),
        # the row of weight zero must not be left out in silence
        (
            np.where(np.arange(N) == 20, 0.0, 1.0),
            ValueError,
            r"in group 3 it takes the values \[0.0, 1.0\]",
        ),
    ],
)
@pytest.mark.parametrize("where", ["X", "groups", "polars"])
def test_what_is_no_weight_of_a_group(column, error, message, where):
    X, y, _ = data()
    X = X.assign(w=column)
    if where == "groups":
        given = (X[["x"]], y), {"groups": X[["school", "w"]]}
    elif where == "polars":
        given = (pytest.importorskip("polars").from_pandas(X), y), {}
    else:
        given = (X, y), {}
    with pytest.raises(error, match=message):
        model().fit(*given[0], **given[1])


def test_the_path_of_the_offending_group_is_named():
    X, y, _ = data()
    X["region"] = "north " + X["region"].astype(str)
    X["w"] = np.where(np.arange(N) == 20, 2.0, 1.0)
    with pytest.raises(ValueError, match=r"group \('north 1', 3\)"):
        model(["region", SCHOOLS]).fit(X, y)
    X["w"] = np.where(np.arange(N) == 20, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"group \('north 1', 3\)"):
        model(["region", SCHOOLS], missing="drop").fit(X, y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(N), "Negative values"),
        (np.full(N, np.nan), "NaN"),
        (np.full(N, np.inf), "infinity"),
        (np.zeros(N), ALL_ZERO),
        (np.ones(N - 1), "shape"),
        (np.ones((N, 2)), "1D"),
        (["a"] * N, "must be numbers"),
        ((GROUP < 6) * 1.0, "weights of zero"),
    ],
)
def test_what_is_no_sample_weight(weights, message):
    X, y, _ = data()
    with pytest.raises(ValueError, match=message):
        model().fit(X.assign(w=(GROUP >= 6) * 1.0), y, weights)


def test_a_weight_is_named_not_passed():
    X, y, _ = data()
    with pytest.raises(TypeError, match="name of a column"):
        model(RandomEffects("school", weight=np.ones(12))).fit(X, y)


def test_weights_survive_pickling_and_cross_validation():
    X, y, w = data()
    spec = model(weight_type="sampling", weight_scaling="size")
    fitted = spec.fit(X, y, w)
    again = pickle.loads(pickle.dumps(fitted))
    assert str(again.summary()) == str(fitted.summary())
    assert_allclose(again.predict(X), fitted.predict(X), rtol=0, atol=0)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = sklearn.base.clone(spec).set_fit_request(sample_weight=True)
        routed.set_score_request(sample_weight=True)
        cv = GroupKFold(3)
        found = cross_validate(
            routed,
            X,
            y,
            cv=cv,
            params={"sample_weight": w, "groups": X["school"]},
            return_estimator=True,
        )
        train, test = next(iter(cv.split(X, y, X["school"])))
        by_hand = sklearn.base.clone(spec).fit(X.iloc[train], y[train], w[train])
        same(found["estimator"][0], by_hand)
        right = by_hand.score(X.iloc[test], y[test], w[test])
        assert_allclose(found["test_score"][0], right, rtol=1e-12)
        grid = {
            "weight_scaling": [None, "size", "effective", "gk"],
            "random_effects__school__weight": [None, "w"],
        }
        search = GridSearchCV(routed, grid, cv=cv)
        search.fit(X, y, sample_weight=w, groups=X["school"])
        assert len(search.cv_results_["params"]) == 8
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_nothing_of_the_users_is_changed():
    X, y, w = data()
    before = X.copy(), y.copy(), w.copy()
    for options in ({}, {"weight_type": "sampling", "weight_scaling": "effective"}):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model(**options).fit(X, y, w)
    pd.testing.assert_frame_equal(X, before[0])
    assert (y == before[1]).all()
    assert (w == before[2]).all()


def test_frequency_weights_under_reml_without_effects_are_copies():
    from sklearn_xmixed import Residuals

    X, y, _ = data()
    X["t"] = np.tile(np.arange(6), 12)
    spec = RandomEffects("school", intercept=False, weight="w")
    options = {"residuals": Residuals("ar", time="t"), "method": "reml"}
    a = model(spec, **options).fit(X, y)
    parts = [
        (
            X[X["w"] > k].assign(school=lambda f, k=k: f["school"] + 100 * k),
            y[X["w"] > k],
        )
        for k in range(3)
    ]
    whole = pd.concat([p for p, _ in parts])
    plain = RandomEffects("school", intercept=False)
    b = model(plain, **options).fit(whole, np.concatenate([v for _, v in parts]))
    assert_allclose(a.log_likelihood_, b.log_likelihood_, rtol=1e-10)
    assert_allclose(a.results_.beta_vcov, b.results_.beta_vcov, rtol=1e-6)
    assert_allclose(a.results_.alpha_vcov, b.results_.alpha_vcov, rtol=1e-5)
