"""Variances that differ, and structures of places, as a user meets them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    from_formula,
    to_nlme,
    to_sas,
)
from sklearn_xmixed.residuals import Exponential, Power
from sklearn_xmixed.stata import to_command
from tests.conftest import slow
from tests.test_residuals import data

NONE = RandomEffects("g", intercept=False)


def simulated(seed, groups, covariance, missing=0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    T = len(covariance)
    e = rng.normal(size=(groups, T)) @ np.linalg.cholesky(covariance).T
    frame = pd.DataFrame(
        {
            "g": np.repeat(np.arange(groups), T),
            "t": np.tile(np.arange(T), groups),
            "y": e.ravel(),
        }
    )
    frame["visit"] = "V" + frame.t.astype(str)
    return frame[rng.uniform(size=len(frame)) >= missing].reset_index(drop=True)


def fit(frame, residuals, effects=NONE, method="reml", fixed=("t",)):
    model = MixedLinearRegressor(
        effects, fixed=list(fixed), method=method, residuals=residuals
    )
    return model.fit(frame.drop(columns="y"), frame.y)


@pytest.fixture(scope="module")
def frame():
    return data(5, groups=60).assign(x=lambda f: np.exp(f.x0))


LAG = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
SDS = np.array([1.0, 1.5, 1.2, 2.0, 3.0])
AR_H = 0.6**LAG * np.outer(SDS, SDS)


# ------------------------------------------------------------------ the same model twice


def test_one_variance_per_category_is_by_of_independent_residuals(frame):
    a = fit(frame, Residuals(variance="v"), RandomEffects("g"))
    b = fit(frame, Residuals(by="v"), RandomEffects("g"))
    assert_allclose(a.log_likelihood_, b.log_likelihood_, rtol=1e-12)
    ours, theirs = a.residual_parameters_.values(), b.residual_parameters_.values()
    assert_allclose(list(ours), list(theirs), rtol=1e-6)


@pytest.mark.slow
def test_unstructured_has_its_variances_by_time_anyway(frame):
    a = fit(frame, Residuals("unstructured", time="t"))
    b = fit(frame, Residuals("unstructured", time="t", variance="t"))
    assert a.residual_parameters_ == b.residual_parameters_
    # written as correlations and variances: another name of the same variable
    c = fit(frame.assign(u=frame.t), Residuals("unstructured", time="t", variance="u"))
    assert_allclose(c.log_likelihood_, a.log_likelihood_, rtol=1e-9)
    tables = [m.results_.variance_frame("sd").loc["Residual"] for m in (a, c)]
    ours = tables[1].loc[tables[0].index]
    for column in ("estimate", "ci_lower", "ci_upper"):
        assert_allclose(ours[column], tables[0][column], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [slow("ml"), "reml"])
@pytest.mark.parametrize(
    "spec",
    [
        {"structure": "ar", "time": "t", "variance": "t"},
        {"structure": "exchangeable", "variance": "v"},
        slow({"structure": "antedependence", "time": "t"}),
        {"structure": "exponential", "time": ["s", "z"], "variance": Power("x")},
    ],
    ids=lambda s: s["structure"],
)
def test_categories_of_by_are_fits_of_their_own(frame, spec, method):
    both = frame.assign(
        a0=frame.b == "a", ta=frame.t * (frame.b == "a"), tb=frame.t * (frame.b == "b")
    ).astype({"a0": float})
    joint = fit(
        both, Residuals(by="b", **spec), method=method, fixed=("a0", "ta", "tb")
    )
    apart = [fit(f, Residuals(**spec), method=method) for _, f in frame.groupby("b")]
    # the determinant of X'X: the columns a0 and 1 are those of both categories
    assert_allclose(
        joint.log_likelihood_, sum(m.log_likelihood_ for m in apart), rtol=1e-9
    )
    found = [v for m in apart for v in m.residual_parameters_.values()]
    assert_allclose(list(joint.residual_parameters_.values()), found, rtol=1e-4)


def test_likelihood_ratio_of_variances(frame):
    larger = fit(frame, Residuals("ar", time="t", variance="t"))
    smaller = fit(frame, Residuals("ar", time="t"))
    assert larger.results_.n_residual == smaller.results_.n_residual + 5
    assert larger.log_likelihood_ > smaller.log_likelihood_


def test_a_power_does_not_hang_on_the_unit(frame):
    a = fit(frame, Residuals("ar", time="t", variance=Power("x")))
    b = fit(
        frame.assign(x=frame.x * 1e6), Residuals("ar", time="t", variance=Power("x"))
    )
    delta = a.residual_parameters_["delta"]
    assert_allclose(a.log_likelihood_, b.log_likelihood_, rtol=1e-10)
    assert_allclose(delta, b.residual_parameters_["delta"], rtol=1e-5, atol=1e-7)
    ratio = a.residual_parameters_["var(e)"] / b.residual_parameters_["var(e)"]
    assert_allclose(ratio, 1e6 ** (2 * delta), rtol=1e-4)


# ------------------------------------------------------------------------- convergence


def test_random_slopes_as_an_unstructured_matrix():
    Z = np.column_stack([np.ones(6), np.arange(6)])
    V = Z @ np.diag([1.0, 400.0]) @ Z.T + 0.01 * np.eye(6)
    assert V[5, 5] / V[0, 0] > 9e3
    model = fit(simulated(1, 100, V, 0.1), Residuals("unstructured", time="t"))
    assert model.converged_
    assert model.n_iter_ < 40


@pytest.mark.parametrize(
    "spec",
    [
        Residuals("unstructured", time="t"),
        Residuals("toeplitz", time="t", variance="t"),
        Residuals("antedependence", time="t", variance="t"),
    ],
    ids=lambda s: s.structure,
)
def test_variances_that_differ_by_1e4(spec):
    sd = np.array([1.0, 3.0, 10.0, 30.0, 70.0, 100.0])
    lag = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    model = fit(simulated(2, 80, 0.7**lag * np.outer(sd, sd), 0.1), spec)
    assert model.converged_
    assert model.n_iter_ <= 12


@pytest.mark.slow
def test_fifteen_occasions_of_sixty_patients():
    T = np.arange(15)
    V = 0.8 ** np.abs(np.subtract.outer(T, T)) * np.outer(1 + T / 5, 1 + T / 5)
    frame = simulated(3, 60, V, 0.05)
    unstructured = fit(frame, Residuals("unstructured", time="t"))
    ante = fit(frame, Residuals("antedependence", time="t", variance="t"))
    assert unstructured.converged_
    assert ante.converged_
    assert unstructured.log_likelihood_ > ante.log_likelihood_


def observed_once():
    """Structures, methods and fixed parts; every day one of each structure."""
    specs = [
        Residuals("unstructured", time="t"),
        Residuals("exchangeable", variance="t"),
        Residuals("ar", time="t", variance="t"),
        Residuals("antedependence", time="t", variance="t"),
    ]
    ways = [("ml", ("t", "last")), ("reml", ("t",)), ("ml", ("t",))]
    for number, spec in enumerate(specs):
        for k, way in enumerate([*ways, ("reml", ("t", "last"))]):
            # those of the others are long under REML, and of the last alike
            daily = number < 3 and k == (number in (1, 2))
            yield (spec, *way) if daily else slow(spec, *way)


@pytest.mark.parametrize(("spec", "method", "fixed"), observed_once(), ids=str)
def test_an_occasion_that_was_observed_once(spec, method, fixed):
    """Its variance has no maximum, or is not determined: told, no crash."""
    frame = simulated(4, 30, 0.5 * np.eye(4) + 0.5)
    frame = frame[(frame.t < 3) | (frame.g == 7)].reset_index(drop=True)
    frame["last"] = (frame.t == 3) * 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(frame, spec, method=method, fixed=fixed)
    assert np.isfinite(model.log_likelihood_)
    assert model.converged_ or model.results_.message


# ------------------------------------------------------------------------------ in use


def test_rows_of_categories_that_are_not_known(frame):
    model = fit(frame, Residuals("ar", time="t", variance="v"))
    X = frame.drop(columns="y")
    with pytest.raises(ValueError, match=r"'v'.*\['w9'\].*\['u', 'v', 'w'\]"):
        model.standardized_residuals(X.assign(v="w9"), frame.y)
    assert np.isfinite(model.forecast(X)).all()
    assert len(np.unique(np.round(np.diag(model.marginal_covariance(X[:9])), 8))) == 3


@pytest.mark.parametrize(
    ("residuals", "error", "match"),
    [
        (Residuals("ar", time="t", variance=3), TypeError, "Power"),
        (Residuals("ar", time=["t", "s"]), ValueError, "exponential or gaussian"),
        (Residuals("gaussian", time=["s", 3]), TypeError, "coordinates"),
        (Residuals("gaussian", time=["s", "s"]), ValueError, "twice"),
        (Residuals(variance=Power("z0")), ValueError, r"Exponential\('z0'\)"),
        (Residuals(variance=Power("v")), ValueError, "variance='v'"),
        (Residuals(variance="nobody"), ValueError, "nobody"),
    ],
)
def test_what_cannot_be(frame, residuals, error, match):
    with pytest.raises(error, match=match):
        fit(frame.assign(z0=frame.t * 1.0), residuals)


def test_occasions_by_name_and_in_their_order():
    frame = simulated(6, 50, AR_H, 0.1)
    frame["visit"] = pd.Categorical(frame.visit, [f"V{k}" for k in range(5)])
    spec = Residuals("antedependence", time="visit", variance="visit")
    model = fit(frame, spec)
    names = list(model.residual_parameters_)
    assert names[:2] == ["corr(eV0,eV1)", "corr(eV1,eV2)"]
    assert names[4:] == [f"var(eV{k})" for k in range(5)]
    assert model.results_.specification.residual_variance == "visit"
    assert clone(model).residuals.variance == "visit"


def test_formulas(frame):
    found = from_formula(
        "y ~ t + residuals(ar, time=t, variance=v | g)", frame, method="reml"
    )
    plain = fit(frame, Residuals("ar", time="t", variance="v"))
    assert_allclose(found.log_likelihood_, plain.log_likelihood_, rtol=1e-10)
    found = from_formula(
        "y ~ t + residuals(gaussian, time=(s, x1), variance=Power(x) | g)", frame
    )
    assert found.residuals.time == ["s", "x1"]
    assert found.residuals.variance == Power("x")


def test_other_languages(frame):
    def code(spec, translate, effects=NONE):
        return str(translate(fit(frame, spec, effects)))

    arh = Residuals("ar", time="t", variance="t")
    assert "type=arh(1)" in code(arh, to_sas)
    assert "weights = varIdent(form = ~ 1 | t)" in code(arh, to_nlme)
    assert "type=csh" in code(Residuals("exchangeable", variance="t"), to_sas)
    ante = Residuals("antedependence", time="t", variance="t")
    assert "type=ante(1)" in code(ante, to_sas)
    assert "cannot say" in code(ante, to_nlme)
    places = Residuals("exponential", time=["s", "x1"], variance=Exponential("z"))
    nlme = code(places, to_nlme)
    assert "corExp(form = ~ s + x1 | g)" in nlme
    assert "varExp(form = ~ z)" in nlme
    assert "sp(gau)(s x1)" in code(Residuals("gaussian", time=["s", "x1"]), to_sas)
    with pytest.raises(ValueError, match="A command cannot say"):
        to_command(fit(frame, arh))


# ---------------------------------------------------------------------------- recovery


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "truth", "covariance"),
    [
        (Residuals("ar", time="t", variance="t"), {"rho": 0.6}, AR_H),
        (
            Residuals("antedependence", time="t", variance="t"),
            {"corr(e0,e1)": 0.6, "corr(e3,e4)": 0.6},
            AR_H,
        ),
        (
            Residuals("arma", time="t"),
            {"phi1": 0.7, "theta1": 0.4},
            np.where(LAG == 0, 1.0, 1.28 * 1.1 / 1.72 * 0.7 ** np.maximum(LAG - 1, 0)),
        ),
        (
            Residuals("gaussian", time="t"),
            {"range": 1.5},
            4.0 * np.exp(-((LAG / 1.5) ** 2)),
        ),
        (
            Residuals("exchangeable", variance="t"),
            {"rho": 0.5},
            np.where(LAG == 0, 1.0, 0.5) * np.outer(SDS, SDS),
        ),
    ],
    ids=["arh", "ante", "arma", "gaussian", "csh"],
)
def test_recovery_and_coverage(spec, truth, covariance):
    """150 data sets: 95 % intervals cover in 0.95 +- 3 standard errors (0.053)."""
    # theta's bias is of order 1 / groups: 0.017 of 0.4 with 80, 0.003 with 640
    groups = 320 if spec.structure == "arma" else 80
    truth = {**truth}
    if spec.variance == "t":
        truth |= {f"sd(e{k})": sd for k, sd in enumerate(SDS)}
    hits = dict.fromkeys(truth, 0)
    middle = dict.fromkeys(truth, 0.0)
    for seed in range(150):
        model = fit(simulated(100 + seed, groups, covariance, 0.1), spec)
        table = model.results_.variance_frame("sd").loc["Residual"]
        for name, value in truth.items():
            row = table.loc[name]
            hits[name] += row["ci_lower"] < value < row["ci_upper"]
            middle[name] += row["estimate"] / 150
    for name, value in truth.items():
        assert abs(hits[name] / 150 - 0.95) < 0.054, (name, hits[name])
        assert_allclose(middle[name], value, rtol=0.05)
