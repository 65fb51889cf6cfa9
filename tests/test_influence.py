"""Influence against its definition: the same model without the unit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_penicillin,
    load_productivity,
    load_sleepstudy,
)
from tests.conftest import Case, cases, examples, simulate, slow

# ------------------------------------------------------------ by definition


def dense_V(case: Case, model) -> np.ndarray:
    """Marginal covariance over sigma^2."""
    n = len(case.frame)
    V = np.eye(n)
    if not model._fitted.equations:
        return V
    Sigmas = [e.Sigma / model.sigma_**2 for e in model._fitted.equations]
    for Z, codes, D in case.terms(Sigmas):
        V += (Z @ D @ Z.T) * (codes[:, None] == codes[None, :])
    return V


class Without:
    """Generalised least squares without some rows, V held fixed."""

    def __init__(self, X, y, V, rows, sigma2):
        self.keep = keep = ~rows
        p = X.shape[1]
        Vi = np.linalg.inv(V)
        info = X.T @ Vi @ X
        beta = np.linalg.solve(info, X.T @ Vi @ y)
        Xk, yk, Vk = X[keep], y[keep], V[np.ix_(keep, keep)]
        size = np.linalg.norm(X, axis=0)
        s = np.linalg.svd(Xk / size, compute_uv=False) if keep.any() else [0.0]
        self.full_rank = len(s) == p and s[-1] > 1e-4
        if not self.full_rank:
            return
        Vki = np.linalg.inv(Vk)
        own = Xk.T @ Vki @ Xk
        self.beta = np.linalg.solve(own, Xk.T @ Vki @ yk)
        d = self.beta - beta
        rk = yk - Xk @ self.beta
        self.c = rk @ Vki @ rk
        self.leverage = p - np.trace(np.linalg.solve(info, own))
        self.cook = d @ info @ d / p / sigma2
        self.mdffits = d @ own @ d / p / sigma2
        self.covtrace = np.trace(np.linalg.solve(own, info)) - p
        self.covratio = np.linalg.det(np.linalg.solve(own, info))
        gain = V[np.ix_(rows, keep)] @ Vki
        self.residual = y[rows] - X[rows] @ self.beta - gain @ rk
        e = X[rows] - gain @ Xk
        self.variance = (
            V[np.ix_(rows, rows)]
            - gain @ V[np.ix_(keep, rows)]
            + e @ np.linalg.solve(own, e.T)
        )


def check_units(found_table, found_coef, residual, masks, X, y, V, sigma2, sigma=None):
    """A table of the result object against refits with V held fixed."""
    checked = 0
    for u, rows in enumerate(masks):
        other = Without(X, y, V, rows, sigma2)
        if not other.full_rank:
            continue
        row = found_table.iloc[u]
        if np.isnan(row["cooks_distance"]):
            continue  # on the verge of losing rank
        checked += 1
        scale = np.abs(other.beta).max() + 1.0
        tight = {"rtol": 1e-5, "atol": 1e-7}
        assert_allclose(found_coef.iloc[u], other.beta, rtol=1e-5, atol=1e-6 * scale)
        assert_allclose(row["leverage"], other.leverage, **tight)
        assert_allclose(row["cooks_distance"], other.cook, **tight)
        assert_allclose(row["mdffits"], other.mdffits, **tight)
        assert_allclose(row["covratio"], other.covratio, rtol=1e-5)
        if "covtrace" in found_table:
            assert_allclose(row["covtrace"], other.covtrace, **tight)
        assert_allclose(
            residual[rows], other.residual, rtol=1e-5, atol=1e-6 * np.abs(y).max()
        )
        if "studentized" in found_table:
            z = other.residual / np.sqrt(sigma2 * np.diagonal(other.variance))
            assert_allclose(row["studentized"], z[0], rtol=1e-5, atol=1e-7)
    return checked


@settings(max_examples=examples(40, daily=5))
@given(case=cases(max_columns=1))
def test_every_unit_of_random_models(case):
    model = case.fit_quietly(std_errors=False, lr_test=False)
    if not model.sigma_ > 1e-3 or not case.design_matrix.shape[1]:
        return
    kept = np.flatnonzero(model._fitted.kept)
    X = case.frame[[case.fixed[k] for k in kept]].to_numpy(float)
    if case.fit_intercept:
        X = np.column_stack([X, np.ones(len(X))])
    if not X.shape[1] or np.linalg.cond(X) > 1e4:
        return
    y = case.y.to_numpy()
    V = dense_V(case, model)
    columns = [*kept, *([len(case.fixed)] if case.fit_intercept else [])]
    for level, codes in case.paths.items():
        found = model.influence(case.X, case.y, level=level)
        masks = [codes == u for u in range(codes.max() + 1)]
        check_units(
            found.group_table,
            found.coef.iloc[:, columns],
            found.rows["group_residual"].to_numpy(),
            masks,
            X,
            y,
            V,
            model.sigma_**2,
        )
    masks = list(np.eye(len(y), dtype=bool))
    checked = check_units(
        found.rows,
        found.row_coef.iloc[:, columns],
        found.rows["deletion_residual"].to_numpy(),
        masks,
        X,
        y,
        V,
        model.sigma_**2,
    )
    assert checked


def test_sigma_is_that_of_the_others():
    case = simulate(3, method="reml")
    model = case.fit()
    table = model.influence(case.X, case.y).group_table
    X, y = case.design_matrix, case.y.to_numpy()
    V = dense_V(case, model)
    codes = case.paths["g"]
    for u in range(5):
        rows = codes == u
        other = Without(X, y, V, rows, model.sigma_**2)
        nn = len(y) - rows.sum() - X.shape[1]
        assert table["sigma"].iloc[u] == pytest.approx(np.sqrt(other.c / nn), rel=1e-7)


def test_leverages_add_up():
    X, y = load_productivity(return_X_y=True)
    names = ["private", "emp", "hwy", "unemp"]
    model = MixedLinearRegressor(
        [RandomEffects("region"), RandomEffects("state")], fixed=names
    ).fit(X, y)
    top = model.influence(X, y)
    assert top.level == "region"
    assert top.group_table["leverage"].sum() == pytest.approx(5.0)
    assert top.group_table["n_obs"].sum() == len(y)
    state = model.influence(X, y, level="state")
    assert state.group_table.index.names == ["region", "state"]
    assert (state.group_table["leverage"] > 0).all()
    assert state.rows["deletion_residual"].equals(top.rows["deletion_residual"])


def test_dfbetas_are_in_standard_errors():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    found = model.influence(X, y)
    expected = (model.results_.beta - found.coef) / model.coef_table()["std_error"]
    pd.testing.assert_frame_equal(found.dfbetas, expected)
    assert list(found.row_dfbetas.columns) == ["days", "_cons"]
    assert found.row_dfbetas.index.equals(X.index)


# -------------------------------------------------------- other kinds of fits


def test_linear_regression_is_textbook():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=30), "b": rng.normal(size=30)})
    y = X["a"] + rng.normal(size=30)
    model = MixedLinearRegressor(method="reml").fit(X, y)
    found = model.influence(X, y)
    A = np.column_stack([X, np.ones(30)])
    h = np.einsum("ij,ji->i", A, np.linalg.pinv(A))
    r = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    assert_allclose(found.rows["leverage"], h)
    assert_allclose(
        found.rows["cooks_distance"], r**2 * h / (1 - h) ** 2 / 3 / model.sigma_**2
    )
    assert_allclose(found.rows["deletion_residual"], r / (1 - h))
    assert_allclose(
        found.rows["studentized"], r / np.sqrt(1 - h) / model.sigma_, rtol=1e-10
    )
    with pytest.raises(ValueError, match="no levels"):
        _ = found.group_table
    assert found.level is None


@pytest.mark.parametrize("slopes", [False, True])
def test_structured_residuals(slopes):
    X, y = load_sleepstudy(return_X_y=True)
    keep = np.random.default_rng(1).permutation(len(y))[:130]  # gaps, out of order
    X, y = X.iloc[keep], y.iloc[keep]
    effects = RandomEffects("subject", ["days"] if slopes else [], intercept=slopes)
    model = MixedLinearRegressor(
        effects, fixed=["days"], residuals=Residuals("ar", time="days")
    ).fit(X, y)
    rho = model.residual_parameters_["rho"]
    t, g = X["days"].to_numpy(), X["subject"].to_numpy()
    same = g[:, None] == g[None, :]
    V = same * rho ** np.abs(t[:, None] - t[None, :])
    if slopes:
        D = model.covariances_["subject"].to_numpy() / model.sigma_**2
        Z = np.column_stack([t, np.ones(len(t))])
        V = V + same * (Z @ D @ Z.T)
    A = np.column_stack([t, np.ones(len(t))]).astype(float)
    found = model.influence(X, y)
    masks = [g == label for label in np.unique(g)]
    args = A, y.to_numpy(), V, model.sigma_**2
    residual = found.rows["group_residual"].to_numpy()
    assert check_units(found.group_table, found.coef, residual, masks, *args) == 18
    residual = found.rows["deletion_residual"].to_numpy()
    masks = list(np.eye(len(y), dtype=bool))
    assert check_units(found.rows, found.row_coef, residual, masks, *args) == len(y)


def test_residual_variances_by_category():
    X, y = load_orthodont(return_X_y=True)
    model = MixedLinearRegressor(
        "subject", fixed=["age"], residuals=Residuals(by="sex")
    ).fit(X, y)
    v = pd.Series(model.residual_parameters_)
    first = X["sex"].iloc[0]
    scale = v.to_numpy()[[list(v.index).index(f"{s}: var(e)") for s in X["sex"]]]
    g = X["subject"].to_numpy()
    D = model.covariances_["subject"].iloc[0, 0]
    V = (np.diag(scale) + D * (g[:, None] == g[None, :])) / model.sigma_**2
    A = np.column_stack([X["age"], np.ones(len(y))]).astype(float)
    found = model.influence(X, y)
    masks = list(np.eye(len(y), dtype=bool))
    residual = found.rows["deletion_residual"].to_numpy()
    args = A, y.to_numpy(), V, model.sigma_**2
    assert check_units(found.rows, found.row_coef, residual, masks, *args) == len(y)
    assert first in set(X["sex"])


def test_frequency_weights_are_copies():
    case = simulate(5, groups=12, size=4)
    rng = np.random.default_rng(2)
    frame = case.frame.copy()
    frame["w"] = rng.integers(1, 4, len(frame)).astype(float)
    frame["gw"] = rng.integers(1, 4, 12).astype(float)[frame["g"]]
    X = frame.drop(columns=["y", "w"])
    model = MixedLinearRegressor(
        RandomEffects("g", ["x0"], covariance="unstructured", weight="gw"), fixed=["x0"]
    ).fit(X, frame["y"], frame["w"])
    found = model.influence(X, frame["y"], frame["w"])
    copies = []
    for g, part in frame.groupby("g"):
        part = part.assign(row=part.index)
        part = part.loc[part.index.repeat(part["w"].astype(int))]
        for c in range(int(part["gw"].iloc[0])):
            copies.append(part.assign(copy=f"{g}-{c}"))
    long = pd.concat(copies)
    Z = np.column_stack([long["x0"], np.ones(len(long))])
    D = model.covariances_["g"].to_numpy() / model.sigma_**2
    same = long["copy"].to_numpy()[:, None] == long["copy"].to_numpy()[None, :]
    V = np.eye(len(long)) + same * (Z @ D @ Z.T)
    y, s2 = long["y"].to_numpy(), model.sigma_**2
    for g in range(12):
        other = Without(Z, y, V, (long["g"] == g).to_numpy(), s2)
        assert_allclose(found.coef.iloc[g], other.beta, rtol=1e-7)
        row = found.group_table.iloc[g]
        assert_allclose(row["cooks_distance"], other.cook, rtol=1e-6)
        assert_allclose(row["leverage"], other.leverage, rtol=1e-7)
    single = (frame["gw"] == 1) & (frame["w"] == 1)
    for i in np.flatnonzero(single)[:5]:
        other = Without(Z, y, V, (long["row"] == i).to_numpy(), s2)
        assert_allclose(found.row_coef.iloc[i], other.beta, rtol=1e-7)
        residual = found.rows["deletion_residual"].iloc[i]
        assert_allclose(residual, other.residual[0], rtol=1e-7)


def test_weights_of_groups_with_correlated_residuals():
    X, y = load_sleepstudy(return_X_y=True)
    labels = np.unique(X["subject"])
    copies = dict(zip(labels, np.random.default_rng(0).integers(1, 4, 18), strict=True))
    X = X.assign(w=X["subject"].map(copies).astype(float))
    model = MixedLinearRegressor(
        RandomEffects("subject", weight="w"),
        fixed=["days"],
        residuals=Residuals("ar", time="days"),
    ).fit(X, y)
    found = model.influence(X, y)
    parts = [
        X.assign(y=y, copy=c).loc[X["subject"] == s]
        for s in labels
        for c in range(copies[s])
    ]
    long = pd.concat(parts)
    unit = (10 * long["subject"] + long["copy"]).to_numpy()
    same = unit[:, None] == unit[None, :]
    t = long["days"].to_numpy()
    rho = model.residual_parameters_["rho"]
    D = model.covariances_["subject"].iloc[0, 0] / model.sigma_**2
    V = same * (rho ** np.abs(t[:, None] - t[None, :]) + D)
    A = np.column_stack([t, np.ones(len(t))]).astype(float)
    for u, s in enumerate(labels[:4]):
        gone = (long["subject"] == s).to_numpy()
        other = Without(A, long["y"].to_numpy(), V, gone, model.sigma_**2)
        assert_allclose(found.coef.iloc[u], other.beta, rtol=1e-7)
        assert found.group_table["cooks_distance"].iloc[u] == pytest.approx(other.cook)


def test_other_forms_of_data():
    pl = pytest.importorskip("polars")
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(X, y)
    expected = model.influence(X, y)
    frame = pl.from_pandas(X)
    model = MixedLinearRegressor(RandomEffects("subject", ["days"])).fit(
        frame, y.to_numpy()
    )
    found = model.influence(frame, y.to_numpy())
    assert_allclose(found.rows, expected.rows)
    assert_allclose(found.refit([308]).iloc[0, :2], expected.refit([308]).iloc[0, :2])
    A, g = X[["days"]].to_numpy(float), X["subject"].to_numpy()
    model = MixedLinearRegressor(RandomEffects("subject", ["x0"]))
    found = model.fit(A, y.to_numpy(), groups=g).influence(A, y.to_numpy(), groups=g)
    assert_allclose(found.rows, expected.rows)
    assert_allclose(found.group_table, expected.group_table)
    shown = found.refit([308, 309])
    assert_allclose(shown.iloc[:, :2], expected.refit([308, 309]).iloc[:, :2])


def test_rows_that_were_dropped_are_nan():
    X, y = load_sleepstudy(return_X_y=True)
    y = y.copy()
    y.iloc[[3, 77]] = np.nan
    model = MixedLinearRegressor("subject", fixed=["days"], missing="drop").fit(X, y)
    found = model.influence(X, y)
    assert list(np.flatnonzero(found.rows["leverage"].isna())) == [3, 77]
    whole = MixedLinearRegressor("subject", fixed=["days"]).fit(
        X[y.notna()], y.dropna()
    )
    expected = whole.influence(X[y.notna()], y.dropna()).rows
    assert_allclose(found.rows.dropna(), expected)


def test_omitted_columns_stay_nan():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(twice=2 * X["days"])
    model = MixedLinearRegressor("subject", fixed=["days", "twice"]).fit(X, y)
    coef = model.influence(X, y).coef
    assert coef["twice"].isna().all()
    assert coef["days"].notna().all()


def test_a_group_that_carries_a_coefficient():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(only=(X["subject"] == X["subject"].iloc[0]) * 1.0)
    model = MixedLinearRegressor("subject", fixed=["days", "only"]).fit(X, y)
    found = model.influence(X, y)
    lost = found.coef.isna().all(axis=1)
    assert list(lost[lost].index) == [X["subject"].iloc[0]]
    assert found.group_table["leverage"].notna().all()
    assert found.variance_components[lost.to_numpy()].isna().all(axis=None)


def test_other_data_are_refused():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject", fixed=["days"]).fit(X, y)
    with pytest.raises(ValueError, match="not the data"):
        model.influence(X.iloc[:100], y.iloc[:100])
    with pytest.raises(ValueError, match="not the data"):
        model.influence(X, y + X["days"])
    with pytest.raises(ValueError, match="level must be one of"):
        model.influence(X, y, level="school")
    shuffled = np.random.default_rng(0).permutation(len(y))
    again = model.influence(X.iloc[shuffled], y.iloc[shuffled])
    expected = model.influence(X, y)
    assert_allclose(again.rows.sort_index(), expected.rows, rtol=1e-8)


def test_the_data_and_the_estimator_are_left_alone():
    X, y = load_sleepstudy(return_X_y=True)
    before = X.copy(), y.copy()
    model = MixedLinearRegressor("subject", fixed=["days"]).fit(X, y)
    state = set(model.__dict__)
    _ = model.influence(X, y).rows
    pd.testing.assert_frame_equal(X, before[0])
    pd.testing.assert_series_equal(y, before[1])
    assert set(model.__dict__) == state


# ------------------------------------------------------------------- one step


def refit_without(model_of, X, y, groups):
    """Variance components and coefficients with each group really left out."""
    variances, coefs = [], []
    for label in sorted(set(groups)):
        keep = (groups != label).to_numpy()
        model = model_of().fit(X[keep], y[keep])
        variances.append(model.variance_components_["estimate"].to_numpy())
        coefs.append(model.results_.beta)
    return np.array(variances), np.array(coefs)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_one_step_is_close_to_refits(method):
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"], covariance="unstructured")

    def model_of():
        return MixedLinearRegressor(effects, method=method)

    model = model_of().fit(X, y)
    found = model.influence(X, y)
    variances, coefs = refit_without(model_of, X, y, X["subject"])
    full = model.variance_components_["estimate"].to_numpy()
    change = np.median(np.abs(variances - full), axis=0)
    error = np.abs(found.variance_components.to_numpy() - variances)
    assert (np.median(error, axis=0) < 0.06 * change).all()
    assert found.variance_components.columns.equals(model.variance_components_.index)
    # balanced data: the coefficients do not depend on the variances
    assert_allclose(found.coef_one_step, coefs, rtol=1e-6)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_one_step_with_two_levels(method):
    X, y = load_productivity(return_X_y=True)
    X = X[["region", "state", "emp", "unemp"]]
    equations = [RandomEffects("region"), RandomEffects("state")]

    def model_of():
        return MixedLinearRegressor(equations, fixed=["emp", "unemp"], method=method)

    model = model_of().fit(X, y)
    found = model.influence(X, y)
    variances, coefs = refit_without(model_of, X, y, X["region"])
    full = model.variance_components_["estimate"].to_numpy()
    change = np.abs(variances - full).max(axis=0)
    error = np.abs(found.variance_components.to_numpy() - variances).max(axis=0)
    assert (error < 0.15 * change).all()
    nearer = np.abs(found.coef_one_step.to_numpy() - coefs).mean()
    assert nearer < np.abs(found.coef.to_numpy() - coefs).mean()


@pytest.mark.daily
@pytest.mark.parametrize("covariance", ["independent", "unstructured"])
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_the_error_of_one_step_is_quadratic(covariance, method):
    """With more groups the change falls, and the error over its square does not."""
    change, ratio = [], []
    for groups in (40, 160):
        case = simulate(1, groups=groups, size=6, covariance=covariance, method=method)
        model = case.fit()
        full = model.variance_components_["estimate"].to_numpy()
        found = model.influence(case.X, case.y).variance_components
        moved, gap = [], []
        for label in range(0, groups, groups // 20):
            keep = (case.frame["g"] != label).to_numpy()
            other = case.estimator().fit(case.X[keep], case.y[keep])
            exact = other.variance_components_["estimate"].to_numpy()
            moved.append(np.abs(full - exact).max())
            gap.append(np.abs(found.loc[label] - exact).max())
        change.append(np.median(moved))
        ratio.append(np.median(np.array(gap) / np.square(moved)))
    assert change[1] < 0.5 * change[0]
    assert ratio[1] < 1.5 * ratio[0]
    assert max(ratio) * change[1] < 0.02  # the error is 2 % of the change


def test_one_step_stays_at_a_zero_variance():
    from tests.test_boundary import DYESTUFF2

    model = MixedLinearRegressor("batch", fixed=[]).fit(
        DYESTUFF2[["batch"]], DYESTUFF2["y"]
    )
    found = model.influence(DYESTUFF2[["batch"]], DYESTUFF2["y"])
    zero = found.variance_components[("batch", "var(_cons)")]
    assert_allclose(zero, 0.0, atol=1e-6)
    for label, value in found.variance_components[
        ("Residual", "var(Residual)")
    ].items():
        left = DYESTUFF2[DYESTUFF2["batch"] != label]["y"]
        assert value == pytest.approx(left.var(ddof=0), rel=1e-6)


def test_what_one_step_is_not_for():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(
        [RandomEffects("region"), RandomEffects("state")], fixed=["emp"]
    ).fit(X, y)
    with pytest.raises(NotImplementedError, match="highest level"):
        _ = model.influence(X, y, level="state").variance_components


STRUCTURED = {
    "ar and intercept": ("subject", "ml", Residuals("ar", time="days")),
    "ar, reml": ("subject", "reml", Residuals("ar", time="days")),
    "ar alone": (
        RandomEffects("subject", intercept=False),
        "ml",
        Residuals("ar", time="days"),
    ),
    "exchangeable": (
        RandomEffects("subject", intercept=False),
        "reml",
        Residuals("exchangeable"),
    ),
    "by": ("subject", "ml", Residuals(by="half")),
}


@pytest.mark.parametrize(
    "name", [slow(n) if n in ("ar, reml", "exchangeable") else n for n in STRUCTURED]
)
def test_one_step_with_structured_residuals(name):
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(half=np.where(X["subject"] % 2 == 0, "even", "odd"))
    effects, method, residuals = STRUCTURED[name]
    model = MixedLinearRegressor(
        effects, fixed=["days"], method=method, residuals=residuals
    ).fit(X, y)
    found = model.influence(X, y)
    table = found.variance_components
    exact = found.refit()
    variances = exact[list(table.columns)].astype(float)
    change = (variances - model.variance_components_["estimate"]).abs().median()
    error = (table - variances).abs().median()
    assert (error < 0.1 * change).all()
    coefs = exact["reaction"].astype(float)
    nearer = (found.coef_one_step - coefs).abs().mean()
    assert (nearer <= (found.coef - coefs).abs().mean() + 1e-9).all()


def test_the_error_of_one_step_is_quadratic_in_rho_too():
    ratio = []
    for groups in (30, 120):
        rng = np.random.default_rng(groups)
        e = rng.normal(size=(groups, 8))
        for t in range(1, 8):
            e[:, t] = 0.5 * e[:, t - 1] + np.sqrt(0.75) * e[:, t]
        X = pd.DataFrame({"g": np.repeat(np.arange(groups), 8)})
        X["t"] = np.tile(np.arange(8), groups)
        y = (rng.normal(size=(groups, 1)) + e).ravel()
        model = MixedLinearRegressor(
            "g", fixed=[], residuals=Residuals("ar", time="t")
        ).fit(X, y)
        found = model.influence(X, y)
        some = list(range(0, groups, groups // 15))
        columns = list(found.variance_components.columns)
        exact = found.refit(some)[columns].astype(float)
        change = (exact - model.variance_components_["estimate"]).abs().max(axis=1)
        error = (found.variance_components.loc[some] - exact).abs().max(axis=1)
        ratio.append((error / change**2).median())
        relative = (error / change).median()
    assert ratio[1] < 2.0 * ratio[0]
    assert relative < 0.03


def test_a_step_that_is_too_long_is_not_taken():
    X, y = load_orthodont(return_X_y=True)
    X = X.assign(t=((X["age"] - 8) / 2).astype(int))
    model = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["age"],
        residuals=Residuals("unstructured", time="t"),
    ).fit(X, y)
    found = model.influence(X, y)
    table = found.variance_components
    lost = list(table.index[table.isna().any(axis=1)])
    assert "M09" in lost  # would be more than twenty times what a refit gives
    assert len(lost) <= 2
    assert found.coef.loc["M09"].notna().all()
    variances = found.refit(["F01", "F02", "M01", "M02"])[list(table.columns)]
    error = (table.loc[variances.index] - variances.astype(float)).abs()
    full = model.variance_components_["estimate"]
    assert (error.max() < 0.02 * full.abs()).all()


# ------------------------------------------------------------------- crossed


def crossed_data(seed=0, slopes=False):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "a": rng.integers(0, 12, 150),
            "b": rng.integers(0, 7, 150),
            "x": rng.normal(size=150),
        }
    )
    y = rng.normal(size=12)[frame["a"]] + 1.5 * rng.normal(size=7)[frame["b"]]
    y = y + frame["x"] * (1.0 + slopes * rng.normal(size=12)[frame["a"]])
    return frame, y + rng.normal(size=150)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("two factors", "reml"),
        slow("level and factor", "ml"),
        ("slopes", "reml"),
        slow("two factors", "ml"),
        slow("level and factor", "reml"),
        slow("slopes", "ml"),
    ],
)
def test_crossed_factors(kind, method):
    X, y = crossed_data(3, slopes=kind == "slopes")
    a = RandomEffects("_all", factor="a")
    b = RandomEffects("_all", factor="b")
    if kind == "level and factor":
        equations, levels = [b, RandomEffects("a", ["x"])], ["b", "a"]
    elif kind == "slopes":
        a = RandomEffects("_all", ["x"], factor="a", covariance="unstructured")
        equations, levels = [a, b], ["a", "b"]
    else:
        equations, levels = [a, b], ["a", "b"]
    model = MixedLinearRegressor(equations, fixed=["x"], method=method).fit(X, y)
    V = np.eye(len(y))
    for e in model._fitted.equations:
        own = X["b"] if "b" in e.name else X["a"]
        Z = np.column_stack(
            [
                np.ones(len(y)) if c == "_cons" or c.startswith("R.") else X[c]
                for c in e.effects
            ]
        )
        D = e.Sigma[: Z.shape[1], : Z.shape[1]] / model.sigma_**2
        same = own.to_numpy()[:, None] == own.to_numpy()[None, :]
        V += same * (Z @ D @ Z.T)
    A = np.column_stack([X["x"], np.ones(len(y))])
    args = A, y.to_numpy(), V, model.sigma_**2
    for level in levels:
        found = model.influence(X, y, level=level)
        codes = X[level].to_numpy()
        masks = [codes == u for u in np.unique(codes)]
        residual = found.rows["group_residual"].to_numpy()
        checked = check_units(found.group_table, found.coef, residual, masks, *args)
        assert checked == len(masks)
        assert found.group_table["n_obs"].sum() == len(y)
    masks = list(np.eye(len(y), dtype=bool))
    residual = found.rows["deletion_residual"].to_numpy()
    assert check_units(found.rows, found.row_coef, residual, masks, *args) == len(y)
    assert_allclose(found.rows["conditional_residual"], y - model.predict(X))
    with pytest.raises(NotImplementedError, match="crossed"):
        _ = found.variance_components


def test_penicillin():
    X, y = load_penicillin(return_X_y=True)
    crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    model = MixedLinearRegressor(crossed, fixed=[], method="reml").fit(X, y)
    found = model.influence(X, y)
    assert found.level == "plate"
    assert len(found.group_table) == 24
    with pytest.raises(ValueError, match="not the data"):
        model.influence(X, y + 1.0 * (X["plate"] == "a"))
    again = found.refit(["a", "c"])
    keep = X["plate"] != "c"
    other = MixedLinearRegressor(crossed, fixed=[], method="reml").fit(X[keep], y[keep])
    row = again.loc["c"]
    assert row[("diameter", "_cons")] == pytest.approx(other.intercept_)
    assert row[("", "log_likelihood")] == pytest.approx(other.log_likelihood_)


def test_groups_that_are_too_large_where_factors_cross(monkeypatch):
    from sklearn_xmixed.diagnostics.samples import _crossed

    monkeypatch.setattr(_crossed, "MAX_ROWS", 10)
    X, y = crossed_data()
    crossed = [RandomEffects("_all", factor=name) for name in ("a", "b")]
    model = MixedLinearRegressor(crossed, fixed=["x"]).fit(X, y)
    found = model.influence(X, y)
    with pytest.raises(NotImplementedError, match=r"refit\(\)"):
        _ = found.group_table
    assert found.row_coef.notna().all(axis=None)


# ------------------------------------------------------------- random effects


@given(case=cases(depth=st.integers(1, 2), max_columns=1))
def test_random_effects_without_a_group(case):
    check_without_a_group(case)


@pytest.mark.slow
@given(case=cases(depth=st.integers(3, 4), max_columns=1))
def test_random_effects_without_a_group_of_many_levels(case):
    check_without_a_group(case)


def check_without_a_group(case):
    model = case.fit_quietly(std_errors=False, lr_test=False)
    if not model.sigma_ > 1e-3 or not model._fitted.equations:
        return
    level = model._fitted.encoders[model._fitted.level_numbers[0]].group
    found = model.influence(case.X, case.y, level=level)
    V = dense_V(case, model)
    names = [c for c in found.coef if c in case.fixed or c == "_cons"]
    kept = found.coef.columns[found.coef.notna().any()]
    names = [c for c in names if c in kept]
    frame = case.frame.assign(_cons=1.0)
    Sigmas = [e.Sigma / model.sigma_**2 for e in model._fitted.equations]
    codes = case.paths[level]
    for u in list(range(codes.max() + 1))[:3]:
        label = found.coef.index[u]
        beta = found.coef[names].iloc[u]
        if beta.isna().any():
            continue
        keep = codes != u
        r = case.y.to_numpy() - frame[names].to_numpy(float) @ beta.to_numpy()
        left = np.zeros(len(r))
        left[keep] = np.linalg.solve(V[np.ix_(keep, keep)], r[keep])
        effects = found.random_effects(label)
        for e, (Z, own, D) in zip(
            model._fitted.equations, case.terms(Sigmas), strict=True
        ):
            sums = np.zeros((own.max() + 1, Z.shape[1]))
            np.add.at(sums, own, Z * left[:, None])
            scale = np.abs(case.y).max()
            assert_allclose(effects[e.name], sums @ D, rtol=1e-5, atol=1e-6 * scale)


def test_random_effects_without_what():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(["region", "state"], fixed=["emp"]).fit(X, y)
    with pytest.raises(NotImplementedError, match="highest level"):
        model.influence(X, y, level="state").random_effects(("1", "MAINE"))
    with pytest.raises(ValueError, match="no group"):
        model.influence(X, y).random_effects("nowhere")


# --------------------------------------------------------------------- refits


def test_refit():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(["region", "state"], fixed=["emp", "unemp"]).fit(X, y)
    found = model.influence(X, y, level="state")
    chosen = [found.group_table.index[k] for k in (0, 7)]
    table = found.refit(chosen)
    assert list(table.index) == chosen
    keep = ((X["region"] != chosen[1][0]) | (X["state"] != chosen[1][1])).to_numpy()
    other = MixedLinearRegressor(["region", "state"], fixed=["emp", "unemp"])
    other.fit(X[keep], y[keep])
    assert_allclose(table["gsp"].iloc[1], other.results_.beta)
    variances = other.variance_components_["estimate"]
    assert_allclose(table[list(variances.index)].iloc[1].astype(float), variances)
    assert table[("", "converged")].all()
    with pytest.raises(ValueError, match="labels must be"):
        found.refit([("1", "NOWHERE")])
    assert len(model.influence(X, y).refit()) == 9


# ------------------------------------------------------------------ lme4's refits

REFITS = json.loads(
    (Path(__file__).parent / "reference" / "influence.json").read_text()
)["cases"]


@pytest.mark.parametrize("case", REFITS, ids=lambda case: case["data"])
def test_refits_by_lme4(case):
    if case["data"] == "sleepstudy":
        X, y = load_sleepstudy(return_X_y=True)
        effects = RandomEffects("subject", ["days"], covariance="unstructured")
        order, terms = ["_cons", "days"], [1, 0, 2, 3]
    else:
        X, y = load_orthodont(return_X_y=True)
        X = X.assign(male=1.0 * (X["sex"] == "Male"))
        effects, order, terms = "subject", ["_cons", "age", "male"], [0, 1]
    fixed = order[1:]
    model = MixedLinearRegressor(effects, fixed=fixed, method=case["method"]).fit(X, y)
    found = model.influence(X, y)
    rows = [int(s) if s.isdigit() else s for s in case["subjects"]]
    cook = found.group_table["cooks_distance"].loc[rows]
    M, p = len(rows), len(order)
    balanced = case["data"] == "sleepstudy"  # variances do not matter to coefficients
    tolerance = 1e-4 if balanced else 0.05
    assert_allclose((M - p) / M * cook, case["cooks_distance"], rtol=tolerance)
    exact = np.array(case["coef"])
    assert_allclose(found.coef[order].loc[rows], exact, rtol=1e-4)
    full = model.variance_components_["estimate"].to_numpy()[terms]
    exact = np.array(case["variances"])[:, : len(terms)]
    error = np.abs(found.variance_components.loc[rows].to_numpy()[:, terms] - exact)
    change = np.abs(exact - full)
    assert (np.median(error, axis=0) < 0.05 * np.median(change, axis=0)).all()
    assert (error.max(axis=0) < 0.5 * change.max(axis=0)).all()
