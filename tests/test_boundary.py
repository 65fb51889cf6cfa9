"""Zero variances, perfect correlations, models that cannot be identified."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import RandomEffects
from sklearn_xmixed.estimation._estimate import _leave_boundary
from sklearn_xmixed.exceptions import ExactFitWarning, NotConvergedWarning
from sklearn_xmixed.optimization import newton
from tests.conftest import Case, simulate

# lme4's Dyestuff2: six batches that vary less than chance would have it
DYESTUFF2 = pd.DataFrame(
    {
        "batch": np.repeat(list("ABCDEF"), 5),
        "y": [
            *(7.298, 3.846, 2.434, 9.566, 7.990),
            *(5.220, 6.556, 0.608, 11.788, -0.892),
            *(0.110, 10.386, 13.434, 5.510, 8.166),
            *(2.212, 4.852, 7.092, 9.288, 4.980),
            *(0.282, 9.014, 4.458, 9.446, 7.198),
            *(1.722, 4.782, 8.106, 0.758, 3.758),
        ],
    }
)
WAYS = [
    {},
    {"em_iter": 0},
    {"solver": "lbfgs"},
    {"parameterization": "matlog"},
    {"parameterization": "matlog", "solver": "lbfgs"},
]


def name_of(way):
    return "-".join(map(str, way.values())) or "default"


def no_effect_data(seed, groups=8, size=5, slopes=0):
    """Groups whose means vary less than the noise makes them vary."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    frame = pd.DataFrame({"g": g})
    for j in range(slopes):
        x = rng.normal(size=(groups, size))
        frame[f"x{j}"] = (x - x.mean(axis=1, keepdims=True)).ravel()
    e = rng.normal(size=(groups, size))
    e -= 0.9 * e.mean(axis=1, keepdims=True)
    frame["y"] = e.ravel()
    return frame


# ----------------------------------------------------------- zero variances


@pytest.mark.daily
@pytest.mark.parametrize("way", WAYS, ids=name_of)
@pytest.mark.parametrize(
    ("method", "log_likelihood", "variance"),
    # what linear regression gives: lme4 2.0 prints the same deviance
    [("ml", -81.43651832691287, 13.346099), ("reml", -80.9141389061442, 13.80631)],
)
def test_dyestuff2(way, method, log_likelihood, variance):
    model = Case(DYESTUFF2, [RandomEffects("batch")], [], method=method).fit(**way)
    assert model.converged_
    assert_allclose(model.log_likelihood_, log_likelihood, rtol=1e-12)
    table = model.variance_components_
    zero = table.loc[("batch", "var(_cons)")]
    # the likelihood is flat to rounding within about 1e-9 of zero
    assert zero["estimate"] <= 1e-8 * variance
    assert zero[["std_error", "ci_lower", "ci_upper"]].isna().all()
    assert_allclose(
        table.loc[("Residual", "var(Residual)"), "estimate"], variance, rtol=1e-6
    )
    assert_allclose(model.random_effects_["batch"], 0.0, atol=1e-6)
    results = model.results_
    assert results.lr_chi2 == pytest.approx(0.0, abs=1e-9)
    assert results.lr_p == 1.0
    assert results.lr_kind == "chibar2(01)"


@pytest.mark.daily(4)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_zero_variance_is_linear_regression(seed, method):
    frame = no_effect_data(seed)
    frame["x"] = np.random.default_rng(seed + 100).normal(size=len(frame))
    model = Case(frame, [RandomEffects("g")], ["x"], method=method).fit()
    plain = Case(frame, [], ["x"], method=method).fit()
    assert model.converged_
    if model.covariances_["g"].iloc[0, 0] > 1e-8:
        pytest.skip("the data make some variance after all")
    assert_allclose(model.log_likelihood_, plain.log_likelihood_, rtol=1e-11)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-7)
    assert_allclose(
        model.coef_table()["std_error"], plain.coef_table()["std_error"], rtol=1e-7
    )
    assert_allclose(
        model.variance_components_.loc["Residual"],
        plain.variance_components_.loc["Residual"],
        rtol=1e-7,
    )


@pytest.mark.parametrize("seed", range(6))
def test_one_of_two_variances_is_zero(seed):
    """The other keeps the standard error that it has alone."""
    frame = no_effect_data(seed, groups=30, size=6, slopes=1)
    rng = np.random.default_rng(seed)
    frame["y"] += (rng.normal(size=30)[frame["g"]]) * frame["x0"]
    both = Case(frame, [RandomEffects("g", ["x0"])], ["x0"]).fit()
    slope = Case(frame, [RandomEffects("g", ["x0"], intercept=False)], ["x0"]).fit()
    assert both.converged_
    table = both.variance_components_
    assert table.loc[("g", "var(_cons)"), "estimate"] < 1e-7
    assert np.isnan(table.loc[("g", "var(_cons)"), "std_error"])
    for row in [("g", "var(x0)"), ("Residual", "var(Residual)")]:
        assert_allclose(table.loc[row], slope.variance_components_.loc[row], rtol=1e-5)
    assert_allclose(both.log_likelihood_, slope.log_likelihood_, rtol=1e-11)


def test_a_level_without_variance_between_two_with():
    rng = np.random.default_rng(5)
    frame = no_effect_data(5, groups=60, size=4)
    frame["top"] = frame["g"] // 6
    frame["y"] += 3 * rng.normal(size=10)[frame["top"]]
    model = Case(frame, [RandomEffects("top"), RandomEffects("g")], []).fit()
    alone = Case(frame, [RandomEffects("top")], []).fit()
    assert model.converged_
    assert model.covariances_["g"].iloc[0, 0] < 1e-7
    assert_allclose(model.log_likelihood_, alone.log_likelihood_, rtol=1e-10)
    assert_allclose(
        model.variance_components_.loc[("top", "var(_cons)")],
        alone.variance_components_.loc[("top", "var(_cons)")],
        rtol=1e-4,
    )


# ----------------------------------------------------- perfect correlations


def correlated(seed, sign, q=2):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 5)
    frame = pd.DataFrame({"g": g})
    u = rng.normal(size=12)
    frame["y"] = u[g] + 0.5 * rng.normal(size=60)
    for j in range(q - 1):
        x = np.tile(np.arange(5.0), 12) ** (j + 1) / 4.0**j
        frame[f"x{j}"] = x
        frame["y"] += sign * 0.7 * u[g] * x
    return frame


@cache
def by_logarithms(seed, sign, method):
    """The log likelihood that a search comes to which only approaches the boundary."""
    effects = RandomEffects("g", ["x0"], covariance="unstructured")
    case = Case(correlated(seed, sign), [effects], ["x0"], method=method)
    return case.fit_quietly(parameterization="matlog", max_iter=300).log_likelihood_


@pytest.mark.daily(8)
@pytest.mark.parametrize("way", WAYS[:3], ids=name_of)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_perfect_correlation(seed, sign, method, way):
    frame = correlated(seed, sign)
    effects = RandomEffects("g", ["x0"], covariance="unstructured")
    model = Case(frame, [effects], ["x0"], method=method).fit(**way)
    assert model.converged_
    Sigma = model.covariances_["g"].to_numpy()
    r = Sigma[0, 1] / np.sqrt(Sigma[0, 0] * Sigma[1, 1])
    if abs(r) > 1 - 1e-7:
        assert r * sign > 0
        table = model.variance_components_
        assert np.isnan(table.loc[("g", "cov(x0,_cons)"), "std_error"])
        assert (table.loc["g"]["estimate"].iloc[:2] > 0).all()
        # along the singular matrices the variances are as sure as ever
        assert table.loc[("g", "var(x0)"), "std_error"] > 0
        assert table.loc[("g", "var(_cons)"), "std_error"] > 0
    other = by_logarithms(seed, sign, method)
    # which may end a little lower
    assert model.log_likelihood_ >= other - 1e-8
    assert model.log_likelihood_ <= other + 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_rank_one_covariance_of_three(seed):
    frame = correlated(seed, 1.0, q=3)
    effects = RandomEffects("g", ["x0", "x1"], covariance="unstructured")
    model = Case(frame, [effects], ["x0", "x1"]).fit()
    assert model.converged_
    eigenvalues = np.linalg.eigvalsh(model.covariances_["g"])
    assert eigenvalues[0] > -1e-12 * eigenvalues[-1]
    correlation = model.results_.variance_frame("sd").loc["g"]["estimate"].iloc[3:]
    assert (correlation.abs() <= 1.0).all()


# -------------------------------------------------------------- saddles


def ascending_data(seed=0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 4)
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=120)})
    u = rng.normal(size=(30, 2))
    frame["y"] = u[g, 0] + u[g, 1] * frame["x"] + 0.5 * rng.normal(size=120)
    return frame


@pytest.mark.parametrize("structure", ["independent", "unstructured"])
@pytest.mark.parametrize("zero", [0, 1, (0, 1)])
def test_the_sign_test_sees_a_saddle(structure, zero):
    """A variance of exactly zero has gradient zero although the likelihood rises."""
    case = Case(
        ascending_data(), [RandomEffects("g", ["x"], covariance=structure)], ["x"]
    )
    objective, model = case.engine.objective, case.engine.model
    D = np.eye(2)
    D[zero, zero] = 0.0
    gamma = model.join([D])
    _, gradient = objective.gradient(gamma)
    stuck = np.flatnonzero(np.diagonal(D) == 0)
    assert_allclose(gradient[stuck], 0.0, atol=1e-9)
    found = newton(objective, gamma)
    outward = objective.outward(gamma)
    assert outward
    assert all(slope < 0 for _, _, slope in outward)
    best = -2.0 * case.fit().log_likelihood_
    for _ in range(2):  # one variance after the other
        if found.value > best + 1e-6:
            assert objective.outward(found.gamma)
            better = _leave_boundary(objective, found)
            assert better is not None
            found = newton(objective, better)
    assert found.value == pytest.approx(best, rel=1e-10)


@pytest.mark.parametrize("structure", ["independent", "unstructured", "exchangeable"])
def test_a_fit_that_starts_at_a_saddle_leaves_it(structure, monkeypatch):
    from sklearn_xmixed.likelihood import Objective

    case = Case(
        ascending_data(), [RandomEffects("g", ["x"], covariance=structure)], ["x"]
    )
    best = case.fit().log_likelihood_
    for zero in ([0], [1], [0, 1]):
        D = np.eye(2)
        D[zero, zero] = 0.0
        if structure == "exchangeable":
            D = np.ones((2, 2)) if zero == [0] else np.zeros((2, 2))
        monkeypatch.setattr(Objective, "start", lambda self, D=D: [D.copy()])
        for em_iter in (0, 20):  # EM stays at zero for ever
            model = case.fit(em_iter=em_iter)
            assert model.converged_
            assert_allclose(model.log_likelihood_, best, rtol=1e-10)


def test_a_fit_that_starts_at_the_wrong_corner_of_two_levels(monkeypatch):
    """MixedModels.jl issue 705: one variance stuck at zero, the other too large."""
    from sklearn_xmixed.likelihood import Objective

    rng = np.random.default_rng(3)
    frame = ascending_data(3)
    frame["top"] = frame["g"] // 5
    frame["y"] += 0.7 * rng.normal(size=6)[frame["top"]]
    case = Case(frame, [RandomEffects("top"), RandomEffects("g", ["x"])], ["x"])
    model = case.fit()
    for corner in ((0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (50.0, 0.0)):
        monkeypatch.setattr(
            Objective,
            "start",
            lambda self, c=corner: [c[0] * np.eye(1), c[1] * np.eye(2)],
        )
        again = case.fit(em_iter=0)
        assert again.converged_
        assert_allclose(again.log_likelihood_, model.log_likelihood_, rtol=1e-10)


# ------------------------------------------------------- not identified


def singletons(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"g": np.arange(n), "x": rng.normal(size=n), "y": rng.normal(size=n)}
    )


def fit_unidentified(case, **parameters):
    """Exactly one warning, of our kind, and no number that is made up."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = case.fit(**parameters)
        table = model.variance_components_
        model.results_.variance_frame("sd")
        model.vcov()
    assert [w.category for w in caught] == [NotConvergedWarning], [
        f"{w.category.__name__}: {w.message}" for w in caught
    ]
    assert not model.converged_
    assert model.results_.message == str(caught[0].message)
    assert "not identified" in model.results_.message
    return model, table


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_one_row_per_group(seed, method):
    case = Case(singletons(seed=seed), [RandomEffects("g")], ["x"], method=method)
    model, table = fit_unidentified(case)
    assert "var(_cons)" in model.results_.message
    assert "'g'" in model.results_.message
    plain = Case(singletons(seed=seed), [], ["x"], method=method).fit()
    assert_allclose(model.log_likelihood_, plain.log_likelihood_, rtol=1e-10)
    assert_allclose(model.coef_, plain.coef_, rtol=1e-8)
    assert table["std_error"].isna().all()


@pytest.mark.parametrize("seed", range(5))
def test_one_row_per_lowest_group_of_three_levels(seed):
    frame = singletons(60, seed)
    frame["top"] = frame["g"] // 6
    frame["y"] += np.random.default_rng(seed).normal(size=10)[frame["top"]]
    case = Case(frame, [RandomEffects("top"), RandomEffects("g")], ["x"])
    model, table = fit_unidentified(case)
    assert "level 'g'" in model.results_.message
    assert np.isnan(table.loc[("g", "var(_cons)"), "std_error"])
    alone = Case(frame, [RandomEffects("top")], ["x"]).fit_quietly()
    assert_allclose(model.log_likelihood_, alone.log_likelihood_, rtol=1e-9)


def test_two_equations_say_the_same():
    frame = simulate(3, scales=(1.0,)).frame
    effects = RandomEffects("g", ["x0"])
    case = Case(frame, [RandomEffects("g", ["x0"]), effects], ["x0"])
    model, _ = fit_unidentified(case)
    assert "var(x0)" in model.results_.message
    alone = Case(frame, [effects], ["x0"]).fit()
    assert_allclose(model.log_likelihood_, alone.log_likelihood_, rtol=1e-10)
    both = sum(model.covariances_[k].loc["x0", "x0"] for k in ("g", "g_2"))
    assert_allclose(both, alone.covariances_["g"].loc["x0", "x0"], rtol=1e-5)
    # what the data do determine is reported as usual
    assert_allclose(model.sigma_, alone.sigma_, rtol=1e-6)


def test_two_groupings_say_the_same():
    frame = simulate(3).frame
    frame["same"] = frame["g"]
    case = Case(frame, [RandomEffects("g"), RandomEffects("same")], ["x0"])
    model, _ = fit_unidentified(case)
    alone = Case(frame, [RandomEffects("g")], ["x0"]).fit()
    assert_allclose(model.log_likelihood_, alone.log_likelihood_, rtol=1e-10)


def test_an_identical_column_is_left_out():
    frame = simulate(3, scales=(1.0,)).frame
    frame["copy"] = 2.0 * frame["x0"]
    model = Case(frame, [RandomEffects("g", ["x0", "copy"])], ["x0"]).fit()
    assert model.converged_
    assert model.results_.equations[0].omitted == ("copy",)
    assert list(model.covariances_["g"].columns) == ["x0", "_cons"]


@pytest.mark.parametrize("structure", ["independent", "unstructured"])
def test_collinear_columns_kept_on_request(structure):
    frame = simulate(3, scales=(1.0,)).frame
    frame["copy"] = frame["x0"]
    effects = RandomEffects("g", ["x0", "copy"], collinear=True, covariance=structure)
    model, _ = fit_unidentified(Case(frame, [effects], ["x0"]))
    alone = RandomEffects("g", ["x0"], covariance=structure)
    assert_allclose(
        model.log_likelihood_,
        Case(frame, [alone], ["x0"]).fit().log_likelihood_,
        rtol=1e-9,
    )


@pytest.mark.parametrize("structure", ["independent", "unstructured", "exchangeable"])
@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9])
def test_nearly_collinear_random_columns(gap, structure):
    """Never below the model without the column; converged, or told why not."""
    frame = simulate(4, groups=30, scales=(1.0,)).frame
    noise = np.random.default_rng(1).normal(size=len(frame))
    frame["near"] = frame["x0"] + gap * noise
    effects = RandomEffects("g", ["x0", "near"], covariance=structure)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = Case(frame, [effects], ["x0"]).fit()
        table = model.variance_components_
    assert all(w.category is NotConvergedWarning for w in caught)
    if structure != "exchangeable":
        alone = RandomEffects("g", ["x0"], covariance=structure)
        low = Case(frame, [alone], ["x0"]).fit().log_likelihood_
        assert model.log_likelihood_ >= low - 1e-7
    assert model.converged_ or "var(x0)" in model.results_.message
    assert (table["estimate"].notna()).all()
    assert not np.isinf(table.to_numpy()).any()


# ------------------------------------------------------------ extremes


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("columns", [[], ["x"]])
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_one_group(columns, intercept, method):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=30), "y": 5 + rng.normal(size=30)})
    frame["g"] = "only"
    case = Case(frame, [RandomEffects("g", columns)], ["x"], intercept, method)
    if method == "reml" and (intercept or columns):
        # the restricted likelihood knows nothing of effects that X can take over
        fit_unidentified(case)
        return
    model = case.fit()
    assert model.n_groups_ == {"g": 1}
    plain = Case(frame, [], ["x"], intercept, method).fit()
    if intercept:  # what the fixed part holds is not left for the random part
        assert_allclose(model.log_likelihood_, plain.log_likelihood_, rtol=1e-10)
    else:
        assert model.log_likelihood_ > plain.log_likelihood_ + 1.0
    whole = Case(frame, [RandomEffects("_all", columns)], ["x"], intercept, method)
    assert_allclose(whole.fit().log_likelihood_, model.log_likelihood_, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, 1e6, -1e-8])
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_constant_response(value, method):
    frame = simulate(3, scales=(1.0,)).frame
    frame["y"] = value
    effects = RandomEffects("g", ["x0"], covariance="unstructured")
    with pytest.warns(ExactFitWarning):
        model = Case(frame, [effects], ["x0"], method=method).fit()
    assert not model.converged_
    assert model.sigma_ == pytest.approx(0.0, abs=1e-9 * abs(value))
    assert_allclose(
        model.predict(frame.drop(columns="y")), value, rtol=1e-12, atol=1e-30
    )
    assert_allclose(model.coef_, 0.0, atol=1e-12 * (abs(value) + 1e-300))


@pytest.mark.parametrize("level", [1.0, 1e6])
def test_response_that_the_fixed_part_explains(level):
    frame = simulate(3, scales=(1.0,)).frame
    frame["y"] = level + 2.0 * frame["x0"]
    with pytest.warns(ExactFitWarning, match="fits the response"):
        model = Case(frame, [RandomEffects("g")], ["x0"]).fit()
    assert_allclose(model.coef_, 2.0, rtol=1e-9)
    assert_allclose(model.intercept_, level, rtol=1e-9)


def test_response_constant_within_groups():
    """The residual variance goes to zero; no likelihood is the largest."""
    frame = simulate(3).frame
    frame["y"] = np.random.default_rng(0).normal(size=20)[frame["g"]]
    with pytest.warns(ExactFitWarning):
        model = Case(frame, [RandomEffects("g")], []).fit()
    assert not model.converged_


@pytest.mark.parametrize("ratio", [1e-4, 1e-3, 1e3, 1e4])
def test_tiny_and_huge_variance_ratios(ratio):
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(40), 25)
    frame = pd.DataFrame({"g": g})
    # the noise is made orthogonal to the groups, so the optimum is known
    e = rng.normal(size=(40, 25))
    e -= e.mean(axis=1, keepdims=True)
    u = rng.normal(size=40)
    u -= u.mean()
    u /= np.sqrt((u**2).mean())
    frame["y"] = ratio * u[g] + e.ravel()
    model = Case(frame, [RandomEffects("g")], []).fit()
    assert model.converged_
    sigma2 = (e**2).sum() / (40 * 24)
    right = ratio**2 - sigma2 / 25
    if right > 0:
        assert_allclose(model.covariances_["g"].iloc[0, 0], right, rtol=1e-7)
        assert_allclose(model.sigma_**2, sigma2, rtol=1e-7)
    else:
        assert model.covariances_["g"].iloc[0, 0] < 1e-8
        total = ((e**2).sum() + 1000 * ratio**2) / 1000
        assert_allclose(model.sigma_**2, total, rtol=1e-7)
