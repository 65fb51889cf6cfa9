"""Confidence intervals in one place; witness lme4's confint (``profile.json``)."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    bootstrap,
    from_formula,
)
from sklearn_xmixed.datasets import load_sleepstudy

STORED = json.loads((Path(__file__).parent / "reference" / "profile.json").read_text())
EFFECTS = RandomEffects("subject", ["days"], covariance="unstructured")
#: lme4's names
NAMES = {
    "sd_(Intercept)|subject": ("subject", "sd(_cons)"),
    "cor_days.(Intercept)|subject": ("subject", "corr(days,_cons)"),
    "sd_days|subject": ("subject", "sd(days)"),
    "sigma": ("Residual", "sd(Residual)"),
    "(Intercept)": ("reaction", "_cons"),
    "days": ("reaction", "days"),
}


@cache
def fitted(method="ml", **parameters):
    X, y = load_sleepstudy(return_X_y=True)
    return MixedLinearRegressor(EFFECTS, method=method, **parameters).fit(X, y), X, y


def test_profile_agrees_with_lme4():
    (case,) = (c for c in STORED["cases"] if c["data"] == "sleepstudy")
    model, X, y = fitted()
    found = model.confint(method="profile", X=X, y=y)
    assert set(found.index) == set(NAMES.values())
    for name, ends in case["intervals"].items():
        row = found.loc[NAMES[name]].to_numpy()
        assert row == pytest.approx(ends, rel=5e-4), name


def test_wald_agrees_with_lme4():
    (case,) = (c for c in STORED["cases"] if c["data"] == "sleepstudy")
    model, *_ = fitted()
    found = model.confint([NAMES[name] for name in case["wald"]]).to_numpy()
    assert found == pytest.approx(np.array(list(case["wald"].values())), rel=1e-6)


def test_wald_is_what_the_tables_say():
    model, *_ = fitted("reml", df_method="satterthwaite")
    found = model.confint(confidence_level=0.9)
    columns = ["ci_lower", "ci_upper"]
    fixed = model.coef_table(0.9)[columns].to_numpy()
    random = model.results_.variance_frame("sd", 0.9)[columns].to_numpy()
    assert found.to_numpy() == pytest.approx(np.vstack([fixed, random]), rel=1e-12)
    z = model.results_.fixed_table(0.9)[columns].to_numpy()
    assert (np.diff(fixed) > np.diff(z)).all()  # t, not z


def test_bootstrap_is_that_of_the_function():
    model, X, y = fitted()
    options = {"n_resamples": 40, "random_state": 3}
    found = model.confint(
        ["days", NAMES["sd_days|subject"]], "bootstrap", X=X, y=y, **options
    )
    whole = bootstrap(model, X, y, kind="parametric", **options)
    expected = whole.interval("percentile").loc[list(found.index)]
    pd.testing.assert_frame_equal(found, expected)


def test_a_formula():
    frame = load_sleepstudy().frame
    fit = from_formula("reaction ~ days + (days | subject)", frame)
    model, X, y = fitted()
    pd.testing.assert_frame_equal(
        fit.confint("days", "profile", X=frame),
        model.confint("days", "profile", X=X, y=y),
        rtol=1e-5,
    )


def test_a_variance_that_may_be_zero_ends_at_zero():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"g": np.repeat(np.arange(10), 4)})
    y = rng.normal(size=40)
    model = MixedLinearRegressor("g", fixed=[]).fit(X, y)
    found = model.confint(("g", "sd(_cons)"), "profile", X=X, y=y)
    assert found["ci_lower"].item() == 0.0
    assert found["ci_upper"].item() > 0.2


def test_refusals():
    model, X, y = fitted("reml")
    with pytest.raises(ValueError, match=r"method must be one of .* got 'exact'"):
        model.confint(method="exact")
    with pytest.raises(ValueError, match="needs the data, X and y"):
        model.confint(method="profile")
    with pytest.raises(
        ValueError, match=r"coefficients, \['days', '_cons'\].*got 'week'"
    ):
        model.confint(["days", "week"])
    with pytest.raises(ValueError, match="method='ml' to profile a coefficient"):
        model.confint("days", "profile", X=X, y=y)
    with pytest.raises(ValueError, match="confidence_level"):
        model.confint(confidence_level=95)
    sd = model.confint(NAMES["sd_(Intercept)|subject"], "profile", X=X, y=y)
    assert sd.shape == (1, 2)
