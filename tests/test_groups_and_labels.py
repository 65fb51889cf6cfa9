"""Labels of groups: where they may come from and what they may look like."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import make_multilevel

LEVELS = ["school", "class"]
FEATURES = ["x1", "x2"]


@cache
def simulated() -> pd.DataFrame:
    """Eight schools with three classes, whose labels start again in every school."""
    data = make_multilevel(
        (8, 3), 5, intercept=2.0, level_names=LEVELS, reuse_labels=True, random_state=0
    ).frame
    data["school"] = "s" + data["school"].astype(str)
    data["class"] = data["class"].map(dict(enumerate("abc")))
    return data


@pytest.fixture
def data() -> pd.DataFrame:
    return simulated().copy()


@pytest.fixture
def y(data) -> pd.Series:
    return data["y"]


@pytest.fixture
def X(data) -> pd.DataFrame:
    return data[LEVELS + FEATURES]


@cache
def from_X() -> MixedLinearRegressor:
    """The model that all others must equal."""
    data = simulated()
    return MixedLinearRegressor(LEVELS).fit(data[LEVELS + FEATURES], data["y"])


def same(actual, desired):
    """Equal but for the order of sums."""
    assert_allclose(actual, desired, rtol=1e-9, atol=1e-12)


def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(frame.to_dict("list"))


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    return pa.table(frame.to_dict("list"))


# ----------------------------------------------------------------- in X


def test_path_identifies_a_group(X, y):
    """Three labels of classes make 24 classes."""
    model = from_X()
    assert model.n_groups_ == {"school": 8, "class": 24}
    index = model.random_effects_["class"].index
    assert index.names == LEVELS
    assert ("s0", "a") in index
    assert ("s7", "c") in index
    unique = X.assign(**{"class": X["school"] + X["class"]})
    other = MixedLinearRegressor(LEVELS).fit(unique, y)
    same(other.predict(unique), model.predict(X))


def test_label_columns_are_no_covariates():
    model = from_X()
    assert model.fixed_names_ == FEATURES
    assert model.n_features_in_ == 4
    assert_array_equal(model.feature_names_in_, LEVELS + FEATURES)


X_FORMS = {
    "object": lambda X: X.astype(dict.fromkeys(LEVELS, object)),
    "string": lambda X: X.astype(dict.fromkeys(LEVELS, "string")),
    "arrow strings": lambda X: X.astype(dict.fromkeys(LEVELS, "string[pyarrow]")),
    "category": lambda X: X.astype(dict.fromkeys(LEVELS, "category")),
    "integers": lambda X: X.assign(
        **{name: pd.factorize(X[name])[0] for name in LEVELS}
    ),
    "nullable integers": lambda X: X.assign(
        **{name: pd.array(pd.factorize(X[name])[0], "Int64") for name in LEVELS}
    ),
    "large and negative integers": lambda X: X.assign(
        school=pd.factorize(X["school"])[0] * 10**15 - 3 * 10**15
    ),
    "dates": lambda X: X.assign(
        school=pd.Timestamp("2020") + pd.to_timedelta(pd.factorize(X["school"])[0], "D")
    ),
    "several types": lambda X: X.assign(
        school=[1 if s == "s1" else s for s in X["school"]]
    ),
    "all object": lambda X: X.astype(object),
    "polars": as_polars,
    "polars categories": lambda X: as_polars(X).cast(
        dict.fromkeys(LEVELS, pl.Categorical)
    ),
    "pyarrow": as_arrow,
    "arrow dtypes": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
}


@pytest.mark.parametrize("form", X_FORMS)
def test_forms_of_X(form, X, y):
    given = X_FORMS[form](X)
    model = MixedLinearRegressor(LEVELS).fit(given, y)
    assert model.n_groups_ == {"school": 8, "class": 24}
    same(model.predict(given), from_X().predict(X))


@pytest.mark.parametrize("form", ["polars", "pyarrow", "category", "string"])
def test_fit_on_one_form_and_predict_on_another(form, X):
    same(from_X().predict(X_FORMS[form](X)), from_X().predict(X))


def test_categories_without_rows_are_no_groups(X, y):
    every = ["empty", *sorted(X["school"].unique())]
    given = X.assign(school=pd.Categorical(X["school"], categories=every))
    assert MixedLinearRegressor(LEVELS).fit(given, y).n_groups_["school"] == 8
    # nor do other categories at prediction matter
    few = X[:5].assign(school=pd.Categorical(X["school"][:5], categories=["s9", "s0"]))
    same(from_X().predict(few), from_X().predict(X[:5]))


@pytest.mark.parametrize("dtype", [float, object, "Int64", "category"])
def test_integer_labels_of_another_dtype_are_the_same(dtype, X, y):
    coded = X.assign(school=pd.factorize(X["school"])[0])
    model = MixedLinearRegressor(LEVELS).fit(coded, y)
    again = coded.astype({"school": dtype})
    same(model.predict(again), model.predict(coded))


def test_labels_in_an_array_by_position(X, y):
    codes = pd.factorize(X["school"])[0]
    array = np.column_stack([X[FEATURES], codes])
    model = MixedLinearRegressor("x2").fit(array, y)
    assert model.fixed_names_ == ["x0", "x1"]
    frame = X[FEATURES].assign(school=codes)
    right = MixedLinearRegressor("school").fit(frame, y)
    same(model.predict(array), right.predict(frame))


# -------------------------------------------------------------- by groups=

GROUP_FORMS = {
    "frame": lambda G: G,
    "frame with another index": lambda G: G.set_axis(np.arange(len(G))[::-1]),
    "frame in another order": lambda G: G[LEVELS[::-1]],
    "frame with more": lambda G: G.assign(unused=1.0),
    "array": lambda G: G.to_numpy(object),
    "list of tuples": lambda G: [tuple(row) for row in G.to_numpy(object)],
    "category": lambda G: G.astype("category"),
    "string": lambda G: G.astype("string"),
    "polars": as_polars,
    "pyarrow": as_arrow,
}


@pytest.mark.parametrize("form", GROUP_FORMS)
@pytest.mark.parametrize("container", [pd.DataFrame, np.asarray])
def test_forms_of_groups(form, container, X, y):
    groups = GROUP_FORMS[form](X[LEVELS])
    covariates = container(X[FEATURES])
    model = MixedLinearRegressor(LEVELS).fit(covariates, y, groups=groups)
    assert model.n_groups_ == {"school": 8, "class": 24}
    found = model.predict(covariates, groups=groups)
    same(found, from_X().predict(X))


ONE_LEVEL = {
    "array": lambda s: s.to_numpy(object),
    "list": list,
    "column": lambda s: s.to_numpy(object)[:, None],
    "Series": lambda s: s,
    "Series without name": lambda s: s.rename(None),
    "Series of another name": lambda s: s.rename("other"),
    "Series of objects": lambda s: s.astype(object),
    "Series of strings": lambda s: s.astype("string"),
    "Series of categories": lambda s: s.astype("category"),
    "Series of integers": lambda s: pd.Series(pd.factorize(s)[0]),
    "Series of nullable integers": lambda s: pd.Series(
        pd.factorize(s)[0], dtype="Int64"
    ),
    "Index": pd.Index,
    "Categorical": pd.Categorical,
    "frame": lambda s: s.to_frame(),
    "polars": lambda s: pl.Series("school", s.to_list()),
    "polars without name": lambda s: pl.Series(s.to_list()),
    "arrow chunks": lambda s: pa.chunked_array([s.to_list()]),
    "arrow array": lambda s: pa.array(s.to_list()),
}


@pytest.mark.parametrize("form", ONE_LEVEL)
def test_forms_of_one_level(form, X, y):
    model = MixedLinearRegressor("school")
    groups = ONE_LEVEL[form](X["school"])
    found = model.fit(X[FEATURES], y, groups=groups).predict(X[FEATURES], groups=groups)
    right = MixedLinearRegressor("school").fit(X.drop(columns="class"), y)
    same(found, right.predict(X.drop(columns="class")))


def test_groups_are_aligned_by_position(X, y):
    """Indices are ignored, as by scikit-learn."""
    shuffled = np.random.default_rng(0).permutation(len(X))
    model = MixedLinearRegressor(LEVELS).fit(
        X[FEATURES].set_axis(shuffled), y.set_axis(shuffled[::-1]), groups=X[LEVELS]
    )
    same(model.coef_, from_X().coef_)


def test_X_wins_over_groups(X, y):
    wrong = pd.DataFrame({name: np.arange(len(X)) for name in LEVELS})
    model = MixedLinearRegressor(LEVELS).fit(X, y, groups=wrong)
    assert model.n_groups_ == from_X().n_groups_


def test_one_level_in_X_and_one_in_groups(X, y):
    given = X.drop(columns="class")
    for groups in (X[["class"]], X["class"].to_numpy(object), X[LEVELS]):
        model = MixedLinearRegressor(LEVELS).fit(given, y, groups=groups)
        same(model.predict(given, groups=groups), from_X().predict(X))


def test_groups_that_no_level_needs_are_ignored(X, y):
    """So that GroupKFold can share the key."""
    model = MixedLinearRegressor(LEVELS).fit(X, y, groups=np.arange(len(X)) % 4)
    same(model.coef_, from_X().coef_)


def test_random_coefficient_from_groups(X, y):
    """Any variable but the fixed part may come by name from groups."""
    effects = RandomEffects("school", ["x2"])
    groups = X[["school", "x2"]]
    model = MixedLinearRegressor(effects).fit(X[["x1"]], y, groups=groups)
    right = MixedLinearRegressor(effects, fixed=["x1"]).fit(X, y)
    same(model.predict(X[["x1"]], groups=groups), right.predict(X))


# ----------------------------------------------------------------- refused


def test_dict_is_refused(X, y):
    groups = {name: X[name].to_numpy() for name in LEVELS}
    with pytest.raises(TypeError, match=r"got a dict.*slice.*DataFrame\(groups\)"):
        MixedLinearRegressor(LEVELS).fit(X[FEATURES], y, groups=groups)
    with pytest.raises(TypeError, match="got a dict"):
        from_X().predict(X, groups=groups)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda G: G[:10], r"groups has 10 rows and X has 120.*by position"),
        (lambda G: [], r"groups has 0 rows and X has 120"),
        (
            lambda G: G["school"].to_numpy(object),
            r"groups has 1 columns.*2 levels.*\['school', 'class'\].*outermost",
        ),
        (lambda G: G["school"], r"1 columns|No labels for the levels \['class'\]"),
        (lambda G: np.zeros((len(G), 2, 2)), r"one or two dimensions.*\(120, 2, 2\)"),
        (lambda G: G.rename(columns=str.upper), r"No labels.*of groups.*SCHOOL"),
        (lambda G: None, r"No labels.*\['x1', 'x2'\]; groups was not given.*groups="),
        (lambda G: [(1, 2)] * 119 + [(1,)], r"groups.*(length|columns|row 119)"),
    ],
)
def test_groups_that_do_not_fit(make, message, X, y):
    with pytest.raises(ValueError, match=message):
        MixedLinearRegressor(LEVELS).fit(X[FEATURES], y, groups=make(X[LEVELS]))


def test_unknown_level_is_named_although_other_columns_are_text(X, y):
    """The labels are looked for before the fixed part is read."""
    with pytest.raises(ValueError, match=r"levels \['scool'\].*columns of X are"):
        MixedLinearRegressor("scool").fit(X, y)


# --------------------------------------------------------- unseen, missing


def with_strangers(X):
    """Row 0 in an unknown school, row 1 in an unknown class, row 2 without school."""
    X = X.astype(dict.fromkeys(LEVELS, object))
    X.loc[0, "school"] = "s99"
    X.loc[1, "class"] = "d"
    X.loc[2, "school"] = None
    return X


def test_unseen_labels_add_nothing(X):
    """Zero at that level and below; known levels above still count."""
    model, new = from_X(), with_strangers(X)
    found = model.predict(new)
    fixed = model.predict(X, kind="fixed")
    same(found[[0, 2]], fixed[[0, 2]])
    same(found[1], model.predict(X, level="school")[1])
    same(found[3:], model.predict(X)[3:])


def test_unseen_labels_are_uncertain(X):
    model = from_X()
    std = model.predict(with_strangers(X), return_std=True)[1]
    school, cls = model.variance_components_["estimate"].iloc[:2]
    assert std[0] > np.sqrt(school + cls)
    assert std[0] > std[1] > np.sqrt(cls)
    assert std[1] > std[3:].max()


def test_unseen_nan(X):
    model = MixedLinearRegressor(LEVELS, unseen="nan").fit(X, simulated()["y"])
    found = model.predict(with_strangers(X))
    assert_array_equal(np.isnan(found), np.arange(len(X)) < 3)
    std = model.predict(with_strangers(X), return_std=True)[1]
    assert_array_equal(np.isnan(std), np.arange(len(X)) < 3)
    # an unknown class does not matter for what is asked of the schools
    assert_array_equal(
        np.isnan(model.predict(with_strangers(X), level="school"))[:3],
        [True, False, True],
    )


def test_unseen_raise(X):
    model = MixedLinearRegressor(LEVELS, unseen="raise").fit(X, simulated()["y"])
    same(model.predict(X), from_X().predict(X))
    message = r"2 rows.*level 'school'.*'s99' in row 0.*unseen='zero'"
    with pytest.raises(ValueError, match=message):
        model.predict(with_strangers(X))
    with pytest.raises(ValueError, match=r"1 rows.*level 'class'.*'d' in row 0"):
        model.predict(with_strangers(X)[1:2])


def test_predict_without_labels_is_the_fixed_part(X, y):
    model = MixedLinearRegressor(LEVELS).fit(X[FEATURES], y, groups=X[LEVELS])
    fixed = model.predict(X[FEATURES], groups=X[LEVELS], kind="fixed")
    same(model.predict(X[FEATURES]), fixed)
    same(model.predict(X[FEATURES], kind="fixed"), fixed)
    with pytest.raises(ValueError, match=r"kind='blup' needs labels.*school.*groups"):
        model.predict(X[FEATURES], kind="blup")


def test_predict_with_the_upper_labels_only(X, y):
    model = MixedLinearRegressor(LEVELS).fit(X[FEATURES], y, groups=X[LEVELS])
    found = model.predict(X[FEATURES], groups=X[["school"]])
    same(found, from_X().predict(X, level="school"))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels(missing, X, y):
    given = X.astype(dict.fromkeys(LEVELS, object))
    given.loc[3:6, "school"] = missing
    message = r"labels of level 'school' are missing in 4 rows.*row 3.*missing='drop'"
    with pytest.raises(ValueError, match=message):
        MixedLinearRegressor(LEVELS).fit(given, y)
    model = MixedLinearRegressor(LEVELS, missing="drop").fit(given, y)
    kept = np.setdiff1d(np.arange(len(X)), [3, 4, 5, 6])
    right = MixedLinearRegressor(LEVELS).fit(X.iloc[kept], y.iloc[kept])
    assert model.results_.n_obs == 116
    same(model.coef_, right.coef_)
    same(model.predict(X), right.predict(X))


def test_missing_labels_of_other_frames(X, y):
    holes = [None if i % 7 == 0 else label for i, label in enumerate(X["school"])]
    for make in (pl.DataFrame, pa.table):
        given = make({**X[["class", *FEATURES]].to_dict("list"), "school": holes})
        with pytest.raises(ValueError, match="'school' are missing in 18 rows"):
            MixedLinearRegressor(LEVELS).fit(given, y)
        model = MixedLinearRegressor(LEVELS, missing="drop").fit(given, y)
        assert model.results_.n_obs == 102


def test_categories_are_numbered_like_their_labels():
    """Whatever the categories' order, and with some that no row has."""
    rng = np.random.default_rng(3)
    words = np.array([f"w{k}" for k in rng.permutation(12)])
    X = pd.DataFrame({"g": words[rng.integers(0, 9, 120)], "x": rng.normal(size=120)})
    y = X["x"] + X["g"].str[1:].astype(float) + rng.normal(size=120)
    plain = MixedLinearRegressor("g", fixed=["x"]).fit(X, y)
    coded = X.assign(g=pd.Categorical(X["g"], categories=words, ordered=True))
    model = MixedLinearRegressor("g", fixed=["x"]).fit(coded, y)
    assert model.n_groups_ == {"g": X["g"].nunique()}
    pd.testing.assert_frame_equal(
        model.random_effects_["g"], plain.random_effects_["g"], rtol=1e-12
    )
    other = coded.assign(g=coded["g"].cat.reorder_categories(words[::-1]))
    assert_allclose(model.predict(other), plain.predict(X), rtol=1e-12)
    unseen = coded.head(1).assign(g=pd.Categorical(["new"]))
    assert_allclose(model.predict(unseen), plain.predict(unseen, kind="fixed"))
