"""Power by simulation: against formulas, lme4's simulations, and fits one by one."""

from __future__ import annotations

import json
import pickle
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import binomtest
from sklearn.base import clone

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
    power,
    xtmixed,
)
from sklearn_xmixed.datasets import load_penicillin, load_sleepstudy
from sklearn_xmixed.inference import linear_hypothesis
from sklearn_xmixed.planning._layout import resized
from sklearn_xmixed.planning._truth import Truth
from sklearn_xmixed.resampling import _responses
from sklearn_xmixed.resampling._sample import Sample
from sklearn_xmixed.residuals import Power
from tests.conftest import slow

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "power.json").read_text(encoding="utf-8")
)


def clusters(n_groups: int = 12, n_rows: int = 5) -> pd.DataFrame:
    cluster = np.repeat(np.arange(n_groups), n_rows)
    return pd.DataFrame({"treated": (cluster % 2).astype(float), "cluster": cluster})


def spec(**parameters) -> MixedLinearRegressor:
    return MixedLinearRegressor(
        "cluster", fixed=["treated"], method="reml", **parameters
    )


@pytest.fixture(scope="module")
def sleep():
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"], covariance="unstructured")
    return MixedLinearRegressor(effects, method="reml").fit(X, y), X, y


# -- witnesses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "method"),
    [  # every method and both designs once a day
        ("slopes", "z"),
        ("slopes", "satterthwaite"),
        ("clusters", "kenward-roger"),
        ("clusters", "lr"),
        slow("slopes", "kenward-roger"),
        slow("slopes", "lr"),
        slow("clusters", "z"),
        slow("clusters", "satterthwaite"),
    ],
)
def test_power_is_that_of_lme4(design, method):
    """Shares of two simulations, four standard errors of their difference apart."""
    n = 2000
    if design == "slopes":
        frame = pd.DataFrame(
            {
                "days": np.tile(np.arange(10.0), 10),
                "subject": np.repeat(np.arange(10), 10),
            }
        )
        effects = RandomEffects("subject", ["days"], covariance="unstructured")
        model = MixedLinearRegressor(effects, fixed=["days"], method="reml")
        variances = {"subject": [[36.0, 10.0], [10.0, 576.0]]}
        stated = {"variance_components": variances, "sigma": 25.0}
        effect = {"days": 5.0, "_cons": 250.0}
        test = "days"
    else:
        frame, model = clusters(), spec()
        stated = {"variance_components": {"cluster": 0.5}, "sigma": 1.0}
        effect, test = {"treated": 1.2}, None
    ours = power(
        model,
        frame,
        effect=effect,
        test=test,
        method=method,
        n_sims=n,
        random_state=1,
        **stated,
    )
    theirs = REFERENCE[design]
    m = theirs["n_sims"][method]
    share = theirs["rejected"][method] / m
    pooled = (n * ours.power + m * share) / (n + m)
    assert abs(ours.power - share) < 4.0 * np.sqrt(
        pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)
    )


def test_power_is_that_of_the_formula():
    """z of a balanced comparison of many clusters, whose variance is known."""
    n_groups, n_rows, effect = 200, 4, 0.4
    result = power(
        spec(),
        clusters(n_groups, n_rows),
        effect={"treated": effect},
        variance_components={"cluster": 0.6},
        sigma=1.0,
        method="z",
        n_sims=4000,
        random_state=0,
    )
    z = effect / np.sqrt(4.0 * (0.6 + 1.0 / n_rows) / n_groups)
    expected = ndtr(z - 1.959964) + ndtr(-z - 1.959964)
    # 200 groups are not infinitely many: 0.01 for the estimated variance
    assert abs(result.power - expected) < 0.01 + 3.0 * np.sqrt(0.25 / 4000)


def test_size_at_no_effect():
    result = power(
        spec(),
        clusters(),
        effect={"treated": 0.0},
        variance_components={"cluster": 1.0},
        sigma=1.0,
        n_sims=4000,
        random_state=0,
    )
    assert abs(result.power - 0.05) < 4.0 * np.sqrt(0.05 * 0.95 / 4000)
    large = power(
        spec(),
        clusters(),
        effect={"treated": 0.0},
        variance_components={"cluster": 1.0},
        sigma=1.0,
        method="z",
        n_sims=4000,
        random_state=0,
    )
    assert large.power > 0.07  # what small samples need other methods for


def test_a_balanced_design_has_the_exact_t_test():
    """Between clusters, balanced and away from zero, Satterthwaite's df are exact."""
    common = {
        "effect": {"treated": 1.5},
        "variance_components": {"cluster": 2.0},
        "sigma": 0.5,
        "n_sims": 200,
        "random_state": 4,
    }
    first = power(spec(), clusters(), method="satterthwaite", **common)
    second = power(spec(), clusters(), method="kenward-roger", **common)
    third = power(spec(), clusters(), method="between-within", **common)
    np.testing.assert_allclose(first.p_values, second.p_values, rtol=1e-6)
    np.testing.assert_allclose(first.p_values, third.p_values, rtol=1e-6)


# -- tests of many responses -----------------------------------------------------------

METHODS = ["asymptotic", "satterthwaite", "kenward-roger", "between-within", "residual"]


@cache
def together_and_alone(n_levels):
    """Fits of four responses at once, and one by one."""
    rng = np.random.default_rng(0)
    n = 72
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    X["school"], X["pupil"] = np.arange(n) // 12, np.arange(n) // 3
    u, v = rng.normal(size=(6, 4)), rng.normal(size=(24, 4))
    Y = rng.normal(size=(n, 4)) + u[X["school"]] + v[X["pupil"]]
    Y[:, 3] -= v[X["pupil"], 3]  # a variance at its boundary
    levels = ["school", "pupil"][:n_levels]
    model = MixedLinearRegressor(levels, fixed=["a", "b", "c"], method="reml")
    alone = [clone(model).fit(X, y) for y in Y.T]
    return model.fit(X, Y)._fitted, alone


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "hypothesis",
    [["a"], ["a = b"], ["a + 2*b = 0.5"], ["a", "b"], ["a = b", "c = 0.1"]],
)
@pytest.mark.parametrize("n_levels", [1, 2])
def test_p_values_are_those_of_single_fits(hypothesis, method, n_levels):
    many, alone = together_and_alone(n_levels)
    df = None if method == "asymptotic" else method
    for b, one in enumerate(alone):
        asked = linear_hypothesis(one.results_, hypothesis)
        expected = one.wald_test(hypothesis, df=method).p_value
        # optima agree to about the root of 1e-13, df more coarsely at the boundary
        np.testing.assert_allclose(many.p_values(asked, df)[b], expected, rtol=2e-4)


def test_a_hypothesis_that_is_not_linear(sleep):
    with pytest.raises(ValueError, match="not linear"):
        linear_hypothesis(sleep[0].results_, "days * days = 1")


# -- the size of a study ---------------------------------------------------------------


def test_groups_are_copied_whole_and_balanced():
    frame = pd.DataFrame(
        {
            "school": np.repeat([5, 7, 8, 9], 6),
            "pupil": np.tile(np.repeat([0, 1, 2], 2), 4),
            "treated": np.repeat([0.0, 0.0, 1.0, 1.0], 6),
        }
    )
    rng = np.random.default_rng(0)
    more = resized(frame, ["school", "pupil"], ["treated"], 6, 3, rng)
    assert more["school"].nunique() == 6
    assert (more.groupby(["school", "pupil"]).size() == 3).all()
    assert more.groupby("school")["pupil"].nunique().eq(3).all()
    assert more.groupby("school")["treated"].first().sum() == 3  # as balanced as before
    fewer = resized(frame, ["school", "pupil"], ["treated"], 2, None, rng)
    assert len(fewer) == 12
    assert set(fewer["treated"]) == {0.0, 1.0}


def test_a_grid_of_sizes(sleep):
    pilot, X, _ = sleep
    result = power(
        pilot,
        X,
        effect={"days": 5.0},
        n_groups=[6, 30],
        n_rows=[4, 10],
        n_sims=300,
        random_state=0,
    )
    table = result.table
    assert table["n_groups"].tolist() == [6, 6, 30, 30]
    assert table["n_rows"].tolist() == [4, 10, 4, 10]
    assert table["n_obs"].tolist() == [24, 60, 120, 300]
    power_ = table["power"].to_numpy()
    assert power_[0] < power_[1] < power_[3]
    assert power_[2] < power_[3]
    for row in table.itertuples():
        exact = binomtest(round(row.power * 300), 300).proportion_ci(0.95, "exact")
        np.testing.assert_allclose([row.ci_lower, row.ci_upper], exact, atol=1e-12)
    assert (result.to_frame(alpha=0.001)["power"] <= table["power"]).all()


def test_the_pilot_is_what_is_not_stated(sleep):
    pilot, X, _ = sleep
    own = power(pilot, X, effect={"days": 5.0}, n_sims=100, random_state=3)
    stated = power(
        pilot,
        X,
        effect={"days": 5.0, "_cons": pilot.intercept_},
        test="days",
        variance_components={"subject": pilot.covariances_["subject"]},
        sigma=pilot.sigma_,
        n_sims=100,
        random_state=3,
    )
    np.testing.assert_allclose(own.p_values, stated.p_values, rtol=1e-6)
    again = power(pilot, X, effect={"days": 5.0}, n_sims=100, random_state=3)
    np.testing.assert_array_equal(own.p_values, again.p_values)


def test_a_design_of_ones_own():
    def design(n_groups, n_rows, rng):
        frame = clusters(n_groups, n_rows)
        return frame.assign(treated=rng.permutation(frame["treated"]))

    result = power(
        spec(),
        design=design,
        effect={"treated": 0.5},
        n_groups=[8, 16],
        n_rows=6,
        variance_components={"cluster": {"_cons": 0.5}},
        sigma=1.0,
        n_sims=100,
        random_state=0,
    )
    assert result.table["n_obs"].tolist() == [48, 96]
    assert result.table["n_failed"].eq(0).all()


# -- kinds of model --------------------------------------------------------------------


def test_formulas_and_commands():
    data = load_sleepstudy().frame
    model = from_formula("reaction ~ days + (1 | subject)", data, method="reml")
    command = xtmixed("reaction days || subject:, reml", data)
    X, y = load_sleepstudy(return_X_y=True)
    plain = MixedLinearRegressor("subject", method="reml").fit(X, y)
    arguments = {
        "effect": {"days": 2.0},
        "n_groups": 9,
        "n_sims": 50,
        "random_state": 0,
    }
    expected = power(plain, X, **arguments).p_values
    for one in (model, command):
        found = power(one, data, **arguments).p_values
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_crossed_factors_as_they_are():
    X, y = load_penicillin(return_X_y=True)
    X = X.assign(dose=np.random.default_rng(0).normal(size=len(X)))
    factors = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    pilot = MixedLinearRegressor(factors, fixed=["dose"], method="reml").fit(X, y)
    result = power(pilot, X, effect={"dose": 1.0}, n_sims=6, random_state=0)
    assert result.power == 1.0
    with pytest.raises(ValueError, match="crossed factors"):
        power(pilot, X, effect={"dose": 1.0}, n_groups=4, n_sims=6)


def test_structured_residuals_of_a_pilot():
    rng = np.random.default_rng(0)
    frame = clusters(10, 4).assign(visit=np.tile(np.arange(4), 10))
    model = spec(residuals=Residuals("ar", time="visit"))
    model.fit(frame, rng.normal(size=40).cumsum())
    result = power(model, frame, effect={"treated": 50.0}, n_sims=4, n_groups=8)
    assert result.table["n_obs"].tolist() == [32]
    assert result.power == 1.0


def test_responses_have_the_residual_variances_of_the_pilot():
    """A standard deviation that grows with a covariate, and errors that are correlated."""
    rng = np.random.default_rng(2)
    frame = clusters(30, 4).assign(visit=np.tile(np.arange(4), 30))
    frame["dose"] = 1.0 + frame["visit"] + rng.uniform(size=120)
    residuals = Residuals("ar", time="visit", variance=Power("dose"))
    pilot = spec(residuals=residuals)
    pilot.fit(frame, rng.normal(size=120).cumsum() * frame["dose"])
    sample = Sample.of(pilot, frame, np.zeros(120))
    sample = Sample(
        sample.estimator, sample.frame, pd.Series(rng.normal(size=120)), None
    )
    known = Truth.of(pilot, {"treated": 1.0}, None, None).simulator(sample)
    drawn = known.draw(4000, rng)
    V = pilot.marginal_covariance(frame).to_numpy()
    scale = np.sqrt(np.outer(np.diag(V), np.diag(V)))
    # correlations of 4,000 draws scatter by 0.016
    assert np.abs((np.cov(drawn) - V) / scale).max() < 0.09
    result = power(
        pilot, frame, effect={"treated": 99.0}, n_sims=3, n_groups=12, n_rows=3
    )
    assert result.table["n_obs"].tolist() == [36]
    with pytest.raises(ValueError, match="repeats rows of groups that have 4"):
        power(pilot, frame, effect={"treated": 1.0}, n_sims=3, n_rows=8)


def test_small_samples_of_fits_that_workers_made(monkeypatch):
    """They come back without the rows, from which degrees of freedom are computed."""
    frame = clusters(10, 4).assign(visit=np.tile(np.arange(4), 10))
    model = spec(residuals=Residuals("ar", time="visit"))
    model.fit(frame, np.random.default_rng(0).normal(size=40).cumsum())
    study = {"effect": {"treated": 1.0}, "n_sims": 4, "n_groups": 8, "random_state": 1}
    alone = power(model, frame, **study)
    here = _responses._fitted
    monkeypatch.setattr(
        _responses,
        "_fitted",
        lambda *args: pickle.loads(pickle.dumps(here(*args))),  # as from a worker
    )
    shared = power(model, frame, **study)
    assert np.isfinite(alone.p_values).all()
    np.testing.assert_array_equal(shared.p_values, alone.p_values)


# -- what is shown and refused ---------------------------------------------------------


def test_a_missing_matplotlib_is_told(sleep, monkeypatch):
    pilot, X, _ = sleep
    result = power(pilot, X, effect={"days": 5.0}, n_groups=6, n_sims=4)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"sklearn-xmixed\[plot\]"):
        result.plot()


def test_it_prints_and_draws(sleep, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    pilot, X, _ = sleep
    result = power(
        pilot,
        X,
        effect={"days": 5.0},
        n_groups=[6, 12],
        n_rows=[5, 10],
        n_sims=20,
        verbose=True,
    )
    assert capsys.readouterr().out.count("groups, ") == 4
    assert "Power to find days = 5" in str(result)
    assert "ci_lower" in repr(result)
    assert "<table" in result._repr_html_()
    display = result.plot()
    assert display.ax_.get_xlabel() == "groups"
    assert len(display.ax_.get_legend().get_texts()) == 2
    assert result.plot(x="n_rows").ax_.get_xlabel() == "rows in a group"
    with pytest.raises(ValueError, match="x must be"):
        result.plot(x="rows")


STATED = {"variance_components": {"cluster": 1.0}, "sigma": 1.0}
GOOD = {"effect": {"treated": 1.0}, "n_sims": 5, **STATED}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"effect": {"dose": 1.0}}, "no coefficient"),
        ({"effect": {}}, "effect must map"),
        ({"effect": 0.5}, "effect must map"),
        ({"effect": {"treated": np.nan}}, "finite number"),
        ({"n_sims": 1}, "n_sims must"),
        ({"n_groups": 0}, "n_groups must"),
        ({"n_rows": [3, 2.5]}, "n_rows must"),
        ({"n_groups": 1}, "cannot be estimated"),
        ({"method": "kenward"}, "method must be"),
        ({"method": "lr", "test": "treated = 1"}, "leaves columns out"),
        ({"test": "dose"}, "dose"),
        ({"sigma": None}, "not fitted"),
        ({"sigma": -1.0}, "positive"),
        ({"variance_components": None}, "has nothing of 'cluster'"),
        ({"variance_components": 2.0}, "must map groups"),
        ({"variance_components": {"school": 2.0}}, "names \\['school'\\]"),
        ({"variance_components": {"cluster": -2.0}}, "not negative"),
        ({"variance_components": {"cluster": np.eye(2)}}, "must say the variances"),
        ({"alpha": 1.5}, "between"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        power(spec(), clusters(), **{**GOOD, **change})


def test_what_has_no_rows_or_is_no_pilot():
    with pytest.raises(ValueError, match="power needs rows"):
        power(spec(), **GOOD)
    frame = clusters()
    many = spec().fit(frame, np.random.default_rng(0).normal(size=(60, 2)))
    with pytest.raises(ValueError, match="responses at once"):
        power(many, frame, effect={"treated": 1.0})
    correlated = spec(residuals=Residuals("ar"))
    with pytest.raises(NotImplementedError, match="nothing but sigma= can be stated"):
        power(correlated, frame, **GOOD)
    linear = MixedLinearRegressor(fixed=["treated"])
    with pytest.raises(ValueError, match="has no groups"):
        power(linear, frame, effect={"treated": 1.0}, sigma=1.0, n_groups=5)
