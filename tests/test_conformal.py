"""ConformalMixedRegressor: scores, shares and quantiles by hand; what it refuses."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_xmixed import (
    ConformalMixedRegressor,
    MixedLinearRegressor,
    RandomEffects,
    from_formula,
)
from sklearn_xmixed.conformal._scores import Scores, shares, upper_quantile
from sklearn_xmixed.datasets import load_sleepstudy
from sklearn_xmixed.exceptions import MixedModelWarning

MODEL = MixedLinearRegressor("g", method="reml", std_errors=False, lr_test=False)


@cache
def data() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(24), rng.integers(2, 9, 24))
    X = pd.DataFrame({"g": g, "x": rng.normal(size=len(g))})
    return X, 1 + 0.5 * X["x"].to_numpy() + rng.normal(size=24)[g] + rng.normal(
        size=len(g)
    )


def new_rows(label=1000) -> pd.DataFrame:
    return pd.DataFrame({"g": label, "x": [-1.0, 0.0, 2.0]})


def conformal(**parameters) -> ConformalMixedRegressor:
    return ConformalMixedRegressor(MODEL, random_state=0, **parameters)


@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
@parametrize_with_checks(
    [ConformalMixedRegressor(MixedLinearRegressor(std_errors=False, lr_test=False))],
    expected_failed_checks=lambda estimator: {},
)
def test_common_checks(estimator, check):
    check(estimator)


# -------------------------------------------------------------------------- quantiles


def test_quantile_of_equal_shares_is_the_textbooks():
    """The ceil(level (n + 1)) smallest of n scores, infinite beyond the last."""
    values = np.random.default_rng(0).permutation(19).astype(float)
    w = shares(np.arange(19))
    assert_allclose(w, 1 / 20)
    for level, expected in (
        (0.5, 9),
        (0.901, 18),
        (0.9, 17),
        (0.95, 18),
        (0.96, np.inf),
    ):
        assert upper_quantile(values, w, level) == expected


def test_groups_share_evenly_among_their_rows():
    w = shares(np.array([3, 3, 7, 5, 5, 5, 5]))
    assert_allclose(w, np.array([1 / 2, 1 / 2, 1, *[1 / 4] * 4]) / 4)
    assert_allclose(w.sum(), 3 / 4)


def test_ends_of_several_fits_are_quantiles_of_ends():
    rng = np.random.default_rng(1)
    values, fold = rng.exponential(size=30), rng.integers(0, 3, 30)
    w, centre, scale = shares(np.arange(30)), rng.normal(size=(3, 5)), np.ones((3, 5))
    lower, upper = Scores(values, w, fold).ends(centre, scale, 0.9)
    for j in range(5):  # CV+ as Barber and others define it
        low, high = centre[fold, j] - values, centre[fold, j] + values
        assert lower[j] == np.sort(low)[int(np.floor(0.1 * 31 + 1e-9)) - 1]
        assert upper[j] == np.sort(high)[int(np.ceil(0.9 * 31 - 1e-9)) - 1]


# ------------------------------------------------------------------------- split, rows


@pytest.mark.parametrize("score", ["normalized", "absolute"])
def test_split_by_rows_by_hand(score):
    X, y = data()
    found = conformal(conformity_score=score, calibration_size=0.4).fit(X, y)
    split = ShuffleSplit(1, test_size=0.4, random_state=np.random.RandomState(0))
    train, test = next(split.split(X))
    model = clone(MODEL).fit(X.iloc[train], y[train])
    said = model.prediction_interval(X.iloc[test])
    size = said["std"] if score == "normalized" else 1.0
    scores = np.sort(np.asarray(np.abs(y[test] - said["mean"]) / size))
    q = scores[int(np.ceil(0.9 * (len(test) + 1))) - 1]
    ends = found.prediction_interval(X, 0.9)
    said = model.prediction_interval(X)
    size = said["std"] if score == "normalized" else 1.0
    assert_allclose(ends["mean"], said["mean"])
    assert_allclose(ends["lower"], said["mean"] - q * size)
    assert_allclose(ends["upper"], said["mean"] + q * size)
    assert_array_equal(np.sort(found.calibration_["row"]), np.sort(test))
    assert found.n_calibration_ == len(test)
    assert_allclose(found.predict(X), said["mean"])
    assert found.score(X, y) == pytest.approx(model.score(X, y))


def test_mapie_has_the_same_ends():
    """SplitConformalRegressor of MAPIE 1.6.0 on the same split of sleepstudy."""
    X, y = load_sleepstudy(return_X_y=True)
    rows = np.random.RandomState(0).permutation(180)
    fit, rest = rows[90:], rows[:90]
    model = MixedLinearRegressor("subject", method="reml").fit(X.iloc[fit], y.iloc[fit])
    own = ConformalMixedRegressor(model, cv="prefit", conformity_score="absolute")
    own = own.fit(X.iloc[rest], y.iloc[rest])
    assert own.estimator_ is model
    ends = own.prediction_interval(X[:2], 0.9)[["lower", "upper"]].to_numpy()
    new = X[:1].assign(subject=1)
    own.prediction_interval(new)  # whose groups were there is not known: no warning
    theirs = [[229.93164162, 352.07752683], [240.60694711, 362.75283232]]
    assert_allclose(ends, theirs, rtol=1e-8)


# ---------------------------------------------------------------------------- groups


def test_split_by_groups_by_hand():
    X, y = data()
    found = conformal(exchangeable="groups").fit(X, y)
    table = found.calibration_
    left_out = X["g"].iloc[table["row"]]
    assert found.n_calibration_ == left_out.nunique() == 12
    inside = ~X["g"].isin(left_out)
    model = clone(MODEL).fit(X[inside], y[inside])
    said = model.prediction_interval(X.iloc[table["row"]], kind="fixed")
    expected = np.abs(y[table["row"]] - said["mean"]) / said["std"]
    assert_allclose(table["score"], expected)
    size = left_out.map(left_out.value_counts())
    assert_allclose(table["share"], 1 / (13 * size))
    # the least score up to which 90 % of the new group's distribution is reached
    order = np.argsort(table["score"].to_numpy())
    reached = np.cumsum(table["share"].to_numpy()[order])
    q = table["score"].to_numpy()[order][np.argmax(reached >= 0.9)]
    said = model.prediction_interval(new_rows(), kind="fixed")
    ends = found.prediction_interval(new_rows(), 0.9)
    assert_allclose(ends["upper"], said["mean"] + q * said["std"])
    assert_allclose(ends["lower"], said["mean"] - q * said["std"])


def test_one_row_of_every_group():
    X, y = data()
    found = conformal(exchangeable="groups", group_rows="one").fit(X, y)
    drawn = X["g"].iloc[found.calibration_["row"]]
    assert drawn.is_unique
    assert_allclose(found.calibration_["share"], 1 / 13)
    other = conformal(exchangeable="groups", group_rows="one").set_params(
        random_state=1
    )
    assert set(X["g"].iloc[other.fit(X, y).calibration_["row"]]) != set(drawn)


def test_folds_of_groups_stay_together():
    X, y = data()
    found = conformal(exchangeable="groups", cv=4).fit(X, y)
    owner = found.calibration_.assign(g=X["g"].to_numpy()[found.calibration_["row"]])
    assert (owner.groupby("g")["fold"].nunique() == 1).all()
    assert found.n_calibration_ == 24
    assert_allclose(found.predict(X), clone(MODEL).fit(X, y).predict(X))
    one = conformal(exchangeable="groups", cv=LeaveOneGroupOut()).fit(X, y)
    assert one.calibration_["fold"].nunique() == 24
    same = conformal(exchangeable="groups", cv=GroupKFold(4)).fit(X, y)
    assert np.isfinite(same.prediction_interval(new_rows(), 0.9)).all().all()


def test_folds_of_rows_by_hand():
    X, y = data()
    found = conformal(cv=KFold(3)).fit(X, y)
    ends = found.prediction_interval(X[:4], 0.8)
    lower, upper = [], []
    for train, test in KFold(3).split(X):
        model = clone(MODEL).fit(X.iloc[train], y[train])
        said = model.prediction_interval(X.iloc[test])
        scores = (np.abs(y[test] - said["mean"]) / said["std"]).to_numpy()[:, None]
        there = model.prediction_interval(X[:4])
        centre, size = there["mean"].to_numpy(), there["std"].to_numpy()
        lower.append(centre - scores * size)
        upper.append(centre + scores * size)
    n = len(X)
    low, high = (np.sort(np.vstack(e), axis=0) for e in (lower, upper))
    assert_allclose(ends["lower"], low[int(np.floor(0.2 * (n + 1) + 1e-9)) - 1])
    assert_allclose(ends["upper"], high[int(np.ceil(0.8 * (n + 1) - 1e-9)) - 1])


def test_a_level_below_another_is_found_by_its_path():
    """States are called 0 and 1 in every region; regions stay known."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"region": np.repeat(np.arange(6), 20)})
    X["state"] = np.tile(np.repeat(np.arange(5), 4), 6)
    y = rng.normal(size=6)[X["region"]] + rng.normal(size=120)
    model = MixedLinearRegressor(["region", "state"], fixed=[], lr_test=False)
    found = ConformalMixedRegressor(
        model, exchangeable="groups", group="state", random_state=0
    ).fit(X, y)
    assert found.n_calibration_ == 15
    new = pd.DataFrame({"region": [0, 1], "state": [9, 9]})
    assert found.prediction_interval(new, 0.9)["mean"].nunique() == 2
    kept = X.drop(index=found.calibration_["row"]).iloc[:1]
    with pytest.raises(ValueError, match=r"fitted to, the first \(\d, \d\) in row 0"):
        found.prediction_interval(kept)


# ------------------------------------------------------------------------- what goes in


def test_labels_by_groups_and_by_columns_are_the_same():
    X, y = data()
    for kind in ("rows", "groups"):
        a = conformal(exchangeable=kind).fit(X, y)
        b = conformal(exchangeable=kind).fit(X[["x"]], y, groups=X["g"])
        new = new_rows() if kind == "groups" else X[:3]
        expected = a.prediction_interval(new, 0.9)
        found = b.prediction_interval(new[["x"]], 0.9, groups=new["g"])
        assert_allclose(found, expected)
        assert b.score(X[["x"]], y, groups=X["g"]) == pytest.approx(a.score(X, y))


def test_arrays_and_polars():
    X, y = data()
    expected = conformal().fit(X, y).prediction_interval(X[:3], 0.9)
    table = pl.from_pandas(X)
    found = conformal().fit(table, y).prediction_interval(table[:3], 0.9)
    assert_allclose(found, expected)
    array = X.to_numpy()
    other = conformal().set_params(
        estimator=clone(MODEL).set_params(random_effects="x0")
    )
    assert_allclose(other.fit(array, y).prediction_interval(array[:3], 0.9), expected)


def test_index_of_the_rows_is_kept():
    X, y = data()
    found = conformal().fit(X, y).prediction_interval(X.iloc[[5, 3]])
    assert list(found.index) == [5, 3]
    assert list(found.columns) == ["mean", "lower", "upper"]


def test_pipelines_and_other_regressors():
    X, y = data()
    scale = make_column_transformer(
        (StandardScaler(), ["x"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipe = make_pipeline(scale, MODEL)
    found = ConformalMixedRegressor(pipe, exchangeable="groups", random_state=0)
    expected = conformal(exchangeable="groups").fit(X, y)
    ends = found.fit(X, y).prediction_interval(new_rows(), 0.9)
    assert_allclose(ends, expected.prediction_interval(new_rows(), 0.9), rtol=1e-6)
    line = LinearRegression()
    with pytest.raises(
        ValueError, match=r"LinearRegression has no prediction_interval"
    ):
        ConformalMixedRegressor(line).fit(X, y)
    with pytest.raises(
        ValueError, match=r"Name the variable with their labels, group="
    ):
        ConformalMixedRegressor(line, exchangeable="groups").fit(X, y)
    found = ConformalMixedRegressor(
        line, exchangeable="groups", group="g", conformity_score="absolute"
    ).fit(X, y)
    ends = found.prediction_interval(new_rows(), 0.8)
    assert_allclose(ends["upper"] - ends["lower"], (ends["upper"] - ends["lower"])[0])


def test_a_formula_knows_its_response():
    pytest.importorskip("formulaic")
    frame = load_sleepstudy().frame
    X, y = load_sleepstudy(return_X_y=True)
    fit = from_formula("reaction ~ days + (1 | subject)", frame, method="reml")
    a = ConformalMixedRegressor(fit, random_state=0).fit(frame)
    plain = MixedLinearRegressor("subject", method="reml")
    b = ConformalMixedRegressor(plain, random_state=0).fit(X, y)
    assert_allclose(a.prediction_interval(frame[:3]), b.prediction_interval(X[:3]))


def test_missing_responses_have_no_score():
    X, y = data()
    gone = y.copy()
    gone[::5] = np.nan
    model = clone(MODEL).set_params(missing="drop")
    found = ConformalMixedRegressor(model, random_state=0).fit(X, gone)
    assert not set(found.calibration_["row"]) & set(range(0, len(y), 5))
    lost = X[:3].assign(x=[np.nan, 1.0, 2.0])
    assert list(found.prediction_interval(lost)["upper"].isna()) == [True, False, False]
    with pytest.raises(ValueError, match="y contains NaN"):
        conformal().fit(X, gone)


def test_clone_pickle_and_parameters():
    X, y = data()
    found = conformal().fit(X, y)
    again = pickle.loads(pickle.dumps(found))
    assert_allclose(again.prediction_interval(X[:3]), found.prediction_interval(X[:3]))
    assert "estimator__method" in found.get_params()
    with pytest.raises(NotFittedError):
        clone(found).prediction_interval(X)


# --------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"exchangeable": "columns"}, "exchangeable must be one of 'rows', 'groups'"),
        ({"conformity_score": "signed"}, "conformity_score must be one of"),
        ({"group_rows": "two"}, "group_rows must be one of"),
        ({"cv": "split"}, "cv must be None for one split"),
        ({"calibration_size": 1.0}, "calibration_size must be a share"),
        ({"cv": KFold(3), "exchangeable": "groups"}, "cv divides .* groups"),
        ({"cv": ShuffleSplit(2)}, "cv must leave every row out exactly once"),
        ({"group": "h", "exchangeable": "groups"}, "there are no labels of them"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    X, y = data()
    with pytest.raises(ValueError, match=message):
        conformal(**parameters).fit(X, y)


def test_too_few_groups_for_a_level():
    X, y = data()
    found = conformal(exchangeable="groups").fit(X, y)
    with pytest.warns(
        MixedModelWarning, match=r"19 exchangeable groups.* are 12, enough"
    ):
        ends = found.prediction_interval(new_rows(), 0.95)
    assert np.isinf(ends[["lower", "upper"]]).all().all()


def test_known_groups_are_no_new_ones_and_new_ones_not_known():
    X, y = data()
    found = conformal(exchangeable="groups").fit(X, y)
    known = X[~X["g"].isin(X["g"].iloc[found.calibration_["row"]])]
    with pytest.raises(
        ValueError, match=r"groups of 'g' that the estimator was fitted"
    ):
        found.prediction_interval(known)
    rows = conformal().fit(X, y)
    with pytest.warns(MixedModelWarning, match=r"3 rows .*the first 1000 in row 0"):
        rows.prediction_interval(new_rows())


def test_crossed_factors_need_a_name():
    X, y = data()
    X = X.assign(item=np.arange(len(X)) % 7)
    spec = [RandomEffects("_all", factor=name) for name in ("g", "item")]
    model = MixedLinearRegressor(spec, lr_test=False)
    found = ConformalMixedRegressor(model, exchangeable="groups", random_state=0)
    with pytest.raises(ValueError, match=r"crosses the factors \['g', 'item'\]"):
        found.fit(X, y)
    ends = (
        found.set_params(group="g")
        .fit(X, y)
        .prediction_interval(new_rows().assign(item=[0, 3, 5]), 0.9)
    )
    assert np.isfinite(ends).all().all()


def test_an_exact_fit_has_intervals_without_width():
    X, _ = data()
    y = 2.0 * X["x"].to_numpy()
    with pytest.warns(MixedModelWarning):
        found = conformal().fit(X, y)
    ends = found.prediction_interval(X)
    assert_allclose(ends["lower"], y, atol=1e-12)
    assert_allclose(ends["upper"], y, atol=1e-12)


def test_missing_labels_are_refused():
    X, y = data()
    X = X.assign(g=X["g"].astype(float).where(X.index != 4))
    with pytest.raises(ValueError, match="label of 'g' is missing in row 4"):
        conformal(exchangeable="groups").fit(X, y)
