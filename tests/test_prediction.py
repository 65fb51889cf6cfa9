"""Predictions of rows and effects, and how sure they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import block_diag

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_pastes, load_sleepstudy
from tests.conftest import cases, seeds, simulate


def close(actual, desired, tolerance):
    desired = np.asarray(desired)
    scale = 1.0 + np.abs(desired).max(initial=0.0)
    assert_allclose(actual, desired, rtol=0, atol=tolerance * scale)


def known_path(groups, paths, path):
    """Number of a group by its path of labels, None where it was not seen."""
    for number, code in zip(groups, paths, strict=True):
        if number == path:
            return code
    return None


def prediction_by_definition(case, gamma, rows, n_levels):
    """Mean and covariance of x'beta + z'u for new rows, from V itself.

    The error of the prediction is z'u - z'u_hat + x'(beta - beta_hat); a
    group that was not seen has effects of its own, with the prior variance.
    """
    found = case.engine.at(gamma)
    design = case.engine.compiled.design
    X, y = case.design_matrix, case.frame["y"].to_numpy(float)
    x_new = rows[case.fixed].to_numpy(float)
    x_new = np.column_stack([np.ones(len(rows))] * case.fit_intercept + [x_new])
    names = [level.group for level in design.levels]
    wide, wide_new, G, prior = [], [], [], np.zeros((len(rows), len(rows)))
    for e, (Z, codes, Sigma) in zip(
        design.equations, case.terms(found.Sigmas), strict=True
    ):
        q, groups = Z.shape[1], codes.max() + 1
        spread = np.zeros((len(Z), groups * q))
        for a in range(q):
            spread[np.arange(len(Z)), codes * q + a] = Z[:, a]
        wide.append(spread)
        G.append(np.kron(np.eye(groups), Sigma))
        z_new = case.columns_of(e, rows)
        upto = names[: e.level + 1]
        seen = list(zip(*(case.frame[n] for n in upto), strict=True))
        asked = list(zip(*(rows[n] for n in upto), strict=True))
        new = np.zeros((len(rows), groups * q))
        for i, path in enumerate(asked):
            code = known_path(seen, codes, path) if e.level < n_levels else None
            if e.level >= n_levels:
                continue
            if code is not None:
                new[i, code * q : code * q + q] = z_new[i]
            else:
                for j, other in enumerate(asked):
                    if other == path:
                        prior[i, j] += z_new[i] @ Sigma @ z_new[j]
        wide_new.append(new)
    Z, Z_new, G = np.hstack(wide), np.hstack(wide_new), block_diag(*G)
    V = Z @ G @ Z.T + found.sigma2 * np.eye(len(y))
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    gain = Z_new @ G @ Z.T @ inverse
    mean = x_new @ beta + gain @ (y - X @ beta)
    slope = x_new - gain @ X
    variance = Z_new @ (G - G @ Z.T @ inverse @ Z @ G) @ Z_new.T + prior
    variance = variance + slope @ np.linalg.solve(information, slope.T)
    return mean, np.diagonal(variance)


def new_rows(case, seed, n=8):
    """Rows of the data with other covariates, and some labels never seen."""
    rng = np.random.default_rng(seed)
    rows = case.frame.iloc[rng.integers(0, len(case.frame), n)].reset_index(drop=True)
    for name in ("x0", "x1", "x2", "w0"):
        rows[name] = rng.normal(size=n)
    for k in case.paths:
        fresh = rng.random(n) < 0.15
        rows.loc[fresh, k] = 10_000 + np.arange(n)[fresh]
    return rows.drop(columns="y")


@given(cases(), seeds)
def test_mean_and_standard_error_by_definition(case, seed):
    gamma = case.engine.random_gamma(seed)
    model = case.engine.fitted(gamma)
    rows = new_rows(case, seed)
    n_levels = len(case.engine.compiled.design.levels)
    mean, std = model.predict(rows, return_std=True)
    right, variance = prediction_by_definition(case, gamma, rows, n_levels)
    close(mean, right, 1e-10)
    close(std**2, variance, 1e-9)
    assert_allclose(model.predict(rows), mean, rtol=0, atol=0)


@given(cases(depth=st.integers(2, 4)), seeds, st.integers(1, 3))
def test_down_to_a_level(case, seed, n_levels):
    levels = case.engine.compiled.design.levels
    n_levels = min(n_levels, len(levels))
    gamma = case.engine.random_gamma(seed)
    model = case.engine.fitted(gamma)
    rows = new_rows(case, seed)
    mean, std = model.predict(rows, level=levels[n_levels - 1].group, return_std=True)
    right, variance = prediction_by_definition(case, gamma, rows, n_levels)
    close(mean, right, 1e-10)
    close(std**2, variance, 1e-9)


@given(cases(), seeds)
def test_fixed_part(case, seed):
    gamma = case.engine.random_gamma(seed)
    found = case.engine.at(gamma)
    right = case.oracle(found.Sigmas, found.sigma2)
    model = case.engine.fitted(gamma)
    mean, std = model.predict(case.X, kind="fixed", return_std=True)
    X = case.design_matrix
    close(mean, X @ right.beta, 1e-10)
    close(std**2, np.einsum("ij,jk,ik->i", X, right.vcov, X), 1e-10)


@given(cases(), seeds)
def test_predictions_are_the_sum_of_fixed_part_and_blups(case, seed):
    gamma = case.engine.random_gamma(seed)
    found = case.engine.at(gamma)
    right = case.oracle(found.Sigmas, found.sigma2)
    total = case.design_matrix @ right.beta
    for (Z, codes, _), u in zip(case.terms(found.Sigmas), right.u, strict=True):
        total += (Z * u.reshape(-1, Z.shape[1])[codes]).sum(axis=1)
    close(case.engine.fitted(gamma).predict(case.X), total, 1e-10)


# ----------------------------------------------------------- in the user's terms


@pytest.fixture(scope="module")
def sleepstudy():
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"], covariance="unstructured")
    return X, y, MixedLinearRegressor(effects).fit(X, y)


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_which_standard_errors_of_effects_are_the_default(method):
    """beta known under ML, its uncertainty included under REML."""
    model = simulate(0, method=method).fit()
    _, default = model.random_effects("g", return_std=True)
    known, full = (
        model.random_effects("g", return_std=True, fixed_known=k)[1]
        for k in (True, False)
    )
    assert (full > known).to_numpy().all()
    pd.testing.assert_frame_equal(default, known if method == "ml" else full)


def test_effects_by_level(sleepstudy):
    X, _, model = sleepstudy
    assert list(model.random_effects_) == ["subject"]
    frame = model.random_effects_["subject"]
    assert list(frame.columns) == ["days", "_cons"]
    assert frame.index.name == "subject"
    assert list(frame.index) == sorted(X["subject"].unique())
    # shrunken least-squares lines still average to nothing in a balanced study
    assert_allclose(frame.mean(), 0.0, atol=1e-9)
    with pytest.raises(ValueError, match="level must be one of"):
        model.random_effects("nobody")


def test_index_of_nested_groups_is_their_path():
    X, y = load_pastes(return_X_y=True)
    model = MixedLinearRegressor(["batch", "cask"]).fit(X, y)
    frame = model.random_effects_["cask"]
    assert frame.index.names == ["batch", "cask"]
    assert len(frame) == 30
    assert set(frame.index) == set(map(tuple, X[["batch", "cask"]].to_numpy()))


def test_unseen_labels(sleepstudy):
    X, y, model = sleepstudy
    rows = X.iloc[:3].copy()
    rows["subject"] = rows["subject"].astype(object)
    rows.iloc[1, rows.columns.get_loc("subject")] = "nobody"
    blup, fixed = model.predict(rows), model.predict(rows, kind="fixed")
    assert blup[1] == pytest.approx(fixed[1], rel=1e-13)
    assert abs(blup[0] - fixed[0]) > 1
    for unseen in ("nan", "raise"):
        other = MixedLinearRegressor(
            RandomEffects("subject", ["days"], covariance="unstructured"), unseen=unseen
        ).fit(X, y)
        if unseen == "nan":
            mean, std = other.predict(rows, return_std=True)
            assert np.isnan(mean).tolist() == [False, True, False]
            assert np.isnan(std).tolist() == [False, True, False]
        else:
            with pytest.raises(ValueError, match="nobody"):
                other.predict(rows)


def test_an_unseen_group_has_the_prior_variance(sleepstudy):
    X, _, model = sleepstudy
    rows = pd.DataFrame({"subject": [999] * 3, "days": [0.0, 4.5, 9.0]})
    rows = rows[X.columns]
    _, std = model.predict(rows, return_std=True)
    _, known = model.predict(rows, kind="fixed", return_std=True)
    Sigma = model.covariances_["subject"].to_numpy()
    Z = np.column_stack([rows["days"], np.ones(3)])
    prior = np.einsum("ij,jk,ik->i", Z, Sigma, Z)
    assert_allclose(std**2, known**2 + prior, rtol=1e-12)


def test_level_and_kind_are_checked(sleepstudy):
    X, _, model = sleepstudy
    with pytest.raises(ValueError, match="level"):
        model.predict(X, level="planet")
    with pytest.raises(ValueError, match="kind"):
        model.predict(X, kind="blub")
    with pytest.raises(ValueError, match="level"):
        model.predict(X, kind="fixed", level="subject")


def test_a_zero_variance_predicts_nothing():
    case = simulate(0, sd=(0.0, 0.0), groups=6)
    model = case.fit_quietly()
    if model.covariances_["g"].to_numpy().max() > 1e-6:
        pytest.skip("the data make some variance after all")
    assert_allclose(
        model.predict(case.X), model.predict(case.X, kind="fixed"), rtol=0, atol=1e-5
    )


def test_order_of_rows_does_not_matter(sleepstudy):
    X, _, model = sleepstudy
    shuffled = X.sample(frac=1.0, random_state=0)
    assert_allclose(
        model.predict(shuffled),
        pd.Series(model.predict(X), X.index)[shuffled.index],
        rtol=1e-14,
    )
