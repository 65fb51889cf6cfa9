"""Structured residuals from one tensor per pattern of times and random columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.likelihood import PatternObjective, StructuredObjective, tensors_of
from sklearn_xmixed.likelihood.structured import (
    _kind,
    _pattern_objective,
    _pattern_plan,
    _pattern_variances,
    _tensors,
)
from sklearn_xmixed.residuals import NotPositiveDefiniteError
from tests.conftest import differences, slow
from tests.test_residuals import EFFECTS, SPECS, data, engine, residuals_of, some_theta

NOBODY = EFFECTS["none"]
#: random columns that the groups of a pattern share
SHARED = {
    "intercept": EFFECTS["intercept"],
    "slope_in_time": [RandomEffects("g", ["t"], covariance="unstructured")],
    "two": [RandomEffects("g", ["t"], intercept=False), RandomEffects("g")],
}
#: and columns that are the groups' own: a pattern for each of them
MODELS = {"none": NOBODY, **SHARED, "own_slope": EFFECTS["slope"]}


def both(frame, spec, method="reml", effects=NOBODY):
    """The objective of rows, and that of tensors."""
    rows = engine(frame, effects, spec, method)
    tensors = tensors_of(rows.rows)
    assert tensors is not None
    return rows, PatternObjective(
        rows.rows,
        tensors,
        rows.model,
        reml=method == "reml",
        log_det_basis=0.5 * rows._basis,
    )


def frame_of(seed: int, groups: int = 60) -> pd.DataFrame:
    """Times 0 .. 5 with gaps, of real numbers too."""
    frame = data(seed, groups=groups)
    return frame.assign(s=frame.t * 0.7 + 0.1)


def same(found, right, size=1e-10):
    for a, b in zip(found, right, strict=True):
        assert_allclose(a, b, rtol=size, atol=size * np.abs(b).max(initial=0.0))


# ------------------------------------------------------------ the same function

#: every row is a place of its own, or several of a group are at one: rows are kept
AT_PLACES = ("independent_v", "independent_x", "ar2_x", "gaussian_places")
AT_PLACES += ("gaussian_places_x", "exponential_places")


@pytest.mark.parametrize("name", AT_PLACES)
def test_places_keep_their_rows(name):
    rows = engine(frame_of(0), NOBODY, residuals_of(name, None)).rows
    assert tensors_of(rows) is None


def used(objective):
    """Whether the tensors served at the last evaluation."""
    return objective._known[1] is not None


#: (effects, method, by): all without effects, each once with them
WAYS = [("none", method, by) for method in ("ml", "reml") for by in (None, "b")]
WAYS += [("intercept", "ml", None), ("slope_in_time", "reml", "b")]
WAYS += [("two", "reml", None), ("own_slope", "reml", "b")]


def every_way():
    """All structures in all ways; every day one with effects and one without."""
    for number, name in enumerate(n for n in SPECS if n not in AT_PLACES):
        for k, way in enumerate(WAYS):
            for seed in range(3 if way[0] == "none" else 1):
                daily = seed == 0 and k in (number % 4, 4 + number % 4)
                yield (name, *way, seed) if daily else slow(name, *way, seed)


@pytest.mark.daily
@pytest.mark.parametrize(("name", "effects", "method", "by", "seed"), every_way())
def test_value_gradient_and_hessian_are_those_of_the_rows(
    name, effects, method, by, seed
):
    if (name, by) == ("independent", None):
        by = "b"
    spec = residuals_of(name, by)
    rows, tensors = both(frame_of(seed), spec, method, MODELS[effects])
    theta = some_theta(rows, seed)
    same(tensors.hessian(theta), rows.hessian(theta))
    assert used(tensors)
    same(tensors.gradient(theta), rows.gradient(theta))
    assert_allclose(tensors.value(theta), rows.value(theta), rtol=1e-12)
    model, psi, weight = tensors.model, tensors.psi, 0.7
    D = model.split(theta[: model.n_params])
    (at, slope), (right, bend) = (f.held(D, psi, weight) for f in (tensors, rows))
    same([at.c, at.l, slope], [right.c, right.l, bend])
    same([*at.c_D, *at.l_D], [*right.c_D, *right.l_D])
    at, right = (f.curvature(D, model.elements()) for f in (tensors, rows))
    names = ("c_2", "l_2", "c_psi", "psi_1", "psi_2")
    same(*([getattr(x, each) for each in names] for x in (at, right)))


@pytest.mark.daily
@pytest.mark.parametrize("effects", ["none", "slope_in_time"])
@pytest.mark.parametrize("name", ["unstructured", "toeplitz", "exchangeable", "ar_t"])
def test_derivatives_by_differences(name, effects):
    _, tensors = both(frame_of(4), residuals_of(name, "b"), effects=MODELS[effects])
    theta = some_theta(tensors, 4)
    _, gradient, hessian = tensors.hessian(theta)
    slope = differences(lambda x: tensors.value(x), theta)
    assert_allclose(gradient, slope, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
    bend = differences(lambda x: tensors.gradient(x)[1], theta)
    assert_allclose(hessian, bend, rtol=1e-6, atol=1e-6 * np.abs(hessian).max())


def test_by_may_vary_within_groups():
    frame = frame_of(2)
    frame["b"] = np.where(frame.t < 3, "a", "b")
    rows, tensors = both(frame, Residuals("independent", by="b"))
    theta = some_theta(rows, 0)
    same(tensors.hessian(theta), rows.hessian(theta))
    # with effects V of a group is no longer made of its categories' own
    rows = engine(frame, EFFECTS["intercept"], Residuals("independent", by="b"))
    assert tensors_of(rows.rows) is None


@pytest.mark.parametrize("intercept", [False, True])
def test_weights_of_groups_are_copies(intercept):
    frame = frame_of(6)
    weight = 1 + frame.g % 3
    copies = pd.concat(
        [frame[weight > k].assign(g=lambda f, k=k: f.g + 100 * k) for k in range(3)]
    )

    def fit(frame, weight):
        return MixedLinearRegressor(
            RandomEffects("g", intercept=intercept, weight=weight),
            fixed=["x0"],
            residuals=Residuals("ar" if intercept else "unstructured", time="t"),
        ).fit(frame.drop(columns="y"), frame.y)

    weighted, copied = fit(frame.assign(w=weight), "w"), fit(copies, None)
    assert_allclose(weighted.log_likelihood_, copied.log_likelihood_, rtol=1e-11)
    a, b = weighted.results_, copied.results_
    assert_allclose(a.alpha, b.alpha, rtol=1e-6, atol=1e-7)
    assert_allclose(a.alpha_vcov, b.alpha_vcov, rtol=1e-5, atol=1e-8)


# ------------------------------------------------------------------ when and what


def test_rows_are_kept_where_tensors_do_not_pay(monkeypatch):
    frame = frame_of(1)
    spec = residuals_of("unstructured")
    assert tensors_of(engine(frame, EFFECTS["above"], spec).rows) is None
    assert tensors_of(engine(frame, EFFECTS["three"], spec).rows) is None
    # every group has its own times
    own = data(1, groups=60)
    assert tensors_of(engine(own, NOBODY, residuals_of("exponential")).rows) is None
    # most of many groups have random columns of their own
    many = frame_of(1, groups=80)
    assert tensors_of(engine(many, EFFECTS["slope"], spec).rows) is None
    places = ((_pattern_plan, "MAX_TIMES"), (_pattern_plan, "MAX_PATTERNS"))
    for where, limit in (*places, (_tensors, "MAX_SIZE")):
        with monkeypatch.context() as patch:
            patch.setattr(where, limit, 3)
            assert tensors_of(engine(frame, NOBODY, spec).rows) is None
    assert tensors_of(engine(frame, NOBODY, spec).rows) is not None
    assert tensors_of(engine(frame, EFFECTS["intercept"], spec).rows) is not None
    monkeypatch.setattr(_tensors, "MAX_SHARE", 0.1)
    assert tensors_of(engine(frame, NOBODY, spec).rows) is not None
    assert tensors_of(engine(frame, EFFECTS["intercept"], spec).rows) is None


def test_groups_that_begin_later_share_a_pattern_where_only_lags_matter():
    frame = frame_of(1)
    later = frame.assign(t=frame.t + 3 * (frame.g % 2))
    own = {}
    for name, effects in MODELS.items():
        rows = engine(later, effects, residuals_of("ar2")).rows
        own[name] = len(tensors_of(rows)[0].times)
    # a slope in time is another one three steps later
    assert own == {
        "none": 6,
        "intercept": 6,
        "slope_in_time": 9,
        "two": 9,
        "own_slope": 9,
    }
    rows, tensors = both(later, residuals_of("ar2"), effects=SHARED["slope_in_time"])
    theta = some_theta(rows, 1)
    same(tensors.hessian(theta), rows.hessian(theta))


@pytest.mark.parametrize("effects", ["none", "two"])
def test_portions_of_the_workspace_change_nothing(monkeypatch, effects):
    name = "unstructured" if effects == "none" else "toeplitz_all"
    _, tensors = both(frame_of(1), residuals_of(name), effects=MODELS[effects])
    theta = some_theta(tensors, 1)
    right = tensors.hessian(theta)
    monkeypatch.setattr(_tensors, "WORKSPACE", 1)
    monkeypatch.setattr(_pattern_variances, "WORKSPACE", 1)
    same(tensors.hessian(theta), right, 1e-12)


def test_nearly_singular_matrices_are_left_to_the_rows():
    rows, tensors = both(frame_of(3), residuals_of("unstructured"))
    theta = some_theta(rows, 3)
    theta[:5] -= 9.0  # later times are all but copies of the first
    same(tensors.hessian(theta), rows.hessian(theta), 1e-9)
    assert not used(tensors)
    same(tensors.gradient(theta), rows.gradient(theta), 1e-9)
    at, right = (f.curvature([], []) for f in (tensors, rows))
    same([at.c_psi, at.psi_2], [right.c_psi, right.psi_2], 1e-9)
    inside = some_theta(rows, 4)
    same(tensors.hessian(inside), rows.hessian(inside))
    assert used(tensors)


def test_large_random_effects_are_left_to_the_rows():
    frame = frame_of(3)
    rows, tensors = both(frame, residuals_of("ar"), effects=SHARED["slope_in_time"])
    theta = some_theta(rows, 3)
    theta[:3] = tensors.model.join([np.diag([1e5, 2e5])])
    same(tensors.hessian(theta), rows.hessian(theta), 1e-9)
    assert not used(tensors)
    same(tensors.gradient(theta), rows.gradient(theta), 1e-9)
    assert_allclose(tensors.value(theta), rows.value(theta), rtol=1e-12)


def test_a_matrix_that_is_not_positive_definite_is_infinitely_bad():
    _, tensors = both(frame_of(3), residuals_of("toeplitz_all"))
    theta = np.array([3.0, -3.0, 3.0, 3.0, 3.0])
    with pytest.raises(NotPositiveDefiniteError):
        tensors.settle(theta)
    assert tensors.value(theta) == np.inf
    assert tensors.gradient(theta)[0] == np.inf


def test_the_search_leaves_out_what_is_small(monkeypatch):
    """A term of the size of p, beside n; standard errors have it."""
    rows, tensors = both(frame_of(3, groups=200), residuals_of("unstructured"))
    theta = some_theta(rows, 3)
    value, gradient, exact = tensors.hessian(theta)
    monkeypatch.setattr(_pattern_objective, "CHEAP", 1)
    found = tensors.hessian(theta)
    same(found[:2], (value, gradient), 1e-13)
    more = np.linalg.eigvalsh(found[2] - exact)
    assert more[0] > -1e-9
    assert 1e-3 < more[-1] < 0.1 * np.linalg.eigvalsh(exact)[-1]
    assert tensors.last(theta).psi_2 is None
    same([tensors.curvature([], []).psi_2], [rows.curvature([], []).psi_2])


@pytest.mark.parametrize("method", ["ml", slow("reml")])
@pytest.mark.parametrize(
    ("effects", "costly", "by"),
    [
        ("none", 1, None),
        ("none", 1 << 24, "b"),
        ("slope_in_time", 1 << 24, None),
        ("slope_in_time", 1, "b"),
        slow("none", 1, "b"),
        slow("none", 1 << 24, None),
        slow("slope_in_time", 1, None),
        slow("slope_in_time", 1 << 24, "b"),
    ],
)
def test_fits_are_those_of_the_rows(monkeypatch, by, method, costly, effects):
    frame = frame_of(8, groups=120)
    monkeypatch.setattr(_pattern_objective, "COSTLY", costly)
    monkeypatch.setattr(_pattern_objective, "CHEAP", costly)

    def fit():
        name = "unstructured" if effects == "none" else "ar"
        model = MixedLinearRegressor(
            MODELS[effects],
            fixed=["x0", "x1"],
            residuals=Residuals(name, time="t", by=by),
            method=method,
        )
        return model.fit(frame.drop(columns="y"), frame.y)

    fast = fit()
    monkeypatch.setattr(_kind, "tensors_of", lambda rows: None)
    slow = fit()
    assert fast.converged_
    assert slow.converged_
    assert_allclose(fast.log_likelihood_, slow.log_likelihood_, rtol=1e-11)
    a, b = (m.results_.variance_frame("sd") for m in (fast, slow))
    assert_allclose(a.to_numpy(float), b.to_numpy(float), rtol=1e-5, atol=1e-6)
    a, b = (m.coef_table() for m in (fast, slow))
    assert_allclose(a.to_numpy(float), b.to_numpy(float), rtol=1e-6, atol=1e-7)
    assert_allclose(
        fast.forecast(frame.drop(columns="y")),
        slow.forecast(frame.drop(columns="y")),
        rtol=1e-5,
        atol=1e-6,
    )


def test_the_leading_patterns_are_a_start(monkeypatch):
    _, tensors = both(frame_of(3, groups=300), residuals_of("unstructured"))
    assert tensors.part() is None  # too few numbers
    monkeypatch.setattr(_pattern_objective, "COSTLY", 1)
    part = tensors.part()
    assert part is not None
    counts = tensors.tensors[0].count
    own = part.tensors[0].count
    assert own.sum() >= 0.5 * counts.sum()
    assert own.min() >= np.sort(counts)[-len(own)]
    theta = some_theta(tensors, 2)
    same(part.hessian(theta)[1:2], [differences(part.value, theta)], 1e-5)
    assert isinstance(part, StructuredObjective)


@pytest.mark.parametrize("name", SPECS)
def test_tables_are_the_matrices(name):
    frame = frame_of(5)
    part = engine(frame, NOBODY, residuals_of(name, "b")).residual.parts[0]
    structure = part.structure
    time = part.groups.time
    times = np.arange(4.0) if time is None else np.unique(time, axis=0)[:6]
    lookup = structure.lookup(times)
    if lookup is None:
        assert name.split("_")[0] in ("independent", "gaussian") or "_" in name
        return
    shape = structure.start() + 0.1
    Lambda = structure.matrix(shape, times[None])[0]
    assert_allclose(lookup.table(shape)[lookup.places], Lambda, rtol=1e-13, atol=1e-15)
    weight = np.random.default_rng(0).normal(size=len(lookup.table(shape)))
    slope = differences(lambda x: [weight @ lookup.table(x)], shape)
    assert_allclose(lookup.pull(shape, weight), np.ravel(slope), rtol=1e-6, atol=1e-6)
