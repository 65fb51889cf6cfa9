"""MixedEffectsEncoder: effects of the estimator, cross-fitted, for all kinds of columns."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_get_feature_names_out_error,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from sklearn_xmixed import (
    MixedEffectsEncoder,
    MixedLinearRegressor,
    RandomEffects,
)
from sklearn_xmixed.exceptions import LinearProbabilityWarning, MixedModelWarning
from tests.conftest import slow

CROSSED = [RandomEffects("_all", factor=name) for name in ("shop", "town")]
SLOPES = RandomEffects("shop", ["price"], covariance="unstructured")
SPECIFICATIONS = {
    "one": ["shop"],
    "crossed": CROSSED,
    "nested": ["town", "shop"],
    "slopes": SLOPES,
    "all": [SLOPES, "town"],
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n = 300
    X = pd.DataFrame(
        {
            "shop": rng.choice(list("abcdefghijkl"), n),
            "town": rng.integers(0, 6, n),
            "price": rng.normal(size=n),
        }
    )
    shop = X["shop"].astype("category").cat.codes
    y = 5 + rng.normal(size=12)[shop] + rng.normal(size=6)[X["town"]]
    y = y + X["price"] * (1 + rng.normal(0, 0.5, 12)[shop])
    return X, y.to_numpy() + rng.normal(size=n)


@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
@parametrize_with_checks(
    [MixedEffectsEncoder(cv=3)], expected_failed_checks=lambda estimator: {}
)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
def test_common_checks_by_ml():
    encoder = MixedEffectsEncoder(cv=3, method="ml")
    found = check_estimator(encoder, on_skip=None, on_fail=None)
    failed = [one["check_name"] for one in found if one["status"] == "failed"]
    assert len(found) > 40
    assert not failed, failed


@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:X .* feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_get_feature_names_out_error,
        check_set_output_transform_pandas,
        check_set_output_transform_polars,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_of_scikit_learns_own_transformers(check):
    """They return nothing and raise; the encoder has to be as it was."""
    encoder = MixedEffectsEncoder(cv=3)
    check("MixedEffectsEncoder", encoder)
    assert not hasattr(encoder, "n_features_in_")


def by_hand(model, X, outputs):
    """Effects looked up row by row in the estimator's own tables."""
    out = np.zeros((len(X), len(outputs)))
    for j, (name, term) in enumerate(outputs):
        table = model.random_effects_[name]
        known = table[term].to_dict()
        keys = list(X[list(table.index.names)].itertuples(index=False, name=None))
        for i, key in enumerate(keys):
            out[i, j] = known.get(key if len(key) > 1 else key[0], 0.0)
    return out


@pytest.mark.parametrize(
    "case", [slow(case) if case == "all" else case for case in SPECIFICATIONS]
)
def test_effects_are_those_of_the_estimator(data, case):
    X, y = data
    spec = SPECIFICATIONS[case]
    fixed = ["price"]
    if case in ("one", "slopes"):
        X = X[["shop", "price"]]
    options = {"fixed": fixed, "method": "reml"}
    model = MixedLinearRegressor(spec, **options).fit(X, y)
    outputs = {
        "one": [("shop", "_cons")],
        "crossed": [("shop", "R.shop"), ("town", "R.town")],
        "nested": [("town", "_cons"), ("shop", "_cons")],
        "slopes": [("shop", "_cons"), ("shop", "price")],
        "all": [("shop", "_cons"), ("shop", "price"), ("town", "_cons")],
    }[case]
    encoder = MixedEffectsEncoder(spec, cv=KFold(4))
    got = encoder.fit_transform(X, y)
    assert_allclose(encoder.transform(X), by_hand(model, X, outputs), atol=1e-6)
    expected = np.zeros_like(got)
    for train, test in KFold(4).split(X):
        part = clone(model).fit(X.iloc[train], y[train])
        expected[test] = by_hand(part, X.iloc[test], outputs)
    assert_allclose(got, expected, atol=1e-6)
    names = [a if b in ("_cons",) or b[:2] == "R." else f"{a}_{b}" for a, b in outputs]
    assert list(encoder.get_feature_names_out()) == names


def test_without_a_specification_each_column_has_its_model(data):
    X, y = data
    both = MixedEffectsEncoder(fixed=["price"]).fit(X, y)
    for j, name in enumerate(["shop", "town"]):
        alone = MixedEffectsEncoder(name).fit(X[[name, "price"]], y)
        assert_allclose(
            both.transform(X)[:, j], alone.transform(X[[name, "price"]])[:, 0]
        )
    assert [type(m) for m in both.models_] == [MixedLinearRegressor] * 2


def test_unknown_categories_are_zero(data):
    X, y = data
    encoder = MixedEffectsEncoder(["town", "shop"]).fit(X[["town", "shop"]], y)
    new = pd.DataFrame({"town": [0, 0, 99], "shop": ["a", "new", "a"]})
    got = encoder.transform(new)
    assert got[0, 0] == got[1, 0] != 0
    assert got[0, 1] != 0
    assert_array_equal(got[1, 1], 0)
    assert_array_equal(got[2], [0, 0])  # below an unseen town nothing is known


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_values_are_a_category(data, missing):
    X, y = data
    X = X[["shop"]].astype(object)
    named = MixedEffectsEncoder().fit(X.replace("a", "zzz"), y).transform(X)
    holed = X.where(X["shop"] != "a", missing)
    encoder = MixedEffectsEncoder().fit(holed, y)
    rows = (X["shop"] != "a").to_numpy()
    assert_allclose(encoder.transform(holed)[rows], named[rows], atol=1e-8)
    assert len(set(encoder.transform(holed)[~rows, 0])) == 1
    assert encoder.transform(holed)[~rows][0, 0] != 0
    assert pd.isna(encoder.categories_[0][-1])
    # missing where fit saw none: an unknown category
    full = MixedEffectsEncoder().fit(X, y)
    assert_array_equal(full.transform(holed)[~rows], 0)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.astype({"shop": "category"}),
        lambda X: X.astype({"shop": "string"}).astype({"shop": object}),
        pl.from_pandas,
        lambda X: pl.from_pandas(X).cast({"shop": pl.Categorical}),
        pa.Table.from_pandas,
    ],
    ids=["category", "object", "polars", "polars category", "pyarrow"],
)
def test_frames_of_all_kinds(data, form):
    X, y = data
    X = X[["shop", "town"]]
    expected = MixedEffectsEncoder(cv=KFold(3)).fit_transform(X, y)
    encoder = MixedEffectsEncoder(cv=KFold(3))
    assert_allclose(encoder.fit_transform(form(X), y), expected)
    assert encoder.transform(form(X[:7])).shape == (7, 2)
    assert list(encoder.get_feature_names_out()) == ["shop", "town"]


def test_arrays_have_names_by_position(data):
    X, y = data
    expected = MixedEffectsEncoder("shop", cv=KFold(3)).fit_transform(
        X[["shop", "price"]], y
    )
    array = X[["shop", "price"]].to_numpy(dtype=object)
    encoder = MixedEffectsEncoder("x0", cv=KFold(3))
    assert_allclose(encoder.fit_transform(array, y), expected)
    assert_allclose(encoder.fit_transform(array.tolist(), y), expected)
    assert list(encoder.get_feature_names_out()) == ["x0"]
    assert list(encoder.get_feature_names_out(["a", "b"])) == ["a"]


def test_folds_hide_the_own_response():
    """Small categories seem to explain more when they are encoded by their own rows."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"g": rng.integers(0, 150, 400)})
    y = rng.normal(size=400) + rng.normal(0, 0.5, 150)[X["g"]]
    encoder = MixedEffectsEncoder(random_state=0)
    crossed = encoder.fit_transform(X, y)[:, 0]
    own = encoder.transform(X)[:, 0]
    assert np.corrcoef(own, y)[0, 1] > np.corrcoef(crossed, y)[0, 1] + 0.2


def test_random_state_and_shuffle(data):
    X, y = data
    X = X[["shop"]]
    one = MixedEffectsEncoder(random_state=1).fit_transform(X, y)
    assert_array_equal(one, MixedEffectsEncoder(random_state=1).fit_transform(X, y))
    assert (one != MixedEffectsEncoder(random_state=2).fit_transform(X, y)).any()
    folds = KFold(5, shuffle=True, random_state=1)
    assert_array_equal(one, MixedEffectsEncoder(cv=folds).fit_transform(X, y))
    plain = MixedEffectsEncoder(shuffle=False, random_state=1).fit_transform(X, y)
    assert_array_equal(plain, MixedEffectsEncoder(cv=KFold(5)).fit_transform(X, y))
    listed = list(KFold(5).split(X))
    assert_array_equal(plain, MixedEffectsEncoder(cv=listed).fit_transform(X, y))


def test_rows_are_left_out_once(data):
    X, y = data
    with pytest.raises(ValueError, match="leave every row out exactly once"):
        MixedEffectsEncoder(cv=ShuffleSplit(3)).fit_transform(X[["shop"]], y)


def test_groups_reach_the_splitter(data):
    X, y = data
    encoder = MixedEffectsEncoder(cv=GroupKFold(3))
    direct = encoder.fit_transform(X[["shop"]], y, groups=X["town"])
    folds = list(GroupKFold(3).split(X, y, X["town"]))
    expected = MixedEffectsEncoder(cv=folds).fit_transform(X[["shop"]], y)
    assert_array_equal(direct, expected)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(encoder, LinearRegression())
        model.fit(X[["shop"]], y, groups=X["town"])
        routed = encoder.fit_transform(X[["shop"]], y, groups=X["town"])
    assert_array_equal(routed, expected)
    assert_allclose(model[-1].coef_, LinearRegression().fit(expected, y).coef_)


def test_two_classes(data):
    X, y = data
    X = X[["shop"]]
    numbers = (y > 5).astype(float)
    words = np.where(y > 5, "yes", "no")
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = MixedEffectsEncoder(
        target_type="continuous", cv=list(folds.split(X, numbers))
    ).fit_transform(X, numbers)
    encoder = MixedEffectsEncoder(random_state=0)
    with pytest.warns(LinearProbabilityWarning, match="two classes"):
        got = encoder.fit_transform(X, words)
    assert_allclose(got, expected)
    assert encoder.target_type_ == "binary"
    assert_array_equal(encoder.classes_, ["no", "yes"])
    # who asks for it knows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked = MixedEffectsEncoder(target_type="binary", random_state=0)
        assert_allclose(asked.fit_transform(X, words), expected)


@pytest.mark.parametrize(
    ("parameters", "y", "says"),
    [
        ({}, [0, 1, 2] * 100, "Set target_type='continuous'"),
        ({"target_type": "binary"}, [0, 1, 2] * 100, "takes two classes, found 3"),
        ({"target_type": "continuous"}, ["a", "b"] * 150, "takes numbers"),
        ({"target_type": "multiclass"}, [0, 1, 2] * 100, "must be one of 'auto'"),
        ({"fixed": "price"}, None, "write"),
        ({"fixed": ["prize"]}, None, "no columns of"),
        ({"fixed": ["shop", "town", "price"]}, None, "no category to encode"),
        ({"random_effects": "shop", "fixed": ["price"]}, None, "neither categories"),
        ({"random_effects": "shop", "fixed": ["shop", "town"]}, None, "as numbers"),
        ({"random_effects": RandomEffects("_all")}, None, "no categories to"),
        (
            {"random_effects": RandomEffects("town", factor="shop")},
            None,
            "as a level below",
        ),
        ({"random_effects": RandomEffects("town", weight="price")}, None, "weight"),
        ({"random_effects": "town"}, None, "must be numbers"),
    ],
)
def test_messages(data, parameters, y, says):
    X, response = data
    with pytest.raises((ValueError, TypeError), match=says):
        MixedEffectsEncoder(**parameters).fit(X, response if y is None else y)


def test_covariates_must_be_complete(data):
    X, y = data
    X = X.assign(price=X["price"].where(X["price"] < 1))
    with pytest.raises(ValueError, match="contains NaN"):
        MixedEffectsEncoder(fixed=["price"]).fit(X, y)


def test_a_category_that_explains_everything():
    """Means without shrinkage, the limit, not the zeros of linear regression."""
    X = pd.DataFrame({"g": list("abc") * 20})
    y = np.tile([1.0, 2.0, 6.0], 20)
    encoder = MixedEffectsEncoder(target_type="continuous")
    got = encoder.fit(X, y).transform(X[:3])[:, 0]
    assert_allclose(got, [-2, -1, 3], atol=1e-4)
    constant = MixedEffectsEncoder(target_type="continuous")
    with pytest.warns(MixedModelWarning):
        constant.fit(X, np.full(60, 3.5))
    assert_array_equal(constant.transform(X), 0)


def test_warnings_come_once():
    """One row per category: not identified, in all six fits, told once."""
    X = pd.DataFrame({"g": np.arange(40)})
    y = np.random.default_rng(0).normal(size=40)
    with pytest.warns(MixedModelWarning, match="not identified") as caught:
        got = MixedEffectsEncoder(random_state=0).fit_transform(X, y)
    assert len(caught) == 1
    assert_array_equal(got, 0)  # no category was seen by another fold


def test_in_pipelines(data):
    X, y = data
    columns = ColumnTransformer(
        [("places", MixedEffectsEncoder(random_state=0), ["shop", "town"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(columns, LinearRegression()).fit(X, y)
    assert list(model[0].get_feature_names_out()) == ["shop", "town", "price"]
    assert cross_val_score(model, X, y, cv=3).mean() > 0.4
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert "MixedEffectsEncoder" in model._repr_html_()


def test_clone_and_nested_parameters(data):
    X, y = data
    encoder = MixedEffectsEncoder(SLOPES, cv=3)
    assert encoder.get_params()["random_effects__covariance"] == "unstructured"
    encoder.set_params(random_effects__covariance="independent")
    copy = clone(encoder)
    assert copy.random_effects.covariance == "independent"
    copy.fit(X[["shop", "price"]], y)
    with pytest.raises(NotFittedError):
        clone(copy).transform(X)


def test_the_data_are_not_changed(data):
    X, y = data
    before = X.copy(), y.copy()
    MixedEffectsEncoder(["town", "shop"], cv=3).fit_transform(X, y)
    pd.testing.assert_frame_equal(X, before[0])
    assert_array_equal(y, before[1])
