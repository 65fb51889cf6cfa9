"""Displays: what they hold is what the model says, and they draw."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, plotting
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_ovary,
    load_penicillin,
    load_productivity,
    load_sleepstudy,
)
from sklearn_xmixed.plotting import (
    GroupCurvesDisplay,
    ProfileDisplay,
    QQDisplay,
    RandomEffectsDisplay,
    ResidualsDisplay,
    WithinCorrelationDisplay,
)
from sklearn_xmixed.plotting._qq import LOCAL, SIZES, qq_band
from sklearn_xmixed.plotting._smooth import local_linear

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

SLOPES = RandomEffects("subject", ["days"], covariance="unstructured")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sleep():
    X, y = load_sleepstudy(return_X_y=True)
    return MixedLinearRegressor(SLOPES).fit(X, y), X, y


def drawn(display):
    """Draw for real, so that nothing fails late."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.figure_.canvas.draw()
    return display


# ----------------------------------------------------------------- matplotlib


def test_matplotlib_is_not_imported_with_the_package():
    code = (
        "import sys, sklearn_xmixed, sklearn_xmixed.plotting, "
        "sklearn_xmixed.diagnostics; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "name", [n for n in plotting.__all__ if n != "PowerCurveDisplay"]
)  # which is made from a result: tests/test_power.py
def test_a_missing_matplotlib_is_told(name, monkeypatch, sleep):
    model, X, y = sleep
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    display = getattr(plotting, name)
    more = {
        "GroupCurvesDisplay": {"x": "days"},
        "ProfileDisplay": {"parameter": "days"},
    }.get(name, {})
    data = {"RandomEffectsDisplay": (), "MarginalMeansDisplay": ("days",)}.get(
        name, (X, y)
    )
    with pytest.raises(ImportError, match=r"sklearn-xmixed\[plot\]"):
        display.from_estimator(model, *data, **more)


# ---------------------------------------------------------------- caterpillar


def test_caterpillar(sleep):
    model, _, _ = sleep
    display = drawn(RandomEffectsDisplay.from_estimator(model))
    mean, std = model.random_effects("subject", return_std=True)
    pd.testing.assert_frame_equal(display.effects, mean)
    pd.testing.assert_frame_equal(display.std, std)
    assert display.ax_ is display.axes_[0]
    assert len(display.axes_) == 2
    first, second = display.axes_
    assert first.get_xlabel() == "random intercept"
    assert second.get_xlabel() == "random effect of days"
    # sorted by the intercept in both panels
    order = mean["_cons"].sort_values().index
    assert [t.get_text() for t in first.get_yticklabels()] == [str(i) for i in order]
    for panel, name in ((first, "_cons"), (second, "days")):
        lines = [line for line in panel.lines if line.get_marker() == "o"]
        points = np.concatenate([line.get_xydata() for line in lines])
        points = points[np.argsort(points[:, 1])]
        assert_allclose(points[:, 0], mean[name].loc[order])
        assert_allclose(points[:, 1], np.arange(18))
        ends = [c.get_segments() for c in panel.collections]
        segments = np.array([s for part in ends for s in part])
        segments = segments[np.argsort(segments[:, 0, 1])]
        half = 1.959964 * std[name].loc[order]
        assert_allclose(segments[:, 0, 0], mean[name].loc[order] - half, rtol=1e-6)
        assert_allclose(segments[:, 1, 0], mean[name].loc[order] + half, rtol=1e-6)


def test_caterpillar_options(sleep):
    model, _, _ = sleep
    _, ax = plt.subplots()
    display = RandomEffectsDisplay.from_estimator(
        model, effects=["days"], sort=False, ax=ax, scatter_kwargs={"c": "k"}
    )
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == [str(i) for i in display.effects.index]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert {to_hex(line.get_color()) for line in dots} == {"#000000"}
    again = display.plot(sort="_cons")
    assert again is display
    with pytest.raises(ValueError, match="effects must be"):
        display.plot(effects=["weeks"])
    with pytest.raises(ValueError, match="level must be one of"):
        RandomEffectsDisplay.from_estimator(model, level="school")
    with pytest.raises(ValueError, match="3 axes, but there are 2"):
        display.plot(plt.subplots(1, 3)[1])
    inside = display.plot(plt.subplots()[1])
    assert len(inside.axes_) == 2


def test_caterpillar_of_many_groups_and_of_factors():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"g": np.repeat(np.arange(1000), 3)})
    y = rng.normal(size=1000)[X["g"]] + rng.normal(size=3000)
    model = MixedLinearRegressor("g", fixed=[]).fit(X, y)
    display = drawn(RandomEffectsDisplay.from_estimator(model))
    assert display.ax_.get_ylabel() == "1000 groups of g"
    assert not display.ax_.get_yticklabels()
    X, y = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=n) for n in ("plate", "sample")]
    model = MixedLinearRegressor(crossed, fixed=[]).fit(X, y)
    display = drawn(RandomEffectsDisplay.from_estimator(model, level="sample"))
    assert display.ax_.get_xlabel() == "random effect of sample"
    flat = MixedLinearRegressor(fixed=[]).fit(X, y)
    with pytest.raises(ValueError, match="no random effects"):
        RandomEffectsDisplay.from_estimator(flat)


# --------------------------------------------------------------- group curves


def test_group_curves(sleep):
    model, X, y = sleep
    display = drawn(GroupCurvesDisplay.from_estimator(model, X, y, x="days"))
    assert len(display.axes_) == 18
    data = display.data
    assert len(data) == len(X)
    expected = X.assign(observed=y, fitted=model.predict(X)).sort_values(
        ["subject", "days"]
    )
    assert_allclose(data["fitted"], expected["fitted"])
    assert_allclose(data["observed"], expected["observed"])
    assert_allclose(data["fixed"], model.predict(X, kind="fixed")[expected.index])
    panel = display.axes_[3]
    assert panel.get_title() == "330"
    mine = data[data["group"] == 330]
    assert_allclose(panel.lines[1].get_ydata(), mine["fitted"])
    assert_allclose(panel.lines[2].get_ydata(), mine["observed"])
    overlay = drawn(display.plot(layout="overlay"))
    assert len(overlay.axes_) == 1
    assert len(overlay.ax_.collections[0].get_segments()) == 18
    assert overlay.ax_.get_xlabel() == "days"
    assert overlay.ax_.get_ylabel() == "reaction"


def test_group_curves_of_some_groups():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(
        ["region", "state"], fixed=["private", "emp", "unemp"]
    ).fit(X, y)
    display = GroupCurvesDisplay.from_estimator(
        model, X, y, x="year", layout="panels", max_groups=6
    )
    drawn(display)
    assert len(display.axes_) == 6
    assert "6 of 48 groups" in display.figure_.get_suptitle()
    region = GroupCurvesDisplay.from_estimator(model, X, y, x="year", level="region")
    drawn(region)
    assert len(region.axes_) == 9
    order = np.lexsort((X["year"], X["region"]))
    assert_allclose(region.data["fitted"], model.predict(X, level="region")[order])


def test_group_curves_of_anything():
    X, y = load_ovary(return_X_y=True)
    rng = np.random.default_rng(0)
    display = GroupCurvesDisplay.from_predictions(
        X["time"], y, y + rng.normal(size=len(y)), X["mare"], group_name="mare"
    )
    drawn(display)
    assert display.data["fixed"].isna().all()
    model = MixedLinearRegressor("mare", fixed=["sin1", "cos1"]).fit(X, y)
    drawn(GroupCurvesDisplay.from_estimator(model, X, y, x="time", layout="overlay"))
    with pytest.raises(ValueError, match="layout must be"):
        display.plot(layout="pile")
    with pytest.raises(ValueError, match="x names no column"):
        GroupCurvesDisplay.from_estimator(model, X, y, x="hour")
    with pytest.raises(ValueError, match="level must be one of"):
        GroupCurvesDisplay.from_estimator(model, X, y, x="time", level="school")


# ------------------------------------------------------------------ residuals


def test_residuals(sleep):
    model, X, y = sleep
    display = drawn(ResidualsDisplay.from_estimator(model, X, y, kind="conditional"))
    fitted = model.predict(X)
    assert_allclose(display.fitted, fitted)
    assert_allclose(display.residuals, y - fitted)
    line = display.ax_.lines[1]
    assert_allclose(line.get_xydata(), np.column_stack([fitted, y - fitted]))
    assert_allclose(display.ax_.lines[2].get_xydata(), display.smoother_)
    display = ResidualsDisplay.from_estimator(model, X, y)
    assert_allclose(display.residuals, model.standardized_residuals(X, y))
    display = ResidualsDisplay.from_estimator(model, X, y, kind="marginal")
    assert_allclose(display.residuals, y - model.predict(X, kind="fixed"))
    display = ResidualsDisplay.from_estimator(model, X, y, kind="studentized")
    assert_allclose(display.residuals, model.influence(X, y).rows["studentized"])
    with pytest.raises(ValueError, match="kind must be one of"):
        ResidualsDisplay.from_estimator(model, X, y, kind="raw")
    display = ResidualsDisplay.from_predictions(y, fitted, smoother=False)
    assert_allclose(display.residuals, y - fitted)
    assert len(display.smoother_) == 0


def test_the_smoother():
    rng = np.random.default_rng(0)
    x = rng.uniform(size=300)
    at, height = local_linear(x, 3.0 - 2.0 * x)  # a line is a line
    assert_allclose(height, 3.0 - 2.0 * at, atol=1e-10)
    at, height = local_linear(x, np.sin(6 * x) + 0.1 * rng.normal(size=300), share=0.2)
    assert np.abs(height - np.sin(6 * at)).max() < 0.15
    assert len(local_linear(np.ones(5), np.arange(5.0))[0]) == 0
    at, height = local_linear(np.repeat([0.0, 1.0, 2.0], 50), np.ones(150))
    assert_allclose(height, 1.0)


# ------------------------------------------------------------------------- QQ


def test_qq_of_residuals(sleep):
    model, X, y = sleep
    display = drawn(QQDisplay.from_estimator(model, X, y))
    z = np.sort(model.influence(X, y).rows["studentized"])
    points = display.ax_.lines[1].get_xydata()
    assert_allclose(points[:, 1], z)
    expected, lower, upper = qq_band(180)
    assert_allclose(points[:, 0], expected)
    assert (lower < expected).all()
    assert (expected < upper).all()
    drawn(display.plot(band=None))
    drawn(display.plot(band="pointwise", confidence_level=0.8))
    with pytest.raises(ValueError, match="X and y"):
        QQDisplay.from_estimator(model)


def test_qq_of_random_effects(sleep):
    model, _, _ = sleep
    display = drawn(QQDisplay.from_estimator(model, level="subject"))
    mean, std = model.random_effects("subject", return_std=True)
    Sigma = model.covariances_["subject"]
    for name, shown in (("_cons", "random intercept"), ("days", "effect of days")):
        z = mean[name] / np.sqrt(Sigma.loc[name, name] - std[name] ** 2)
        assert_allclose(display.values[shown], z)
    assert list(display.values) == ["random intercept", "effect of days"]
    with pytest.raises(ValueError, match="level must be one of"):
        QQDisplay.from_estimator(model, level="school")


def test_qq_of_crossed_factors():
    X, y = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=n) for n in ("plate", "sample")]
    model = MixedLinearRegressor(crossed, fixed=[]).fit(X, y)
    display = drawn(QQDisplay.from_estimator(model, X, y))
    assert_allclose((display.values**2).mean(), 1.0)
    display = drawn(QQDisplay.from_estimator(model, level="plate"))
    mean, std = model.random_effects("plate", return_std=True)
    variance = model.covariances_["plate"]["variance"].iloc[0]
    assert_allclose(display.values, mean / np.sqrt(variance - std**2))


@pytest.mark.parametrize("n", [10, 100, 600])
@pytest.mark.parametrize("level", LOCAL)
def test_the_band_holds_for_all_values_together(n, level):
    rng = np.random.default_rng(n)
    _, lower, upper = qq_band(n, "simultaneous", level)
    reps = 3000
    z = np.sort(rng.normal(size=(reps, n)), axis=1)
    inside = ((z >= lower) & (z <= upper)).all(axis=1).mean()
    assert abs(inside - level) < 4 * np.sqrt(level * (1 - level) / reps) + 0.005


def test_bands():
    _, lower, upper = qq_band(50, "pointwise", 0.9)
    _, low, high = qq_band(50, "simultaneous", 0.9)
    assert (low < lower).all()
    assert (high > upper).all()
    assert len(SIZES) == len(LOCAL[0.95])
    with pytest.raises(ValueError, match="pointwise"):
        qq_band(50, "simultaneous", 0.8)
    with pytest.raises(ValueError, match="band must be"):
        qq_band(50, "wide")
    with pytest.raises(ValueError, match="confidence_level"):
        qq_band(50, "pointwise", 95)


# -------------------------------------------------------------------- profile


@pytest.mark.daily
@pytest.mark.parametrize("kind", ["zeta", "deviance"])
@pytest.mark.parametrize("parameter", ["days", ("subject", "sd(days)")])
def test_profile(sleep, parameter, kind):
    model, X, y = sleep
    display = ProfileDisplay.from_estimator(
        model, X, y, parameter=parameter, kind=kind, confidence_level=0.9
    )
    drawn(display)
    assert display.interval_ == display.profile.interval(0.9)
    line = display.ax_.lines[1].get_xydata()
    at = np.interp(display.profile.value, line[:, 0], line[:, 1])
    wanted = display.profile.zeta if kind == "zeta" else display.profile.deviance
    assert_allclose(at, wanted, atol=0.02)
    with pytest.raises(ValueError, match="kind must be"):
        display.plot(kind="log")


# -------------------------------------------------- correlation within groups


def test_within_correlation():
    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor(
        "subject", fixed=["age"], residuals=Residuals("ar", time="age")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    display = drawn(WithinCorrelationDisplay.from_estimator(model, X, y))
    assert display.ax_.get_xlabel() == "lag in age"
    assert_allclose(display.ax_.lines[1].get_ydata(), display.table["observed"])
    assert_allclose(display.ax_.lines[2].get_ydata(), display.table["implied"])
    plain = MixedLinearRegressor("subject", fixed=["age"]).fit(X, y)
    display = drawn(WithinCorrelationDisplay.from_estimator(plain, X, y))
    assert display.ax_.get_xlabel() == "rows apart"


# ------------------------------------------------------------------ dark styles


def test_dark_backgrounds(sleep):
    model, X, y = sleep
    light = RandomEffectsDisplay.from_estimator(model).ax_.lines[-1].get_color()
    with plt.style.context("dark_background"):
        dark = RandomEffectsDisplay.from_estimator(model).ax_.lines[-1].get_color()
        drawn(ResidualsDisplay.from_estimator(model, X, y))
    assert light != dark
