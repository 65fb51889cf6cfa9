"""Precision weights (residual variance sigma^2 / w) and offsets.

Witnesses: lme4's lmer(weights=, offset=), nlme's lme and gls with varFixed(~1/w), and
matrices formed in full.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.diagnostics import profile
from sklearn_xmixed.resampling import bootstrap
from sklearn_xmixed.residuals import Power
from tests.small_sample_oracle import KENWARD_ROGER, Linear, Scaled, SmallSample, same

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "precision_weights.json").read_text()
)
DATA = pd.DataFrame(REFERENCE["data"])
X, Y, W = DATA[["a", "b", "h", "t", "x", "o"]], DATA["y"], DATA["w"]
N = len(X)
CROSSED = [RandomEffects("_all", factor="h"), "a"]
EXCHANGEABLE = RandomEffects("a", factor="b", covariance="exchangeable")
SLOPE = RandomEffects("a", ["x"], covariance="unstructured")
GROUPS = RandomEffects("a", intercept=False)
BELOW = ["a", RandomEffects("b", intercept=False)]
AR = Residuals("ar", time="t")
TIGHT = {"fixed": ["x", "t"], "weight_type": "precision"}


def fit(effects, residuals=None, weight=W, **options):
    model = MixedLinearRegressor(effects, residuals=residuals, **(TIGHT | options))
    return model.fit(X, Y, sample_weight=weight)


FITS = {
    "lmer_intercept_ml": ("a", None, {}),
    "lmer_slope_reml": (SLOPE, None, {"method": "reml"}),
    "lmer_crossed_reml_offset": (CROSSED, None, {"method": "reml", "offset": "o"}),
    "lmer_nested_ml_offset": (["a", "b"], None, {"offset": "o"}),
    "lmer_formula_offset": ("a", None, {"method": "reml", "offset": "o"}),
    "lm_offset": (GROUPS, None, {"offset": "o"}),
    "gls_plain_reml": (GROUPS, None, {"method": "reml"}),
    "gls_ar1_ml": (GROUPS, AR, {}),
    "gls_ar1_reml": (GROUPS, AR, {"method": "reml"}),
    "gls_exchangeable_reml": (GROUPS, Residuals("exchangeable"), {"method": "reml"}),
    "gls_ma1_ml": (GROUPS, Residuals("ma", time="t"), {}),
    "lme_intercept_reml": ("a", None, {"method": "reml"}),
    "lme_slope_ml": (SLOPE, None, {}),
    "lme_ar1_ml": ("a", AR, {}),
    "lmer_slope_ml_offset": (SLOPE, None, {"offset": "o"}),
    "lmer_crossed_ml": (CROSSED, None, {}),
    "lmer_nested_reml": (["a", "b"], None, {"method": "reml"}),
    "lmer_diagonal_reml_offset": (
        RandomEffects("a", ["x"], covariance="independent"),
        None,
        {"method": "reml", "offset": "o"},
    ),
    "lme_comb_reml": (
        "a", Residuals("independent", variance="b"), {"method": "reml"}
    ),
    "lme_ar1_comb_ml": ("a", Residuals("ar", time="t", variance="b"), {}),
    "gls_comb_ml": (GROUPS, Residuals("independent", by="b"), {}),
    "gls_ar1_comb_reml": (
        GROUPS, Residuals("ar", time="t", variance="b"), {"method": "reml"}
    ),
}  # fmt: skip


def test_every_fit_of_the_reference_has_a_model():
    assert set(FITS) == set(REFERENCE["fits"])


@pytest.mark.parametrize("name", FITS)
def test_fits_are_those_of_lme4_and_nlme(name):
    effects, residuals, options = FITS[name]
    said = REFERENCE["fits"][name]
    model = fit(effects, residuals, **options)
    assert model.converged_
    assert model.results_.n_obs == N
    assert_allclose(model.log_likelihood_, said["log_likelihood"], rtol=1e-9)
    beta = np.append(model.intercept_, model.coef_)
    assert_allclose(beta, said["beta"], rtol=1e-5, atol=1e-6)
    if "sigma" in said and "comb" not in name:  # one of several there
        variances = model.variance_components_.estimate.loc["Residual"]
        sigma = np.sqrt(variances.filter(like="var").iloc[0])
        assert_allclose(sigma, said["sigma"], rtol=1e-5)
    if said.get("phi") is not None and "rho" in model.residual_parameters_:
        assert_allclose(model.residual_parameters_["rho"], said["phi"], rtol=1e-5)
    if "ranef" in said:
        blups = model.random_effects_["a"]["_cons"].to_numpy()[:3]
        # where several variances are searched for, nlme stops a little earlier
        atol = 1e-5 if "comb" in name else 0.0
        assert_allclose(blups, said["ranef"], rtol=1e-5, atol=atol)
    if "fitted" in said:
        assert_allclose(model.predict(X)[:5], said["fitted"], rtol=1e-5)
    # of exchangeable residuals nlme takes another root of the covariance matrix
    if ("normalized" in said or "pearson" in said) and "exchangeable" not in name:
        white = model.standardized_residuals(X, Y, sample_weight=W)[:5]
        expected = said.get("normalized", said.get("pearson"))
        assert_allclose(white, expected, rtol=1e-4, atol=2e-6)
    if "se" in said:
        table = model.coef_table()
        assert_allclose(table.std_error[["_cons", "x", "t"]], said["se"], rtol=1e-5)


def test_degrees_of_freedom_are_those_of_lmerTest():
    for name in ("lmer_slope_reml", "lmer_crossed_reml_offset", "lmer_formula_offset"):
        effects, residuals, options = FITS[name]
        model = fit(effects, residuals, **options)
        found = model.coef_table(df="satterthwaite").df[["_cons", "x", "t"]]
        assert_allclose(found, REFERENCE["fits"][name]["df"], rtol=2e-4)


@pytest.mark.parametrize("name", REFERENCE["others"]["kenward_roger"])
def test_kenward_roger_is_that_of_pbkrtest(name):
    """Of rows multiplied by the roots of the weights, which pbkrtest does not know."""
    effects, residuals, options = FITS[name]
    said = REFERENCE["others"]["kenward_roger"][name]
    table = fit(effects, residuals, **options).coef_table(df="kenward-roger")
    table = table.loc[["_cons", "x", "t"]]
    assert_allclose(table["std_error"], said["se"], rtol=1e-5)
    # the certified optimum and that of lmer differ by their tolerances
    assert_allclose(table["df"], said["df"], rtol=2e-4)


SANDWICHES = {
    "lme_intercept": ("a", None, {}),
    "lme_slope_reml": (SLOPE, None, {"method": "reml"}),
    "gls_ar1_reml": (GROUPS, AR, {"method": "reml"}),
}


@pytest.mark.parametrize("vce", ["CR0", "CR1", "CR2", "CR3"])
@pytest.mark.parametrize("name", SANDWICHES)
def test_few_clusters_are_those_of_clubSandwich(name, vce):
    effects, residuals, options = SANDWICHES[name]
    said = REFERENCE["others"]["sandwich"][name][vce]
    model = fit(effects, residuals, vce=vce, **options)
    table = model.coef_table(df="satterthwaite").loc[["_cons", "x", "t"]]
    assert_allclose(table["std_error"], said["se"], rtol=2e-5)
    assert_allclose(table["df"], said["df"], rtol=2e-5)


# -- V in full: degrees of freedom ---------------------------------------------------

DF_MODELS = {
    "nested": (["a", "b"], None),
    "crossed": (CROSSED, None),
    "by": ("a", Residuals("independent", by="b")),
}


def variance_parts(name, model):
    """Natural parameters and the matrices that they multiply."""
    a, b, h = (X[n].to_numpy() for n in "abh")
    size, table = np.diag(1.0 / W), model.variance_components_.estimate
    if name == "nested":
        return table.to_numpy(), [
            1.0 * same(a), 1.0 * same(a * 10 + b), size
        ]  # fmt: skip
    if name == "crossed":
        return table.to_numpy(), [1.0 * same(h), 1.0 * same(a), size]
    each = [size * (b == k)[:, None] for k in (0, 1, 2)]
    return table.to_numpy(), [1.0 * same(a), *each]


@pytest.mark.daily
@pytest.mark.parametrize("name", DF_MODELS)
@pytest.mark.parametrize("method", ["satterthwaite", *KENWARD_ROGER])
def test_degrees_of_freedom_of_all_kinds_are_those_of_dense_matrices(name, method):
    effects, residuals = DF_MODELS[name]
    model = fit(effects, residuals, method="reml", offset="o")
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    theta, K = variance_parts(name, model)
    truth = SmallSample(D, (Y - X["o"]).to_numpy(), [Linear(theta, K)])
    assert_allclose(model.log_likelihood_, truth.log_likelihood, rtol=1e-9)
    table = model.coef_table(df=method)
    assert_allclose(table.df, truth.df(method, np.eye(3)), rtol=2e-4)


@pytest.mark.daily
@pytest.mark.parametrize("method", ["satterthwaite", *KENWARD_ROGER])
@pytest.mark.parametrize("effects", ["none", "a"])
def test_degrees_of_freedom_with_autoregressions(effects, method):
    model = fit(GROUPS if effects == "none" else "a", AR, method="reml")
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    lag = np.abs(X["t"].to_numpy()[:, None] - X["t"].to_numpy())
    a, size = same(X["a"].to_numpy()), 1.0 / np.sqrt(W.to_numpy())
    shape = a * np.outer(size, size)
    parameters = model.residual_parameters_
    parts = [
        Scaled(
            parameters["var(e)"],
            np.array([parameters["rho"]]),
            lambda rho: shape * rho[0] ** lag,
        )
    ]
    if effects == "a":
        parts.insert(0, Linear(model.variance_components_.estimate.to_numpy()[:1], [a]))
    truth = SmallSample(D, Y.to_numpy(), parts)
    assert_allclose(model.log_likelihood_, truth.log_likelihood, rtol=1e-9)
    found = model.coef_table(df=method).df
    assert_allclose(found, truth.df(method, np.eye(3)), rtol=1e-3)


def test_counted_degrees_of_freedom_do_not_look_at_the_weights():
    for method in ("residual", "between-within", "containment"):
        with_weights = fit("a").coef_table(df=method).df
        plain = MixedLinearRegressor("a", fixed=["x", "t"]).fit(X, Y)
        assert_allclose(with_weights, plain.coef_table(df=method).df)


# -- matrices formed in full ---------------------------------------------------------


def oracle(V, reml):
    """log likelihood and coefficients from V in full."""
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    L = np.linalg.cholesky(V)
    A = np.linalg.solve(L, np.column_stack([D, Y]))
    Q, r = A[:, :3], A[:, 3]
    beta = np.linalg.lstsq(Q, r, rcond=None)[0]
    r = r - Q @ beta
    n = N - 3 * reml
    value = -0.5 * (n * np.log(2 * np.pi) + r @ r) - np.log(np.diag(L)).sum()
    if reml:
        value -= 0.5 * np.linalg.slogdet(Q.T @ Q)[1]
    return value, beta


def covariance(model):
    """V of the training rows: random parts, and W^-1/2 R W^-1/2."""
    return model.marginal_covariance(X, sample_weight=W).to_numpy()


MODELS = {
    "nested": (["a", "b"], None),
    "slopes": (SLOPE, None),
    "crossed": (CROSSED, None),
    "crossed slopes": ([RandomEffects("_all", ["x"], factor="h"), "a"], None),
    "exchangeable factor": (EXCHANGEABLE, None),
    "ar": ("a", AR),
    "ma": (GROUPS, Residuals("ma", time="t")),
    "unstructured": (GROUPS, Residuals("unstructured", time="t")),
    "exponential": (GROUPS, Residuals("exponential", time="t")),
    "toeplitz": (GROUPS, Residuals("toeplitz", order=2, time="t")),
    "by": ("a", Residuals("independent", by="b")),
    "arma": (GROUPS, Residuals("arma", time="t")),
    "antedependence": (GROUPS, Residuals("antedependence", time="t")),
    "banded": (GROUPS, Residuals("banded", order=1, time="t")),
    "gaussian": (GROUPS, Residuals("gaussian", time=["t", "x"])),
    "power": ("a", Residuals("ar", time="t", variance=Power("t"))),
    "arh": (GROUPS, Residuals("ar", time="t", variance="t")),
    "slope and ar": (SLOPE, AR),
    "nested and ar": (BELOW, AR),
}

ROBUST = (
    "nested",
    "slopes",
    "exchangeable factor",
    "ar",
    "slope and ar",
    "nested and ar",
)


@pytest.mark.daily
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_likelihood_and_coefficients_are_those_of_V_in_full(name, reml):
    if name in ("unstructured", "banded"):
        few = X["t"] <= 4  # 14 groups
        frame, y, w = X[few], Y[few], W[few]
    else:
        frame, y, w = X, Y, W
    model = MixedLinearRegressor(
        MODELS[name][0],
        residuals=MODELS[name][1],
        method="reml" if reml else "ml",
        **TIGHT,
    ).fit(frame, y, w)
    V = model.marginal_covariance(frame, sample_weight=w).to_numpy()
    D = np.column_stack([frame["x"], frame["t"], np.ones(len(frame))])
    L = np.linalg.cholesky(V)
    A = np.linalg.solve(L, np.column_stack([D, y]))
    Q, r = A[:, :3], A[:, 3]
    beta = np.linalg.lstsq(Q, r, rcond=None)[0]
    r = r - Q @ beta
    value = -0.5 * ((len(y) - 3 * reml) * np.log(2 * np.pi) + r @ r)
    value -= np.log(np.diag(L)).sum()
    if reml:
        value -= 0.5 * np.linalg.slogdet(Q.T @ Q)[1]
    assert_allclose(model.log_likelihood_, value, rtol=1e-9)
    assert_allclose(model.results_.beta, beta, rtol=1e-6, atol=1e-9)
    # what is left is white
    white = model.standardized_residuals(frame, y, sample_weight=w)
    assert np.isfinite(white).all()


def test_small_samples_are_those_of_dense_matrices():
    model = fit("a", method="reml")
    s2, d = model.sigma_**2, model.variance_components_.estimate.iloc[0]
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    parts = [
        Linear(np.array([d, s2]), [1.0 * same(X["a"].to_numpy()), np.diag(1.0 / W)])
    ]
    truth = SmallSample(D, Y.to_numpy(), parts)
    assert_allclose(model.log_likelihood_, truth.log_likelihood, rtol=1e-10)
    for method in ("satterthwaite", "kenward-roger"):
        table = model.coef_table(df=method)
        expected = truth.df(method, np.eye(3))
        assert_allclose(table.df, expected, rtol=1e-5)


@pytest.mark.daily
@pytest.mark.parametrize("factor", [1e-12, 1e12])
@pytest.mark.parametrize("name", ["nested", "crossed", "exchangeable factor", "ar"])
def test_the_unit_of_the_weights_is_that_of_sigma(name, factor):
    effects, residuals = MODELS[name]
    one = fit(effects, residuals, method="reml")
    other = fit(effects, residuals, W * factor, method="reml")
    assert other.converged_
    assert_allclose(other.log_likelihood_, one.log_likelihood_, rtol=1e-9)
    assert_allclose(other.results_.beta, one.results_.beta, rtol=1e-5)
    assert_allclose(other.predict(X), one.predict(X), rtol=1e-4, atol=1e-6)
    assert_allclose(other.results_.beta_vcov, one.results_.beta_vcov, rtol=1e-4)
    std = [m.random_effects(return_std=True)[1] for m in (one, other)]
    for level in std[0]:
        assert_allclose(std[1][level], std[0][level], rtol=1e-4)


def test_without_weights_it_is_the_usual_fit():
    assert fit("a", weight=None).log_likelihood_ == (
        MixedLinearRegressor("a", fixed=["x", "t"]).fit(X, Y).log_likelihood_
    )
    ones = fit("a", weight=np.ones(N))
    assert_allclose(ones.log_likelihood_, fit("a", weight=None).log_likelihood_)


# -- afterwards ----------------------------------------------------------------------


def test_comparison_is_with_weighted_linear_regression():
    model, plain = fit("a"), fit(GROUPS)
    found = lrtest(model, plain)
    assert_allclose(found.chi2, model.results_.lr_chi2, rtol=1e-9)
    assert_allclose(model.results_.comparison_log_likelihood, plain.log_likelihood_)
    assert_allclose(model.aic_, -2 * model.log_likelihood_ + 2 * 5)
    assert_allclose(model.bic_, -2 * model.log_likelihood_ + 5 * np.log(N))


def test_rows_of_weight_zero_and_missing_values_are_left_out():
    weight = W.to_numpy().copy()
    weight[[2, 50]] = 0.0
    gone = np.isin(np.arange(N), [2, 50])
    left = MixedLinearRegressor("a", **TIGHT).fit(X[~gone], Y[~gone], W[~gone])
    zero = fit("a", weight=weight)
    assert zero.results_.n_obs == N - 2
    assert_allclose(zero.log_likelihood_, left.log_likelihood_, rtol=1e-12)
    weight[[2, 50]] = np.nan
    frame = X.assign(o=np.where(np.arange(N) == 7, np.nan, X["o"]))
    model = MixedLinearRegressor("a", missing="drop", offset="o", **TIGHT)
    model.fit(frame, Y, weight)
    assert model.results_.n_obs == N - 3
    assert (~model.sample_).nonzero()[0].tolist() == [2, 7, 50]
    assert np.isnan(model.predict(frame)).nonzero()[0].tolist() == [7]


@pytest.mark.parametrize("name", ["nested", "crossed", "ar"])
def test_influence_is_that_of_fits_without_the_row(name):
    effects, residuals = MODELS[name]
    model = fit(effects, residuals)
    found = model.influence(X, Y, sample_weight=W)
    rows = found.rows
    assert_allclose(rows["residual"], Y - model.predict(X, kind="fixed"), rtol=1e-6)
    V = covariance(model)
    keep = np.arange(N) != 11
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    inverse = np.linalg.inv(V[np.ix_(keep, keep)])
    beta = np.linalg.solve(D[keep].T @ inverse @ D[keep], D[keep].T @ inverse @ Y[keep])
    assert_allclose(found.row_coef.iloc[11], beta, rtol=1e-6, atol=1e-9)
    expected = Y[11] - D[11] @ beta
    expected -= V[11, keep] @ inverse @ (Y[keep] - D[keep] @ beta)
    assert_allclose(rows["deletion_residual"].iloc[11], expected, rtol=1e-6)


@pytest.mark.daily
@pytest.mark.parametrize("name", ROBUST)
@pytest.mark.parametrize("vce", ["robust", "CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_robust_errors_are_those_of_matrices_in_full(vce, name):
    effects, residuals = MODELS[name]
    model = fit(effects, residuals, vce=vce)
    V = covariance(model)
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    r = Y.to_numpy() - D @ model.results_.beta
    bread = np.linalg.inv(D.T @ np.linalg.inv(V) @ D)
    meat = np.zeros((3, 3))
    codes = X["a"].to_numpy()
    for g in np.unique(codes):
        mine = codes == g
        Vg, Dg = V[np.ix_(mine, mine)], D[mine]
        A = np.eye(mine.sum())
        if vce == "CR3":
            A = np.linalg.inv(A - Dg @ bread @ Dg.T @ np.linalg.inv(Vg))
        if vce == "CR2":
            U = np.linalg.cholesky(Vg).T
            values, axes = np.linalg.eigh(U @ (Vg - Dg @ bread @ Dg.T) @ U.T)
            A = U.T @ (axes / np.sqrt(values)) @ axes.T @ U
        s = Dg.T @ np.linalg.inv(Vg) @ A @ r[mine]
        meat += np.outer(s, s)
    M = len(np.unique(codes))
    factor = {"robust": M / (M - 1), "CR1": M / (M - 1)}
    factor["CR1S"] = M * (N - 1) / ((M - 1) * (N - 3))
    expected = bread @ meat @ bread * factor.get(vce, 1.0)
    assert_allclose(model.results_.beta_vcov, expected, rtol=1e-6)


def test_robust_errors_where_factors_cross_and_where_residuals_correlate():
    for effects, residuals in ((EXCHANGEABLE, None), ("a", AR)):
        model = fit(effects, residuals, vce="robust")
        V = covariance(model)
        D = np.column_stack([X["x"], X["t"], np.ones(N)])
        r = np.linalg.solve(V, Y.to_numpy() - D @ model.results_.beta)
        scores = np.array(
            [(D * r[:, None])[X["a"] == g].sum(axis=0) for g in range(1, 15)]
        )
        bread = np.linalg.inv(D.T @ np.linalg.solve(V, D))
        expected = bread @ (scores.T @ scores) @ bread * 14 / 13
        assert_allclose(model.results_.beta_vcov, expected, rtol=1e-6)


def test_rows_to_come_have_a_weight_of_their_own():
    model = fit("a", AR)
    back = model.forecast(X, sample_weight=W)
    assert_allclose(back, Y, rtol=1e-6)  # what was observed
    interval = model.prediction_interval(
        X, kind="fixed", sample_weight=4.0 * np.ones(N)
    )
    usual = model.prediction_interval(X, kind="fixed")
    total = model.residual_parameters_["var(e)"]
    assert_allclose(usual["std"] ** 2 - interval["std"] ** 2, 0.75 * total, rtol=1e-6)
    with pytest.raises(ValueError, match="pass sample_weight="):
        model.standardized_residuals(X, Y)
    with pytest.raises(ValueError, match="finite and positive"):
        model.forecast(X, sample_weight=np.zeros(N))
    with pytest.raises(ValueError, match="precision weights alone"):
        MixedLinearRegressor("a", fixed=["x"]).fit(X, Y).forecast(X, sample_weight=W)


def test_r2_takes_the_mean_of_the_residual_variances():
    model = fit("a")
    found = model.r2(X, sample_weight=W)
    assert_allclose(found["residual_variance"], model.sigma_**2 * (1 / W).mean())


def test_profiles_are_those_of_the_weighted_likelihood():
    model = fit("a")
    found = profile(model, X, Y, "x", sample_weight=W)
    low, high = found.interval()
    assert low < model.coef_[0] < high


@pytest.mark.parametrize("residuals", [None, AR])
def test_bootstrap_draws_with_variance_sigma2_over_w(residuals):
    model = fit("a", residuals, offset="o")
    found = bootstrap(
        clone(model), X, Y, sample_weight=W, n_resamples=40, kind="parametric",
        random_state=0,
    )  # fmt: skip
    spread = found.std_error
    ratio = spread.iloc[:3].to_numpy() / np.sqrt(np.diag(model.results_.beta_vcov))
    assert (0.6 < ratio).all()
    assert (ratio < 1.6).all()


def test_weights_of_groups_are_refused():
    frame = X.assign(g=1.0)
    model = MixedLinearRegressor(RandomEffects("a", weight="g"), **TIGHT)
    with pytest.raises(ValueError, match="groups have none"):
        model.fit(frame, Y, W)


# -- offsets -------------------------------------------------------------------------


def test_an_offset_is_taken_from_the_response_and_given_back():
    column = fit("a", offset="o")
    array = MixedLinearRegressor("a", **TIGHT).fit(X, Y, W, offset=X["o"])
    shifted = MixedLinearRegressor("a", **TIGHT).fit(X, Y - X["o"], W)
    for model in (column, array):
        assert model.log_likelihood_ == shifted.log_likelihood_
        assert "o" not in model.fixed_names_
    assert_allclose(column.predict(X), shifted.predict(X) + X["o"], rtol=1e-12)
    assert_allclose(column.get_residuals(X, Y), Y - column.predict(X), rtol=1e-12)
    assert_allclose(array.predict(X), shifted.predict(X), rtol=1e-12)
    assert_allclose(array.predict(X, offset=X["o"]), column.predict(X), rtol=1e-12)
    mean, _ = array.predict(X, offset=X["o"], return_std=True)
    assert_allclose(mean, column.predict(X))
    assert_allclose(array.score(X, Y, offset=X["o"]), column.score(X, Y))
    assert column.results_.specification.offset == "o"


def test_an_offset_may_be_in_groups_and_needs_no_fixed():
    inside = MixedLinearRegressor("a", offset="o").fit(X[["a", "x", "o"]], Y)
    assert inside.fixed_names_ == ["x"]
    beside = MixedLinearRegressor("a", offset="o").fit(
        X[["x"]], Y, groups=X[["a", "o"]]
    )
    assert inside.log_likelihood_ == beside.log_likelihood_


def test_methods_that_need_an_array_of_offsets_say_so():
    model = MixedLinearRegressor("a", fixed=["x"]).fit(X, Y, offset=X["o"])
    for call in (
        lambda: model.get_residuals(X, Y),
        lambda: model.influence(X, Y),
        lambda: model.score(X, Y),
        lambda: profile(model, X, Y, "x"),
    ):
        with pytest.raises(ValueError, match="which was an array passed to fit"):
            call()


@pytest.mark.parametrize(
    ("options", "offset", "said"),
    [
        ({"offset": "o"}, np.zeros(N), "two offsets"),
        ({"offset": "nowhere"}, None, "no column of X or groups"),
        ({"offset": np.zeros(3)}, None, "goes to fit"),
        ({}, np.zeros(3), "one number per row"),
        ({}, np.full(N, np.nan), "must be finite"),
        ({}, ["a"] * N, "must be numbers"),
    ],
)
def test_offsets_that_are_none_are_refused(options, offset, said):
    model = MixedLinearRegressor("a", fixed=["x"], **options)
    with pytest.raises(ValueError, match=said):
        model.fit(X, Y, offset=offset)
