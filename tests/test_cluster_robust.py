"""Cluster-robust errors with small-sample corrections against their definitions.

The witness forms V, its symmetric square root and A_g in full, n x n, and takes moments of the
robust covariance matrix by their definition.
"""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.design._clusters import CORRECTED
from sklearn_xmixed.exceptions import ExactFitWarning
from sklearn_xmixed.inference.robust import _cluster_moments, _corrections
from sklearn_xmixed.languages.stata import to_command
from sklearn_xmixed.languages.translation import to_nlme
from sklearn_xmixed.likelihood import _cluster_rows

KINDS = ("CR0", "CR1", "CR1S", "CR2", "CR3")


def power(A: np.ndarray, exponent: float) -> np.ndarray:
    """Moore-Penrose power of a symmetric matrix."""
    values, vectors = np.linalg.eigh(A)
    kept = values > 1e-9 * values.max()
    values = np.where(kept, np.where(kept, values, 1.0) ** exponent, 0.0)
    return (vectors * values) @ vectors.T


class Dense:
    """The definitions, from V and the rows."""

    def __init__(self, X, y, V, clusters, kind):
        n, p = X.shape
        Vi = np.linalg.inv(V)
        Phi = np.linalg.inv(X.T @ Vi @ X)
        e = y - X @ (Phi @ X.T @ Vi @ y)
        M = V - X @ Phi @ X.T
        labels = np.unique(clusters)
        G = len(labels)
        self.a = np.zeros((G, n, p))  # of all rows, zero outside the cluster
        meat = np.zeros((p, p))
        for g, label in enumerate(labels):
            at = clusters == label
            own, left = V[np.ix_(at, at)], M[np.ix_(at, at)]
            A = np.eye(at.sum())
            if kind == "CR2":
                D = power(own, 0.5)
                A = D @ power(D @ left @ D, -0.5) @ D
            elif kind == "CR3":
                A = own @ power(left, -1.0)
            self.a[g, at] = A.T @ np.linalg.solve(own, X[at]) @ Phi
            score = self.a[g].T @ e
            meat += np.outer(score, score)
        factor = {"CR1": G / (G - 1), "CR1S": G * (n - 1) / ((G - 1) * (n - p))}
        self.vcov, self.M = factor.get(kind, 1.0) * meat, M

    def df(self, l):
        a = self.a @ l
        Omega = a @ self.M @ a.T
        return np.trace(Omega) ** 2 / (Omega**2).sum()

    def test(self, L, d):
        q = len(L)
        a = self.a @ L.T
        P = np.einsum("gns,nm,hmt->ghst", a, self.M, a, optimize=True)
        T = power(np.einsum("ggst->st", P), -0.5)
        P = T @ P @ T
        variance = np.einsum("ghss,ghtt->", P, P) + np.einsum("ghst,ghts->", P, P)
        eta = q * (q + 1) / variance
        wald = d @ np.linalg.solve(L @ self.vcov @ L.T, d)
        return (eta - q + 1) / (eta * q) * wald, eta - q + 1


def three_levels(seed: int) -> pd.DataFrame:
    """Pupils in classes in schools in districts, unbalanced, in no order."""
    rng = np.random.default_rng(seed)
    rows = []
    for school in range(11):
        for room in range(int(rng.integers(1, 5))):
            for time in range(int(rng.integers(1, 9))):
                rows.append((school // 2, school, 10 * school + room, time))
    frame = pd.DataFrame(rows, columns=["district", "school", "room", "time"])
    n = len(frame)
    frame["x"] = rng.normal(size=n)
    frame["z"] = rng.normal(size=11)[frame.school]
    frame["late"] = (frame.time > 2).astype(float)
    of_school, slope = rng.normal(size=(2, 11))
    of_room = rng.normal(size=200)
    frame["y"] = (
        1
        + 0.5 * frame.x
        + of_school[frame.school]
        + 0.4 * slope[frame.school] * frame.x
    )
    frame["y"] += 0.8 * of_room[frame.room] + rng.normal(size=n) * (1 + frame.late)
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


SCHOOL = RandomEffects("school", ["x"], covariance="unstructured")
ROOM = RandomEffects("room")
AR = Residuals("ar", time="time")
MODELS = {
    "linear": ([], None, None),
    "intercept": (["school"], None, None),
    "slope": ([SCHOOL], None, None),
    "three levels": ([SCHOOL, ROOM], None, None),
    "lowest level alone": (
        [RandomEffects("school", intercept=False), ROOM],
        None,
        None,
    ),
    "above": ([SCHOOL, ROOM], None, "district"),
    "linear by district": ([], None, "district"),
    "ar": ([RandomEffects("room", intercept=False)], AR, None),
    "ar and slope": ([SCHOOL, ROOM], AR, "district"),
    "by": ([SCHOOL], Residuals("independent", by="late"), None),
    "unstructured": (
        [RandomEffects("room", intercept=False)],
        Residuals("exchangeable"),
        "school",
    ),
    "crossed": (
        [
            RandomEffects("district", factor="time", name="time"),
            RandomEffects("district", factor="school", name="s"),
        ],
        None,
        None,
    ),
    "crossed with slopes": (
        [
            RandomEffects("district", ["x"]),
            RandomEffects("district", factor="school", covariance="exchangeable"),
        ],
        None,
        None,
    ),
}


def fit(frame, name, **options):
    equations, residuals, cluster = MODELS[name]
    model = MixedLinearRegressor(
        equations,
        fixed=["x", "z", "late"],
        residuals=residuals,
        cluster=cluster,
        **options,
    )
    return model.fit(frame.drop(columns="y"), frame["y"])


def clusters_of(frame, name):
    equations, _, cluster = MODELS[name]
    if cluster is None and not equations:
        return np.arange(len(frame))
    first = equations[0] if equations else None
    group = first if isinstance(first, str) or first is None else first.group
    return frame[cluster or group].to_numpy()


def dense(model, frame, name):
    """The definitions at the estimated V, which other tests compare with its own."""
    V = np.asarray(model.marginal_covariance(frame.drop(columns="y")))
    X = np.column_stack([frame[["x", "z", "late"]], np.ones(len(frame))])
    return Dense(X, frame["y"].to_numpy(), V, clusters_of(frame, name), model.vce)


EVERY = [(name, vce) for name in MODELS for vce in ("CR2", "CR3")]
EVERY += [(name, vce) for name in ("above", "by", "crossed") for vce in KINDS[:3]]


@pytest.mark.daily
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize(("name", "vce"), EVERY)
def test_the_definitions(name, vce, method):
    # another data set for every model
    frame = three_levels(100 + 10 * list(MODELS).index(name) + (method == "reml"))
    model = fit(frame, name, vce=vce, method=method)
    expected = dense(model, frame, name)
    robust, beta = model._fitted.robust, model.results_.beta
    L = np.vstack([np.eye(4), [[1.0, -2.0, 0.5, 1.0]]])
    assert_allclose(model.results_.beta_vcov, expected.vcov, rtol=1e-6, atol=1e-9)
    assert robust.vcov is model.results_.beta_vcov
    assert_allclose(robust.df(L), [expected.df(l) for l in L], rtol=1e-6)
    for rows in (L[:1], L[:2], np.array([[1.0, -1.0, 0.0, 0.3], [0.0, 2.0, 1.0, 1.0]])):
        found = robust.test(rows, rows @ beta - 0.1)
        f, df = expected.test(rows, rows @ beta - 0.1)
        assert_allclose([found.f_value, found.df_denom], [f, df], rtol=1e-6)
        assert found.df == len(rows)
        assert_allclose(found.scale, df / (df + len(rows) - 1), rtol=1e-6)
        assert 0.0 < found.p_value < 1.0


@pytest.mark.parametrize("name", ["slope", "three levels", "above", "ar and slope"])
def test_portions_and_roots_of_either_kind_are_the_same(name, monkeypatch):
    """Shards and blocks of single clusters, and no product squared."""
    frame = three_levels(2)
    for vce in ("CR2", "CR3"):
        whole = fit(frame, name, vce=vce)._fitted.robust
        with monkeypatch.context() as patch:
            patch.setattr(_cluster_rows, "SHARD_ROWS", 1)
            patch.setattr(_cluster_rows, "BLOCK_SIZE", 1)
            patch.setattr(_corrections, "GRADED", 0.0)
            patch.setattr(_cluster_moments, "PORTION", 1)
            parts = fit(frame, name, vce=vce)._fitted.robust
        assert_allclose(parts.vcov, whole.vcov, rtol=1e-8)
        L = np.eye(4)
        assert_allclose(parts.df(L), whole.df(L), rtol=1e-8)
        found, expected = (r.test(L[:3], np.ones(3)) for r in (parts, whole))
        assert_allclose(found.f_value, expected.f_value, rtol=1e-8)
        assert_allclose(found.df_denom, expected.df_denom, rtol=1e-8)


@pytest.mark.parametrize("name", ["slope", "above", "by", "crossed"])
def test_without_a_correction_it_is_the_other_sandwich(name):
    frame = three_levels(3)
    corrected = fit(frame, name, vce="CR1").results_
    cluster = MODELS[name][2]
    robust = fit(frame, name, vce="cluster" if cluster else "robust").results_
    assert_allclose(corrected.beta_vcov, robust.beta_vcov, rtol=1e-8)
    assert corrected.n_clusters == robust.n_clusters
    assert corrected.cluster_name == robust.cluster_name


def test_variances_keep_their_model_based_errors():
    frame = three_levels(4)
    for method in ("ml", "reml"):
        corrected = fit(frame, "slope", vce="CR2", method=method).results_
        plain = fit(frame, "slope", method=method).results_
        assert_allclose(corrected.alpha_vcov, plain.alpha_vcov, rtol=1e-12)
        assert_allclose(corrected.model_beta_vcov, plain.beta_vcov, rtol=1e-12)
        assert_allclose(corrected.beta, plain.beta, rtol=1e-12)
        assert corrected.log_likelihood == plain.log_likelihood


@pytest.mark.daily
@pytest.mark.parametrize("vce", ["CR1S", "CR2", "CR3"])
@pytest.mark.parametrize("cluster", [None, "district"])
@pytest.mark.parametrize("residuals", [None, AR])
def test_frequency_weights_are_copies(vce, cluster, residuals):
    """Of rows, classes and schools, those of the schools in their own cluster."""
    frame = three_levels(5)
    rng = np.random.default_rng(5)
    frame["w_row"] = rng.integers(1, 3, len(frame)) if residuals is None else 1
    frame["w_room"] = rng.integers(1, 3, 200)[frame.room]
    frame["w_school"] = rng.integers(1, 4, 11)[frame.school]
    copies = []
    for a in range(3):
        for b in range(2):
            for c in range(2):
                some = frame[
                    (frame.w_school > a) & (frame.w_room > b) & (frame.w_row > c)
                ]
                some = some.assign(school=some.school * 10 + a)
                copies.append(some.assign(room=some.room * 10 + b))
    long = pd.concat(copies)
    spec = {"fixed": ["x", "z", "late"], "vce": vce, "cluster": cluster}
    spec["residuals"] = residuals
    short = MixedLinearRegressor(
        [
            RandomEffects("school", ["x"], weight="w_school"),
            RandomEffects("room", weight="w_room"),
        ],
        **spec,
    )
    w = None if residuals else frame.w_row
    short.fit(frame.drop(columns="y"), frame["y"], sample_weight=w)
    whole = MixedLinearRegressor([RandomEffects("school", ["x"]), ROOM], **spec)
    whole.fit(long.drop(columns="y"), long["y"])
    r, expected = short.results_, whole.results_
    assert r.n_clusters == expected.n_clusters
    # where the two searches end is the larger difference
    assert_allclose(r.beta_vcov, expected.beta_vcov, rtol=1e-4, atol=1e-7)
    L = np.eye(4)
    df = whole._fitted.robust.df(L)
    assert_allclose(short._fitted.robust.df(L), df, rtol=1e-4)
    a, b = (m._fitted.robust.test(L[:2], np.ones(2)) for m in (short, whole))
    assert_allclose([a.f_value, a.df_denom], [b.f_value, b.df_denom], rtol=1e-4)


def test_weights_of_rows_under_reml_and_above_the_effects():
    frame = three_levels(6)
    w = np.random.default_rng(6).integers(1, 4, len(frame)).astype(float)
    frame["w_district"] = (frame.district % 2 + 1).astype(float)
    frame["w"] = w
    X, y = frame.drop(columns="y"), frame["y"]
    long = frame.loc[frame.index.repeat(w.astype(int))]
    for cluster in (None, "district"):
        spec = {"fixed": ["x", "z"], "vce": "CR2", "method": "reml", "cluster": cluster}
        short = MixedLinearRegressor(**spec).fit(X, y, sample_weight=w)._fitted.robust
        whole = MixedLinearRegressor(**spec).fit(long.drop(columns="y"), long["y"])
        assert_allclose(short.vcov, whole.results_.beta_vcov, rtol=1e-8)
        df = whole._fitted.robust.df(np.eye(3))
        assert_allclose(short.df(np.eye(3)), df, rtol=1e-8)
    # copies of whole districts, which have no effects of their own
    again = frame[frame.w_district == 2]
    shift = {"district": 100, "school": 1000, "room": 10_000}
    again = again.assign(**{name: again[name] + by for name, by in shift.items()})
    long = pd.concat([frame, again])
    spec = {"fixed": ["x", "z"], "vce": "CR2"}
    empty = RandomEffects("district", intercept=False, weight="w_district")
    short = MixedLinearRegressor([empty, "school"], **spec).fit(X, y)
    empty = RandomEffects("district", intercept=False)
    whole = MixedLinearRegressor([empty, "school"], **spec)
    whole.fit(long.drop(columns="y"), long["y"])
    assert short.results_.n_clusters == whole.results_.n_clusters == 9
    vcov = whole.results_.beta_vcov
    assert_allclose(short.results_.beta_vcov, vcov, rtol=1e-5, atol=1e-8)
    df = whole._fitted.robust.df(np.eye(3))
    assert_allclose(short._fitted.robust.df(np.eye(3)), df, rtol=1e-5)


def test_a_cluster_that_fits_itself():
    """A coefficient of one cluster alone: what is left of its residuals has lower rank."""
    frame = three_levels(7)
    frame["late"] = (frame.school == 4).astype(float)
    for name in ("linear by district", "intercept", "three levels"):
        if name == "linear by district":
            frame["late"] = (frame.district == 2).astype(float)
        for vce in ("CR2", "CR3"):
            model = fit(frame, name, vce=vce, method="reml")
            expected = dense(model, frame, name)
            vcov = model.results_.beta_vcov
            assert np.isfinite(vcov).all()
            assert_allclose(vcov, expected.vcov, rtol=1e-6, atol=1e-9)
            df = [expected.df(l) for l in np.eye(4)]
            assert_allclose(model._fitted.robust.df(np.eye(4)), df, rtol=1e-6)


def test_fewer_clusters_than_coefficients():
    frame = three_levels(8)
    frame = frame[frame.district < 3]
    model = fit(frame, "above", vce="CR2")
    robust = model._fitted.robust
    assert np.isfinite(robust.df(np.eye(4))).all()
    assert (np.diagonal(robust.vcov) > 0).all()
    with pytest.raises(ValueError, match=r"no joint test of 4 .*'CR2' and 3 clusters"):
        robust.test(np.eye(4), np.ones(4))
    one = frame[frame.district == 0]
    with pytest.raises(ValueError, match="at least two clusters"):
        fit(one, "above", vce="CR2")


def test_without_coefficients_there_is_nothing_to_correct():
    frame = three_levels(8)
    model = MixedLinearRegressor("school", fixed=[], fit_intercept=False, vce="CR2")
    model.fit(frame.drop(columns="y"), frame["y"])
    assert model._fitted.robust is None
    assert model.results_.n_clusters == 11
    with pytest.warns(ExactFitWarning):
        exact = fit(frame.assign(y=2 * frame.x), "slope", vce="CR2")
    assert exact._fitted.robust is None
    assert (exact.results_.beta_vcov == 0).all()


def test_hypotheses_about_nothing_have_no_degrees_of_freedom():
    frame = three_levels(9)
    frame["late"] = 2 * frame["x"]
    model = fit(frame, "linear by district", vce="CR2")
    assert model.results_.omitted == ("late",)
    df = model._fitted.robust.df(np.eye(4))
    assert np.isnan(df[2])
    assert np.isfinite(np.delete(df, 2)).all()
    assert (model.results_.beta_vcov[2] == 0).all()
    # units and the order of columns and rows are a matter of taste
    other = frame.assign(x=1000 * frame.x + 7)[::-1]
    there = fit(other, "linear by district", vce="CR2")._fitted.robust
    assert_allclose(there.df(np.eye(4))[:2], df[:2], rtol=1e-8)


@pytest.mark.parametrize(("sd", "rtol"), [(1.0, 1e-9), (1e2, 1e-9), (1e4, 1e-7)])
def test_large_random_effects_cost_few_digits(sd, rtol):
    """The eigenvectors of V are known with an intercept: the mean and contrasts."""
    rng = np.random.default_rng(10)
    g = np.repeat(np.arange(12), rng.integers(2, 9, 12))
    x, t = rng.normal(size=(2, len(g)))
    y = x + sd * rng.normal(size=12)[g] + rng.normal(size=len(g)) * (1 + (g % 2))
    X = pd.DataFrame({"g": g, "x": x, "t": t})
    model = MixedLinearRegressor("g", fixed=["x", "t"], vce="CR2", method="reml")
    model.fit(X, y)
    ratio = float(model.covariances_["g"].iloc[0, 0]) / model._fitted.sigma2
    parts = []
    for k in range(12):
        own = np.column_stack([x, t, np.ones(len(g)), y])[g == k]
        n = len(own)
        turn = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0].T
        D = np.ones(n)
        D[0] = np.sqrt(1.0 + ratio * n)
        parts.append((turn @ own / D[:, None], D))
    white = np.concatenate([W for W, _ in parts])
    R = np.linalg.qr(white[:, :3], mode="r")
    beta = np.linalg.lstsq(white[:, :3], white[:, 3], rcond=None)[0]
    meat = np.zeros((3, 3))
    for W, D in parts:
        U = np.linalg.solve(R.T, W[:, :3].T).T
        C = np.linalg.cholesky(np.eye(len(W)) - U @ U.T).T
        _, values, axes = np.linalg.svd(C * D**2)
        N = (D**2)[:, None] * (axes.T @ ((axes @ U) / values[:, None]))
        score = N.T @ (W[:, 3] - W[:, :3] @ beta)
        meat += np.outer(score, score)
    expected = np.linalg.solve(R, np.linalg.solve(R, meat).T)
    size = np.sqrt(np.diagonal(expected))
    found = model.results_.beta_vcov / np.outer(size, size)
    assert_allclose(found, expected / np.outer(size, size), atol=rtol, rtol=0)


def test_output_and_messages():
    frame = three_levels(11)
    for method, heading in (("ml", ""), ("reml", "restricted-")):
        text = str(fit(frame, "above", vce="CR2", method=method).summary())
        assert f"Log {heading}pseudolikelihood = " in text
        assert "(Std. Err. adjusted for 6 clusters in district)" in text
        assert text.count("CR2\n") == 1
        assert "Robust" not in text
    model = fit(frame, "slope", vce="CR2")
    with pytest.raises(ValueError, match="vce='oim'"):
        lrtest(model, fit(frame, "intercept", vce="CR2"))
    with pytest.raises(ValueError, match="cannot be used with weight_type='sampling'"):
        fit(frame, "slope", vce="CR2", weight_type="sampling")
    with pytest.raises(ValueError, match=r"Use method='ml', or vce='CR2'"):
        fit(frame, "slope", vce="robust", method="reml")
    with pytest.raises(ValueError, match="cannot be written as a command"):
        to_command(model)
    assert "vcovCR(fit, cluster = data$school" in " ".join(to_nlme(model).notes)
    findings = model.diagnose(frame.drop(columns="y"), frame["y"])
    assert "few_clusters" not in str(findings)
    with pytest.raises(ValueError, match=r"'CR1', 'CR1S', 'CR2', 'CR3'.*Got 'CR4'"):
        fit(frame, "slope", vce="CR4")
    assert tuple(_corrections.CORRECTIONS) == CORRECTED


def test_it_is_kept():
    frame = three_levels(12)
    model = fit(frame, "slope", vce="CR2")
    again = pickle.loads(pickle.dumps(model))
    assert_allclose(
        again._fitted.robust.df(np.eye(4)), model._fitted.robust.df(np.eye(4))
    )
    assert fit(frame, "slope")._fitted.robust is None
    assert fit(frame, "slope", vce="robust")._fitted.robust is None
    X = frame.drop(columns="y")
    std = model.predict(X, kind="fixed", return_std=True)[1]
    rows = np.column_stack([frame[["x", "z", "late"]], np.ones(len(frame))])
    variance = np.einsum("na,ab,nb->n", rows, model.results_.beta_vcov, rows)
    assert_allclose(std, np.sqrt(variance), rtol=1e-10)


def test_tables_with_degrees_of_freedom():
    frame = three_levels(13)
    model = fit(frame, "slope", vce="CR2", method="reml")
    robust, table = model._fitted.robust, model.coef_table(df="satterthwaite")
    assert_allclose(table["std_error"], np.sqrt(np.diagonal(robust.vcov)))
    assert_allclose(table["df"], robust.df(np.eye(4)))
    assert_allclose(table["t"], table["estimate"] / table["std_error"])
    p = 2 * stats.t.sf(abs(table["t"]), table["df"])
    assert_allclose(table["p_value"], p)
    half = stats.t.ppf(0.975, table["df"]) * table["std_error"]
    assert_allclose(table["ci_upper"], table["estimate"] + half)
    found = model.wald_test(["x = 0.2", "z = 0"], df="satterthwaite")
    expected = robust.test(np.eye(4)[:2], model.results_.beta[:2] - [0.2, 0.0])
    assert_allclose(found.f_value, expected.f_value)
    assert_allclose(found.df_denom, expected.df_denom)
    assert_allclose(found.p_value, expected.p_value)
    assert found.df == 2
