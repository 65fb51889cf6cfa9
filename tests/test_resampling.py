"""Bootstrap and jackknife: batches equal single fits, and what follows from replicates."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    bootstrap,
    from_formula,
    jackknife,
)
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_pastes,
    load_penicillin,
    load_productivity,
    load_sleepstudy,
)
from sklearn_xmixed.resampling import ResamplingWarning
from sklearn_xmixed.resampling._batch import Batch, why_not
from sklearn_xmixed.resampling._draws import Simulator
from sklearn_xmixed.resampling._refit import Responses, Weights, replicate
from sklearn_xmixed.resampling._sample import Sample, values_of
from tests.conftest import slow

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "resampling.json").read_text()
)


def sleepstudy(method="ml", covariance="unstructured", **parameters):
    X, y = load_sleepstudy(return_X_y=True)
    equation = RandomEffects("subject", ["days"], covariance=covariance)
    return MixedLinearRegressor(equation, method=method, **parameters), X, y


def unbalanced(method):
    model, X, y = sleepstudy(method)
    keep = np.random.default_rng(3).random(len(X)) < 0.7
    return model, X[keep].reset_index(drop=True), y[keep].reset_index(drop=True)


def three_levels(method):
    X, y = load_productivity(return_X_y=True)
    levels = [
        RandomEffects("region", ["hwy"]),
        RandomEffects("state", ["unemp"], covariance="unstructured"),
    ]
    fixed = ["hwy", "water", "other", "unemp"]
    return MixedLinearRegressor(levels, fixed=fixed, method=method), X, y


def two_equations(method):
    X, y = load_productivity(return_X_y=True)
    levels = [
        RandomEffects("state", ["hwy", "unemp"], covariance="identity"),
        RandomEffects("state"),
    ]
    return MixedLinearRegressor(levels, fixed=["hwy", "unemp"], method=method), X, y


def weighted_rows(method):
    model, X, y = sleepstudy("ml")
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    return model.set_params(weight_type="sampling"), X, y, weight


def near_zero(method):
    X, y = load_pastes(return_X_y=True)
    return MixedLinearRegressor(["batch", "cask"], fixed=[], method=method), X, y


CASES = {
    "unstructured": sleepstudy,
    "exchangeable": lambda m: sleepstudy(m, "exchangeable"),
    "unbalanced": unbalanced,
    "three levels": three_levels,
    "two equations": two_equations,
    "near zero": near_zero,
}


def plans(model, X, y, kind, weight=None):
    sample = Sample.of(model, X, y, None, weight)
    observed = sample.fit(lr_test=False)
    codes, labels, unit = sample.units()
    if kind == "cluster":
        return sample, observed, Weights(sample, codes, len(labels), unit)
    simulator = Simulator.of(sample.compile(observed), observed._fitted)
    return sample, observed, Responses(sample, simulator, kind == "residual")


def both_ways(model, X, y, kind, weight=None, n=6):
    """Estimates of the same replicates, fitted together and one by one."""
    sample, observed, plan = plans(model, X, y, kind, weight)
    assert why_not(sample.compile(observed), observed._fitted) == ""
    names = values_of(observed, None, "sd").index
    seeds = np.random.SeedSequence(5).spawn(n)
    return [
        replicate(
            plan,
            seeds,
            observed,
            names,
            statistic=None,
            metric="sd",
            n_jobs=None,
            batched=batched,
        )
        for batched in (True, False)
    ]


KINDS = ("cluster", "parametric", "residual")


def every_kind():
    """All cases, methods and kinds; every day two kinds of each case."""
    for number, case in enumerate(CASES):
        for k, method in enumerate(("ml", "reml")):
            for kind in KINDS:
                daily = kind == KINDS[(number + k) % 3]
                yield (case, method, kind) if daily else slow(case, method, kind)


@pytest.mark.daily
@pytest.mark.parametrize(("case", "method", "kind"), every_kind())
def test_batched_replicates_equal_single_fits(case, method, kind):
    """The same resamples: groups copied under new labels, or drawn responses."""
    (batched, no_reasons), (single, reasons) = both_ways(*CASES[case](method), kind)
    assert no_reasons == reasons == [""] * len(batched)
    size = np.abs(single).max(axis=0)
    # a zero variance is flat to second order: an sd near it is known to its square
    assert_allclose(batched / size, single / size, rtol=0, atol=1e-6)


@pytest.mark.daily
@pytest.mark.parametrize("kind", ["cluster", "parametric"])
@pytest.mark.parametrize("case", ["unbalanced", slow("three levels"), "near zero"])
def test_large_replicates_are_searched_one_after_another(case, kind, monkeypatch):
    """From trees that are there, by the engine of single fits."""
    monkeypatch.setattr("sklearn_xmixed.resampling._batch.LARGE", 0)
    (swapped, _), (single, _) = both_ways(*CASES[case]("reml"), kind)
    size = np.abs(single).max(axis=0)
    assert_allclose(swapped / size, single / size, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [1e-120, 1e-8, 1e8, 1e120])
def test_responses_of_any_size(size):
    model, X, y = sleepstudy("reml")
    (batched, _), (single, _) = both_ways(model, X, y * size, "parametric")
    assert_allclose(batched, single, rtol=5e-6)


@pytest.mark.parametrize("scaling", [None, "size", "gk"])
def test_batched_replicates_of_weighted_groups(scaling):
    _, X, y = sleepstudy()
    X = X.assign(w=(1 + X["subject"] % 3).astype(float))
    equation = RandomEffects("subject", ["days"], covariance="unstructured", weight="w")
    model = MixedLinearRegressor(
        equation, fixed=["days"], weight_type="sampling", weight_scaling=scaling
    )
    rows = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    (batched, _), (single, _) = both_ways(model, X, y, "cluster", rows)
    assert_allclose(batched, single, rtol=1e-6)


def test_batched_replicates_of_weighted_rows():
    model, X, y, weight = weighted_rows("ml")
    (batched, _), (single, _) = both_ways(model, X, y, "cluster", weight)
    assert_allclose(batched, single, rtol=1e-6, atol=1e-6)


def test_batches_do_the_work():
    """Nothing is left to single fits where all is well."""
    model, X, y = sleepstudy("reml")
    sample, observed, plan = plans(model, X, y, "cluster")
    batch = Batch.of(sample.compile(observed), observed._fitted)
    seeds = np.random.SeedSequence(5).spawn(300)
    _, certain = batch.fit(plan.batches(batch)(seeds), "sd")
    assert certain.all()


@pytest.mark.parametrize("metric", ["sd", "variance"])
def test_the_estimate_is_that_of_the_data(metric):
    model, X, y = sleepstudy()
    result = bootstrap(model, X, y, n_resamples=5, random_state=0, metric=metric)
    fitted = clone(model).fit(X, y)
    table = fitted.results_.variance_frame(metric)
    expected = [*fitted.coef_, fitted.intercept_, *table["estimate"]]
    assert_allclose(result.estimate, expected, rtol=1e-12)
    assert list(result.estimate.index[-4:]) == list(table.index)


def test_unit_counts_give_the_data_back():
    """Every group once is the data; in the variance metric too."""
    model, X, y = sleepstudy("reml")
    _, observed, plan = plans(model, X, y, "cluster")
    names = values_of(observed, None, "variance").index
    for batched in (True, False):
        values, _ = replicate(
            plan,
            [np.ones(18, dtype=int)],
            observed,
            names,
            statistic=None,
            metric="variance",
            n_jobs=None,
            batched=batched,
        )
        assert_allclose(values[0], values_of(observed, None, "variance"), rtol=1e-6)


# -- against other programs ----------------------------------------------------------

MODELS = {
    "sleepstudy": lambda: sleepstudy("reml"),
    "pastes": lambda: near_zero("reml"),
}


@pytest.mark.parametrize("case", REFERENCE["bootstraps"], ids=lambda case: case["id"])
def test_parametric_standard_errors_are_those_of_lme4(case):
    model, X, y = MODELS[case["id"]]()
    B = case["n_resamples"]
    result = bootstrap(model, X, y, kind="parametric", n_resamples=B, random_state=2)
    own = dict(zip(result.estimate.index, range(99), strict=False))
    if case["id"] == "sleepstudy":
        order = [
            ("reaction", "_cons"),
            ("reaction", "days"),
            ("subject", "sd(_cons)"),
            ("subject", "corr(days,_cons)"),
            ("subject", "sd(days)"),
            ("Residual", "sd(Residual)"),
        ]
    else:
        order = [
            ("strength", "_cons"),
            ("cask", "sd(_cons)"),
            ("batch", "sd(_cons)"),
            ("Residual", "sd(Residual)"),
        ]
    at = [own[name] for name in order]
    estimate = result.estimate.to_numpy()[at]
    se = result.std_error.to_numpy()[at]
    assert_allclose(estimate, case["estimate"], rtol=1e-4, atol=1e-6)
    # two independent sds of B numbers: relative error sqrt((kurtosis - 1) / 2 B) each
    kurtosis = stats.kurtosis(result.replicates.to_numpy()[:, at], fisher=False)
    error = np.sqrt((kurtosis - 1) / (2 * B)) * np.sqrt(2)
    assert np.all(np.abs(se / case["std_error"] - 1) < 4 * error)
    mean = result.replicates.to_numpy()[:, at].mean(axis=0)
    assert np.all(np.abs(mean - case["mean"]) < 4 * se * np.sqrt(2 / B))


def test_bca_intervals_are_those_of_scipy():
    """A linear regression on a constant is a mean, whose BCa interval scipy knows."""
    x = np.random.default_rng(0).gamma(1.0, size=40)
    X = pd.DataFrame({"zero": np.zeros(40)})
    result = bootstrap(
        MixedLinearRegressor(fixed=[]), X, x, n_resamples=199, interval="bca",
        random_state=1, statistic=lambda model: model.intercept_,
    )  # fmt: skip
    theta = result.replicates.to_numpy()[:, 0]

    class Before:
        bootstrap_distribution = theta

    for kind, name in (
        ("bca", "BCa"),
        ("percentile", "percentile"),
        ("basic", "basic"),
    ):
        expected = stats.bootstrap(
            (x,), np.mean, n_resamples=0, bootstrap_result=Before(), method=name
        ).confidence_interval
        own = result.interval(kind).to_numpy()[0]
        assert_allclose(own, [expected.low, expected.high], rtol=1e-12)


def test_jackknife_by_hand():
    model, X, y = sleepstudy("reml")
    result = jackknife(model, X, y)
    subjects = np.unique(X["subject"])
    rows = []
    for subject in subjects:
        keep = (X["subject"] != subject).to_numpy()
        fitted = clone(model).fit(X[keep], y[keep])
        table = fitted.results_.variance_frame("sd")
        rows.append([*fitted.coef_, fitted.intercept_, *table["estimate"]])
    theta, G = np.array(rows), len(subjects)
    assert_allclose(result.replicates, theta, rtol=1e-6, atol=1e-6)
    centred = theta - theta.mean(axis=0)
    V = (G - 1) / G * centred.T @ centred
    assert_allclose(result.std_error, np.sqrt(np.diagonal(V)), rtol=1e-5)
    assert_allclose(result.covariance(), V, rtol=1e-4, atol=1e-5)
    pseudo = G * result.estimate.to_numpy() - (G - 1) * theta
    assert_allclose(result.pseudovalues, pseudo, rtol=1e-4, atol=1e-4)
    corrected = result.estimate - result.bias
    assert_allclose(corrected, pseudo.mean(axis=0), rtol=1e-4, atol=1e-4)
    frame = result.to_frame(0.9)
    half = stats.t.ppf(0.95, G - 1) * result.std_error
    assert_allclose(frame["ci_upper"] - frame["estimate"], half, rtol=1e-10)
    assert list(result.replicates.index) == list(subjects)


# -- draws ----------------------------------------------------------------------------

STRUCTURED = {
    "ar": (Residuals("ar", order=2, time="days"), True),
    "exchangeable": (Residuals("exchangeable"), False),
    "by": (Residuals(by="early"), True),
    "unstructured": (Residuals("unstructured", time="wave"), False),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_draws_have_the_covariance_of_the_model(name):
    """root root' of every group is its Lambda, from the estimated parameters."""
    residuals, intercept = STRUCTURED[name]
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(early=(X["days"] < 5).astype(int), wave=X["days"] // 1)
    if name == "unstructured":
        keep = X["days"] < 4
    else:
        keep = (X["days"] < 6) | (X["subject"] % 2 == 0)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(keep))
    X, y = X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True)
    model = MixedLinearRegressor(
        RandomEffects("subject", intercept=intercept),
        fixed=["days"],
        residuals=residuals,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = Sample.of(model, X, y)
        fitted = sample.fit()
    simulator = Simulator.of(sample.compile(fitted), fitted._fitted)
    errors = fitted._fitted.errors
    seen = []
    for rows, root in simulator.roots:
        for r, L in zip(rows, root, strict=True):
            seen += r.tolist()
            time = sample.frame["days"].to_numpy(float)[r]
            i, j = np.triu_indices(len(r), 1)
            if len(i) and name != "by":
                assert sample.frame["subject"].iloc[r].nunique() == 1
                # the covariances that forecasts use
                off = errors.model.covariance(errors.psi, 0, time[i], time[j])
                assert_allclose((L @ L.T)[i, j], off, atol=1e-10)
    assert sorted(seen) == list(range(len(X)))
    # the marginal variance of a residual is the reported one
    parameters = fitted.residual_parameters_
    variance = np.empty(len(X))
    for rows, root in simulator.roots:
        variance[rows] = simulator.sigma**2 * (root**2).sum(axis=2)
    if name == "by":
        for early in (0, 1):
            mine = sample.frame["early"] == early
            assert_allclose(variance[mine], parameters[f"{early}: var(e)"], rtol=1e-8)
    elif name == "unstructured":
        for wave in range(4):
            mine = sample.frame["wave"] == wave
            assert_allclose(variance[mine], parameters[f"var(e{wave})"], rtol=1e-8)
    else:
        assert_allclose(variance, parameters["var(e)"], rtol=1e-8)


def test_draws_of_crossed_factors():
    """Over many draws: variances of plates, samples and residuals."""
    X, y = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    sample = Sample.of(MixedLinearRegressor(crossed, fixed=[]), X, y)
    fitted = sample.fit()
    simulator = Simulator.of(sample.compile(fitted), fitted._fitted)
    rng = np.random.default_rng(0)
    draws = np.array([simulator.draw(rng) for _ in range(4000)]) - fitted.intercept_
    total = sum(fitted.variance_components_["estimate"])
    assert_allclose((draws**2).mean(), total, rtol=0.05)
    same_plate = (sample.frame["plate"] == sample.frame["plate"][0]).to_numpy()
    shared = (draws[:, :1] * draws[:, same_plate])[:, 1:].mean()
    assert_allclose(shared, fitted.covariances_["plate"].iloc[0, 0], rtol=0.2)


def test_residual_bootstrap_keeps_the_variances():
    """Reflated effects have exactly the covariance that the model estimates."""
    model, X, y = sleepstudy("reml")
    _, observed, plan = plans(model, X, y, "residual")
    from sklearn_xmixed.resampling._draws import _reflated

    (effects,) = plan.simulator.effects
    u = _reflated(effects.blup, effects.root)
    assert_allclose(u.mean(axis=0), 0, atol=1e-10)
    Sigma = observed.covariances_["subject"].to_numpy()
    assert_allclose(u.T @ u / len(u), Sigma, rtol=1e-8)


def test_models_that_are_fitted_one_by_one():
    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor(
        RandomEffects("subject"), fixed=["age"], residuals=Residuals("ar", time="age")
    )
    for kind in ("parametric", "cluster"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResamplingWarning)
            result = bootstrap(model, X, y, kind=kind, n_resamples=6, random_state=0)
        assert result.n_failed < 6
        assert ("Residual", "rho") in result.estimate.index
        assert np.isfinite(result.std_error[("distance", "age")])


# -- how it behaves --------------------------------------------------------------------


def test_replicates_do_not_depend_on_jobs_or_chunks(monkeypatch):
    model, X, y = sleepstudy()
    options = {"n_resamples": 40, "random_state": 3}
    once = bootstrap(model, X, y, **options)
    again = bootstrap(model, X, y, n_jobs=2, **options)
    assert_allclose(once.replicates, again.replicates, rtol=1e-12)
    monkeypatch.setattr("sklearn_xmixed.resampling._batch.CHUNK", 1)
    small = bootstrap(model, X, y, **options)
    assert_allclose(once.replicates, small.replicates, rtol=1e-6, atol=1e-8)
    other = bootstrap(model, X, y, n_resamples=40, random_state=4)
    assert not np.allclose(once.replicates, other.replicates)


@pytest.mark.parametrize(
    "state", [np.random.default_rng(0), np.random.RandomState(0), None]
)
def test_random_states(state):
    model, X, y = sleepstudy()
    result = bootstrap(model, X, y, n_resamples=3, random_state=state)
    assert result.replicates.notna().all().all()


def test_nothing_of_the_user_is_modified():
    model, X, y = sleepstudy()
    model.fit(X, y)
    before, coef = X.copy(), model.coef_
    bootstrap(model, X, y, n_resamples=5, random_state=0)
    jackknife(model, X, y)
    pd.testing.assert_frame_equal(X, before)
    assert (model.coef_ == coef).all()
    assert model.get_params()["fixed"] is None


def test_forms_of_input_agree():
    model, X, y = sleepstudy()
    options = {"n_resamples": 4, "random_state": 0}
    expected = bootstrap(model, X, y, **options).replicates.to_numpy()
    for features, groups in (
        (X[["days"]], X[["subject"]]),
        (X[["days"]], X["subject"].to_numpy()),
    ):
        found = bootstrap(model, features, y, groups=groups, **options)
        assert_allclose(found.replicates, expected, rtol=1e-10)
    array = clone(model).set_params(random_effects__columns=["x0"])
    found = bootstrap(
        array, X[["days"]].to_numpy(), y.to_numpy(), groups=X["subject"], **options
    )
    assert_allclose(found.replicates, expected, rtol=1e-10)


def test_rows_with_missing_values_are_left_out():
    model, X, y = sleepstudy(missing="drop")
    y = y.copy()
    y.iloc[[3, 50]] = np.nan
    result = bootstrap(model, X, y, n_resamples=4, random_state=0)
    assert result.n_obs == 178
    keep = y.notna()
    other = bootstrap(model, X[keep], y[keep], n_resamples=4, random_state=0)
    assert_allclose(result.replicates, other.replicates, rtol=1e-10)


def test_statistic_of_ones_own():
    model, X, y = sleepstudy()

    def icc(fitted):
        between = fitted.covariances_["subject"].loc["_cons", "_cons"]
        return between / (between + fitted.sigma_**2)

    result = bootstrap(model, X, y, n_resamples=5, random_state=0, statistic=icc)
    assert list(result.estimate.index) == ["icc"]
    assert result.replicates.shape == (5, 1)
    both = bootstrap(
        model, X, y, n_resamples=5, random_state=0,
        statistic=lambda m: {"icc": icc(m), "days": m.coef_[0]},
    )  # fmt: skip
    assert_allclose(both.replicates["icc"], result.replicates["icc"])
    assert "icc" in str(result)


def test_failures_are_counted_and_told():
    """A covariate that varies in one group only is collinear without that group."""
    model, X, y = sleepstudy(covariance="identity")
    X = X.assign(only=np.where(X["subject"] == 308, X["days"] % 3, 0))
    with pytest.warns(ResamplingWarning, match="only is zero in all rows"):
        result = bootstrap(model, X, y, n_resamples=60, random_state=0)
    assert 5 < result.n_failed < 40
    reason = "only is zero in all rows (a category without rows?)"
    assert result.failure_counts == {reason: result.n_failed}
    assert result.replicates.isna().any(axis=1).sum() == result.n_failed
    assert f"{result.n_failed} of 60 replicates failed" in " ".join(str(result).split())
    assert (result.to_frame()["n_missing"] == result.n_failed).all()
    with pytest.warns(ResamplingWarning):
        left_out = jackknife(model, X, y)
    assert list(left_out.failures.index) == [308]


@pytest.mark.parametrize("way", ["formula", "treatment"])
def test_draws_without_a_category_say_so(way):
    """Of a factor that is the same in all rows of a group, as towns of schools."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(9), 5)
    town = np.array(list("abbbbcccc"))[group]
    data = pd.DataFrame({"group": group, "town": town, "x": rng.normal(size=45)})
    data["y"] = data["x"] + rng.normal(size=9)[group] + rng.normal(size=45)
    if way == "formula":
        model = from_formula("y ~ town + x + (1 | group)", data)
        given = (data,)
    else:
        model = MixedLinearRegressor("group", categorical="treatment")
        given = (data.drop(columns="y"), data["y"])
        model.fit(*given)
    with pytest.warns(ResamplingWarning, match="a category without rows"):
        result = bootstrap(model, *given, n_resamples=30, random_state=0)
    with pytest.warns(ResamplingWarning, match="compared with a category without"):
        left_out = jackknife(model, *given)
    assert set(left_out.failure_counts) == {
        "town[T.c] is compared with a category without rows"
    }
    assert left_out.failures.index.tolist() == [0]
    assert 0 < result.n_failed < 30
    there = ~result.replicates.isna().any(axis=1)
    assert there.sum() == 30 - result.n_failed
    # where neither b nor c was drawn nothing but the constant is left
    assert "collinear" not in str(result)


def test_variances_are_not_tested_against_zero():
    model, X, y = sleepstudy()
    frame = bootstrap(model, X, y, n_resamples=9, random_state=0).to_frame()
    assert frame["z"].notna().to_list() == [True] * 2 + [False] * 4


def test_table_in_text_and_html():
    model, X, y = sleepstudy()
    result = bootstrap(
        model, X, y, n_resamples=20, random_state=0, interval="percentile"
    )
    text = str(result)
    assert max(map(len, text.splitlines())) <= 78
    for part in ("Bootstrap results", "Replications       =        20", "Percentile"):
        assert part in text
    assert "<table" in result._repr_html_()
    assert "Jackknife" in str(jackknife(model, X, y))


def test_results_can_be_pickled():
    model, X, y = sleepstudy()
    result = bootstrap(model, X, y, n_resamples=4, random_state=0)
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(result.to_frame(), again.to_frame())


def test_clusters_are_drawn_whole():
    model, X, y = sleepstudy(vce="cluster", cluster="lab")
    X = X.assign(lab=X["subject"] % 5)
    result = bootstrap(model, X, y, n_resamples=6, random_state=0)
    assert (result.n_units, result.unit) == (5, "lab")
    (batched, _), (single, _) = both_ways(model, X, y, "cluster", n=6)
    assert_allclose(batched, single, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "wild"}, "kind must be one of"),
        ({"n_resamples": 1}, "n_resamples must be"),
        ({"interval": "student"}, "interval must be one of"),
        ({"metric": "log"}, "metric must be one of"),
        ({"confidence_level": 95}, "between 0 and 1"),
    ],
)
def test_bad_options(options, message):
    model, X, y = sleepstudy()
    with pytest.raises(ValueError, match=message):
        bootstrap(model, X, y, **options)


def test_what_cannot_be_resampled_is_told():
    model, X, y = sleepstudy()
    with pytest.raises(TypeError, match="MixedLinearRegressor"):
        bootstrap("model", X, y)
    with pytest.raises(ValueError, match="at least two groups"):
        jackknife(model, X[X["subject"] == 308], y[X["subject"] == 308])
    X2, y2 = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    crossed_model = MixedLinearRegressor(crossed, fixed=[])
    with pytest.raises(ValueError, match="parametric"):
        bootstrap(crossed_model, X2, y2)
    with pytest.raises(NotImplementedError, match="residual"):
        bootstrap(crossed_model, X2, y2, kind="residual")
    weight = np.ones(len(X))
    weight[0] = 2
    with pytest.raises(ValueError, match="weight"):
        bootstrap(model, X, y, sample_weight=weight, kind="parametric")
    result = bootstrap(model, X, y, n_resamples=3, random_state=0)
    with pytest.raises(ValueError, match="interval='bca'"):
        result.interval("bca")
    with pytest.raises(TypeError, match="statistic must return"):
        bootstrap(model, X, y, n_resamples=3, statistic=lambda m: "text")
