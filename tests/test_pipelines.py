"""Labels in X through transformers, and searches over parts of a specification."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from joblib import Memory
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import make_multilevel

LEVELS = ["school", "class"]
RMSE = "neg_root_mean_squared_error"
SCHOOL = "random_effects__school__covariance"

data = make_multilevel(
    (8, 3), 8, covariances=2.0, level_names=LEVELS, reuse_labels=True, random_state=0
).frame
data["school"] = "s" + data["school"].astype(str)
X, y = data[[*LEVELS, "x1", "x2"]], data["y"]


def equations() -> list[RandomEffects]:
    return [RandomEffects("school", ["x1"]), RandomEffects("class")]


def scaled(*, names: bool = False, **parameters) -> ColumnTransformer:
    """Standardise the features and pass the labels through."""
    return ColumnTransformer(
        [("num", StandardScaler(), ["x1", "x2"])],
        **{
            "remainder": "passthrough",
            "verbose_feature_names_out": names,
            **parameters,
        },
    )


def pipeline(steps=None, **parameters) -> Pipeline:
    return Pipeline(
        [
            ("scale", scaled() if steps is None else steps),
            ("mixed", MixedLinearRegressor(equations(), **parameters)),
        ]
    )


def by_hand():
    Z = X.assign(**{c: (X[c] - X[c].mean()) / X[c].std(ddof=0) for c in ("x1", "x2")})
    return Z, MixedLinearRegressor(equations()).fit(Z, y)


@pytest.fixture(params=["pandas", "polars"])
def container(request):
    return request.param


# ---------------------------------------------------------------- transformers


def test_column_transformer(container):
    model = pipeline().set_output(transform=container).fit(X, y)
    Z, right = by_hand()
    assert_allclose(model.predict(X), right.predict(Z), rtol=1e-8)
    assert_allclose(model[-1].coef_, right.coef_, rtol=1e-8)
    assert model[-1].fixed_names_ == ["x1", "x2"]
    assert model[-1].n_groups_ == {"school": 8, "class": 24}


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
def test_other_frames_in(make):
    given = make(X.to_dict("list"))
    model = MixedLinearRegressor(equations()).fit(given, y)
    right = MixedLinearRegressor(equations()).fit(X, y)
    assert_allclose(model.predict(given), right.predict(X), rtol=1e-8)
    if make is pl.DataFrame:
        model = pipeline().set_output(transform="polars").fit(given, y)
        assert_allclose(model.predict(given), right.predict(X), rtol=1e-6)
        scores = cross_val_score(model, given, y, cv=3, scoring="r2")
        assert_allclose(scores, cross_val_score(model, X, y, cv=3), rtol=1e-6)


def test_names_that_were_lost():
    """Both switches are named: set_output and verbose_feature_names_out."""
    for labels in (X, X.assign(school=pd.factorize(X["school"])[0])):
        with pytest.raises(ValueError, match="No labels for the levels") as caught:
            pipeline().fit(labels, y)
        assert "without column names" in str(caught.value)
        assert "set_output(transform='pandas')" in str(caught.value)
        prefixed = pipeline(scaled(names=True)).set_output(transform="pandas")
        with pytest.raises(ValueError, match="No labels for the levels") as caught:
            prefixed.fit(labels, y)
        assert "remainder__school" in str(caught.value)
        assert "verbose_feature_names_out=False" in str(caught.value)


def test_encoded_categories_in_the_fixed_part(container):
    frame = X.assign(colour=np.where(np.arange(len(X)) % 3, "red", "blue"))
    encoder = OneHotEncoder(drop="first", sparse_output=False)
    columns = ColumnTransformer(
        [("colour", encoder, ["colour"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    model = pipeline(columns).set_output(transform=container).fit(frame, y)
    assert model[-1].fixed_names_ == ["colour_red", "x1", "x2"]


def test_several_steps():
    frame = X.assign(x1=X["x1"].mask(np.arange(len(X)) % 10 == 0))
    features = make_pipeline(
        SimpleImputer(),
        FeatureUnion(
            [("poly", PolynomialFeatures(2, include_bias=False)), ("log", _squares())]
        ),
        SelectKBest(f_regression, k=3),
    )
    columns = ColumnTransformer(
        [("features", features, ["x1", "x2"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    model = make_pipeline(columns, MixedLinearRegressor(LEVELS))
    model.set_output(transform="pandas").fit(frame, y)
    assert model[-1].coef_.shape == (3,)
    assert model.score(frame, y) > 0.5


def _squares() -> FunctionTransformer:
    return FunctionTransformer(np.square, feature_names_out="one-to-one")


def test_cached_steps(tmp_path):
    model = pipeline().set_output(transform="pandas")
    model.set_params(memory=Memory(tmp_path, verbose=0))
    first = model.fit(X, y).predict(X)
    assert_array_equal(clone(model).fit(X, y).predict(X), first)


def test_mixed_model_inside_a_cache(tmp_path):
    """Equal specifications and data have equal hashes."""
    calls = []

    def fit(model, X, y):
        calls.append(1)
        return model.fit(X, y).log_likelihood_

    cached = Memory(tmp_path, verbose=0).cache(fit)
    for _ in range(2):
        cached(MixedLinearRegressor(equations()), X, y)
    assert len(calls) == 1


# -------------------------------------------------------------------- searches


def test_search_inside_an_equation(container):
    search = GridSearchCV(
        pipeline().set_output(transform=container),
        {
            f"mixed__{SCHOOL}": ["independent", "unstructured"],
            "mixed__random_effects__class__columns": [(), ["x2"]],
            "mixed__method": ["ml", "reml"],
        },
        cv=3,
        scoring=RMSE,
        error_score="raise",
    ).fit(X, y)
    results = search.cv_results_
    assert len(results["params"]) == 8
    assert np.unique(results["mean_test_score"]).size > 4
    best = search.best_estimator_[-1]
    chosen = best.get_params()
    for name, value in search.best_params_.items():
        assert chosen[name.removeprefix("mixed__")] == value
    assert_allclose(search.predict(X), search.best_estimator_.predict(X))
    # what was searched over is as it was
    asked = search.estimator.get_params()
    assert asked["mixed__random_effects__school__covariance"] is None


def test_search_finds_what_fits_by_hand_find():
    grid = {SCHOOL: ["independent", "unstructured"]}
    search = GridSearchCV(
        MixedLinearRegressor(equations()), grid, cv=3, scoring=RMSE
    ).fit(X, y)
    for k, covariance in enumerate(["independent", "unstructured"]):
        spec = [RandomEffects("school", ["x1"], covariance=covariance), "class"]
        scores = cross_val_score(MixedLinearRegressor(spec), X, y, cv=3, scoring=RMSE)
        assert_allclose(search.cv_results_["mean_test_score"][k], scores.mean())


def test_search_over_whole_specifications():
    specifications = [
        None,
        "school",
        ["school", "class"],
        RandomEffects("school", ["x1"], covariance="unstructured"),
        equations(),
    ]
    search = GridSearchCV(
        MixedLinearRegressor(fixed=["x1", "x2"]),
        {"random_effects": specifications},
        cv=3,
        scoring=RMSE,
        error_score="raise",
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[1:].min() > scores[0]
    assert search.best_index_ > 0


def test_search_over_equations_by_name():
    search = GridSearchCV(
        MixedLinearRegressor(equations()),
        {
            "random_effects__school": [
                RandomEffects("school"),
                RandomEffects("school", ["x1"], covariance="unstructured"),
            ]
        },
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert np.unique(search.cv_results_["mean_test_score"]).size == 2


def test_parallel_and_randomized_search():
    grid = {SCHOOL: ["independent", "unstructured"]}
    given = {"cv": 2, "scoring": RMSE, "error_score": "raise"}
    model = MixedLinearRegressor(equations())
    search = GridSearchCV(model, grid, n_jobs=2, **given).fit(X, y)
    alone = GridSearchCV(model, grid, **given).fit(X, y)
    assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )
    drawn = RandomizedSearchCV(model, grid, n_iter=1, random_state=0, **given)
    assert drawn.fit(X, y).best_score_ <= alone.best_score_ + 1e-12


def test_a_name_in_a_list_has_no_parameters():
    """A plain name cannot be reached into, and the message says how it could."""
    model = MixedLinearRegressor([RandomEffects("school"), "class"])
    with pytest.raises(ValueError, match=r"'class'.*RandomEffects\('class'"):
        model.set_params(random_effects__class__columns=["x1"])
