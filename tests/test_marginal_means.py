"""Marginal means, trends and contrasts: by definition, and what users may ask for."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import dunnett, multivariate_t, studentized_range
from scipy.stats import f as f_distribution
from scipy.stats import t as student

from sklearn_xmixed import MixedLinearRegressor, from_formula, xtmixed
from sklearn_xmixed.datasets import load_orthodont, load_penicillin, load_sleepstudy
from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.inference._reference import FTest, Reference
from sklearn_xmixed.means import FixedPart, FixedVariables, marginal_means
from sklearn_xmixed.means._coefficients import contrast_coefficients
from sklearn_xmixed.means.multiplicity._letters import compact_letters
from sklearn_xmixed.means.multiplicity._multivariate_t import LargestT
from sklearn_xmixed.means.multiplicity._studentized_range import (
    studentized_range_quantile,
    studentized_range_tail,
)
from sklearn_xmixed.plotting import MarginalMeansDisplay
from tests.conftest import before


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(7)
    n = 240
    frame = pd.DataFrame(
        {
            "g": np.repeat(np.arange(30), 8),
            "a": rng.choice(["a1", "a2", "a3"], n, p=[0.5, 0.3, 0.2]),
            "b": rng.choice(["b1", "b2"], n),
            "k": rng.choice([1, 2, 4], n),
            "flag": rng.random(n) > 0.3,
            "x": rng.normal(5.0, 2.0, n).round(2),
        }
    )
    frame["y"] = (
        1.0
        + (frame["a"] == "a2") * 2.0
        + 0.3 * frame["x"] * (frame["b"] == "b1")
        + rng.normal(size=30)[frame["g"]]
        + rng.normal(size=n)
    )
    return frame


@pytest.fixture(scope="module")
def model(trial):
    return from_formula("y ~ a * b + C(k) + flag + b:x + (1 | g)", trial)


# -------------------------------------------------------------------- definition


def test_equal_weights_average_the_predictions_on_the_grid(model, trial):
    table = model.marginal_means("a").table
    for level in ("a1", "a2", "a3"):
        grid = pd.DataFrame(
            [
                {"a": level, "b": b, "k": k, "flag": flag, "x": trial["x"].mean()}
                for b in ("b1", "b2")
                for k in (1, 2, 4)
                for flag in (False, True)
            ]
        )
        wanted = model.predict(grid, kind="fixed").mean()
        assert table.loc[level, "estimate"] == pytest.approx(wanted, rel=1e-10)


def test_errors_are_those_of_the_combination(model):
    means = model.marginal_means(["a", "b"])
    L, V = means.L.to_numpy(), model.results_.beta_vcov
    assert list(means.L.columns) == list(model.results_.fixed_names)
    assert_allclose(L @ model.results_.beta, means.table["estimate"])
    assert_allclose(np.sqrt(np.diagonal(L @ V @ L.T)), means.table["std_error"])
    assert_allclose(means.vcov, L @ V @ L.T)
    half = means.table["ci_upper"] - means.table["estimate"]
    assert_allclose(half, 1.959964 * means.table["std_error"], rtol=1e-6)
    assert np.isinf(means.table["df"]).all()


@pytest.mark.parametrize("weights", ["proportional", "cells"])
def test_frequencies(model, trial, weights):
    found = model.marginal_means("a", weights=weights).table["estimate"]
    for level in ("a1", "a2", "a3"):
        rows = trial if weights == "proportional" else trial[trial["a"] == level]
        grid = rows.assign(a=level, x=trial["x"].mean())
        wanted = model.predict(grid, kind="fixed").mean()
        assert found[level] == pytest.approx(wanted, rel=1e-10)


def test_observed_rows_are_averaged(model, trial):
    found = model.marginal_means("a", by="b", weights="observed").table["estimate"]
    for (b, a), value in found.items():
        wanted = model.predict(trial.assign(a=a, b=b), kind="fixed").mean()
        assert value == pytest.approx(wanted, rel=1e-10)
    again = model.marginal_means("a", by="b", weights="observed", at=trial).table
    assert_allclose(again["estimate"], found)


def test_weights_count_rows(trial):
    w = np.arange(len(trial)) % 3 + 1.0
    weighted = from_formula("y ~ a + b + x", trial, sample_weight=w)
    repeated = from_formula("y ~ a + b + x", trial.loc[trial.index.repeat(w)])
    for weights in ("equal", "proportional", "cells", "observed"):
        one = weighted.marginal_means("a", weights=weights).table
        two = repeated.marginal_means("a", weights=weights).table
        assert_allclose(one, two, rtol=1e-8)


def test_a_list_of_values_makes_a_grid(model):
    one = model.marginal_means("a", at={"x": [2, 8], "k": 4}).table["estimate"]
    parts = [
        model.marginal_means("a", at={"x": x, "k": 4}).table["estimate"] for x in (2, 8)
    ]
    assert_allclose(one, (parts[0] + parts[1]) / 2)
    by = model.marginal_means("a", by="x", at={"x": [2, 8], "k": 4}).table
    assert list(by.index.names) == ["x", "a"]
    assert_allclose(by.loc[8, "estimate"], parts[1])


def test_a_frame_is_a_grid(model, trial):
    rows = trial[["a", "b", "k", "flag", "x"]].head(40)
    found = model.marginal_means("b", at=rows).table["estimate"]
    predicted = model.predict(rows, kind="fixed")
    for level in ("b1", "b2"):
        assert found[level] == pytest.approx(predicted[rows["b"] == level].mean())
    # variables that it lacks are held or averaged over as ever
    short = model.marginal_means("a", at=pd.DataFrame({"a": ["a1", "a3"]})).table
    assert_allclose(
        short["estimate"], model.marginal_means("a").table["estimate"].iloc[[0, 2]]
    )


def test_no_variable_at_all(model):
    table = model.marginal_means([]).table
    assert table.index.tolist() == ["overall"]
    assert table["estimate"].iloc[0] == pytest.approx(
        model.marginal_means("a").table["estimate"].mean()
    )


def test_the_data_are_left_as_they_are(trial):
    unchanged = trial.copy(deep=True)
    fit = from_formula("y ~ a * b + x + (1 | g)", trial)
    at = {"x": [1, 2]}
    fit.marginal_means("a", by="b", at=at, weights="cells")
    fit.marginal_means("a", at=trial, weights="observed")
    pd.testing.assert_frame_equal(trial, unchanged)
    assert at == {"x": [1, 2]}


def test_missing_rows_do_not_count(trial):
    holes = trial.copy()
    holes.loc[[3, 50, 99], "x"] = np.nan
    holes.loc[7, "y"] = np.nan
    left = from_formula("y ~ a + b + x + (1 | g)", holes, missing="drop")
    whole = from_formula("y ~ a + b + x + (1 | g)", holes.dropna())
    for weights in ("equal", "cells", "observed"):
        assert_allclose(
            left.marginal_means("a", weights=weights).table,
            whole.marginal_means("a", weights=weights).table,
        )


def test_categories_keep_their_order(trial):
    kind = pd.CategoricalDtype(["a3", "a1", "a2", "none"])
    data = trial.assign(a=trial["a"].astype(kind))
    fit = from_formula("y ~ a + (1 | g)", data)
    assert fit.marginal_means("a").table.index.tolist() == ["a3", "a1", "a2"]
    plain = from_formula("y ~ a + (1 | g)", trial).marginal_means("a").table
    assert_allclose(
        fit.marginal_means("a").table.loc[plain.index, "estimate"], plain["estimate"]
    )


def test_it_survives_pickling(model):
    again = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(
        again.marginal_means("a").table, model.marginal_means("a").table
    )


@pytest.mark.parametrize("make", [from_formula, xtmixed])
def test_variables_are_summarised_when_asked_for(trial, monkeypatch, make):
    calls = []
    of = FixedVariables.of
    monkeypatch.setattr(FixedVariables, "of", lambda *a: calls.append(1) or of(*a))
    data = trial.assign(x=trial["x"].copy())
    text = "y ~ a + x + (1 | g)" if make is from_formula else "y i.a x || g:"
    options = {} if make is from_formula else {"show": False}
    fit = make(text, data, **options)
    assert not calls
    # what happens to the user's data afterwards does not matter
    data["x"] = 0.0
    data.loc[:, "a"] = "a1"
    wanted = make(text, trial, **options).marginal_means("a").table
    fresh = make(text, trial, **options)
    calls.clear()
    saved = pickle.dumps(fresh)
    assert calls == [1]
    for known in (fit, pickle.loads(saved), pickle.loads(pickle.dumps(fit))):
        assert_allclose(known.marginal_means("a").table, wanted)
        known.marginal_means("a")
    assert fit._variables._summarise is None  # the rows are gone
    assert calls == [1, 1]


# ----------------------------------------------------------- commands, estimators


def test_a_command_has_the_means_of_the_formula(trial):
    data = trial.assign(flag=trial["flag"].astype(int))
    command = xtmixed("y i.a##i.b i.k i.flag c.x#i.b || g:", data, show=False)
    formula = from_formula("y ~ a * b + C(k) + C(flag) + b:x + (1 | g)", data)
    for arguments in (
        {"specs": "a"},
        {"specs": ["a", "b"], "at": {"x": [3.0]}},
        {"specs": "a", "by": "k", "weights": "cells"},
        {"specs": "b", "weights": "observed"},
    ):
        one = command.marginal_means(**arguments).table
        two = formula.marginal_means(**arguments).table
        assert one.index.tolist() == two.index.tolist()
        assert_allclose(one, two, rtol=1e-5)
    one = command.marginal_trends("b", "x").table
    assert_allclose(one, formula.marginal_trends("b", "x").table, rtol=1e-5)


def test_a_plain_estimator_has_covariates():
    X, y = load_sleepstudy(return_X_y=True)
    fit = MixedLinearRegressor("subject").fit(X, y)
    table = fit.marginal_means("days", at={"days": [0, 9]}).table
    assert_allclose(
        table["estimate"], fit.intercept_ + fit.coef_[0] * np.array([0.0, 9.0])
    )
    mean = fit.marginal_means([]).table["estimate"].iloc[0]
    assert mean == pytest.approx(fit.intercept_ + fit.coef_[0] * X["days"].mean())
    trend = fit.marginal_trends([], "days").table
    assert trend["estimate"].iloc[0] == pytest.approx(fit.coef_[0])
    assert trend["std_error"].iloc[0] == pytest.approx(
        fit.coef_table().loc["days", "std_error"]
    )
    frame = pd.DataFrame({"arm": ["x", "x", "z"], "days": [0.0, 2.0, 5.0]})
    grouped = fit.marginal_means("arm", at=frame).table["estimate"]
    assert grouped["x"] == pytest.approx(fit.intercept_ + fit.coef_[0])
    with pytest.raises(ValueError, match="pass the rows: at=data"):
        fit.marginal_means([], weights="observed")


# -------------------------------------------------------------- not estimable


@pytest.fixture(scope="module")
def holes(trial):
    return trial[~((trial["a"] == "a2") & (trial["b"] == "b2"))]


def test_an_empty_cell_is_not_estimable(holes):
    fit = from_formula("y ~ a * b + (1 | g)", holes)
    cells = fit.marginal_means(["a", "b"])
    lost = cells.table["estimate"].isna()
    assert lost[lost].index.tolist() == [("a2", "b2")]
    assert "not estimable" in str(cells)
    assert "Not estimable: a2 b2" in str(cells)
    assert fit.marginal_means("a").table["estimate"].isna().tolist() == [0, 1, 0]
    # where only cells with rows count there is no question
    assert fit.marginal_means("a", weights="cells").estimable.all()
    pairs = cells.pairs(by="b").table["estimate"]
    assert pairs.isna().sum() == 2


@pytest.mark.parametrize("base", ["a1", "a2", "a3"])
def test_it_does_not_depend_on_the_coding(holes, base):
    one = from_formula("y ~ a * b + (1 | g)", holes).marginal_means(["a", "b"]).table
    fit = from_formula(f"y ~ C(a, Treatment('{base}')) * b + (1 | g)", holes)
    two = fit.marginal_means(["a", "b"]).table
    assert_allclose(one, two, rtol=1e-5)


def test_an_empty_cell_of_a_command(holes):
    for base in ("", "b2", "b3"):
        fit = xtmixed(f"y i{base}.a##i.b || g:", holes, show=False)
        found = fit.marginal_means(["a", "b"]).table["estimate"]
        assert found.isna().tolist() == [False, False, False, True, False, False]


def test_collinear_columns_leave_sums_estimable(trial):
    data = trial.assign(z=2.0 * trial["x"] - 1.0)
    fit = from_formula("y ~ a + x + z + (1 | g)", data)
    plain = from_formula("y ~ a + x + (1 | g)", data)
    assert_allclose(
        fit.marginal_means("a").table, plain.marginal_means("a").table, rtol=1e-6
    )
    apart = fit.marginal_means("a", at={"x": 0.0})
    assert not apart.estimable.any()
    assert apart.pairs().estimable.all()
    assert not fit.marginal_trends([], "x").estimable.any()


# --------------------------------------------------------------------- nested


@pytest.fixture(scope="module")
def taught():
    rng = np.random.default_rng(4)
    teacher = np.repeat(np.arange(1, 6), 8)
    frame = pd.DataFrame(
        {
            "teacher": [f"t{k}" for k in teacher],
            "school": np.where(teacher <= 3, "s1", "s2"),
            "sex": np.tile(["f", "m"], 20),
            "x": rng.normal(size=40),
            "y": rng.normal(size=40) + teacher,
        }
    )
    return frame.drop([1, 6, 8])


def test_nested_factors_have_the_combinations_that_exist(taught):
    fit = from_formula("y ~ school + teacher + sex + x", taught)
    cells = fit.marginal_means(["school", "teacher"])
    assert cells.index.tolist() == [
        *(("s1", t) for t in ("t1", "t2", "t3")),
        *(("s2", t) for t in ("t4", "t5")),
    ]
    assert cells.estimable.all()
    assert "teacher is nested in school" in " ".join(str(cells).split())
    by_school = cells.table["estimate"].groupby("school").mean()
    schools = fit.marginal_means("school")
    assert_allclose(schools.table["estimate"], by_school)
    assert "Averaged over teacher (within school), sex, equally" in str(schools)
    # each school counts the same, whatever the number of its teachers
    total = fit.marginal_means([]).table["estimate"].iloc[0]
    assert total == pytest.approx(by_school.mean())
    pairs = fit.marginal_means("teacher", by="school").pairs()
    assert pairs.table.index.tolist()[-1] == ("s2", "t4 - t5")
    assert len(pairs.table) == 4
    assert len(fit.marginal_trends("teacher", "x", by="school").table) == 5


@pytest.mark.parametrize("weights", ["proportional", "outer"])
def test_frequencies_of_nested_factors(taught, weights):
    fit = from_formula("y ~ school + teacher + sex", taught)
    found = fit.marginal_means("sex", weights=weights).table["estimate"]
    for sex in ("f", "m"):
        wanted = fit.predict(taught.assign(sex=sex), kind="fixed").mean()
        assert found[sex] == pytest.approx(wanted, rel=1e-10)


def test_values_of_nested_factors(taught):
    fit = from_formula("y ~ school + teacher", taught)
    only = fit.marginal_means("teacher", at={"school": "s2"})
    assert only.index.tolist() == ["t4", "t5"]
    assert fit.marginal_means("school", at={"teacher": "t1"}).index.tolist() == ["s1"]
    with pytest.raises(ValueError, match="No combination of the levels given exists"):
        fit.marginal_means([], at={"teacher": "t1", "school": "s2"})
    # a frame that lacks the teachers has those of its schools, sharing a row's weight
    frame = pd.DataFrame({"school": ["s2", "s1"]})
    both = fit.marginal_means([], at=frame).table["estimate"]
    assert both.iloc[0] == pytest.approx(
        fit.marginal_means("school").table["estimate"].mean()
    )
    named = fit.marginal_means("school", at=frame)
    assert named.index.tolist() == ["s2", "s1"]
    assert named.estimable.all()
    # with all rows in every school most combinations are none
    observed = fit.marginal_means("school", weights="observed")
    assert not observed.estimable.any()
    assert "teacher is nested in school" in " ".join(str(observed).split())


def test_nested_in_a_product_and_in_turn():
    cells = pd.DataFrame(
        [(a, b, f"{a}{b}{k}") for a in "uv" for b in "pq" for k in range(2)],
        columns=["a", "b", "plot"],
    )
    rng = np.random.default_rng(0)
    data = cells.loc[cells.index.repeat(3)].assign(y=rng.normal(size=24))
    fit = from_formula("y ~ a * b + plot", data)
    found = fit.marginal_means("a").table["estimate"]
    wanted = data.groupby("a")["y"].mean()
    assert_allclose(found, wanted, atol=1e-10)
    data = data.assign(plot=data["a"] + data["b"] + "0")
    three = data.rename(columns={"a": "s", "plot": "c"}).assign(t=data["a"] + data["b"])
    # c and t are the same factor twice, which is no nesting
    same = from_formula("y ~ c + t", three).marginal_means("c")
    assert not same.estimable.any()
    deep = three.assign(c=three["t"] + np.tile(["0", "1", "2"], 8))
    turn = from_formula("y ~ s + t + c", deep).marginal_means("s").table["estimate"]
    assert_allclose(turn, deep.groupby("s")["y"].mean(), atol=1e-10)


def test_a_single_mean_in_a_family_has_no_contrast():
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "arm": np.repeat(["control", "drug"], [8, 24]),
            "dose": np.repeat(["none", "low", "mid", "high"], 8),
            "y": rng.normal(size=32),
        }
    )
    means = from_formula("y ~ arm + dose", data).marginal_means("dose", by="arm")
    pairs = means.pairs()
    assert pairs.index.get_level_values("arm").unique().tolist() == ["drug"]
    assert pairs.joint_test()["df"].tolist() == [2]
    assert len(means.letters()) == 4
    assert means.letters().loc[("control", "none")] == "a"


# ------------------------------------------------------------------- contrasts


def test_scheffes_rank_is_the_dimension_of_the_contrasts():
    """Of k means all kinds of contrasts span k - 1 dimensions (Scheffe 1953)."""
    means = one_way(4, 6, 20)
    for kind in ("pairwise", "reference", "consecutive", "polynomial", "effects"):
        found = means.contrasts(kind, adjust="scheffe").table
        reach = (found["ci_upper"] - found["estimate"]) / found["std_error"]
        assert_allclose(reach, np.sqrt(3 * f_distribution.ppf(0.95, 3, 20)))
        p = f_distribution.sf(found["t"] ** 2 / 3, 3, 20)
        assert_allclose(found["p_value"], p)


def test_kinds_of_contrasts(model):
    means = model.marginal_means("a")
    e = means.table["estimate"]
    found = means.contrasts("pairwise").table["estimate"]
    assert found["a1 - a3"] == pytest.approx(e["a1"] - e["a3"])
    found = means.contrasts("reference", ref="a2").table["estimate"]
    assert found.to_dict() == pytest.approx(
        {"a1 - a2": e["a1"] - e["a2"], "a3 - a2": e["a3"] - e["a2"]}
    )
    found = means.contrasts("effects").table["estimate"]
    assert found["a2 effect"] == pytest.approx(e["a2"] - e.mean())
    found = means.contrasts("polynomial").table["estimate"]
    assert found["quadratic"] == pytest.approx(e["a1"] - 2 * e["a2"] + e["a3"])
    wanted = {"rest": {"a1": 1, "a2": -0.5, "a3": -0.5}, "two": [0, 1, -1]}
    found = means.contrasts(wanted).table["estimate"]
    assert found["rest"] == pytest.approx(e["a1"] - (e["a2"] + e["a3"]) / 2)
    assert found["two"] == pytest.approx(e["a2"] - e["a3"])


def test_contrasts_within_levels(model):
    means = model.marginal_means("a", by="b")
    table = means.pairs().table
    assert table.index.names == ["b", "contrast"]
    assert len(table) == 6
    across = means.contrasts(by=[]).table
    assert len(across) == 15
    turned = means.contrasts(by="a").table
    assert turned.index.get_level_values("contrast").unique().tolist() == ["b1 - b2"]
    same = model.marginal_means(["a", "b"]).contrasts(by="b").table
    assert_allclose(same, table)


def test_polynomials_are_those_of_tables():
    wanted = {
        4: [[-3, -1, 1, 3], [1, -1, -1, 1], [-1, 3, -3, 1]],
        5: [
            [-2, -1, 0, 1, 2],
            [2, -1, -2, -1, 2],
            [-1, 2, 0, -2, 1],
            [1, -4, 6, -4, 1],
        ],
    }
    for k, rows in wanted.items():
        found = contrast_coefficients("polynomial", range(k))
        assert_allclose([row for _, row in found], rows)


def test_joint_tests_drop_what_follows(model):
    joint = model.marginal_means("a").pairs().joint_test()
    assert joint["df"].tolist() == [2]
    L = model.marginal_means("a").contrasts("reference").L.to_numpy()
    wald = model.wald_test(L)
    assert joint["f_value"].iloc[0] * 2 == pytest.approx(wald.chi2)
    assert joint["p_value"].iloc[0] == pytest.approx(wald.p_value)


class Few(Reference):
    """A stand-in: so many degrees of freedom for everything."""

    method = "few"

    def __init__(self, vcov, df):
        self.vcov = vcov
        self._df = df

    def df(self, L):
        return np.full(len(L), float(self._df))

    def test(self, L, difference):
        chi2 = difference @ np.linalg.solve(L @ self.vcov @ L.T, difference)
        return FTest(float(chi2) / len(L), len(L), float(self._df))


def one_way(k, n, df, seed=0):
    """Means of a one-way layout with a reference of any degrees of freedom."""
    rng = np.random.default_rng(seed)
    levels = [f"g{i}" for i in range(k)]
    frame = pd.DataFrame({"g": np.repeat(levels, n)})
    beta = rng.normal(size=k)
    part = FixedPart(tuple(levels), beta, Few(np.eye(k) / n, df))
    known = FixedVariables.of(frame, {"g"}, None)

    def rows(grid):
        codes = pd.Index(levels).get_indexer(grid["g"])
        return np.eye(k)[codes], np.zeros((len(grid), 0))

    return marginal_means(part, known, rows, "g", None, (None, "equal"), 0.95)


def test_tukey_is_the_studentized_range():
    means = one_way(4, 6, 11.5)
    table = means.pairs().table
    q = np.abs(table["t"].to_numpy()) * np.sqrt(2.0)
    assert_allclose(table["p_value"], studentized_range.sf(q, 4, 11.5), atol=1e-7)
    reach = (table["ci_upper"] - table["estimate"]) / table["std_error"]
    assert_allclose(
        reach, studentized_range.ppf(0.95, 4, 11.5) / np.sqrt(2.0), rtol=1e-6
    )
    # all differences of equal means: the multivariate t says the same
    assert_allclose(
        means.pairs(adjust="mvt").table["p_value"], table["p_value"], atol=1e-4
    )


@pytest.mark.daily
@pytest.mark.parametrize("k", [2, 3, 8, 25])
@pytest.mark.parametrize("df", [1.0, 2.5, 12.0, 400.0, np.inf])
def test_studentized_range(k, df):
    q = np.array([0.2, 1.0, 3.3, 6.0])
    found = studentized_range_tail(q, k, np.full(4, df))
    assert_allclose(found, studentized_range.sf(q, k, df), atol=2e-7)
    if df > 1:
        quantile = studentized_range_quantile(0.95, k, df)
        assert studentized_range.sf(quantile, k, df) == pytest.approx(0.05, abs=1e-6)


def test_reference_is_dunnetts_test():
    rng = np.random.default_rng(2)
    control, *others = (rng.normal(m, 1.0, 9) for m in (0.0, 0.6, 0.9, -0.3))
    name = "random_state" if before("scipy", "1.15") else "rng"
    seed = {name: np.random.default_rng(0)}
    witness = dunnett(*others, control=control, **seed)
    pooled = np.mean([np.var(g, ddof=1) for g in (control, *others)])
    means = one_way(4, 9, 32)
    part = means.part
    part.beta[:] = [g.mean() for g in (control, *others)]
    part.reference.vcov = np.eye(4) * pooled / 9
    found = means.contrasts("reference")
    assert found.adjust == "mvt"
    assert_allclose(found.table["t"], witness.statistic)
    assert_allclose(found.table["p_value"], witness.pvalue, atol=2e-4)
    interval = witness.confidence_interval(0.95)
    assert_allclose(found.table["ci_lower"], interval.low, atol=3e-3)


def test_multivariate_t_of_any_correlation():
    R = np.array([[1.0, 0.2, -0.4], [0.2, 1.0, 0.7], [-0.4, 0.7, 1.0]])
    for df in (3.0, 30.0):
        known = multivariate_t(shape=R, df=df, seed=0)
        body = known.cdf([2.2] * 3, lower_limit=[-2.2] * 3, maxpts=200_000)
        assert LargestT(R).tail(2.2, df) == pytest.approx(1.0 - body, abs=2e-4)
    one = LargestT(np.ones((2, 2)))
    assert one.rank == 1
    assert one.quantile(0.95, np.inf) == pytest.approx(1.959964, abs=1e-6)


def test_adjusted_p_values_are_ordered():
    means = one_way(5, 5, 20)
    p = {
        adjust: means.contrasts("pairwise", adjust=adjust).table["p_value"]
        for adjust in "none fdr holm sidak bonferroni tukey mvt scheffe".split()
    }
    assert (p["none"] <= p["fdr"]).all()
    assert (p["fdr"] <= p["holm"] + 1e-15).all()
    assert (p["holm"] <= p["bonferroni"]).all()
    assert (p["sidak"] <= p["bonferroni"]).all()
    assert (p["tukey"] <= p["scheffe"] + 1e-9).all()


def test_letters():
    means = one_way(6, 8, 40)
    letters = means.letters()
    p = means.pairs().table["p_value"]
    for name, value in p.items():
        a, b = name.split(" - ")
        assert bool(set(letters[a]) & set(letters[b])) == (value >= 0.05)
    assert "a" in letters[means.table["estimate"].idxmax()]
    differ = ~np.eye(3, dtype=bool)
    assert compact_letters(np.array([1.0, np.nan, 3.0]), differ) == ["b", "", "a"]


def test_simultaneous_intervals_are_wider(model):
    means = model.marginal_means("a")
    wide = means.simultaneous()
    assert (wide["ci_lower"] < means.table["ci_lower"]).all()
    assert_allclose(means.simultaneous("none"), means.table)
    apart = one_way(3, 5, 12)

    def reach(adjust):
        found = apart.simultaneous(adjust)
        return ((found["ci_upper"] - found["estimate"]) / apart.std_error).iloc[0]

    c = reach("mvt")
    body = multivariate_t(shape=np.eye(3), df=12, seed=0).cdf(
        [c] * 3, lower_limit=[-c] * 3, maxpts=200_000
    )
    assert body == pytest.approx(0.95, abs=1e-4)
    t = student.ppf(1 - 0.025 / 3, 12)
    assert reach("bonferroni") == pytest.approx(t)
    assert reach("sidak") == pytest.approx(student.ppf(0.5 + 0.5 * 0.95 ** (1 / 3), 12))
    f = f_distribution.ppf(0.95, 3, 12)
    assert reach("scheffe") == pytest.approx(np.sqrt(3 * f))
    with pytest.raises(ValueError, match="adjust must be"):
        means.simultaneous("tukey")


# ---------------------------------------------------------------------- trends


def test_trends_of_powers_and_splines(trial):
    fit = from_formula("y ~ b * poly(x, 3) + (1 | g)", trial)
    for x in (2.0, 6.5):
        found = fit.marginal_trends("b", "x", at={"x": x}).table["estimate"]
        h = 1e-4
        for level in ("b1", "b2"):
            ends = pd.DataFrame({"b": level, "x": [x - h, x + h]})
            low, high = fit.predict(ends, kind="fixed")
            assert found[level] == pytest.approx((high - low) / (2 * h), rel=1e-5)
    spline = from_formula("y ~ bs(x, df=4) + (1 | g)", trial)
    ends = [trial["x"].min(), trial["x"].max()]
    edge = spline.marginal_trends([], "x", by="x", at={"x": ends}).table["estimate"]
    assert np.isfinite(edge).all()


def test_trends_of_a_product(model, trial):
    found = model.marginal_trends("b", "x").table["estimate"]
    table = model.coef_table()["estimate"]
    assert found["b1"] == pytest.approx(table["b[b1]:x"], rel=1e-8)
    assert found["b2"] == pytest.approx(table["b[b2]:x"], rel=1e-8)
    assert not np.isnan(model.marginal_trends("b", "x").pairs().table["t"]).any()


# ------------------------------------------------------------- transformations


def test_logarithms_go_back_to_ratios(trial):
    data = trial.assign(w=np.exp(trial["y"] / 4.0))
    fit = from_formula("log(w) ~ a + (1 | g)", data)
    means = fit.marginal_means("a")
    back = means.back_transform()
    assert_allclose(back.table["estimate"], np.exp(means.table["estimate"]))
    assert_allclose(back.table["ci_lower"], np.exp(means.table["ci_lower"]))
    assert_allclose(
        back.table["std_error"], back.table["estimate"] * means.table["std_error"]
    )
    assert back.transformation == "Marginal means of w: exp of that of log(w)"
    ratios = means.pairs().back_transform()
    assert "Ratios of w" in str(ratios)
    assert_allclose(ratios.table["estimate"], np.exp(means.pairs().table["estimate"]))
    assert_allclose(ratios.table["p_value"], means.pairs().table["p_value"])


def test_other_transformations(trial):
    data = trial.assign(w=trial["y"] ** 2 + 1.0)
    means = from_formula("np.sqrt(w) ~ a + (1 | g)", data).marginal_means("a")
    back = means.back_transform()
    assert_allclose(back.table["estimate"], means.table["estimate"] ** 2)
    with pytest.raises(ValueError, match="no way back"):
        means.pairs().back_transform()
    plain = from_formula("w ~ a + (1 | g)", data).marginal_means("a")
    with pytest.raises(ValueError, match="does not say how it was transformed"):
        plain.back_transform()
    given = plain.back_transform(np.sqrt)
    assert_allclose(given.table["estimate"], np.sqrt(plain.table["estimate"]))
    assert "sqrt" in str(given)
    with pytest.raises(TypeError, match="inverse must be a function"):
        plain.back_transform("exp")


# ------------------------------------------------------------------ how it looks


def test_text_and_html(model):
    means = model.marginal_means("a", by="b")
    text, html = str(means), means._repr_html_()
    assert "Marginal means of y" in text
    assert "b = b1" in text
    assert "Averaged over k, flag, equally." in text
    assert "At the means of covariates: x =" in text
    assert "<table" in html
    assert "b = b2" in html
    pairs = means.pairs()
    told = " ".join(str(pairs).split())
    assert "adjusted for 3 contrasts in each by-level by Tukey's method" in told
    assert "a1 - a2" in pairs._repr_html_()
    assert all(len(line) <= 110 for line in str(pairs).splitlines())
    assert repr(pairs) == str(pairs)


def test_plots(model):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    display = model.marginal_means("a", by="b").plot()
    assert isinstance(display, MarginalMeansDisplay)
    assert len(display.axes_) == 2
    assert display.axes_[0].get_title() == "b = b1"
    line = model.marginal_means("x", by="b", at={"x": [1, 5, 9]}).plot()
    assert line.ax_.get_xlabel() == "x"
    pairs = model.marginal_means("a").pairs().plot()
    assert next(t.get_text() for t in pairs.ax_.get_yticklabels()) == "a1 - a2"
    _, ax = plt.subplots()
    own = MarginalMeansDisplay.from_estimator(model, "a", ax=ax, weights="cells")
    assert own.ax_ is ax
    plt.close("all")


# ------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"specs": "nothing"},
            ValueError,
            "'nothing' is no variable of the fixed part",
        ),
        ({"specs": 3}, TypeError, "specs must be the name of a variable"),
        ({"specs": ["a", "a"]}, ValueError, "specs names a variable twice"),
        ({"specs": "a", "by": "a"}, ValueError, "stands in specs and in by"),
        ({"specs": "a", "at": {"b": "b9"}}, ValueError, "'b9' is no level of 'b'"),
        ({"specs": "a", "at": {"x": "much"}}, ValueError, "must be numbers"),
        ({"specs": "a", "at": {"x": []}}, ValueError, "gives no value"),
        ({"specs": "a", "at": {"z": 1}}, ValueError, "'z' is no variable"),
        ({"specs": "a", "at": 5}, TypeError, "at must be a dict"),
        ({"specs": "a", "weights": "some"}, ValueError, "weights must be one of"),
        ({"specs": "a", "confidence_level": 95}, ValueError, "between 0 and 1"),
    ],
)
def test_questions_that_make_no_sense(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.marginal_means(**arguments)


def test_contrasts_that_make_no_sense(model):
    means = model.marginal_means("a")
    with pytest.raises(ValueError, match="kind must be one of"):
        means.contrasts("dunnett")
    with pytest.raises(ValueError, match="adjust must be one of"):
        means.contrasts(adjust="lsd")
    with pytest.raises(ValueError, match="for all pairwise differences"):
        means.contrasts("reference", adjust="tukey")
    with pytest.raises(ValueError, match="none of the levels"):
        means.contrasts("reference", ref="a9")
    with pytest.raises(ValueError, match="ref goes with"):
        means.contrasts("pairwise", ref="a1")
    with pytest.raises(ValueError, match="needs 3 coefficients"):
        means.contrasts({"c": [1, -1]})
    with pytest.raises(ValueError, match="by must name variables of the means"):
        means.contrasts(by="b")
    with pytest.raises(ValueError, match="nothing to compare"):
        means.contrasts(by="a")
    with pytest.raises(ValueError, match="nothing to compare it with"):
        model.marginal_means([]).pairs()
    with pytest.raises(ValueError, match="alpha must lie"):
        means.letters(alpha=5)


def test_trends_that_make_no_sense(model):
    with pytest.raises(ValueError, match="is a factor and has no slope"):
        model.marginal_trends("a", "b")
    with pytest.raises(ValueError, match="'z' is no variable"):
        model.marginal_trends("a", "z")


def test_lags_have_no_grid():
    sleep = load_sleepstudy().frame
    fit = xtmixed(
        "reaction L.reaction || subject:", sleep, xtset=("subject", "days"), show=False
    )
    with pytest.raises(ValueError, match="time-series operators"):
        fit.marginal_means([])


def test_many_distinct_rows_are_not_kept():
    rng = np.random.default_rng(0)
    n = 20_001
    frame = pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "a": rng.choice(["u", "v"], n),
        }
    )
    fit = from_formula("y ~ a * x", frame)
    with pytest.raises(ValueError, match="too many distinct rows"):
        fit.marginal_means("a", weights="observed")
    assert_allclose(
        fit.marginal_means("a", weights="observed", at=frame).table["estimate"],
        [fit.predict(frame.assign(a=a)).mean() for a in ("u", "v")],
    )
    # few distinct values are kept, however many rows there are
    rounded = frame.assign(x=frame["x"].round(0))
    again = from_formula("y ~ a * x", rounded)
    assert_allclose(
        again.marginal_means("a", weights="observed").table["estimate"],
        [again.predict(rounded.assign(a=a)).mean() for a in ("u", "v")],
    )


def test_crossed_and_structured_models_have_means_too():
    penicillin = load_penicillin().frame
    fit = from_formula("diameter ~ (1 | plate) + sample", penicillin, method="reml")
    raw = penicillin.groupby("sample")["diameter"].mean()
    assert_allclose(fit.marginal_means("sample").table["estimate"], raw, rtol=1e-6)
    orthodont = load_orthodont().frame
    robust = from_formula("distance ~ sex + (1 | subject)", orthodont, vce="robust")
    table = robust.marginal_means("sex").table
    wanted = np.sqrt(robust.results_.beta_vcov[1, 1])
    assert table["std_error"].iloc[0] == pytest.approx(wanted)


# ------------------------------------------------------------- lines of commands


@pytest.fixture(scope="module")
def command(trial):
    return xtmixed("y i.a##i.b c.x##c.x i.k || g:", trial, show=False)


def test_margins_average_the_observed_rows(command, trial):
    found = command.margins("margins a").table["estimate"]
    for level, value in found.items():
        wanted = command.predict(trial.assign(a=level), kind="fixed").mean()
        assert value == pytest.approx(wanted)
    both = command.margins("a#b, at(x=(1 3) k=2) level(90)")
    assert both.index.names == ["x", "a", "b"]
    wanted = command.predict(trial.assign(a="a2", b="b1", x=3, k=2), kind="fixed")
    assert both.table.loc[(3, "a2", "b1"), "estimate"] == pytest.approx(wanted.mean())
    assert both.confidence_level == pytest.approx(0.9)
    assert len(command.margins("margins, at(x=(0(2)6))").table) == 4
    slope = command.margins("margins, dydx(x)").table["estimate"].iloc[0]
    ends = [
        command.predict(trial.assign(x=trial["x"] + h), kind="fixed").mean()
        for h in (-1e-3, 1e-3)
    ]
    assert slope == pytest.approx((ends[1] - ends[0]) / 2e-3, rel=1e-6)
    differences = command.margins("margins, dydx(a)").table["estimate"]
    assert differences["a3 - a1"] == pytest.approx(found["a3"] - found["a1"])


def test_contrast_and_pwcompare(command):
    means = command.marginal_means("a")
    # Stata has a later level less an earlier one
    for line, adjust in (("pwcompare a, mcompare(tukey)", "tukey"), ("a", "none")):
        pairs = command.pwcompare(line).table
        ours = means.contrasts(adjust=adjust).table
        assert pairs.index[0] == "a2 - a1"
        assert_allclose(pairs[["estimate", "t"]], -ours[["estimate", "t"]])
        assert_allclose(pairs["ci_lower"], -ours["ci_upper"])
        assert_allclose(pairs["p_value"], ours["p_value"])
    # mcompare() counts all comparisons of the term
    adjacent = command.contrast("contrast ar.a@b, mcompare(bonferroni)")
    within = command.marginal_means("a", by="b").contrasts("consecutive", adjust="none")
    assert_allclose(adjacent.table["estimate"], within.table["estimate"])
    whole = (4 * within.table["p_value"]).clip(upper=1.0)
    assert_allclose(adjacent.table["p_value"], whole)
    pd.testing.assert_frame_equal(adjacent.joint_test(), within.joint_test())
    assert command.contrast("contrast a").joint_test()["df"].tolist() == [2]


def fixed_mean(command, rows, **values):
    return command.predict(rows.assign(**values), kind="fixed").mean()


def test_margins_over_groups_of_rows(command, trial):
    rows = trial.loc[command.sample_]
    found = command.margins("margins, over(b)")
    assert found.index.names == ["b"]
    for level, part in rows.groupby("b"):
        wanted = fixed_mean(command, part)
        assert found.table.loc[level, "estimate"] == pytest.approx(wanted)
    both = command.margins("margins a, over(b)").table["estimate"]
    for level, part in rows.groupby("b"):
        wanted = fixed_mean(command, part, a="a2")
        assert both[(level, "a2")] == pytest.approx(wanted)


def test_margins_at_several_specifications(command, trial):
    rows = trial.loc[command.sample_]
    found = command.margins("margins a, at(x=1) at(x=3 k=2)").table["estimate"]
    assert found.index.names == ["_at", "a"]
    assert found[(1, "a2")] == pytest.approx(fixed_mean(command, rows, a="a2", x=1))
    wanted = fixed_mean(command, rows, a="a2", x=3, k=2)
    assert found[(2, "a2")] == pytest.approx(wanted)


def test_margins_at_means(command, trial):
    """Factors at the means of their indicators, covariates and powers at their mean."""
    rows = trial.loc[command.sample_]
    shares = [rows[name].value_counts(normalize=True) for name in ("b", "k")]
    wanted = sum(
        p * q * fixed_mean(command, rows, a="a2", b=b, k=k, x=rows["x"].mean())
        for b, p in shares[0].items()
        for k, q in shares[1].items()
    )
    found = command.margins("margins a, atmeans").table["estimate"]
    assert found["a2"] == pytest.approx(wanted)


def test_margins_at_statistics_of_covariates(command, trial):
    """Covariates at their mean, least, largest value or zero; factors as observed."""
    x = trial.loc[command.sample_, "x"]
    values = {"mean": x.mean(), "min": x.min(), "max": x.max(), "zero": 0.0}
    for word, value in values.items():
        found = command.margins(f"margins a, at(({word}) x)").table
        wanted = command.margins(f"margins a, at(x={float(value)!r})").table
        assert_allclose(found, wanted, rtol=1e-12)
    found = command.margins("margins a, at((mean) _all k=2) at((zero) x)").table
    assert found.index.names == ["_at", "a"]
    wanted = command.margins(f"margins a, at(x={float(x.mean())!r} k=2) at(x=0)").table
    assert_allclose(found, wanted, rtol=1e-12)


def test_effects_of_several_variables(command):
    every = command.margins("margins, dydx(*)")
    assert every.index.names == ["variable", "contrast"]
    x = command.margins("margins, dydx(x)").table.iloc[0]
    assert every.table.loc[("x", ""), "estimate"] == pytest.approx(x["estimate"])
    assert every.table.loc[("x", ""), "std_error"] == pytest.approx(x["std_error"])
    a = command.margins("margins, dydx(a)").table["estimate"]
    assert_allclose(every.table.loc["a", "estimate"], a)
    assert "dy/dx w.r.t. : a2.a a3.a b2.b x 2.k 4.k" in str(every)
    some = command.margins("margins, dydx(x a) over(b)").table["estimate"]
    alone = command.margins("margins, dydx(x) over(b)").table["estimate"]
    assert some.xs("x", level="variable").tolist() == pytest.approx(alone.tolist())


def test_contrasts_of_interactions(command):
    cells = command.marginal_means(["a", "b"]).table["estimate"]
    found = command.contrast("contrast r.a#r.b")
    wanted = cells["a2", "b2"] - cells["a1", "b2"] - cells["a2", "b1"]
    first = found.table["estimate"].iloc[0]
    assert first == pytest.approx(wanted + cells["a1", "b1"])
    assert found.index[0] == "(a2 - a1) # (b2 - b1)"
    assert found.joint_test()["df"].tolist() == [len(found.table)]
    assert_allclose(command.contrast("contrast a#b").table, found.table)


def test_adjacent_contrasts_and_groups(command):
    forward = command.contrast("contrast a.a").table["estimate"]
    backward = command.contrast("contrast ar.a").table["estimate"]
    assert_allclose(forward, -backward)
    assert forward.index[0] == "a1 - a2"
    groups = command.pwcompare("pwcompare a, groups mcompare(tukey)")
    assert groups["groups"].equals(
        command.marginal_means("a").letters().rename("groups")
    )
    means = command.pwcompare("pwcompare a, cimargins").table
    assert_allclose(means, command.marginal_means("a").table)


def test_marginsplot(command):
    display = command.marginsplot("margins a")
    assert isinstance(display, MarginalMeansDisplay)


@pytest.mark.parametrize(
    ("method", "line", "message"),
    [
        ("margins", "margins a, vsquish", "'vsquish' is not understood"),
        ("margins", "margins, over(nothing)", "in over.. is no variable"),
        ("margins", "margins, over()", "needs variables"),
        ("margins", "margins, atmeans asbalanced", "does not go with atmeans"),
        ("margins", "margins, at(x=(1 2)) at(k=1)", "lists of values of other"),
        ("margins", "margins a b", "'b' is one term too many"),
        ("margins", "margins a##b", "is several terms"),
        ("margins", "margins x", "'x' is a covariate: give its values"),
        ("contrast", "contrast r.x", "'x' is a covariate"),
        ("pwcompare", "pwcompare a#x", "'x' is a covariate"),
        ("margins", "margins, at(x)", "is not understood in at"),
        ("margins", "margins, at((p25) x)", "'.p25.' is not understood in at"),
        ("margins", "margins, at((mean) u)", "'u' in at.. is no variable"),
        ("margins", "margins, at((mean) b)", "'b' is a factor"),
        ("margins", "margins, at((mean) x) over(b)", "not of each group of over"),
        ("margins", "margins, dydx(nothing)", "in dydx.. is no variable"),
        ("margins", "margins, level(x)", "is no level"),
        ("contrast", "contrast q.a", "The operator 'q.'"),
        ("contrast", "contrast a b", "One term is expected"),
        ("contrast", "contrast a##b", "is several terms"),
        ("pwcompare", "pwcompare a, mcompare(some)", "is no method of mcompare"),
    ],
)
def test_lines_that_are_not_understood(command, method, line, message):
    with pytest.raises(CommandError, match=message) as caught:
        getattr(command, method)(line)
    assert "does the same and more" in str(caught.value)


def test_a_fixed_part_without_variables():
    sleep = load_sleepstudy().frame
    for fit in (
        xtmixed("reaction || subject:", sleep, show=False),
        from_formula("reaction ~ 1 + (1 | subject)", sleep),
    ):
        for weights in ("equal", "observed"):
            table = fit.marginal_means([], weights=weights).table
            assert table["estimate"].iloc[0] == pytest.approx(fit.intercept_)
