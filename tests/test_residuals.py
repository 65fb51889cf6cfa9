"""Residual structures: the definition, derivatives, errors, forecasts."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV, GroupKFold

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.covariance import PARAMETERIZATIONS
from sklearn_xmixed.design._compile import compile_design
from sklearn_xmixed.likelihood import (
    Pool,
    Rows,
    StructuredObjective,
    VarianceModel,
    equation_blocks,
    oracle,
)
from sklearn_xmixed.residuals import Exponential, NotPositiveDefiniteError, Power
from sklearn_xmixed.residuals._partial import autocorrelations, autoregression
from tests.conftest import differences, manual_data, slow

SPECS = {
    "independent": {},
    "exchangeable": {},
    "ar": {"order": 1, "time": "t"},
    "ar2": {"order": 2, "time": "t"},
    "ar3": {"order": 3, "time": "t"},
    "ma": {"order": 1, "time": "t"},
    "ma2": {"order": 2, "time": "t"},
    "unstructured": {"time": "t"},
    "banded": {"order": 1, "time": "t"},
    "toeplitz": {"order": 2, "time": "t"},
    "toeplitz_all": {"time": "t"},
    "exponential": {"time": "s"},
    "exponential_places": {"time": ["s", "x1"]},
    "gaussian": {"time": "s"},
    "gaussian_places": {"time": ["s", "x1"]},
    "antedependence": {"time": "t"},
    "arma": {"time": "t"},
    # the same as correlations, with variances
    "independent_v": {"variance": "v"},
    "independent_x": {"variance": Power("x")},
    "exchangeable_t": {"variance": "t"},
    "ar_t": {"time": "t", "variance": "t"},
    "ar2_x": {"order": 2, "time": "t", "variance": Exponential("z")},
    "toeplitz_t": {"time": "t", "variance": "t"},
    "antedependence_t": {"time": "t", "variance": "t"},
    "exponential_v": {"time": "s", "variance": "v"},
    "gaussian_places_x": {"time": ["s", "x1"], "variance": Power("x")},
    "unstructured_v": {"time": "t", "variance": "v"},
    "banded_v": {"order": 1, "time": "t", "variance": "v"},
}
EFFECTS = {
    "none": [RandomEffects("g", intercept=False)],
    "intercept": [RandomEffects("g")],
    "slope": [RandomEffects("g", ["x1"], covariance="unstructured")],
    "three": [RandomEffects("h"), RandomEffects("g", ["x1"])],
    "above": [RandomEffects("h"), RandomEffects("g", intercept=False)],
}


def residuals_of(name: str, by: str | None = None) -> Residuals:
    return Residuals(name.split("_")[0].rstrip("0123456789"), by=by, **SPECS[name])


def data(seed: int, groups: int = 14, balanced: bool = False) -> pd.DataFrame:
    """Groups within groups, times 0 .. 5 with gaps, rows in any order."""
    rng = np.random.default_rng(seed)
    rows = []
    for g in range(groups):
        size = 6 if balanced else rng.integers(1, 7)
        times = np.sort(rng.choice(6, size, replace=False))
        stamps = times + (0 if balanced else rng.uniform(0, 0.8, size))
        rows += [
            (g // 3, g, t, s, "ab"[g % 2]) for t, s in zip(times, stamps, strict=True)
        ]
    frame = pd.DataFrame(rows, columns=["h", "g", "t", "s", "b"])
    n = len(frame)
    frame["x0"], frame["x1"] = rng.normal(size=n), rng.normal(1.0, 0.5, size=n)
    frame["x"], frame["z"] = np.exp(frame.x0), frame.x0
    frame["v"] = frame.t.map(lambda t: "uvw"[t % 3])
    common = rng.normal(size=groups)
    frame["y"] = 1 + frame.x0 + common[frame.g] + rng.normal(size=n)
    frame["y"] += 0.5 * rng.normal(size=n).cumsum() / np.sqrt(n)
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def engine(frame, effects, residuals, method="ml", *, compressed=False):
    estimator = MixedLinearRegressor(
        effects, fixed=["x0", "x1"], method=method, residuals=residuals
    )
    compiled = compile_design(
        estimator, frame.drop(columns="y"), frame["y"], None, None
    )
    design = compiled.design
    pool = Pool.build(
        design.moments,
        design.X.shape[1],
        design.intercept,
        [(level.columns, level.constant) for level in design.levels[::-1]],
    )
    rows = Rows.of(design, pool)
    tree, _ = rows.tree(rows.residual.start())
    model = VarianceModel(
        equation_blocks(design, pool, tree), tree.depth, PARAMETERIZATIONS["matsqrt"]
    )
    return StructuredObjective(
        rows.compressed() if compressed else rows,
        model,
        reml=method == "reml",
        log_det_basis=pool.log_det_R,
    )


def some_theta(objective, seed: int):
    """A point with every Lambda positive definite."""
    rng = np.random.default_rng(seed)
    size = 0.4
    psi = objective.residual.start()
    gamma = rng.normal(size=objective.model.n_params)
    move = rng.normal(size=len(psi))
    while True:
        theta = np.append(gamma, psi + size * move)
        try:
            objective.settle(theta)
        except NotPositiveDefiniteError:
            size *= 0.5
            continue
        return theta


def random_terms(frame, design, x):
    """(Z, group, Sigma) of every equation at log sds and atanh correlations."""
    at, terms = 0, []
    for equation in design.equations:
        q, places = len(equation.effects), equation.structure.places
        alpha = x[at : at + len(places)]
        at += len(places)
        sd, R = np.exp(alpha[:q]), np.eye(q)
        for value, (i, j) in zip(alpha, places, strict=True):
            if i != j:
                R[i, j] = R[j, i] = np.tanh(value)
        Z = np.column_stack(
            [
                np.ones(len(frame)) if c == "_cons" else frame[c]
                for c in equation.effects
            ]
        )
        group = frame[design.levels[equation.level].group].to_numpy()
        terms.append((Z, group, R * np.outer(sd, sd)))
    return terms


def dense_lambda(model, within, psi):
    """Lambda of all rows in the order of the frame."""
    n = len(within.codes)
    out = np.zeros((n, n))
    place = np.zeros(n) if within.place is None else within.place
    by = np.zeros(n, dtype=int) if within.by is None else within.by
    for g in np.unique(within.codes):
        at = np.flatnonzero(within.codes == g)
        out[np.ix_(at, at)] = model.covariance(
            psi, by[at[0]], place[at][:, None], place[at][None]
        )
    for b in range(len(model.parts)):
        rows = np.flatnonzero(by == b)
        out[rows, rows] = model.variances(psi, b, place[rows])
    return out


def oracle_at(objective, frame, effects, theta):
    """The definition at the same parameters."""
    m = objective.model.n_params
    D = objective.model.split(theta[:m])
    objective.settle(theta)
    pieces = objective.pieces(D)
    sigma2 = pieces.c / objective.nn
    design = objective.rows.design
    terms = []
    for block, D_b, equation in zip(
        objective.model.blocks, D, design.equations, strict=True
    ):
        Z = np.column_stack(
            [
                np.ones(len(frame)) if e == "_cons" else frame[e]
                for e in equation.effects
            ]
        )
        Sigma = sigma2 * block.metric @ D_b @ block.metric.T
        terms.append((Z, frame[design.levels[equation.level].group].to_numpy(), Sigma))
    X = np.column_stack([np.ones(len(frame)), frame[["x0", "x1"]]])
    Lambda = dense_lambda(objective.residual, design.residual, theta[m:])
    return (
        oracle(
            X, frame.y.to_numpy(), terms, sigma2, reml=objective.reml, Lambda=Lambda
        ),
        pieces,
        sigma2,
    )


CASES = [
    (name, effects, by, method)
    for (name, effects, by), method in zip(
        itertools.product(SPECS, EFFECTS, (None, "b")),
        itertools.cycle(["ml", "reml", "reml", "ml", "reml"]),
        strict=False,
    )
    if (name, by) != ("independent", None)  # the plain engine
]


def everyday(name: str, effects: str, by: str | None) -> bool:
    """Every structure with and without ``by``, the effects in turn."""
    number = list(SPECS).index(name) + 2 * (by is not None)
    return effects == list(EFFECTS)[number % len(EFFECTS)]


def in_turn(name, effects, by):
    """Every structure once a day, with ``by`` or without."""
    odd = list(SPECS).index(name) % 2 == 1 or name == "independent"
    return everyday(name, effects, by) and odd == (by is not None)


@pytest.fixture(
    params=[c if in_turn(*c[:3]) else slow(c) for c in CASES],
    ids=lambda c: "-".join(map(str, c)),
)
def setting(request):
    name, effects, by, method = request.param
    seed = CASES.index(request.param)
    frame = data(seed)
    effects = EFFECTS[effects]
    objective = engine(frame, effects, residuals_of(name, by), method)
    return frame, effects, objective, some_theta(objective, seed)


def test_value_is_that_of_the_definition(setting):
    frame, effects, objective, theta = setting
    right, pieces, sigma2 = oracle_at(objective, frame, effects, theta)
    assert_allclose(-0.5 * objective.value(theta), right.log_likelihood, rtol=1e-11)
    pool = objective.rows.pool
    assert_allclose(pool.coefficients(pieces.root.beta), right.beta, rtol=1e-8)
    assert_allclose(
        sigma2 * pool.vcov(pieces.root.F), right.vcov, rtol=1e-8, atol=1e-12
    )


def test_gradient_and_hessian_by_differences(setting):
    _, _, objective, theta = setting
    value, gradient, hessian = objective.hessian(theta)
    assert_allclose(value, objective.value(theta), rtol=1e-13)
    assert_allclose(gradient, objective.gradient(theta)[1], rtol=1e-9, atol=1e-9)
    step = 1e-4
    if not len(theta):
        return
    slopes, bends = [], []
    for k in range(len(theta)):
        move = step * np.eye(len(theta))[k]
        f = [objective.value(theta + s * move) for s in (-2, -1, 1, 2)]
        g = [objective.gradient(theta + s * move)[1] for s in (-2, -1, 1, 2)]
        slopes.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step))
        bends.append((g[0] - 8 * g[1] + 8 * g[2] - g[3]) / (12 * step))
    size = 1.0 + np.abs(gradient).max()
    assert_allclose(gradient, slopes, rtol=0, atol=1e-7 * size)
    assert_allclose(hessian, bends, rtol=0, atol=1e-8 * (1 + np.abs(hessian).max()))
    assert_allclose(hessian, hessian.T, rtol=0, atol=1e-11 * np.abs(hessian).max())


@pytest.mark.daily
@pytest.mark.parametrize(
    ("effects", "method"),
    [
        ("none", "reml"),
        ("intercept", "ml"),
        slow("none", "ml"),
        slow("intercept", "reml"),
    ],
)
@pytest.mark.parametrize("name", SPECS)
def test_stand_ins_for_equal_groups_change_nothing(name, effects, method):
    spec = residuals_of(name, "b")
    frame = data(3, groups=150, balanced=True)
    frame["x1"], frame["x"], frame["z"] = np.sin(frame.t), 1.0 + frame.t, frame.t / 3.0
    frame = frame.drop(frame.index[(frame.t == 2) & (frame.g % 4 == 1)])
    frame = frame.reset_index(drop=True)
    full = engine(frame, EFFECTS[effects], spec, method)
    few = engine(frame, EFFECTS[effects], spec, method, compressed=True)
    assert len(few.rows.W) < 0.7 * len(full.rows.W)
    theta = some_theta(full, 5)
    for a, b in zip(few.hessian(theta), full.hessian(theta), strict=True):
        assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max(initial=0.0))


# ------------------------------------------------------------ standard errors


@pytest.mark.daily
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize(
    ("name", "effects", "by"),
    [
        ("ar2", "intercept", None),
        ("ma", "intercept", None),
        slow("unstructured", "none", None),
        ("exponential", "above", None),
        ("toeplitz", "none", "b"),
        ("exchangeable", "none", "b"),
        slow("independent", "three", "b"),
        slow("banded", "none", None),
    ],
)
def test_information_by_differences_of_the_definition(name, effects, by, method):
    """Standard errors are those of the Hessian of L* in the metrics of the output."""
    rng = np.random.default_rng(11)
    frame = data(12, groups=60)
    e = rng.normal(size=(60, 7))
    e[:, 1:] += 0.6 * e[:, :-1]
    frame["y"] += 1.5 * e[frame.g, frame.t] + rng.normal(size=20)[frame.h]
    frame["y"] += frame.x1 * rng.normal(size=60)[frame.g]
    model = MixedLinearRegressor(
        EFFECTS[effects],
        fixed=["x0", "x1"],
        method=method,
        residuals=residuals_of(name, by),
    ).fit(frame.drop(columns="y"), frame.y)
    assert model.converged_
    results = model.results_
    residual = engine(frame, EFFECTS[effects], residuals_of(name, by)).residual
    objective = engine(frame, EFFECTS[effects], residuals_of(name, by), method)
    design = objective.rows.design
    X = np.column_stack([np.ones(len(frame)), frame[["x0", "x1"]]])
    psi = model._fitted.errors.psi
    log_sigma = 0.5 * np.log(model._fitted.sigma2)
    m = len(results.alpha) - len(psi) - 1

    def log_likelihood(x):
        """At log sds and atanh correlations, psi and log sigma."""
        terms = random_terms(frame, design, x)
        Lambda = dense_lambda(residual, design.residual, x[m:-1])
        sigma2 = np.exp(2 * x[-1])
        return oracle(
            X, frame.y.to_numpy(), terms, sigma2, reml=method == "reml", Lambda=Lambda
        ).log_likelihood

    x = np.concatenate([results.alpha[:m], psi, [log_sigma]])
    k, h = len(x), 2e-3
    H = np.zeros((k, k))
    f0 = log_likelihood(x)
    assert_allclose(f0, results.log_likelihood, rtol=1e-10)
    for i, j in itertools.combinations_with_replacement(range(k), 2):
        a, b = h * np.eye(k)[i], h * np.eye(k)[j]
        H[i, j] = H[j, i] = (
            log_likelihood(x + a + b)
            - log_likelihood(x + a - b)
            - log_likelihood(x - a + b)
            + log_likelihood(x - a - b)
        ) / (4 * h * h)
    J = np.eye(k)
    J[m:, m:] = residual.jacobian(log_sigma, psi)
    vcov = J @ np.linalg.inv(-H) @ J.T
    assert_allclose(results.alpha[m:], residual.estimates(log_sigma, psi), rtol=1e-12)
    assert_allclose(
        np.sqrt(np.diagonal(vcov)), np.sqrt(np.diagonal(results.alpha_vcov)), rtol=2e-3
    )


# ---------------------------------------------------------------- random effects


@pytest.mark.parametrize("name", [slow(n) if "_" in n else n for n in SPECS])
def test_blups_forecasts_and_standardised_residuals(name):
    """All are conditional expectations in the joint normal distribution."""
    by = "b" if name in ("ar2", "exchangeable", "independent") else None
    frame = data(21, groups=80)
    rng = np.random.default_rng(0)
    e = rng.normal(size=(80, 7))
    e[:, 1:] += 0.8 * e[:, :-1]
    frame["y"] += e[frame.g, frame.t]
    spec = residuals_of(name, by)
    X, y = frame.drop(columns="y"), frame.y
    new = frame.t == frame.groupby("g").t.transform("max")
    new &= (frame.groupby("g").t.transform("count") > 1) & (frame.g % 2 == 0)
    effects = EFFECTS["above"]
    model = MixedLinearRegressor(
        effects, fixed=["x0", "x1"], method="reml", residuals=spec
    ).fit(X[~new], y[~new])
    errors = model._fitted.errors
    within = engine(frame, effects, spec).rows.design.residual
    V = dense_lambda(errors.model, within, errors.psi)
    V = V * model._fitted.sigma2
    S = (frame.h.to_numpy()[:, None] == frame.h.to_numpy()[None]) * float(
        model.covariances_["h"].iloc[0, 0]
    )
    known = np.flatnonzero(~new)
    left = y.to_numpy() - model.predict(X, kind="fixed")
    solved = np.linalg.solve((V + S)[np.ix_(known, known)], left[known])
    S_new, V_new = S[:, known] @ solved, V[:, known] @ solved
    assert_allclose(model.predict(X) - model.predict(X, kind="fixed"), S_new, atol=1e-9)
    at = np.flatnonzero(new)
    if not name.startswith("independent"):
        assert np.abs(V_new[at]).max() > 0.01
    assert_allclose(
        model.forecast(X[new]) - model.predict(X[new]), V_new[at], rtol=1e-7, atol=1e-9
    )
    stranger = X[new].assign(g=-1)
    assert_allclose(model.forecast(stranger), model.predict(stranger))
    # whitened with the Cholesky factor, group by group
    z = model.standardized_residuals(X[~new], y[~new])
    order = np.lexsort((frame.s[~new], frame.g[~new]))
    L = np.linalg.cholesky(V[np.ix_(known[order], known[order])])
    white = np.linalg.solve(L, (left - S_new)[known[order]])
    if name.startswith("exchangeable"):  # the symmetric root
        assert_allclose(z @ z, white @ white)
    else:
        assert_allclose(z[order], white, rtol=1e-7, atol=1e-9)


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_any_partial_autocorrelations_are_stationary(p):
    partial = np.random.default_rng(p).uniform(-0.95, 0.95, p)
    phi, _ = autoregression(partial)
    roots = np.roots(np.append(1.0, -phi))
    assert np.abs(roots).max() < 1
    r, _ = autocorrelations(partial, 30)
    # Yule-Walker at every lag
    for k in range(1, 31):
        assert_allclose(r[k], sum(phi[j] * r[abs(k - 1 - j)] for j in range(p)))


def test_counts_labels_and_notes():
    frame = data(5, groups=40)
    X, y = frame.drop(columns="y"), frame.y

    def fit(effects, **spec):
        return (
            MixedLinearRegressor(
                EFFECTS[effects], fixed=["x0"], residuals=Residuals(**spec)
            )
            .fit(X, y)
            .results_
        )

    one = fit("none", structure="ar", time="t")
    assert (one.n_params, one.n_residual, one.lr_df, one.lr_kind) == (4, 2, 1, "chi2")
    assert "assumes" in one.lr_note
    assert one.residual_label == "AR(1)"
    assert one.equations[0].label == "(empty)"
    two = fit("intercept", structure="exponential", time="s")
    assert (two.n_params, two.n_random, two.lr_df) == (5, 1, 2)
    assert "conservative and provided only for reference" in two.lr_note
    three = fit("none", structure="toeplitz", order=2, time="t", by="b")
    assert three.residual_label == "Toeplitz(2), by b"
    assert [p.term("sd") for p in three.parameters] == [
        *("a: rho1", "a: rho2", "a: sd(e)"),
        *("b: rho1", "b: rho2", "b: sd(e)"),
    ]
    four = fit("none", structure="banded", order=1, time="t")
    assert four.n_residual == 6 + 5


def test_equivalent_models():
    """Different ways to say the same."""
    frame = data(6, groups=40, balanced=True)
    X, y = frame.drop(columns="y"), frame.y
    frame["y"] += np.random.default_rng(1).normal(size=40)[frame.g]

    def fit(effects, **spec):
        residuals = Residuals(**spec) if spec else None
        return MixedLinearRegressor(
            EFFECTS[effects], fixed=["x0"], method="reml", residuals=residuals
        ).fit(X, y)

    plain, exchangeable = fit("intercept"), fit("none", structure="exchangeable")
    assert_allclose(plain.log_likelihood_, exchangeable.log_likelihood_, rtol=1e-11)
    total = plain.covariances_["g"].iloc[0, 0] + plain.sigma_**2
    assert_allclose(exchangeable.residual_parameters_["var(e)"], total, rtol=1e-6)
    ar = fit("intercept", structure="ar", time="t")
    exponential = fit("intercept", structure="exponential", time="t")
    assert_allclose(ar.log_likelihood_, exponential.log_likelihood_, rtol=1e-11)
    unstructured = fit("none", structure="unstructured", time="t")
    banded = fit("none", structure="banded", time="t")
    assert_allclose(unstructured.log_likelihood_, banded.log_likelihood_, rtol=1e-11)


def test_results_do_not_depend_on_the_order_of_rows():
    frame = data(7, groups=30)
    again = frame.sample(frac=1.0, random_state=3)
    spec = Residuals("ar", order=2, time="t", by="b")
    fits = [
        MixedLinearRegressor("g", fixed=["x0"], residuals=spec).fit(
            f.drop(columns="y"), f.y
        )
        for f in (frame, again)
    ]
    assert_allclose(
        fits[0].results_.alpha, fits[1].results_.alpha, rtol=1e-6, atol=1e-7
    )


def test_weights_of_groups_are_copies():
    frame = data(8, groups=25)
    weight = 1 + frame.g % 3
    copies = pd.concat(
        [frame[weight > k].assign(g=lambda f, k=k: f.g + 100 * k) for k in range(3)]
    )
    spec = Residuals("ar", order=2, time="t")
    weighted = MixedLinearRegressor(
        RandomEffects("g", weight="w"), fixed=["x0"], residuals=spec
    ).fit(frame.drop(columns="y").assign(w=weight), frame.y)
    copied = MixedLinearRegressor("g", fixed=["x0"], residuals=spec).fit(
        copies.drop(columns="y"), copies.y
    )
    assert_allclose(weighted.log_likelihood_, copied.log_likelihood_, rtol=1e-10)
    assert_allclose(
        weighted.results_.alpha, copied.results_.alpha, rtol=1e-6, atol=1e-8
    )
    assert_allclose(
        weighted.results_.alpha_vcov, copied.results_.alpha_vcov, rtol=1e-5, atol=1e-9
    )


def test_weights_of_rows_with_independent_residuals():
    frame = data(9, groups=25)
    weight = (1 + frame.index % 3).to_numpy()
    copies = frame.loc[frame.index.repeat(weight)].reset_index(drop=True)
    model = MixedLinearRegressor("g", fixed=["x0"], residuals=Residuals(by="b"))
    weighted = model.fit(frame.drop(columns="y"), frame.y, weight).results_
    copied = model.fit(copies.drop(columns="y"), copies.y).results_
    assert_allclose(weighted.log_likelihood, copied.log_likelihood, rtol=1e-10)
    assert_allclose(weighted.alpha, copied.alpha, rtol=1e-6, atol=1e-8)
    assert_allclose(weighted.alpha_vcov, copied.alpha_vcov, rtol=1e-5, atol=1e-9)


# --------------------------------------------------------------------- choices


def test_grid_search_over_structures():
    frame = data(10, groups=60)
    e = np.random.default_rng(0).normal(size=(60, 7)).cumsum(axis=1)
    frame["y"] += e[frame.g, frame.t]
    search = GridSearchCV(
        MixedLinearRegressor("g", fixed=["x0"], residuals=Residuals("ar", time="t")),
        {"residuals__structure": ["ar", "ma", "exponential"], "method": ["ml", "reml"]},
        cv=GroupKFold(3),
    )
    search.fit(frame.drop(columns="y"), frame.y, groups=frame.g)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_grid_search_over_orders():
    frame = data(10, groups=60)
    e = np.random.default_rng(0).normal(size=(60, 7)).cumsum(axis=1)
    frame["y"] += e[frame.g, frame.t]
    X, y = frame.drop(columns="y"), frame.y
    residuals = Residuals("ar", time="t")
    model = MixedLinearRegressor("g", fixed=["x0"], residuals=residuals)
    cv = GroupKFold(3)
    search = GridSearchCV(model, {"residuals__order": [1, 2]}, cv=cv)
    search.fit(X, y, groups=frame.g)
    assert residuals.order is None
    best = search.best_estimator_
    assert best.residuals.order == search.best_params_["residuals__order"]
    assert best.results_.residual_label == f"AR({best.residuals.order})"
    scores = search.cv_results_["mean_test_score"]
    for order, score in zip((1, 2), scores, strict=True):
        one = MixedLinearRegressor(
            "g", fixed=["x0"], residuals=Residuals("ar", order=order, time="t")
        )
        parts = [
            one.fit(X.iloc[a], y.iloc[a]).score(X.iloc[b], y.iloc[b])
            for a, b in cv.split(X, y, frame.g)
        ]
        assert_allclose(score, np.mean(parts), rtol=1e-12)
    assert scores[0] != scores[1]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"structure": "arima"}, "must be one of independent, exchangeable"),
        ({"structure": "ar"}, "need time"),
        ({"structure": "ar", "time": "nowhere"}, "no column of X or groups"),
        ({"structure": "ar", "time": "t", "order": 0}, "at least 1"),
        ({"structure": "ar", "time": "t", "order": 1.5}, "integer"),
        ({"structure": "exchangeable", "order": 2}, "have no order"),
        ({"structure": "ar", "time": "s"}, "integer-valued time"),
        ({"structure": "unstructured", "time": "minus"}, "nonnegative integers"),
        ({"structure": "unstructured", "time": "same"}, "repeated within group g="),
        ({"structure": "toeplitz", "time": "t", "order": 9}, "longest observed lag, 5"),
        ({"structure": "banded", "time": "t", "order": 6}, "minus one, 5"),
        ({"structure": "ar", "time": "t", "by": "t"}, "varies within"),
        ({"structure": "ar", "time": "gap"}, "is missing in 1 rows"),
        ({"structure": "ar", "time": "b"}, "must hold numbers"),
    ],
)
def test_messages(spec, message):
    frame = data(1).assign(minus=lambda f: f.t - 3, same=1, gap=lambda f: f.t * 1.0)
    frame.loc[3, "gap"] = np.nan
    X, y = frame.drop(columns="y"), frame.y
    with pytest.raises(ValueError, match=message):
        MixedLinearRegressor("g", fixed=["x0"], residuals=Residuals(**spec)).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"em_only": True}, "em_only=True is available only"),
        ({"std_errors": False}, "std_errors=False is available only"),
        ({"random_effects": None}, "random_effects names no group"),
    ],
)
def test_what_is_not_available(parameters, message):
    frame = data(1)
    model = MixedLinearRegressor("g", fixed=["x0"], residuals=Residuals("ar", time="t"))
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).fit(frame.drop(columns="y"), frame.y)


def test_rows_with_missing_times_are_dropped_on_request():
    frame = data(2, groups=30).assign(gap=lambda f: f.t * 1.0)
    frame.loc[3, "gap"] = np.nan
    model = MixedLinearRegressor(
        "g", fixed=["x0"], residuals=Residuals("ar", time="gap"), missing="drop"
    ).fit(frame.drop(columns="y"), frame.y)
    assert model.results_.n_obs == len(frame) - 1


def test_by_may_vary_within_groups_of_independent_residuals():
    frame = data(4, groups=30)
    model = MixedLinearRegressor(
        "g", fixed=["x0"], residuals=Residuals(by="t"), method="reml"
    ).fit(frame.drop(columns="y"), frame.y)
    assert len(model.residual_parameters_) == 6


# ------------------------------------------------- the manual's printed estimates


def example_8():
    """Our fit, the likelihood by V formed in full, the printed estimates and SEs."""
    frame = manual_data("ovary").reset_index(drop=True)
    model = MixedLinearRegressor(
        "mare",
        fixed=["sin1", "cos1"],
        method="reml",
        residuals=Residuals("ar", order=2, time="time"),
    ).fit(frame.drop(columns="follicles"), frame.follicles)
    X = np.column_stack([np.ones(len(frame)), frame[["sin1", "cos1"]]])
    y, one = frame.follicles.to_numpy(float), np.ones((len(frame), 1))
    mare, _ = pd.factorize(frame.mare)
    lag = np.abs(np.subtract.outer(frame.time.to_numpy(int), frame.time.to_numpy(int)))
    same = mare[:, None] == mare

    def log_likelihood(x):
        phi1, phi2, sd, sd_mare = x
        r = [1.0, phi1 / (1 - phi2)]
        while len(r) <= lag.max():
            r.append(phi1 * r[-1] + phi2 * r[-2])
        terms = [(one, mare, np.array([[sd_mare**2]]))]
        Lambda = np.array(r)[lag] * same
        return oracle(X, y, terms, sd**2, reml=True, Lambda=Lambda).log_likelihood

    printed = {
        "phi1": (0.5386104, 0.0624899),
        "phi2": (0.144671, 0.063204),
        "sd(e)": (3.775055, 0.3225437),
        "sd(_cons)": (2.663158, 0.8264476),
    }
    return model, log_likelihood, printed


def example_9():
    """The same for the unstructured model."""
    days = [0, 4, 6, 8, 12]
    frame = manual_data("exercise")
    frame = frame[frame.day.isin(days)].dropna().reset_index(drop=True)
    frame["p2"] = (frame.program == 2) * 1.0
    names = ["p2"]
    for day in days[1:]:
        frame[f"d{day}"] = (frame.day == day) * 1.0
        frame[f"p2d{day}"] = frame[f"d{day}"] * frame.p2
        names += [f"d{day}", f"p2d{day}"]
    model = MixedLinearRegressor(
        RandomEffects("id", intercept=False),
        fixed=names,
        residuals=Residuals("unstructured", time="day"),
    ).fit(frame.drop(columns="strength"), frame.strength)
    X = np.column_stack([np.ones(len(frame)), frame[names]])
    y, at = frame.strength.to_numpy(float), np.searchsorted(days, frame.day)
    same = frame.id.to_numpy()[:, None] == frame.id.to_numpy()

    def log_likelihood(x):
        R = np.eye(5)
        i, j = np.triu_indices(5, 1)
        R[i, j] = R[j, i] = x[5:]
        Sigma = R * np.outer(x[:5], x[:5])
        Lambda = Sigma[np.ix_(at, at)] * same
        return oracle(X, y, [], 1.0, Lambda=Lambda).log_likelihood

    printed = {
        "sd(e0)": (3.024179, 0.3515413),
        "sd(e4)": (3.445452, 0.4007049),
        "sd(e6)": (3.17265, 0.3701737),
        "sd(e8)": (3.636569, 0.42814),
        "sd(e12)": (3.628924, 0.4364031),
        "corr(e0,e4)": (0.9237568, 0.0241659),
        "corr(e0,e6)": (0.8847673, 0.0360256),
        "corr(e0,e8)": (0.8438552, 0.0481853),
        "corr(e0,e12)": (0.8107881, 0.0591609),
        "corr(e4,e6)": (0.9598061, 0.0131155),
        "corr(e4,e8)": (0.949579, 0.016828),
        "corr(e4,e12)": (0.9024383, 0.0333957),
        "corr(e6,e8)": (0.957802, 0.0157897),
        "corr(e6,e12)": (0.9120406, 0.0293324),
        "corr(e8,e12)": (0.9403092, 0.0213539),
    }
    return model, log_likelihood, printed


@pytest.mark.parametrize("example", [example_8, example_9])
def test_printed_estimates_are_not_above_our_optimum(example):
    """The manual's search stopped short of the maximum, by less than 1e-9."""
    model, log_likelihood, printed = example()
    table = model.results_.variance_frame("sd")["estimate"].droplevel("level")
    ours = table[list(printed)].to_numpy()
    theirs, se = np.array(list(printed.values())).T
    best = log_likelihood(ours)
    assert_allclose(best, model.log_likelihood_, rtol=1e-13)
    loss = best - log_likelihood(theirs)
    assert 1e-11 < loss < 1e-9
    # ours lose less when they are rounded to what was printed: it is not the rounding
    rounded = np.array([float(f"{value:.7g}") for value in ours])
    assert best - log_likelihood(rounded) < 0.5 * loss

    def slope(at):
        """Largest, per printed standard error."""
        zero = np.zeros(len(se))
        g = differences(lambda x: log_likelihood(at + x * se), zero, 1e-3)
        return np.abs(g).max()

    assert slope(ours) < 5e-7
    assert slope(theirs) > 5e-6
