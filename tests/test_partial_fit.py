"""Rows that come in batches: the same as one fit of all of them."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
    xtmixed,
)
from sklearn_xmixed.datasets import load_sleepstudy
from tests.test_lazy_tables import DATA, FIXED, MODELS, assert_same, in_memory, lazy

CLASS = RandomEffects("class", ["year"], covariance="unstructured")
#: the optimum of both fits to the digits that are compared
EXACT = {"fixed": FIXED, "tol": 1e-20}


def batches(data=DATA, ends=(500, 700)):
    """By school: later ones have groups that are known and new ones."""
    ordered = data.sort_values("school", kind="stable")
    return [ordered.iloc[a:b] for a, b in zip((0, *ends), (*ends, None), strict=True)]


def add(model, data, engine="memory", weight=None):
    if engine != "memory":
        table = lazy(data if weight else data.drop(columns="w"), engine)
        return model.partial_fit(table, "y", weight)
    X = data.drop(columns=["y", "w"])
    return model.partial_fit(X, data["y"], weight and data[weight])


@pytest.mark.daily
@pytest.mark.parametrize("engine", ["memory", "duckdb", "polars"])
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
@pytest.mark.filterwarnings("ignore:The model is not identified")
@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.NotConvergedWarning")
def test_as_one_fit(spec, method, engine):
    expected = in_memory(MixedLinearRegressor(spec, method=method, **EXACT))
    model = MixedLinearRegressor(spec, method=method, **EXACT)
    for part in batches():
        add(model, part, engine)
    if spec == ["_all", "school"]:  # one group says nothing of its variance
        assert model.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-8)
        return
    assert_same(model, expected)
    frame = DATA.drop(columns=["y", "w"])
    np.testing.assert_allclose(model.predict(frame), expected.predict(frame), 1e-8)


def test_engines_may_change_from_call_to_call():
    model = MixedLinearRegressor(["school", CLASS], **EXACT)
    for part, engine in zip(batches(), ("memory", "duckdb", "polars"), strict=True):
        add(model, part, engine)
    assert_same(model, in_memory(MixedLinearRegressor(["school", CLASS], **EXACT)))


@pytest.mark.parametrize("engine", ["memory", "polars"])
def test_weights(engine):
    """Rows without weights count once."""
    model = MixedLinearRegressor(["school", CLASS], **EXACT)
    for part, weight in zip(batches(), (None, "w", "w"), strict=True):
        add(model, part, engine, weight)
    first = batches()[0].index
    data = DATA.assign(w=DATA["w"].where(~DATA.index.isin(first), 1.0))
    expected = in_memory(MixedLinearRegressor(["school", CLASS], **EXACT), data, "w")
    assert_same(model, expected)


def test_the_first_call_is_a_fit_and_history_says_what_came_when():
    model = MixedLinearRegressor("school", **EXACT)
    parts = batches()
    add(model, parts[0])
    assert_same(model, in_memory(MixedLinearRegressor("school", **EXACT), parts[0]))
    for part in parts[1:]:
        add(model, part)
    last = model.history_.groupby("batch").last()
    assert list(last["n_rows"]) == [500, 700, 2000]
    schools = [pd.concat(parts[: i + 1])["school"].nunique() for i in range(3)]
    assert list(last["n_groups"]) == schools
    assert last["log_likelihood"].iloc[-1] == pytest.approx(model.log_likelihood_)
    assert len(set(last["log_likelihood"])) == 3


def test_the_search_begins_where_the_last_one_ended():
    model = MixedLinearRegressor(["school", CLASS], fixed=FIXED)
    shuffled = DATA.sample(frac=1.0, random_state=0)
    add(model, shuffled.iloc[:1990])
    add(model, shuffled.iloc[1990:])
    steps = model.history_.groupby("batch").size()
    assert set(model.history_.query("batch == 1")["phase"]) == {"gradient"}
    assert steps[1] <= steps[0]


def test_columns_that_vary_later_only():
    """Constant, or the same as another, in the first batch."""
    parts = batches()
    late = DATA.index.isin(parts[2].index)
    data = DATA.assign(
        after=np.where(late, DATA["z"], 3.0),
        twin=DATA["x"] + np.where(late, DATA["z"], 0.0),
        never=2.0 * DATA["x"] + 1.0,
    )
    spec = RandomEffects("school", ["after"])
    kwargs = {"fixed": ["x", "after", "twin", "never"], "tol": 1e-20}
    model = MixedLinearRegressor(spec, **kwargs)
    for part in batches(data):
        add(model, part)
    expected = in_memory(MixedLinearRegressor(spec, **kwargs), data)
    assert model.results_.omitted == expected.results_.omitted == ("never",)
    assert_same(model, expected)


def test_far_from_the_first_rows():
    """Years of another century, in another unit."""
    data = DATA.copy()
    late = data.index.isin(batches()[2].index)
    data.loc[late, "year"] = 100.0 + 3.0 * data.loc[late, "year"]
    model = MixedLinearRegressor(["school", CLASS], **EXACT)
    for part in batches(data):
        add(model, part)
    expected = in_memory(MixedLinearRegressor(["school", CLASS], **EXACT), data)
    assert model.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-10)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-7)


def test_ill_conditioned_columns():
    data = DATA.assign(close=DATA["x"] + 1e-3 * DATA["z"])
    data["y"] = 1e4 * DATA["x"] + 1e-3 * DATA["y"]
    spec = ["school", RandomEffects("class", ["close"])]
    kwargs = {"fixed": ["x", "close"]}
    model = MixedLinearRegressor(spec, **kwargs)
    for part in batches(data):
        add(model, part)
    expected = in_memory(MixedLinearRegressor(spec, **kwargs), data)
    assert model.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-8)


def test_missing_values_are_counted_over_all_batches():
    data = DATA.copy()
    data.loc[[3, 5], "x"] = np.nan
    data.loc[7, "name"] = None
    model = MixedLinearRegressor(["school", "name"], missing="drop", **EXACT)
    for part in batches(data):
        add(model, part)
    expected = MixedLinearRegressor(["school", "name"], missing="drop", **EXACT)
    assert_same(model, in_memory(expected, data))
    assert model.results_.specification.n_dropped == 3


def test_arrays_and_groups():
    X, g, y = DATA[["x", "z"]].to_numpy(), DATA["name"].to_numpy(), DATA["y"].to_numpy()
    model = MixedLinearRegressor("g", tol=1e-20)
    for rows in np.array_split(np.arange(len(y)), 4):
        model.partial_fit(X[rows], y[rows], groups=g[rows])
    assert_same(model, MixedLinearRegressor("g", tol=1e-20).fit(X, y, groups=g))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            lambda d: d.assign(school="s" + d["school"].astype(str)),
            TypeError,
            "text here",
        ),
        (lambda d: d.drop(columns="z"), ValueError, "eature names"),
        (lambda d: d.assign(x=np.nan), ValueError, "NaN"),
    ],
)
def test_a_call_that_is_refused_changes_nothing(change, error, match):
    parts = batches()
    model = add(MixedLinearRegressor("school", **EXACT), parts[0])
    before, names = model.log_likelihood_, list(model.feature_names_in_)
    with pytest.raises(error, match=match):
        add(model, change(parts[1]))
    assert model.log_likelihood_ == before
    assert list(model.feature_names_in_) == names
    for part in parts[1:]:
        add(model, part)
    assert_same(model, in_memory(MixedLinearRegressor("school", **EXACT)))


def test_other_columns_of_a_table():
    model = add(MixedLinearRegressor("school"), DATA[["school", "x", "y", "w"]])
    with pytest.raises(ValueError, match="are \\['x', 'z'\\] here and were \\['x'\\]"):
        add(model, DATA[["school", "x", "z", "y", "w"]], "polars")


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"residuals": Residuals("ar", time="year")}, "needs rows"),
        ({"random_effects": RandomEffects("_all", factor="school")}, "Crossed factors"),
        ({"random_effects": RandomEffects("school", weight="w")}, "Weights of groups"),
    ],
)
def test_what_sums_do_not_suffice_for(params, match):
    model = MixedLinearRegressor("school", fixed=FIXED).set_params(**params)
    with pytest.raises(AttributeError, match="no attribute 'partial_fit'") as told:
        add(model, DATA)
    assert isinstance(told.value.__cause__, NotImplementedError)
    assert re.search(match, str(told.value.__cause__))


def test_after_fit():
    """A plain fit keeps no sums, and fit starts anew."""
    model = in_memory(MixedLinearRegressor("school", **EXACT))
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as told:
        add(model, DATA)
    assert "keeps no sums" in str(told.value.__cause__)
    again = add(clone(model), DATA)
    assert "batch" not in in_memory(again).history_
    assert "_batches" not in vars(again)


def test_pickled_between_calls():
    parts = batches()
    model = add(MixedLinearRegressor("school", **EXACT), parts[0])
    for part in parts[1:]:
        model = add(pickle.loads(pickle.dumps(model)), part)
    assert_same(model, in_memory(MixedLinearRegressor("school", **EXACT)))


@pytest.mark.parametrize("language", ["formula", "command"])
def test_a_text_has_columns_of_its_rows(language):
    pytest.importorskip("formulaic")
    frame = load_sleepstudy().frame
    if language == "formula":
        fit = from_formula("reaction ~ days + (1 | subject)", frame)
    else:
        fit = xtmixed("reaction days || subject:", frame, show=False)
    with pytest.raises(AttributeError) as told:
        clone(fit).partial_fit(frame, frame["reaction"])
    assert "Call fit with all rows" in str(told.value.__cause__)
