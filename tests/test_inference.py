"""Standard errors, intervals and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logit

from sklearn_xmixed import RandomEffects
from sklearn_xmixed.inference import likelihood_ratio, wald
from sklearn_xmixed.inference.variances._table import _back
from tests.conftest import STRUCTURES, Case, differences, simulate

Z95 = stats.norm.ppf(0.975)


def three_levels(seed, structure="unstructured", method="ml"):
    """Both levels clearly away from zero."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(24), rng.integers(2, 6, 24))
    top = g // 4
    frame = {"top": top, "g": g, "x": rng.normal(1.0, 1.0, len(g))}
    u = rng.normal(size=(24, 2)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    y = 2.0 * rng.normal(size=6)[top] + u[g, 0] + u[g, 1] * frame["x"]
    frame["y"] = y + frame["x"] + 0.5 * rng.normal(size=len(g))
    return Case(
        pd.DataFrame(frame),
        [RandomEffects("top"), RandomEffects("g", ["x"], covariance=structure)],
        ["x"],
        method=method,
    )


def sigma_from_alpha(structure, alpha):
    pattern = structure.pattern
    sd = np.exp(alpha[np.diagonal(pattern)])
    R = np.eye(len(sd))
    for (i, j), k in np.ndenumerate(pattern):
        if i != j:
            R[i, j] = np.tanh(alpha[k]) if k >= 0 else 0.0
    return R * np.outer(sd, sd)


def log_likelihood_of_alpha(case, alpha):
    """The oracle's, beta profiled out: log sd, atanh correlation, log sigma."""
    Sigmas, at = [], 0
    for e in case.engine.compiled.design.equations:
        m = e.structure.n_params
        Sigmas.append(sigma_from_alpha(e.structure, alpha[at : at + m]))
        at += m
    return case.oracle(Sigmas, np.exp(2 * alpha[-1])).log_likelihood


def second_differences(function, at, step):
    """Hessian of a scalar function; error of order step^2 taken out once."""
    m, eye = len(at), np.eye(len(at))

    def hessian(h):
        H = np.empty((m, m))
        for i in range(m):
            for j in range(i + 1):
                a, b = h * (eye[i] + eye[j]), h * (eye[i] - eye[j])
                value = function(at + a) + function(at - a)
                value -= function(at + b) + function(at - b)
                H[i, j] = H[j, i] = value / (4 * h * h)
        return H

    return (4 * hessian(step) - hessian(2 * step)) / 3


@pytest.mark.daily
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("levels", [2, 3])
def test_joint_covariance_by_differences_of_the_definition(structure, method, levels):
    if levels == 2:
        case = simulate(
            3,
            groups=20,
            size=4,
            scales=(1.0,),
            sd=(1.0, 1.2),
            correlation=0.3,
            covariance=structure,
            method=method,
        )
    else:
        case = three_levels(2, structure, method)
    model = case.fit()
    alpha = model.results_.alpha

    def function(a):
        return log_likelihood_of_alpha(case, a)

    # at an optimum in alpha as well
    assert_allclose(differences(function, alpha, 2e-3), 0.0, atol=1e-5)
    right = np.linalg.inv(-second_differences(function, alpha, 5e-3))
    # a value of size 1e2 in steps of 5e-3: 1e2 * 1e-15 / 2.5e-5 = 4e-9 of rounding,
    # and h^4 = 6e-10 of truncation, against information of size one and more
    assert_allclose(
        model.results_.alpha_vcov, right, rtol=0, atol=1e-6 * np.abs(right).max()
    )
    p = len(case.fixed) + 1
    whole = model.vcov().to_numpy()
    assert_allclose(whole[p:, p:], model.results_.alpha_vcov, rtol=0)
    assert_allclose(whole[:p, p:], 0.0, atol=0)


@pytest.mark.parametrize("parameterization", ["matsqrt", "matlog"])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_standard_errors_do_not_depend_on_the_search(parameterization, solver):
    case = three_levels(2)
    right = case.fit().results_.alpha_vcov
    got = case.fit(parameterization=parameterization, solver=solver).results_.alpha_vcov
    # the optimum is known to about 1e-6
    assert_allclose(got, right, rtol=0, atol=1e-4 * np.abs(right).max())


def test_metrics_are_one_another_by_the_delta_method():
    model = three_levels(2).fit()
    results = model.results_
    alpha, V = results.alpha, results.alpha_vcov
    se = np.sqrt(np.diagonal(V))
    estimation = results.variance_frame("estimation")
    assert_allclose(estimation["estimate"], alpha, rtol=1e-14)
    assert_allclose(estimation["std_error"], se, rtol=1e-14)
    assert_allclose(estimation["ci_lower"], alpha - Z95 * se, rtol=1e-12)
    # order: sd(top), sd(x), sd(_cons), corr, sd(Residual)
    sd, var = results.variance_frame("sd"), results.variance_frame("variance")
    log = np.array([True, True, True, False, True])
    assert_allclose(sd["estimate"][log], np.exp(alpha[log]), rtol=1e-13)
    assert_allclose(sd["std_error"][log], (np.exp(alpha) * se)[log], rtol=1e-13)
    for end in ("ci_lower", "ci_upper"):
        assert_allclose(sd[end][log], np.exp(estimation[end][log]), rtol=1e-13)
        assert_allclose(var[end][log], sd[end][log] ** 2, rtol=1e-13)
    assert_allclose(
        var["std_error"][log], (2 * np.exp(2 * alpha) * se)[log], rtol=1e-13
    )
    r = np.tanh(alpha[3])
    corr = sd.loc[("g", "corr(x,_cons)")]
    assert corr["estimate"] == pytest.approx(r, rel=1e-13)
    assert corr["std_error"] == pytest.approx((1 - r**2) * se[3], rel=1e-12)
    assert corr["ci_upper"] == pytest.approx(np.tanh(alpha[3] + Z95 * se[3]), rel=1e-12)
    cov = var.loc[("g", "cov(x,_cons)")]

    def covariance(a):
        return np.tanh(a[3]) * np.exp(a[1] + a[2])

    slope = differences(covariance, alpha, 1e-4)
    assert cov["estimate"] == pytest.approx(covariance(alpha), rel=1e-12)
    assert cov["std_error"] == pytest.approx(np.sqrt(slope @ V @ slope), rel=1e-8)
    assert cov["ci_lower"] == pytest.approx(
        cov["estimate"] - Z95 * cov["std_error"], rel=1e-10
    )
    assert_allclose(model.variance_components_, var, rtol=0)
    assert var.loc[("g", "var(x)"), "estimate"] == pytest.approx(
        model.covariances_["g"].loc["x", "x"], rel=1e-12
    )
    assert cov["estimate"] == pytest.approx(
        model.covariances_["g"].loc["x", "_cons"], rel=1e-12
    )


def test_coefficients():
    model = three_levels(2).fit()
    table = model.coef_table()
    assert list(table.index) == ["x", "_cons"]
    assert_allclose(table["estimate"], [*model.coef_, model.intercept_], rtol=0)
    V = model.vcov().to_numpy()[:2, :2]
    assert_allclose(table["std_error"] ** 2, np.diagonal(V), rtol=1e-13)
    z = table["estimate"] / table["std_error"]
    assert_allclose(table["z"], z, rtol=1e-13)
    assert_allclose(table["p_value"], 2 * stats.norm.sf(np.abs(z)), rtol=1e-10)
    wide = model.coef_table(confidence_level=0.99)
    reach = stats.norm.ppf(0.995) * table["std_error"]
    assert_allclose(wide["ci_upper"], table["estimate"] + reach, rtol=1e-12)
    for level in (0.0, 1.0, 95):
        with pytest.raises(ValueError, match="confidence_level"):
            model.coef_table(confidence_level=level)


def test_wald_test():
    model = simulate(
        1, scales=(1.0, 1.0), sd=(1.0, 1.0, 1.0), covariance="independent"
    ).fit()
    V = model.vcov().to_numpy()[:2, :2]
    chi2 = model.coef_ @ np.linalg.solve(V, model.coef_)
    results = model.results_
    assert results.wald_chi2 == pytest.approx(chi2, rel=1e-10)
    assert results.wald_df == 2
    assert results.wald_p == pytest.approx(stats.chi2.sf(chi2, 2), rel=1e-8)
    assert np.isnan(wald(np.empty(0), np.empty((0, 0)))[0])


def test_omitted_coefficients_are_not_tested():
    case = simulate(1, scales=(1.0,))
    frame = case.frame.assign(copy=case.frame["x0"] * 3)
    model = Case(frame, case.equations, ["x0", "copy"]).fit()
    right = case.fit()
    assert model.results_.omitted == ("copy",)
    assert model.results_.wald_df == 1
    assert model.results_.wald_chi2 == pytest.approx(right.results_.wald_chi2, rel=1e-9)
    assert model.coef_[1] == 0
    assert np.isnan(model.coef_table().loc["copy", ["std_error", "z"]]).all()
    assert model.log_likelihood_ == pytest.approx(right.log_likelihood_, rel=1e-12)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_comparison_with_linear_regression(method):
    case = simulate(1, scales=(1.0,), method=method)
    results = case.fit().results_
    plain = Case(case.frame, [], case.fixed, method=method).fit()
    right = case.oracle([np.zeros((2, 2))], plain.sigma_**2).log_likelihood
    assert plain.log_likelihood_ == pytest.approx(right, rel=1e-11)
    assert results.comparison_log_likelihood == pytest.approx(right, rel=1e-11)
    chi2 = 2 * (results.log_likelihood - right)
    assert results.lr_chi2 == pytest.approx(chi2, rel=1e-9)
    assert results.lr_df == 3
    assert results.lr_kind == "chi2"
    assert results.lr_p == pytest.approx(stats.chi2.sf(chi2, 3), rel=1e-6)
    assert "conservative" in results.lr_note


def test_one_variance_is_tested_by_the_mixture():
    case = simulate(1)
    case = Case(case.frame, [RandomEffects("g")], ["x0"])
    results = case.fit().results_
    assert results.lr_kind == "chibar2(01)"
    assert results.lr_df == 1
    assert results.lr_p == pytest.approx(
        0.5 * stats.chi2.sf(results.lr_chi2, 1), rel=1e-6
    )
    assert results.lr_note == ""


def test_likelihood_ratio():
    test = likelihood_ratio(-10.0, -12.0, 1, one_variance=True)
    assert test.chi2 == pytest.approx(4.0)
    assert test.p_value == pytest.approx(0.5 * stats.chi2.sf(4.0, 1))
    assert likelihood_ratio(-10.0, -10.0, 1, one_variance=True).p_value == 1.0
    # a comparison that is a rounding error better is no negative statistic
    assert likelihood_ratio(-10.0, -10.0 + 1e-12, 2, one_variance=False).chi2 == 0.0


def test_counts_and_criteria():
    case = three_levels(2)
    model = case.fit()
    results = model.results_
    assert (results.n_fixed, results.n_random, results.n_residual) == (2, 4, 1)
    assert (results.n_sd, results.n_corr) == (3, 1)
    assert results.n_params == 7
    assert results.n_obs == len(case.frame)
    assert model.aic_ == pytest.approx(-2 * model.log_likelihood_ + 14, rel=1e-14)
    right = -2 * model.log_likelihood_ + 7 * np.log(len(case.frame))
    assert model.bic_ == pytest.approx(right, rel=1e-14)


def test_what_is_not_asked_for_is_nan():
    model = three_levels(2).fit(std_errors=False, lr_test=False)
    table = model.variance_components_
    assert table["estimate"].notna().all()
    assert table[["std_error", "ci_lower", "ci_upper"]].isna().all().all()
    assert not model.results_.has_lr_test
    assert np.isnan(model.results_.lr_chi2)
    assert model.coef_table()["std_error"].notna().all()


def test_linear_regression():
    """No random effects: least squares, with n in place of n - p under ML."""
    case = simulate(1, scales=(1.0, 1.0), sd=(1.0, 1.0, 1.0))
    X, y = case.design_matrix, case.frame["y"].to_numpy()
    beta, *_ = np.linalg.lstsq(X, y, rcond=None)
    rss = ((y - X @ beta) ** 2).sum()
    n, p = X.shape
    for method, nn in (("ml", n), ("reml", n - p)):
        model = Case(case.frame, [], case.fixed, method=method).fit()
        assert model.converged_
        assert_allclose([model.intercept_, *model.coef_], beta, rtol=1e-10)
        assert model.sigma_**2 == pytest.approx(rss / nn, rel=1e-11)
        V = np.linalg.inv(X.T @ X) * rss / nn
        se = model.coef_table()["std_error"]
        assert_allclose(se.iloc[[2, 0, 1]], np.sqrt(np.diagonal(V)), rtol=1e-10)
        # d2/d(log sigma)2 of the log likelihood is -2 nn
        assert model.results_.alpha_vcov[0, 0] == pytest.approx(0.5 / nn, rel=1e-10)


@pytest.mark.parametrize("transform", ["natural", "log", "atanh", "logit"])
def test_every_metric_of_a_coefficient_has_its_way_back(transform):
    value, slope = _back(transform, 0.3)
    into = {"natural": float, "log": np.log, "atanh": np.arctanh, "logit": logit}
    assert_allclose(into[transform](value), 0.3, rtol=1e-14)
    step = 1e-5
    ends = [_back(transform, 0.3 + s * step)[0] for s in (-1, 1)]
    assert_allclose(slope, (ends[1] - ends[0]) / (2 * step), rtol=1e-9)
