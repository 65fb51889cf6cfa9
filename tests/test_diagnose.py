"""The model doctor: right findings on models that ail, none on sound ones."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sklearn_xmixed
from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
)
from sklearn_xmixed.datasets import (
    load_bioequivalence_full,
    load_orthodont,
    load_penicillin,
    load_productivity,
    load_sleepstudy,
)
from sklearn_xmixed.diagnostics import Diagnosis, Finding
from tests.conftest import Case, cases, simulate
from tests.test_boundary import (
    DYESTUFF2,
    ascending_data,
    correlated,
    no_effect_data,
    singletons,
)


def run(code: str):
    """The estimator that a piece of code makes."""
    return eval(code, vars(sklearn_xmixed))


def treated(case, **parameters):
    """A fit, its diagnosis with the rows, and the fit of the simplified model."""
    model = case.fit_quietly(**parameters)
    found = model.diagnose(case.X, case.y)
    again = None
    if found.code:
        other = run(found.code)
        assert repr(other) == repr(found.model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = other.fit(case.X, case.y)
    return model, found, again


def finding(found: Diagnosis, kind: str) -> Finding:
    (one,) = [f for f in found.findings if f.kind == kind]
    return one


# ----------------------------------------------------------------- sound models


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_a_sound_model_has_no_findings(method):
    case = simulate(1, groups=40, size=8, correlation=0.3, method=method)
    model, found, again = treated(case)
    assert found.findings == ()
    assert found.code == ""
    assert again is found.model is None
    text = str(model.diagnose())
    assert text.startswith("Model check: no findings")
    assert "variances at zero" in text
    assert "not checked, since no rows were passed" in text
    assert "not checked" not in str(found)


@pytest.mark.parametrize("load", [load_sleepstudy, load_orthodont])
def test_textbook_data_are_sound(load):
    X, y = load(return_X_y=True)
    name = "days" if "days" in X else "age"
    model = MixedLinearRegressor(
        RandomEffects("subject", [name], covariance="unstructured"),
        fixed=[name],
        method="reml",
    ).fit(X, y)
    found = model.diagnose(X, y)
    assert {f.severity for f in found.findings} <= {"note"}
    assert found.code == ""


def test_linear_regression_is_checked_too():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(fixed=["days"]).fit(X, y)
    assert model.diagnose().findings == ()
    assert model.diagnose(X, y).code == ""


# --------------------------------------------------------------------- boundary


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_dyestuff2(method):
    case = Case(DYESTUFF2, [RandomEffects("batch")], [], method=method)
    model, found, again = treated(case)
    assert finding(found, "zero_variance").where == "batch: var(_cons)"
    few = finding(found, "few_groups")
    assert few.found == "6 groups."
    assert ("ML" in few.meaning) == (method == "ml")
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_, rel=1e-9)
    assert again.diagnose().findings == ()


@pytest.mark.parametrize("seed", range(6))
def test_one_of_two_variances(seed):
    frame = no_effect_data(seed, groups=30, size=6, slopes=1)
    u = np.random.default_rng(seed).normal(size=30)
    frame["y"] += u[frame["g"]] * frame["x0"]
    model, found, again = treated(Case(frame, [RandomEffects("g", ["x0"])], ["x0"]))
    assert finding(found, "zero_variance").where == "g: var(_cons)"
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_, rel=1e-10)
    assert list(again.covariances_["g"].columns) == ["x0"]
    assert "zero_variance" not in again.diagnose().kinds


def test_a_level_in_the_middle_keeps_its_labels():
    """Labels of states are unique within regions only."""
    frame = no_effect_data(5, groups=60, size=4)
    frame["top"] = frame["g"] // 6
    rng = np.random.default_rng(5)
    frame["low"] = np.tile([0, 0, 1, 1], 60)
    frame["y"] += 3 * rng.normal(size=10)[frame["top"]]
    frame["y"] += 3 * rng.normal(size=120)[2 * frame["g"] + frame["low"]]
    frame["y"] -= frame.groupby("g")["y"].transform("mean") - frame.groupby("top")[
        "y"
    ].transform("mean")
    equations = [RandomEffects("top"), RandomEffects("g"), RandomEffects("low")]
    model, found, again = treated(Case(frame, equations, []))
    assert finding(found, "zero_variance").where == "g: var(_cons)"
    assert "RandomEffects('g', intercept=False)" in found.code
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_, rel=1e-9)


@pytest.mark.daily
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_perfect_correlation(seed, sign):
    frame = correlated(seed, sign)
    effects = RandomEffects("g", ["x0"], covariance="unstructured")
    model, found, again = treated(Case(frame, [effects], ["x0"]))
    Sigma = model.covariances_["g"].to_numpy()
    r = Sigma[0, 1] / np.sqrt(Sigma[0, 0] * Sigma[1, 1])
    assert ("perfect_correlation" in found.kinds) == (abs(r) > 1 - 1e-6)
    if abs(r) > 1 - 1e-6:
        assert finding(found, "perfect_correlation").found == f"Estimated as {r:+.0f}."
        assert again.get_params()["random_effects__covariance"] == "independent"


def test_rank_one_of_three():
    effects = RandomEffects("g", ["x0", "x1"], covariance="unstructured")
    _, found, again = treated(Case(correlated(1, 1.0, q=3), [effects], ["x0", "x1"]))
    assert "rank" in finding(found, "perfect_correlation").found
    assert again.converged_


def test_residuals_at_the_end_of_their_range():
    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor(
        "subject", fixed=["age"], residuals=Residuals("exchangeable")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    found = model.diagnose()
    assert set(found.kinds) & {"not_identified", "residual_boundary"}
    assert run(found.code).fit(X, y).converged_


# ---------------------------------------------------------------- identification


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_singleton_groups(method):
    case = Case(singletons(), [RandomEffects("g")], ["x"], method=method)
    model, found, again = treated(case)
    error = finding(found, "not_identified")
    assert error.severity == "error"
    assert "one observation" in error.found
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_)
    assert again.converged_


def test_singletons_below_others():
    frame = singletons(60, 1)
    frame["top"] = frame["g"] // 6
    frame["y"] += np.random.default_rng(1).normal(size=10)[frame["top"]]
    case = Case(frame, [RandomEffects("top"), RandomEffects("g")], ["x"])
    model, found, again = treated(case)
    assert finding(found, "not_identified").where.startswith("g:")
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_)
    assert list(again.n_groups_) == ["top"]


def test_two_equations_that_say_the_same():
    frame = simulate(3).frame
    effects = RandomEffects("g", ["x0"])
    case = Case(frame, [RandomEffects("g", ["x0"]), effects], ["x0"])
    model, found, again = treated(case)
    assert "same" in finding(found, "not_identified").found
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_)
    assert again.converged_
    assert len(again.variance_components_) == 3


def test_two_groupings_that_say_the_same():
    frame = simulate(3).frame
    frame["same"] = frame["g"]
    case = Case(frame, [RandomEffects("g"), RandomEffects("same")], ["x0"])
    model, found, again = treated(case)
    assert "same" in finding(found, "not_identified").found
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_)
    assert again.converged_


@pytest.mark.parametrize("structure", ["independent", "unstructured"])
def test_collinear_columns_kept_on_request(structure):
    frame = simulate(3).frame
    frame["copy"] = frame["x0"]
    effects = RandomEffects("g", ["x0", "copy"], collinear=True, covariance=structure)
    model, found, again = treated(Case(frame, [effects], ["x0"]))
    assert "copy" in finding(found, "not_identified").advice
    assert "'copy'" not in found.code
    assert again.converged_
    assert again.log_likelihood_ == pytest.approx(model.log_likelihood_, abs=1e-4)


def test_one_group():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=30), "y": 5 + rng.normal(size=30)})
    frame["g"] = "only"
    _, found, again = treated(Case(frame, [RandomEffects("g")], ["x"], method="reml"))
    assert "one group" in finding(found, "not_identified").found
    assert again.converged_


# ------------------------------------------------------------------ the search


def test_iterations_that_ran_out():
    case = simulate(2, groups=30)
    _, found, _ = treated(case, max_iter=0, em_iter=0)
    error = finding(found, "not_converged")
    assert "max_iter" in error.advice
    _, found, _ = treated(case, em_only=True, em_iter=2)
    assert "em_iter" in finding(found, "not_converged").advice


def test_an_exact_fit():
    frame = ascending_data()
    frame["y"] = 3.0 + 2.0 * frame["x"]
    model = Case(frame, [RandomEffects("g")], ["x"]).fit_quietly()
    found = model.diagnose(frame.drop(columns="y"), frame["y"])
    assert found.kinds[0] == "exact_fit"
    assert found.findings[0].severity == "error"


# ------------------------------------------------------------- specification


def test_a_slope_without_its_mean():
    frame = ascending_data()
    frame["y"] += 5 * frame["x"]
    model, found, again = treated(Case(frame, [RandomEffects("g", ["x"])], []))
    assert finding(found, "slope_without_mean").where == "g: x"
    assert again.fixed_names_ == ["x"]
    assert again.log_likelihood_ > model.log_likelihood_ + 10


@pytest.mark.parametrize("fixed", ["part", "1"])
def test_effects_by_level_have_the_means_of_the_factor(fixed):
    frame = load_bioequivalence_full().frame.rename(columns={"treatment": "part"})
    frame["y"] = np.log(frame["pk"])
    model = from_formula(f"y ~ {fixed} + (0 + part | subject)", frame, method="reml")
    # without the factor in the fixed part its levels are told to have one mean
    assert ("slope_without_mean" in model.diagnose().kinds) == (fixed == "1")


def test_omitted_columns():
    frame = simulate(3, groups=30).frame
    frame["copy"] = 2.0 * frame["x0"]
    case = Case(frame, [RandomEffects("g", ["x0", "copy"])], ["x0", "copy"])
    _, found, _ = treated(case)
    assert finding(found, "omitted_fixed").where == "fixed part: copy"
    assert finding(found, "omitted_random").where == "g: copy"


def test_nearly_collinear_random_columns():
    frame = simulate(4, groups=30).frame
    rng = np.random.default_rng(1)
    frame["near"] = frame["x0"] + 1e-3 * rng.normal(size=len(frame))
    effects = RandomEffects("g", ["x0", "near"])
    _, found, _ = treated(Case(frame, [effects], ["x0", "near"]))
    assert finding(found, "collinear_random").where in ("g: x0", "g: near")


def test_calendar_years():
    frame = simulate(8, groups=40, size=8).frame
    frame["year"] = 2000.0 + np.round(3 * frame["x0"])
    effects = RandomEffects("g", ["year"], covariance="unstructured")
    _, found, _ = treated(Case(frame, [effects], ["year"]))
    note = finding(found, "far_from_zero")
    assert note.severity == "note"
    assert "Subtract 2000" in note.advice


def test_one_variance_for_columns_of_different_size():
    frame = simulate(4, groups=30).frame
    frame["large"] = 1000.0 * frame["x0"]
    effects = RandomEffects("g", ["large"], covariance="identity")
    _, found, _ = treated(Case(frame, [effects], ["large"]))
    assert finding(found, "shared_variance").where == "g"


def test_columns_of_different_scale():
    frame = simulate(4, groups=30).frame
    rng = np.random.default_rng(0)
    frame["large"] = 1e8 * rng.normal(size=len(frame))
    _, found, _ = treated(Case(frame, [RandomEffects("g")], ["large", "x0"]))
    assert finding(found, "scale").where == "large, x0"


def test_too_many_parameters():
    case = simulate(2, groups=6, size=9, scales=(1.0, 1.0, 1.0), sd=(1,) * 4)
    _, found, _ = treated(case)
    assert "many_parameters" in found.kinds
    assert finding(found, "few_groups").severity == "note"


def test_few_clusters():
    case = simulate(2, groups=12)
    _, found, _ = treated(case, vce="robust")
    assert finding(found, "few_clusters").found == "12 clusters."


# ------------------------------------------------------------------------- rows


def test_a_column_constant_within_groups():
    X, y = load_orthodont(return_X_y=True)
    X = X.assign(male=1.0 * (X["sex"] == "Male"))
    model = MixedLinearRegressor(
        RandomEffects("subject", ["male"]), fixed=["age", "male"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    assert "constant_within_groups" not in model.diagnose().kinds
    found = model.diagnose(X, y)
    assert finding(found, "constant_within_groups").where == "subject: male"
    again = run(found.code).fit(X, y)
    assert list(again.covariances_["subject"].columns) == ["_cons"]


def test_an_influential_group_and_an_outlier():
    frame = simulate(9, groups=30).frame
    frame.loc[frame["g"] == 4, "x0"] += 10.0
    frame.loc[frame["g"] == 4, "y"] += 40.0
    first = frame.index[frame["g"] == 7][0]
    frame.loc[first, "y"] += 15.0
    _, found, _ = treated(Case(frame, [RandomEffects("g")], ["x0"]))
    assert finding(found, "influential_group").where.startswith("g: 4")
    assert f"row {first}" in finding(found, "outliers").found


def test_a_group_that_carries_a_coefficient():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(only=(X["subject"] == 308) * 1.0)
    model = MixedLinearRegressor("subject", fixed=["days", "only"]).fit(X, y)
    assert finding(model.diagnose(X, y), "indispensable_group").where == "subject: 308"


def test_some_singletons():
    frame = simulate(1, groups=40, size=8).frame
    frame.loc[frame.index[:3], "g"] = [100, 101, 102]
    _, found, _ = treated(Case(frame, [RandomEffects("g")], ["x0"]))
    assert finding(found, "singletons").found.startswith("3 of ")


def test_crossed_factors():
    X, y = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    model = MixedLinearRegressor(crossed, fixed=[], method="reml").fit(X, y)
    found = model.diagnose(X, y)
    assert finding(found, "few_groups").found == "6 levels."
    noise = pd.Series(np.random.default_rng(3).normal(size=len(y)))
    model = MixedLinearRegressor(crossed, fixed=[]).fit(X, noise)
    found = model.diagnose(X, noise)
    if found.code:
        again = run(found.code).fit(X, noise)
        assert again.log_likelihood_ == pytest.approx(model.log_likelihood_)


def test_an_exchangeable_factor_at_the_end_of_its_range():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 60, 1500), "b": rng.integers(0, 40, 1500)})
    y = rng.normal(size=60)[X["a"]] + rng.normal(size=40)[X["b"]]
    y = y + rng.normal(size=1500)
    equations = [
        RandomEffects("_all", factor="a", covariance="exchangeable"),
        RandomEffects("_all", factor="b"),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLinearRegressor(equations, fixed=[]).fit(X, y)
    found = model.diagnose(X, y)
    cov = model.covariances_["a"]["covariance"].iloc[0]
    variance = model.covariances_["a"]["variance"].iloc[0]
    assert cov / variance == pytest.approx(-1 / 59, abs=1e-6)
    assert "60 levels" in finding(found, "perfect_correlation").found
    again = run(found.code).fit(X, y)
    assert again.diagnose(X, y).findings == ()


def test_a_model_written_as_a_command():
    frame = correlated(1, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sklearn_xmixed.xtmixed("y x0 || g: x0, cov(un)", frame)
    found = model.diagnose(frame)
    assert "perfect_correlation" in found.kinds
    assert "columns that are made" in found.code
    assert type(found.model) is MixedLinearRegressor
    again = run(found.code).fit(frame[["g", "x0"]], frame["y"])
    assert list(again.covariances_["g"].columns) == ["x0", "_cons"]
    table = model.influence(frame, None).refit([0, 3])
    assert len(table) == 2


# --------------------------------------------------------------------- the object


def test_output():
    case = Case(DYESTUFF2, [RandomEffects("batch")], [])
    _, found, _ = treated(case)
    text = str(found)
    assert "WARNING  batch: var(_cons)  [zero_variance]" in text
    assert "MixedLinearRegressor(fixed=[])" in text
    assert max(map(len, text.splitlines())) <= 79
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + len(found.findings)
    frame = found.to_frame()
    assert list(frame["severity"]) == ["warning", "note"]
    assert list(frame["kind"]) == list(found.kinds)
    with pytest.raises(AttributeError):
        found.findings[0].severity = "note"
    empty = Diagnosis((), ("a",)).to_frame()
    assert list(empty.columns) == list(frame.columns)


def test_rows_need_a_response():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject", fixed=["days"]).fit(X, y)
    with pytest.raises(ValueError, match="need y"):
        model.diagnose(X)


def test_long_code_is_broken_into_lines():
    X, y = load_productivity(return_X_y=True)
    frame = X.assign(y=y)
    equations = [RandomEffects("region", ["hwy"]), RandomEffects("state", ["unemp"])]
    case = Case(frame, equations, ["hwy", "emp", "unemp", "private", "water", "other"])
    _, found, again = treated(case)
    if found.code:
        assert max(map(len, found.code.splitlines())) <= 88
        assert again is not None


@given(case=cases(depth=st.integers(1, 2), max_columns=1))
def test_small_models_can_be_asked(case):
    check_any(case)


@pytest.mark.slow
@given(case=cases(max_columns=2))
def test_any_model_can_be_asked(case):
    check_any(case)


def check_any(case):
    """Never a crash; the simplified model is one that can be fitted."""
    model = case.fit_quietly()
    found = model.diagnose(case.X, case.y)
    str(found)
    found._repr_html_()
    if not model.converged_ and not model._fitted.exact:
        assert {"error"} <= {f.severity for f in found.findings}
    if found.code:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = run(found.code).fit(case.X, case.y)
        only_zero = {"zero_variance"} >= {
            f.kind for f in found.findings if f.severity != "note"
        }
        if only_zero:
            assert again.log_likelihood_ == pytest.approx(
                model.log_likelihood_, rel=1e-6, abs=1e-5
            )
