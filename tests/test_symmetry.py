"""What must not change, and what must change in step, when the data are rewritten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import RandomEffects
from tests.conftest import Case

# Two fits of the same model from differently rounded sums end at optima whose
# likelihoods agree to rounding; the decrement of 1e-10 at most leaves the estimates
# 1e-5 standard errors apart, Newton's last step far less.
LIKELIHOOD = 1e-11
ESTIMATE = 1e-7
VARIANCE = 1e-6


@pytest.fixture(params=["ml", "reml"])
def case(request) -> Case:
    """Two levels of groups, a correlated random slope, unbalanced, rows in no order."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(36), rng.integers(2, 8, 36))
    top = g // 4
    x, w = rng.normal(size=(2, len(g)))
    u = rng.normal(size=(36, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    y = 1.5 * rng.normal(size=9)[top] + u[g, 0] + u[g, 1] * x
    y = y + 2.0 + x - w + 0.7 * rng.normal(size=len(g))
    frame = pd.DataFrame({"top": top, "g": g, "x": x, "w": w, "y": y})
    frame = frame.sample(frac=1.0, random_state=0).reset_index(drop=True)
    return Case(
        frame,
        [RandomEffects("top"), RandomEffects("g", ["x"], covariance="unstructured")],
        ["x", "w"],
        method=request.param,
    )


def close(actual, desired, tolerance):
    desired = np.asarray(desired, float)
    scale = np.abs(desired).max(initial=0.0)
    assert_allclose(actual, desired, rtol=0, atol=tolerance * scale + 1e-300)


def compare(new, old, *, X_new, X_old, y=1.0, shift=0.0, log_jacobian=0.0):
    """``new`` has the response ``y * old + shift`` and the same model otherwise."""
    assert new.converged_
    assert new.log_likelihood_ == pytest.approx(
        old.log_likelihood_ - log_jacobian, rel=LIKELIHOOD, abs=LIKELIHOOD * 1e3
    )
    assert new.sigma_ == pytest.approx(abs(y) * old.sigma_, rel=ESTIMATE)
    fitted = y * old.predict(X_old) + shift
    assert_allclose(
        new.predict(X_new),
        fitted,
        rtol=0,
        atol=10 * ESTIMATE * abs(y) * old.sigma_ + 1e-13 * np.abs(fitted).max(),
    )
    assert new.results_.lr_chi2 == pytest.approx(old.results_.lr_chi2, rel=1e-8)


def without_y(case):
    return case.frame.drop(columns="y")


def same_everything(new, old, **options):
    compare(new, old, **options)
    close(new.coef_, old.coef_, ESTIMATE)
    assert new.intercept_ == pytest.approx(old.intercept_, rel=ESTIMATE)
    close(new.vcov(), old.vcov(), VARIANCE)
    close(new.variance_components_, old.variance_components_, VARIANCE)


# --------------------------------------------------------------------- rows


def test_order_of_rows(case):
    frame = case.frame.sample(frac=1.0, random_state=1)
    other = replace(case, frame=frame)
    new, old = other.fit(), case.fit()
    same_everything(new, old, X_new=without_y(case), X_old=without_y(case))
    for name, effects in old.random_effects_.items():
        close(new.random_effects_[name], effects, ESTIMATE)


def test_sorted_rows(case):
    frame = case.frame.sort_values(["top", "g"], kind="stable")
    other = replace(case, frame=frame)
    same_everything(
        other.fit(), case.fit(), X_new=without_y(case), X_old=without_y(case)
    )


@pytest.mark.daily
@pytest.mark.parametrize("kind", ["text", "negative", "reused"])
def test_names_of_groups(case, kind):
    frame = case.frame.copy()
    if kind == "text":
        frame["top"] = "region " + (100 - frame["top"]).astype(str)
        frame["g"] = [f"{'zyx'[k % 3]}{k}" for k in frame["g"]]
    elif kind == "negative":
        frame["g"] = -7 * frame["g"] + 3
    else:  # the same labels in every region
        frame["g"] = frame["g"] % 4
    other = replace(case, frame=frame)
    new, old = other.fit(), case.fit()
    same_everything(new, old, X_new=without_y(other), X_old=without_y(case))
    assert new.n_groups_ == {"top": 9, "g": 36}
    u_new = np.sort(new.random_effects_["g"]["x"])
    close(u_new, np.sort(old.random_effects_["g"]["x"]), ESTIMATE)


@pytest.mark.parametrize("split", [False, True])
def test_frequency_weights_are_repeated_rows(case, split):
    if case.reml:
        case = replace(case, method="ml")
    rng = np.random.default_rng(0)
    count = rng.integers(1, 4, len(case.frame))
    repeated = case.frame.loc[np.repeat(case.frame.index, count)]
    right = replace(case, frame=repeated.reset_index(drop=True)).fit()
    frame, weight = case.frame, count.astype(float)
    if split:  # the same row in parts that need not be whole
        share = rng.uniform(0.2, 0.8, len(frame))
        frame = pd.concat([frame, frame], ignore_index=True)
        weight = np.concatenate([weight * share, weight * (1 - share)])
    new = replace(case, frame=frame, sample_weight=weight).fit()
    same_everything(new, right, X_new=without_y(case), X_old=without_y(case))
    assert new.results_.n_obs == pytest.approx(count.sum(), rel=1e-12)


def test_rows_of_weight_zero_are_not_there(case):
    case = replace(case, method="ml")
    frame = pd.concat([case.frame, case.frame.iloc[:7].assign(y=1e6, g=99)])
    weight = np.append(np.ones(len(case.frame)), np.zeros(7))
    new = replace(case, frame=frame.reset_index(drop=True), sample_weight=weight).fit()
    same_everything(new, case.fit(), X_new=without_y(case), X_old=without_y(case))


# ----------------------------------------------------------------- response


@pytest.mark.daily
@pytest.mark.parametrize("scale", [1e3, 1e-6, -1.0, 1e9, 1e120, 1e-120])
def test_unit_of_the_response(case, scale):
    other = replace(case, frame=case.frame.assign(y=scale * case.frame["y"]))
    new, old = other.fit(), case.fit()
    nn = len(case.frame) - (3 if case.reml else 0)
    compare(
        new,
        old,
        X_new=without_y(case),
        X_old=without_y(case),
        y=scale,
        log_jacobian=nn * np.log(abs(scale)),
    )
    close(new.coef_, scale * old.coef_, ESTIMATE)
    for name in old.covariances_:
        close(new.covariances_[name], scale**2 * old.covariances_[name], VARIANCE)
        close(new.random_effects_[name], scale * old.random_effects_[name], VARIANCE)
    close(
        new.results_.variance_frame("variance")["std_error"],
        scale**2 * old.results_.variance_frame("variance")["std_error"],
        VARIANCE,
    )
    assert new.n_iter_ == old.n_iter_


@pytest.mark.daily
@pytest.mark.parametrize("shift", [1e3, -1e6])
def test_origin_of_the_response(case, shift):
    """y - 1e6 keeps ten digits of y, the fit cannot know more."""
    other = replace(case, frame=case.frame.assign(y=case.frame["y"] + shift))
    new, old = other.fit(), case.fit()
    compare(new, old, X_new=without_y(case), X_old=without_y(case), shift=shift)
    close(new.coef_, old.coef_, 1e-6)
    for name in old.covariances_:
        close(new.covariances_[name], old.covariances_[name], 1e-5)


def test_adding_a_fixed_combination_to_the_response(case):
    frame = case.frame.assign(y=case.frame["y"] + 5 * case.frame["x"] - 2)
    new, old = replace(case, frame=frame).fit(), case.fit()
    close(new.coef_, old.coef_ + np.array([5, 0]), ESTIMATE)
    close(new.intercept_, old.intercept_ - 2, ESTIMATE)
    for name in old.covariances_:
        close(new.covariances_[name], old.covariances_[name], VARIANCE)


# ------------------------------------------------------------------ columns


@pytest.mark.daily
@pytest.mark.parametrize("scale", [1e4, 1e-4, -3.0, 1e8])
def test_unit_of_a_column_with_a_random_slope(case, scale):
    other = replace(case, frame=case.frame.assign(x=scale * case.frame["x"]))
    new, old = other.fit(), case.fit()
    compare(
        new,
        old,
        X_new=without_y(other),
        X_old=without_y(case),
        log_jacobian=np.log(abs(scale)) if case.reml else 0.0,
    )
    close(new.coef_ * [scale, 1], old.coef_, ESTIMATE)
    A = np.diag([scale, 1.0])
    close(A @ new.covariances_["g"] @ A, old.covariances_["g"], VARIANCE)
    close(new.random_effects_["g"] * [scale, 1], old.random_effects_["g"], VARIANCE)
    close(np.abs(new.coef_table()["z"]), np.abs(old.coef_table()["z"]), VARIANCE)


@pytest.mark.daily
@pytest.mark.parametrize("shift", [10.0, -1e3, 1e5])
def test_origin_of_a_column_with_a_random_slope(case, shift):
    """The unstructured model is the same one; intercepts are those at x = -shift."""
    other = replace(case, frame=case.frame.assign(x=case.frame["x"] + shift))
    new, old = other.fit(), case.fit()
    # the last digits of x are lost in x + shift
    lost = 1e-16 * abs(shift)
    assert new.log_likelihood_ == pytest.approx(
        old.log_likelihood_, rel=LIKELIHOOD + 10 * lost
    )
    close(new.coef_, old.coef_, ESTIMATE + 1e3 * lost)
    assert new.intercept_ == pytest.approx(
        old.intercept_ - shift * old.coef_[0], rel=1e-6
    )
    back = np.array([[1.0, 0.0], [shift, 1.0]])  # effects at the old origin
    Sigma = back @ new.covariances_["g"].to_numpy() @ back.T
    close(Sigma, old.covariances_["g"], VARIANCE + 100 * lost * abs(shift))
    assert_allclose(
        new.predict(without_y(other)), old.predict(without_y(case)), rtol=0, atol=1e-6
    )
    # the slope's variance does not know where the origin is, nor does its error
    row = ("g", "var(x)")
    new_row, old_row = (m.variance_components_.loc[row] for m in (new, old))
    close(new_row, old_row, 1e-5)


def years(case):
    rng = np.random.default_rng(5)
    frame = case.frame.drop(columns="x")
    year = rng.integers(1990, 2011, len(frame)).astype(float)
    u = rng.normal(size=(36, 2)) * [0.1, 1.0]
    frame["y"] += 0.3 * (year - 2000) + u[frame["g"], 0] * (year - 2000)
    frame["year"] = year
    equations = [
        RandomEffects("top"),
        RandomEffects("g", ["year"], covariance="unstructured"),
    ]
    return replace(case, frame=frame, equations=equations, fixed=["year", "w"])


def test_calendar_years(case):
    """1990 to 2010 as it stands is the same model as the centred column."""
    raw = years(case)
    centred = replace(raw, frame=raw.frame.assign(year=raw.frame["year"] - 2000))
    new, old = raw.fit(), centred.fit()
    assert new.converged_
    assert new.log_likelihood_ == pytest.approx(old.log_likelihood_, rel=1e-11)
    assert new.n_iter_ <= 10
    close(new.coef_, old.coef_, 1e-6)
    close(
        new.coef_table()["std_error"].iloc[:2],
        old.coef_table()["std_error"].iloc[:2],
        1e-6,
    )
    row = ("g", "var(year)")
    close(new.variance_components_.loc[row], old.variance_components_.loc[row], 1e-5)
    back = np.array([[1.0, 0.0], [2000.0, 1.0]])
    Sigma = back @ new.covariances_["g"].to_numpy() @ back.T
    # products of 4e6 and differences of order one: ten digits are left
    close(Sigma, old.covariances_["g"], 1e-4)
    assert_allclose(
        new.predict(without_y(raw)), old.predict(without_y(centred)), rtol=0, atol=1e-6
    )
    # where both intervals exist: at the origin 0 the correlation is nearly -1,
    # which is no boundary but a matter of the origin
    assert old.variance_components_["std_error"].notna().all()
    assert new.variance_components_["std_error"].notna().all()


def test_calendar_years_squared(case):
    raw = years(case)
    frame = raw.frame.assign(year2=raw.frame["year"] ** 2)
    raw = replace(raw, frame=frame, fixed=["year", "year2", "w"])
    t = frame["year"] - 2000
    centred = replace(raw, frame=frame.assign(year=t, year2=t**2))
    new, old = raw.fit(), centred.fit()
    assert new.results_.omitted == ()
    log_det = 0.0  # the change of basis has determinant one
    assert new.log_likelihood_ + log_det == pytest.approx(old.log_likelihood_, rel=1e-9)
    assert new.coef_[1] == pytest.approx(old.coef_[1], rel=1e-5)


def test_order_of_columns(case):
    effects = RandomEffects("g", ["w", "x"], covariance="unstructured")
    one = replace(case, equations=[case.equations[0], effects])
    other = replace(
        case,
        equations=[
            RandomEffects("top"),
            RandomEffects("g", ["x", "w"], covariance="unstructured"),
        ],
        fixed=["w", "x"],
        frame=case.frame[["w", "y", "g", "x", "top"]],
    )
    new, old = other.fit_quietly(), one.fit_quietly()
    assert new.log_likelihood_ == pytest.approx(old.log_likelihood_, rel=LIKELIHOOD)
    close(new.coef_[::-1], old.coef_, 1e-6)
    names = ["x", "w", "_cons"]
    close(
        new.covariances_["g"].loc[names, names],
        old.covariances_["g"].loc[names, names],
        1e-5,
    )


@pytest.mark.daily
@pytest.mark.parametrize("structure", ["independent", "identity", "exchangeable"])
def test_order_of_random_columns_of_other_structures(case, structure):
    fits = [
        replace(
            case, equations=[RandomEffects("g", columns, covariance=structure)]
        ).fit_quietly()
        for columns in (["x", "w"], ["w", "x"])
    ]
    assert fits[0].log_likelihood_ == pytest.approx(
        fits[1].log_likelihood_, rel=LIKELIHOOD
    )
    names = ["x", "w", "_cons"]
    close(
        fits[0].covariances_["g"].loc[names, names],
        fits[1].covariances_["g"].loc[names, names],
        1e-5,
    )


def test_a_column_of_ones_takes_the_place_of_the_constant(case):
    frame = case.frame.assign(one=1.0)
    equations = [
        RandomEffects("top", ["one"], intercept=False),
        RandomEffects("g", ["x", "one"], covariance="unstructured", intercept=False),
    ]
    other = replace(
        case,
        frame=frame,
        equations=equations,
        fixed=["x", "w", "one"],
        fit_intercept=False,
    )
    new, old = other.fit(), case.fit()
    assert new.log_likelihood_ == pytest.approx(old.log_likelihood_, rel=LIKELIHOOD)
    close(new.coef_, [*old.coef_, old.intercept_], ESTIMATE)
    close(new.covariances_["g"], old.covariances_["g"], VARIANCE)


def test_two_equations_of_one_effect_each_are_one_independent_equation(case):
    split = [
        RandomEffects("g", ["x"], intercept=False),
        RandomEffects("g", name="constant"),
    ]
    joint = [RandomEffects("g", ["x"])]
    new = replace(case, equations=split).fit()
    old = replace(case, equations=joint).fit()
    assert new.log_likelihood_ == pytest.approx(old.log_likelihood_, rel=LIKELIHOOD)
    close(
        new.variance_components_["estimate"],
        old.variance_components_["estimate"],
        VARIANCE,
    )


def test_a_level_without_effects_changes_nothing(case):
    alone = replace(case, equations=case.equations[1:])
    labelled = replace(
        case,
        equations=[RandomEffects("top", intercept=False), *case.equations[1:]],
    )
    new, old = labelled.fit(), alone.fit()
    assert new.log_likelihood_ == pytest.approx(old.log_likelihood_, rel=LIKELIHOOD)
    close(new.covariances_["g"], old.covariances_["g"], VARIANCE)
