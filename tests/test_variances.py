"""Covariances of rows and of random effects, ICC, R^2, intervals and residuals."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm
from sklearn.exceptions import NotFittedError

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_penicillin,
    load_productivity,
    load_sleepstudy,
)
from tests.conftest import ALL_ZERO, cases, examples
from tests.test_summary_manual import manual_fit

INPUTS = ["private", "emp", "hwy", "water", "other", "unemp"]


@cache
def sleepstudy_data():
    X, y = load_sleepstudy(return_X_y=True)
    half = np.where(X["subject"] < 340, "a", "b")
    return X.assign(half=half, odd=np.where(X["days"] % 2, "odd", "even")), y


@cache
def sleepstudy(slopes=False, **parameters):
    X, y = sleepstudy_data()
    effects = RandomEffects(
        "subject", ["days"] if slopes else [], covariance="unstructured"
    )
    return MixedLinearRegressor(effects, fixed=["days"], **parameters).fit(X, y)


@cache
def productivity(**parameters):
    X, y = load_productivity(return_X_y=True)
    return MixedLinearRegressor(["region", "state"], fixed=INPUTS, **parameters).fit(
        X, y
    )


@cache
def penicillin():
    X, y = load_penicillin(return_X_y=True)
    return MixedLinearRegressor(
        [RandomEffects("_all", factor="plate"), RandomEffects("_all", factor="sample")]
    ).fit(X, y)


def zero_variance():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(10, 4))
    errors -= errors.mean(axis=1, keepdims=True)
    X = pd.DataFrame({"g": np.repeat(np.arange(10), 4), "x": rng.normal(size=40)})
    return MixedLinearRegressor("g", fixed=[]).fit(X, errors.ravel()), X


def likelihood(model, X, y, V):
    """By its definition, from a covariance matrix of the rows."""
    columns = [X[name].to_numpy(float) for name in model.fixed_names_]
    columns += [np.ones(len(y))] * model.fit_intercept
    D = np.stack(columns, axis=1) if columns else np.zeros((len(y), 0))
    r = np.asarray(y, float) - model.predict(X, kind="fixed")
    inside = np.linalg.solve(V, np.column_stack([D, r]))
    information = D.T @ inside[:, :-1]
    reml = model.method == "reml"
    n = len(y) - reml * D.shape[1]
    value = n * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ inside[:, -1]
    if reml:
        value += np.linalg.slogdet(information)[1]
    return -0.5 * value, np.linalg.inv(information)


# --------------------------------------------------- covariance matrices of the rows


@given(cases(depth=st.integers(1, 3), max_columns=1))
def test_small_models_by_definition(case):
    check_definition(case)


@pytest.mark.slow
@settings(max_examples=examples(25))
@given(cases())
def test_nested_models_by_definition(case):
    check_definition(case)


def check_definition(case):
    """V from the estimates gives the likelihood and Var(beta) that were reported."""
    model = case.fit_quietly(std_errors=False)
    V = model.marginal_covariance(case.X).to_numpy()
    by_hand = model.sigma_**2 * np.eye(len(V))
    for equation in model.results_.equations:
        if not equation.effects:
            continue
        Z = case.columns_of(equation)
        codes = case.paths[equation.group]
        for g in np.unique(codes):
            at = np.flatnonzero(codes == g)
            by_hand[np.ix_(at, at)] += Z[at] @ equation.covariance @ Z[at].T
    assert_allclose(V, by_hand, rtol=1e-9, atol=1e-9 * np.abs(V).max())
    if model.results_.message or model.results_.omitted or np.linalg.cond(V) > 1e8:
        return
    value, vcov = likelihood(model, case.X, case.y, V)
    assert_allclose(value, model.log_likelihood_, rtol=1e-7, atol=1e-6)
    ours = model.results_.beta_vcov
    assert_allclose(ours, vcov, rtol=1e-5, atol=1e-7 * np.abs(vcov).max(initial=0))


STRUCTURED = {
    "ar": Residuals("ar", time="days"),
    "ar 2": Residuals("ar", order=2, time="days"),
    "ma": Residuals("ma", time="days"),
    "toeplitz": Residuals("toeplitz", order=2, time="days"),
    "exponential": Residuals("exponential", time="days"),
    "independent by": Residuals("independent", by="odd"),
    "ar by": Residuals("ar", time="days", by="half"),
    "exchangeable": Residuals("exchangeable"),
    "unstructured": Residuals("unstructured", time="days"),
    "banded": Residuals("banded", order=1, time="days"),
}


@cache
def structured(name, method="ml"):
    X, y = sleepstudy_data()
    small = name in ("unstructured", "banded", "exchangeable")
    effects = RandomEffects("subject", intercept=not small)
    rows = X["days"] < 5 if small else X["days"] >= 0
    model = MixedLinearRegressor(
        effects, fixed=["days"], residuals=STRUCTURED[name], method=method
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X[rows], y[rows]), X[rows], y[rows]


@pytest.mark.daily
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("name", STRUCTURED)
def test_structured_residuals_by_definition(name, method):
    model, X, y = structured(name, method)
    shuffled = np.random.default_rng(1).permutation(len(y))
    X, y = X.iloc[shuffled], y.iloc[shuffled]
    V = model.marginal_covariance(X)
    assert list(V.index) == list(V.columns) == list(X.index)
    value, vcov = likelihood(model, X, y, V.to_numpy())
    assert_allclose(value, model.log_likelihood_, rtol=1e-9)
    assert_allclose(model.results_.beta_vcov, vcov, rtol=1e-6)


@pytest.mark.parametrize("covariance", ["identity", "exchangeable"])
def test_factors_by_definition(covariance):
    X, y = load_productivity(return_X_y=True)
    some = X["region"] < 5
    model = MixedLinearRegressor(
        RandomEffects("region", factor="state", covariance=covariance), fixed=["emp"]
    ).fit(X[some], y[some])
    V = model.marginal_covariance(X[some]).to_numpy()
    value, _ = likelihood(model, X[some], y[some], V)
    assert_allclose(value, model.log_likelihood_, rtol=1e-9)


def test_crossed_factors_by_definition():
    X, y = load_penicillin(return_X_y=True)
    model = penicillin()
    V = model.marginal_covariance(X).to_numpy()
    value, _ = likelihood(model, X, y, V)
    assert_allclose(value, model.log_likelihood_, rtol=1e-9)


@cache
def crossed_slopes():
    rng = np.random.default_rng(2)
    n = 300
    X = pd.DataFrame(
        {
            "school": rng.integers(0, 4, n),
            "pupil": rng.integers(0, 30, n),
            "teacher": rng.integers(0, 12, n),
            "hours": rng.uniform(0, 3, n),
        }
    )
    u, v = rng.normal(size=(30, 2)), rng.normal(size=12)
    y = u[X["pupil"], 0] + X["hours"] * (1 + 0.5 * u[X["pupil"], 1]) + v[X["teacher"]]
    model = MixedLinearRegressor(
        [
            RandomEffects("_all", ["hours"], factor="pupil", covariance="unstructured"),
            RandomEffects("_all", factor="teacher"),
        ],
        fixed=["hours"],
    )
    return model.fit(X, y + 0.5 * rng.normal(size=n)), X, y


def test_slopes_on_factors_by_definition():
    model, X, _ = crossed_slopes()
    Sigma = model.covariances_["pupil"].to_numpy()
    Z = np.column_stack([X["hours"], np.ones(len(X))])
    same = {
        n: X[n].to_numpy()[:, None] == X[n].to_numpy() for n in ("pupil", "teacher")
    }
    V = np.where(same["pupil"], Z @ Sigma @ Z.T, 0.0)
    V += np.where(same["teacher"], model.covariances_["teacher"].iloc[0, 0], 0.0)
    V += model.sigma_**2 * np.eye(len(X))
    assert_allclose(model.marginal_covariance(X), V, rtol=1e-12)
    new = X[:5].assign(pupil=99, teacher=99)
    _, std = model.predict(X[:5], kind="fixed", return_std=True)
    expected = np.sqrt(np.diagonal(V)[:5] + std**2)
    assert_allclose(model.prediction_interval(new)["std"], expected, rtol=1e-8)
    table = model.icc()
    assert list(table.index) == ["R.pupil", "R.teacher"]
    total = Sigma[1, 1] + model.covariances_["teacher"].iloc[0, 0] + model.sigma_**2
    assert_allclose(table.loc["R.pupil", "icc"], Sigma[1, 1] / total)
    assert_allclose(model.recovariance("R.pupil"), Sigma)
    assert 0 < model.r2(X)["marginal"] < model.r2(X)["conditional"] < 1


def test_parts_add_up_and_correlations_follow():
    model, X, _ = structured("ar by")
    total = model.marginal_covariance(X[:30])
    parts = [model.marginal_covariance(X[:30], part=p) for p in ("random", "residual")]
    assert_allclose(total, parts[0] + parts[1], rtol=1e-13)
    sd = np.sqrt(np.diagonal(total))
    R = model.marginal_covariance(X[:30], correlation=True)
    assert_allclose(R, total / np.outer(sd, sd), rtol=1e-13)
    assert (np.diagonal(R) == 1).all()
    E = model.residual_correlation(X[:30])
    rho = model.residual_parameters_["a: rho"]
    assert_allclose(E.iloc[0, :10], rho ** np.arange(10), rtol=1e-9)
    assert (E.iloc[0, 10:] == 0).all()


def test_one_group():
    X, _ = load_productivity(return_X_y=True)
    model = productivity()
    state = X["state"].iloc[0]
    region = X["region"].iloc[0]
    whole = model.marginal_covariance(X[X["region"] == region])
    for group in (region, {"region": region}, (region,)):
        assert model.marginal_covariance(X, group=group).equals(whole)
    mine = X[(X["region"] == region) & (X["state"] == state)]
    for group in (
        (region, state),
        {"state": state},
        {"region": region, "state": state},
    ):
        V = model.marginal_covariance(X, group=group)
        assert list(V.index) == list(mine.index)
        assert_allclose(V, whole.loc[V.index, V.index])


def test_group_labels_of_an_array_and_of_polars():
    X, y = sleepstudy_data()
    Z, labels = X[["days"]].to_numpy(float), X["subject"].to_numpy()
    model = MixedLinearRegressor(RandomEffects("subject", ["x0"])).fit(
        Z, y.to_numpy(), groups=labels
    )
    V = model.marginal_covariance(Z, groups=labels, group=309)
    Sigma = model.covariances_["subject"].to_numpy()
    D = np.column_stack([np.arange(10.0), np.ones(10)])
    assert_allclose(V, D @ Sigma @ D.T + model.sigma_**2 * np.eye(10), rtol=1e-12)
    assert list(V.index) == list(range(10, 20))
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(X[["subject", "days"]])
    other = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(
        frame, y.to_numpy()
    )
    again = other.marginal_covariance(frame, group=309)
    assert_allclose(again, V, rtol=1e-6)
    assert_allclose(other.r2(frame), sleepstudy_r2(other, X), rtol=1e-12)
    assert len(other.prediction_interval(frame)) == 180
    assert_allclose(
        other.get_residuals(frame, pl.Series(y.to_numpy())), y - other.predict(frame)
    )


def sleepstudy_r2(model, X):
    """Johnson's formula row by row."""
    Sigma = model.covariances_["subject"].to_numpy()
    days = X["days"].to_numpy(float)
    random = np.mean(
        [z @ Sigma @ z for z in np.column_stack([days, np.ones(len(days))])]
    )
    fixed = np.var(model.coef_[0] * days, ddof=1)
    residual = model.sigma_**2
    total = fixed + random + residual
    return [fixed / total, (fixed + random) / total, fixed, random, residual]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"part": "all"},
            "part must be one of 'total', 'random', 'residual', got 'all'",
        ),
        ({"group": 999}, "No row has subject = 999; there are"),
        ({"group": (308, 1)}, "group has 2 labels, the model has the levels"),
        ({"group": {"school": 1}}, r"group names \['school'\]"),
    ],
)
def test_bad_requests(options, message):
    X, _ = sleepstudy_data()
    with pytest.raises(ValueError, match=message):
        sleepstudy().marginal_covariance(X, **options)


def test_missing_variables():
    X, y = sleepstudy_data()
    with pytest.raises(ValueError, match="is missing in row 2"):
        sleepstudy().marginal_covariance(
            X.assign(subject=X["subject"].where(X.index != 2))
        )
    with pytest.raises(ValueError, match="'days' has missing or infinite"):
        sleepstudy(True).marginal_covariance(X.assign(days=np.nan))
    labels = X["subject"].to_numpy()
    model = MixedLinearRegressor("subject").fit(X[["days"]], y, groups=labels)
    with pytest.raises(ValueError, match="No labels for the levels"):
        model.marginal_covariance(X[["days"]])
    with pytest.raises(ValueError, match="No labels for the level 'subject'"):
        model.marginal_covariance(X[["days"]], group=308)
    big = X.loc[X.index.repeat(40)]
    with pytest.raises(ValueError, match="7200 rows is too large"):
        sleepstudy().marginal_covariance(big)
    # one group of a large frame is small
    assert sleepstudy().marginal_covariance(big, group=308).shape == (400, 400)


def test_groups_that_were_not_seen_have_a_covariance_too():
    X, _ = sleepstudy_data()
    new = X[:3].assign(subject="nobody")
    seen = sleepstudy(True).marginal_covariance(X[:3])
    assert_allclose(sleepstudy(True).marginal_covariance(new), seen)


# -------------------------------------------------------- levels and their effects


def test_groups_of_the_manual_s_example_4():
    table = manual_fit("example 4").group_table()
    assert table.loc["region"].round(1).tolist() == [9, 51, 90.7, 136]
    assert table.loc["state"].round(1).tolist() == [48, 17, 17.0, 17]
    assert (
        MixedLinearRegressor()
        .fit([[1.0], [2.0], [4.0]], [1.0, 3.0, 2.0])
        .group_table()
        .empty
    )


def test_covariances_of_repeated_equations_are_blocks():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(
        [RandomEffects("region", ["unemp"]), RandomEffects("region"), "state"],
        fixed=INPUTS,
    ).fit(X, y)
    Sigma = model.recovariance("region")
    assert list(Sigma.index) == list(Sigma.columns) == ["unemp", "_cons"]
    first, second, _ = model.results_.equations
    assert Sigma.to_numpy().tolist() == [
        [first.covariance[0, 0], 0.0],
        [0.0, second.covariance[0, 0]],
    ]
    assert list(model.recovariance()) == ["region", "state"]
    with pytest.raises(ValueError, match=r"one of \['region', 'state'\], got 'county'"):
        model.recovariance("county")


def test_correlations_of_effects():
    R = sleepstudy(True).recovariance("subject", correlation=True)
    frame = sleepstudy(True).results_.variance_frame("sd")["estimate"]
    assert_allclose(
        R.loc["days", "_cons"], frame["subject", "corr(days,_cons)"], rtol=1e-12
    )
    model, _ = zero_variance()
    assert model.recovariance("g", correlation=True).isna().all().all()
    assert model.recovariance("g").to_numpy() == [[0.0]]


def test_covariances_of_factors():
    assert_allclose(
        np.diagonal(penicillin().recovariance("_all")),
        [penicillin().covariances_[n].iloc[0, 0] for n in ("plate", "sample")],
    )
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(
        RandomEffects("region", factor="state", covariance="exchangeable"), fixed=INPUTS
    ).fit(X, y)
    Sigma = model.recovariance("region")
    assert list(Sigma) == ["R.state", "R.state'"]
    variance, covariance = model.covariances_["region"].iloc[0]
    assert_allclose(Sigma, [[variance, covariance], [covariance, variance]])
    R = model.recovariance("region", correlation=True)
    assert_allclose(R.iloc[0, 1], covariance / variance)


# --------------------------------------------------------------------------- ICC

# printed by StataCorp for the model of example 4, "Intraclass correlations for multilevel
# models" among the features of its web site
STATA_ICC = {
    "region": (0.159893, 0.127627, 0.0287143, 0.5506202),
    "state": (0.8516265, 0.0301733, 0.7823466, 0.9016272),
}


def test_icc_as_stata_prints_it():
    table = productivity().icc()
    for level, printed in STATA_ICC.items():
        # its estimates are off the optimum by 5e-6 of themselves (tests/manual_output.txt)
        assert_allclose(table.loc[level], printed, rtol=1e-5)
    assert list(table.index) == ["region", "state"]


def test_icc_is_the_correlation_of_two_rows():
    X, _ = load_productivity(return_X_y=True)
    model = productivity()
    R = model.marginal_covariance(X, group=X["region"].iloc[0], correlation=True)
    table = model.icc()
    values = np.unique(R.round(12).to_numpy())
    assert_allclose(values[:2], table["icc"], rtol=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_icc_by_the_delta_method(level):
    model = productivity()
    table = model.icc(level)
    v3, v2 = "_b[region:var(_cons)]", "_b[state:var(_cons)]"
    total = f"({v3} + {v2} + _b[Residual:var(Residual)])"
    for name, shared in (("region", v3), ("state", f"({v3} + {v2})")):
        rho = model.nlcom(f"{shared} / {total}").iloc[0]
        logit = model.nlcom(f"logit({shared} / {total})", level).iloc[0]
        expected = [
            rho["estimate"],
            rho["std_error"],
            1 / (1 + np.exp(-logit["ci_lower"])),
            1 / (1 + np.exp(-logit["ci_upper"])),
        ]
        assert_allclose(table.loc[name], expected, rtol=1e-9)


def test_icc_with_random_slopes_is_that_at_zero():
    X, _ = sleepstudy_data()
    model = sleepstudy(True)
    at_zero = X[X["subject"] == 308][:2].assign(days=0)
    R = model.marginal_covariance(at_zero, correlation=True)
    assert_allclose(model.icc().loc["subject", "icc"], R.iloc[0, 1], rtol=1e-12)


def test_icc_of_crossed_factors():
    X, _ = load_penicillin(return_X_y=True)
    model = penicillin()
    R = model.marginal_covariance(X, correlation=True).to_numpy()
    same = {n: X[n].to_numpy()[:, None] == X[n].to_numpy() for n in ("plate", "sample")}
    table = model.icc()
    for one, other in (("plate", "sample"), ("sample", "plate")):
        assert_allclose(
            R[same[one] & ~same[other]], table.loc[f"R.{one}", "icc"], rtol=1e-9
        )
    assert table[["ci_lower", "ci_upper"]].notna().all().all()


def test_icc_of_an_exchangeable_factor_is_that_of_two_levels():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(
        RandomEffects("region", factor="state", covariance="exchangeable"), fixed=INPUTS
    ).fit(X, y)
    table = model.icc()
    assert list(table.index) == ["region", "region: R.state"]
    assert_allclose(table.to_numpy(), productivity().icc().to_numpy(), rtol=1e-4)


def test_icc_at_a_variance_of_zero():
    model, _ = zero_variance()
    row = model.icc().loc["g"]
    assert row["icc"] == 0
    assert row[1:].isna().all()
    X, y = load_productivity(return_X_y=True)
    rng = np.random.default_rng(1)
    X = X.assign(top=rng.integers(0, 3, X["region"].nunique() + 1)[X["region"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLinearRegressor(["top", "region", "state"], fixed=INPUTS).fit(X, y)
    if model.results_.boundary == (("top", "sd(_cons)"),):
        # a zero above leaves the others as they are
        assert_allclose(
            model.icc().loc[["region", "state"]], productivity().icc(), rtol=1e-3
        )


@pytest.mark.slow
def test_coverage_of_icc_intervals_and_size_of_wald_tests():
    """400 data sets of 60 groups; bounds of four binomial standard deviations."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(60), rng.integers(2, 8, 60))
    rho, beta = 0.4, np.array([0.5, 0.5])
    within, rejected = [], []
    for _ in range(400):
        x = rng.normal(size=(len(g), 2))
        u, e = rng.normal(size=60), rng.normal(size=len(g))
        y = 1 + x @ beta + np.sqrt(rho) * u[g] + np.sqrt(1 - rho) * e
        X = pd.DataFrame({"g": g, "a": x[:, 0], "b": x[:, 1]})
        model = MixedLinearRegressor("g", lr_test=False).fit(X, y)
        row = model.icc(0.9).loc["g"]
        within.append(row["ci_lower"] <= rho <= row["ci_upper"])
        rejected.append(model.wald_test("a = b, a + b = 1").p_value < 0.1)
    bound = 4 * np.sqrt(0.09 / 400)
    assert abs(np.mean(within) - 0.9) < bound
    assert abs(np.mean(rejected) - 0.1) < bound


def test_models_without_an_icc():
    X, y = sleepstudy_data()
    with pytest.raises(ValueError, match="no intraclass correlation"):
        MixedLinearRegressor(fixed=["days"]).fit(X, y).icc()
    with pytest.raises(
        ValueError, match=r"With AR\(1\) residuals.*marginal_covariance"
    ):
        structured("ar")[0].icc()
    slopes = MixedLinearRegressor(
        RandomEffects("subject", ["days"], intercept=False), fixed=["days"]
    ).fit(X, y)
    with pytest.raises(ValueError, match="No equation has a random intercept"):
        slopes.icc()
    row = sleepstudy(std_errors=False).icc().loc["subject"]
    assert_allclose(row["icc"], sleepstudy().icc().loc["subject", "icc"])
    assert row[1:].isna().all()


def test_icc_with_robust_standard_errors():
    model = productivity(vce="robust")
    assert_allclose(model.icc()["icc"], productivity().icc()["icc"])
    assert (model.icc()["std_error"] != productivity().icc()["std_error"]).all()


# --------------------------------------------------------------------------- R^2


def test_r2_by_hand():
    X, _ = sleepstudy_data()
    model = sleepstudy(True)
    assert_allclose(model.r2(X), sleepstudy_r2(model, X), rtol=1e-12)


def test_r2_of_linear_regression_and_of_a_constant():
    X, y = sleepstudy_data()
    linear = MixedLinearRegressor(fixed=["days"], method="reml").fit(X, y)
    found = linear.r2(X)
    n = len(y)
    # REML variance has n - 2, that of X beta n - 1: the adjusted R^2, nearly
    r2 = np.corrcoef(X["days"], y)[0, 1] ** 2
    expected = r2 / (n - 1) / (r2 / (n - 1) + (1 - r2) / (n - 2))
    assert_allclose(found["marginal"], expected, rtol=1e-9)
    assert found["marginal"] == found["conditional"]
    constant = MixedLinearRegressor("subject", fixed=[]).fit(X, y)
    assert constant.r2(X)["marginal"] == 0
    assert_allclose(constant.r2(X)["conditional"], constant.icc().loc["subject", "icc"])


@pytest.mark.parametrize("name", ["independent by", "unstructured", "ar by"])
def test_r2_with_residual_variances_that_differ(name):
    model, X, _ = structured(name)
    V = model.marginal_covariance(X, part="residual").to_numpy()
    assert_allclose(model.r2(X)["residual_variance"], np.diagonal(V).mean(), rtol=1e-12)


def test_r2_with_weights_and_without_labels():
    X, y = sleepstudy_data()
    model = sleepstudy(True)
    twice = np.where(X.index % 2, 2.0, 1.0)
    repeated = X.loc[X.index.repeat(twice.astype(int))]
    assert_allclose(model.r2(X, twice), model.r2(repeated), rtol=1e-12)
    sampling = sleepstudy(True, weight_type="sampling")
    n, N = len(X), len(repeated)
    ours, theirs = sampling.r2(X, twice), sampling.r2(repeated)
    assert_allclose(ours["random_variance"], theirs["random_variance"], rtol=1e-12)
    scale = (n / (n - 1)) / (N / (N - 1))
    assert_allclose(
        ours["fixed_variance"], scale * theirs["fixed_variance"], rtol=1e-12
    )
    labels = X["subject"].to_numpy()
    plain = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(
        X[["days"]], y, groups=labels
    )
    assert 0 < plain.r2(X[["days"]])["marginal"] < 1
    with pytest.raises(ValueError, match="at least two complete rows"):
        model.r2(X[:1])
    with pytest.raises(ValueError, match=r"more than 1, got 0\.18"):
        model.r2(X, np.full(180, 0.001))
    with pytest.raises(ValueError, match=ALL_ZERO):
        model.r2(X, np.zeros(180))
    with pytest.raises(ValueError, match="Negative"):
        model.r2(X, -twice)


# --------------------------------------------------------------------- intervals


def test_interval_of_a_known_group():
    X, _ = sleepstudy_data()
    model = sleepstudy(True)
    mean, std = model.predict(X, return_std=True)
    frame = model.prediction_interval(X, 0.9)
    total = np.sqrt(std**2 + model.sigma_**2)
    q = norm.ppf(0.95)
    expected = np.column_stack([mean, total, mean - q * total, mean + q * total])
    assert_allclose(frame, expected, rtol=1e-12)
    assert list(frame.columns) == ["mean", "std", "lower", "upper"]
    assert list(frame.index) == list(X.index)


def test_interval_of_an_unknown_group():
    """However it is said that the group is not known."""
    X, y = sleepstudy_data()
    model = sleepstudy(True)
    V = np.diagonal(model.marginal_covariance(X))
    _, std = model.predict(X, kind="fixed", return_std=True)
    expected = np.sqrt(V + std**2)
    assert_allclose(
        model.prediction_interval(X, kind="fixed")["std"], expected, rtol=1e-10
    )
    new = X.assign(subject=999)
    assert_allclose(model.prediction_interval(new)["std"], expected, rtol=1e-8)
    plain = MixedLinearRegressor(
        RandomEffects("subject", ["days"], covariance="unstructured")
    ).fit(X[["days"]], y, groups=X["subject"])
    assert_allclose(plain.prediction_interval(X[["days"]])["std"], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="kind='blup' needs labels"):
        plain.prediction_interval(X[["days"]], kind="blup")
    strict = MixedLinearRegressor("subject", fixed=["days"], unseen="nan").fit(X, y)
    assert strict.prediction_interval(new).isna().all().all()


def test_interval_of_crossed_models():
    X, _ = load_penicillin(return_X_y=True)
    model = penicillin()
    _, std = model.predict(X, return_std=True)
    frame = model.prediction_interval(X)
    assert_allclose(frame["std"], np.sqrt(std**2 + model.sigma_**2), rtol=1e-12)
    new = X.assign(plate="?", sample="?")
    fixed = model.prediction_interval(X, kind="fixed")
    assert_allclose(model.prediction_interval(new), fixed, rtol=1e-8)


@pytest.mark.parametrize("name", ["independent by", "ar by", "unstructured", "banded"])
def test_residual_variance_of_the_row(name):
    model, X, _ = structured(name)
    variance = np.diagonal(model.marginal_covariance(X, part="residual"))
    _, std = model.predict(X, return_std=True)
    frame = model.prediction_interval(X)
    assert_allclose(frame["std"], np.sqrt(std**2 + variance), rtol=1e-10)
    # the same rows twice are two new observations each
    assert len(model.prediction_interval(pd.concat([X, X]))) == 2 * len(X)


def test_times_and_categories_that_were_not_seen():
    model, X, _ = structured("unstructured")
    with pytest.raises(ValueError, match=r"occasions '17', for .* no parameters"):
        model.prediction_interval(X.assign(days=17))
    model, X, _ = structured("independent by")
    with pytest.raises(ValueError, match=r"categories \['both'\]"):
        model.prediction_interval(X.assign(odd="both"))


@pytest.mark.slow
def test_coverage_of_new_observations():
    """Of known and of new groups, 60 data sets with 2400 and 600 of them."""
    rng = np.random.default_rng(7)
    hits = {"known": [], "new": []}
    for _ in range(60):
        g = np.repeat(np.arange(40), 5)
        x = rng.normal(size=200)
        u = rng.normal(size=(50, 2)) * [1.0, 0.5]

        def draw(g, x, u=u):
            return 1 + x + u[g, 0] + u[g, 1] * x + 0.8 * rng.normal(size=len(x))

        X = pd.DataFrame({"g": g, "x": x})
        model = MixedLinearRegressor(RandomEffects("g", ["x"]), lr_test=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, draw(g, x))
        for kind, groups in (("known", np.arange(40)), ("new", np.arange(40, 50))):
            at = rng.normal(size=len(groups))
            y = draw(groups, at)
            frame = model.prediction_interval(pd.DataFrame({"g": groups, "x": at}), 0.9)
            hits[kind] += list((frame["lower"] <= y) & (y <= frame["upper"]))
    for kind, found in hits.items():
        n = len(found)
        assert abs(np.mean(found) - 0.9) < 4 * np.sqrt(0.09 / n), (kind, np.mean(found))


@pytest.mark.parametrize("vce", ["oim", "robust"])
def test_standard_errors_of_the_fixed_part_are_those_of_vcov(vce):
    X, y = load_productivity(return_X_y=True)
    X = X.assign(twice=2 * X["emp"])
    model = MixedLinearRegressor(
        ["region", "state"], fixed=["emp", "twice", "unemp"], vce=vce
    ).fit(X, y)
    x = np.column_stack([X[["emp", "twice", "unemp"]], np.ones(len(X))])
    V = model.vcov().to_numpy()[:4, :4]
    _, std = model.predict(X, kind="fixed", return_std=True)
    assert_allclose(std, np.sqrt(np.einsum("na,ab,nb->n", x, V, x)), rtol=1e-6)


# --------------------------------------------------------------------- residuals


def test_residuals_of_every_kind():
    X, y = load_productivity(return_X_y=True)
    model = productivity()
    assert_allclose(model.get_residuals(X, y), y - model.predict(X))
    fixed = model.get_residuals(X, y, kind="fixed")
    assert_allclose(fixed, y - model.predict(X, kind="fixed"))
    region = model.get_residuals(X, y, level="region")
    assert_allclose(region, y - model.predict(X, level="region"))
    white = model.get_residuals(X, y, standardized=True)
    assert_allclose(white, model.get_residuals(X, y) / model.sigma_, rtol=1e-12)
    assert_allclose(white, model.standardized_residuals(X, y))


def test_standardised_residuals_are_whitened():
    """Lambda^-1/2 of each group, by its covariance matrix."""
    model, X, y = structured("ar")
    left = model.get_residuals(X, y)
    white = model.get_residuals(X, y, standardized=True)
    for subject in (308, 309):
        at = (X["subject"] == subject).to_numpy()
        R = model.marginal_covariance(X, group=subject, part="residual").to_numpy()
        assert_allclose(
            white[at], np.linalg.solve(np.linalg.cholesky(R), left[at]), rtol=1e-9
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "marginal"}, "kind must be 'blup', 'fixed'"),
        ({"level": "county"}, "level must be one of"),
        ({"kind": "fixed", "standardized": True}, "after the random effects of all"),
        ({"level": "region", "standardized": True}, "after the random effects of all"),
    ],
)
def test_bad_residuals(options, message):
    X, y = load_productivity(return_X_y=True)
    with pytest.raises(ValueError, match=message):
        productivity().get_residuals(X, y, **options)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        productivity().get_residuals(X, y[:5])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        productivity().standardized_residuals(X, y[:5])


def test_exact_fits_have_nothing_to_standardise_by():
    X = pd.DataFrame({"g": np.repeat(np.arange(5), 3), "x": np.arange(15.0)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLinearRegressor("g", fixed=["x"]).fit(X, 2 * X["x"] + 1)
    assert_allclose(model.get_residuals(X, 2 * X["x"] + 1), 0, atol=1e-9)
    with pytest.raises(ValueError, match="The fit is exact"):
        model.get_residuals(X, X["x"], standardized=True)
    with pytest.raises(ValueError, match="variances are all zero"):
        model.icc()
    assert model.r2(X)["marginal"] == 1
    assert_allclose(model.marginal_covariance(X), 0, atol=1e-12)
    assert model.marginal_covariance(X, correlation=True).iloc[0, 0] != 1


# ------------------------------------------------------------------- for all of them


def test_unfitted_estimators():
    X, y = sleepstudy_data()
    model = MixedLinearRegressor("subject", fixed=["days"])
    for call in (
        model.group_table,
        model.recovariance,
        model.icc,
        model.information_criteria,
        lambda: model.marginal_covariance(X),
        lambda: model.residual_correlation(X),
        lambda: model.r2(X),
        lambda: model.prediction_interval(X),
        lambda: model.get_residuals(X, y),
    ):
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize("level", [0, 1, 95, -1, "0.9", None, True, np.nan])
def test_confidence_levels_out_of_range(level):
    X, _ = sleepstudy_data()
    for call in (
        lambda: sleepstudy().icc(level),
        lambda: sleepstudy().prediction_interval(X, level),
        lambda: sleepstudy().coef_table(level),
    ):
        with pytest.raises(
            ValueError, match="confidence_level must lie between 0 and 1"
        ):
            call()


def test_nothing_of_the_user_s_is_modified():
    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor(RandomEffects("subject", ["age"]), fixed=["age"]).fit(
        X, y
    )
    before, response = X.copy(), y.copy()
    model.marginal_covariance(X, group=X["subject"].iloc[0])
    model.prediction_interval(X)
    model.r2(X)
    model.get_residuals(X, y, standardized=True)
    assert X.equals(before)
    assert y.equals(response)


def test_slopes_on_a_column_named_like_a_factor_are_no_factor():
    X, y = sleepstudy_data()
    X = X.rename(columns={"days": "R.x"})
    model = MixedLinearRegressor(
        RandomEffects("subject", ["R.x"], intercept=False), fixed=["R.x"]
    ).fit(X, y)
    with pytest.raises(ValueError, match="No equation has a random intercept"):
        model.icc()
    assert list(model.recovariance("subject")) == ["R.x"]


def test_missing_values_where_they_are_allowed():
    X, y = sleepstudy_data()
    gone = X.assign(days=X["days"].where(X.index != 3))
    model = MixedLinearRegressor(
        RandomEffects("subject", ["days"]), fixed=["days"], missing="drop"
    ).fit(gone, y)
    frame = model.prediction_interval(gone)
    assert frame.loc[3].isna().all()
    assert frame.drop(index=3).notna().all().all()
    assert_allclose(model.r2(gone), model.r2(X.drop(index=3)), rtol=1e-12)
    assert np.isnan(model.get_residuals(gone, y)[3])
    with pytest.raises(ValueError, match="missing or infinite"):
        model.marginal_covariance(gone)


def test_labels_of_any_type_name_a_group():
    X, y = sleepstudy_data()
    when = pd.Timestamp("2020-01-01") + pd.to_timedelta(X["subject"], unit="D")
    for values, label in (
        (when, when.iloc[0]),
        (X["subject"].astype("category"), 308),
        (X["subject"].astype(str), "308"),
    ):
        frame = X.assign(subject=values)
        model = MixedLinearRegressor("subject", fixed=["days"]).fit(frame, y)
        assert model.marginal_covariance(frame, group=label).shape == (10, 10)
