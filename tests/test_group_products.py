"""Structured residuals with random columns of the groups' own, and several levels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.likelihood import GroupObjective, GroupProducts, StructuredObjective
from sklearn_xmixed.likelihood.structured import (
    _group_objective,
    _group_products,
    _kind,
)
from tests.conftest import differences
from tests.test_pattern_tensors import frame_of, same
from tests.test_residuals import (
    EFFECTS,
    SPECS,
    engine,
    oracle_at,
    residuals_of,
    some_theta,
)

#: four levels, slopes at three of them, a column that is another's at a lower level
DEEP = [
    RandomEffects("k", ["x0"], covariance="unstructured"),
    RandomEffects("h", ["x1"]),
    RandomEffects("g", ["x1", "x0"], covariance="unstructured"),
]
MODELS = {name: EFFECTS[name] for name in ("intercept", "slope", "three")}
MODELS["deep"] = DEEP
ALIKE = ("ar2", "toeplitz_all", "exponential", "exchangeable_t")


def frame_with_k(seed: int, groups: int = 60):
    frame = frame_of(seed, groups)
    return frame.assign(k=frame.h // 4)


def both(frame, spec, method="reml", effects=None):
    """The objective of rows, and that of sums by group."""
    rows = engine(frame, effects, spec, method)
    products = GroupProducts.of(rows.rows)
    assert products is not None
    return rows, GroupObjective(
        products, rows.model, reml=method == "reml", log_det_basis=0.5 * rows._basis
    )


# ------------------------------------------------------------ the same function

WAYS = [("slope", "reml", "b"), ("three", "ml", None), ("three", "reml", "b")]
WAYS += [("intercept", "ml", "b"), ("deep", "reml", None)]
WAYS = [(name, *way) for name in ALIKE for way in WAYS if name in SPECS]
WAYS += [("unstructured", "slope", "reml", None), ("unstructured", "three", "ml", "b")]
WAYS += [("ar2", "deep", "ml", "b")]


@pytest.mark.daily
@pytest.mark.parametrize(("name", "effects", "method", "by"), WAYS)
def test_value_gradient_and_hessian_are_those_of_the_rows(name, effects, method, by):
    spec = residuals_of(name, by)
    rows, sums = both(frame_with_k(1), spec, method, MODELS[effects])
    theta = some_theta(rows, 1)
    same(sums.hessian(theta), rows.hessian(theta))
    assert sums.by_group
    same(sums.gradient(theta), rows.gradient(theta))
    assert_allclose(sums.value(theta), rows.value(theta), rtol=1e-12)
    D = sums.model.split(theta[: sums.model.n_params])
    (at, slope), (right, bend) = (f.held(D, sums.psi, 0.7) for f in (sums, rows))
    same([at.c, at.l, slope], [right.c, right.l, bend])
    same([*at.c_D, *at.l_D], [*right.c_D, *right.l_D])
    at, right = (f.curvature(D, sums.model.elements()) for f in (sums, rows))
    names = ("c_2", "l_2", "c_psi", "psi_1", "psi_2")
    same(*([getattr(x, each) for each in names] for x in (at, right)))


@pytest.mark.parametrize("effects", MODELS)
@pytest.mark.parametrize("by", [None, "b"])
def test_values_are_those_of_the_definition(effects, by):
    frame = frame_with_k(2)
    for method in ("ml", "reml"):
        spec = residuals_of("ar", by)
        rows, sums = both(frame, spec, method, MODELS[effects])
        theta = some_theta(rows, 3)
        value = sums.value(theta)
        right, pieces, _ = oracle_at(rows, frame, MODELS[effects], theta)
        assert_allclose(value, -2.0 * right.log_likelihood, rtol=1e-10)
        at = sums.pieces(sums.model.split(theta[: sums.model.n_params]))
        assert_allclose(at.c, pieces.c, rtol=1e-10)


@pytest.mark.parametrize("effects", ["slope", "deep"])
def test_derivatives_by_differences(effects):
    _, sums = both(frame_with_k(4), residuals_of("ar", "b"), effects=MODELS[effects])
    theta = some_theta(sums, 4)
    _, gradient, hessian = sums.hessian(theta)
    slope = differences(lambda x: sums.value(x), theta)
    assert_allclose(gradient, slope, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())
    bend = differences(lambda x: sums.gradient(x)[1], theta)
    assert_allclose(hessian, bend, rtol=1e-6, atol=1e-6 * np.abs(hessian).max())


def test_a_complex_step_is_the_closed_form(monkeypatch):
    _, sums = both(frame_with_k(4), residuals_of("ar2"), effects=MODELS["slope"])
    theta = some_theta(sums, 4)
    right = sums.hessian(theta)
    monkeypatch.setattr(_group_objective, "CLOSED_FORM_Q", 0)
    same(sums.hessian(theta), right, 1e-13)


@pytest.mark.parametrize("few", [1, 1000])
def test_rare_patterns_are_dealt_with_as_others(monkeypatch, few):
    rows, _ = both(frame_with_k(5), residuals_of("ar"), effects=MODELS["three"])
    monkeypatch.setattr(_group_products, "FEW", few)
    products = GroupProducts.of(rows.rows)
    (batches,) = products.batches
    alone = [isinstance(batch.pattern, int) for batch in batches]
    assert alone == [True] * len(batches) if few == 1 else alone == [False]
    sums = GroupObjective(
        products, rows.model, reml=True, log_det_basis=rows._basis / 2
    )
    theta = some_theta(rows, 5)
    same(sums.hessian(theta), rows.hessian(theta))


# ------------------------------------------------------------------ when and what


def test_rows_are_kept_where_sums_do_not_serve(monkeypatch):
    frame = frame_with_k(6)
    spec = residuals_of("ar")

    def products_of(effects, frame=frame, spec=spec):
        return GroupProducts.of(engine(frame, effects, spec).rows)

    assert products_of(EFFECTS["slope"]) is not None
    assert products_of(EFFECTS["none"]) is None
    assert products_of(EFFECTS["above"]) is None  # the residuals' groups are others
    weighted = [RandomEffects("g", ["x1"], weight="b01")]
    assert products_of(weighted, frame.assign(b01=1.0 + frame.g % 2)) is None
    # every group has its own times
    assert (
        products_of(EFFECTS["slope"], spec=Residuals("exponential", time="x")) is None
    )
    monkeypatch.setattr(_group_products, "MAX_MOVES", 1)
    monkeypatch.setattr(_group_products, "MAX_SHARE", 0.01)
    assert products_of(EFFECTS["slope"]) is None


def test_nearly_singular_matrices_are_left_to_the_rows():
    rows, sums = both(
        frame_with_k(3), residuals_of("unstructured"), effects=MODELS["three"]
    )
    theta = some_theta(rows, 3)
    m = sums.model.n_params
    theta[m : m + 5] -= 12.0  # later times are all but copies of the first
    same(sums.hessian(theta), rows.hessian(theta), 1e-9)
    assert not sums.by_group
    same(sums.gradient(theta), rows.gradient(theta), 1e-9)
    inside = some_theta(rows, 4)
    same(sums.hessian(inside), rows.hessian(inside))
    assert sums.by_group


def test_large_random_effects_lose_no_digits():
    rows, sums = both(frame_with_k(3), residuals_of("ar"), effects=MODELS["slope"])
    theta = some_theta(rows, 3)
    theta[:3] = sums.model.join([np.diag([1e6, 2e6])])
    same(sums.hessian(theta), rows.hessian(theta), 1e-9)
    assert sums.by_group


@pytest.mark.parametrize("effects", ["slope", "three"])
@pytest.mark.parametrize("by", [None, "b"])
def test_fits_are_those_of_the_rows(monkeypatch, by, effects):
    frame = frame_with_k(8, groups=150)
    X, y = frame.drop(columns="y"), frame.y
    monkeypatch.setattr(_kind, "tensors_of", lambda rows: None)

    def fit():
        model = MixedLinearRegressor(
            MODELS[effects],
            fixed=["x0", "x1"],
            residuals=Residuals("ar", time="t", by=by),
            method="reml",
        )
        return model.fit(X, y)

    fast = fit()
    monkeypatch.setattr(GroupProducts, "of", lambda rows: None)
    slow = fit()
    assert fast.converged_
    assert slow.converged_
    assert_allclose(fast.log_likelihood_, slow.log_likelihood_, rtol=1e-11)
    for frames in (
        [m.results_.variance_frame("sd") for m in (fast, slow)],
        [m.coef_table() for m in (fast, slow)],
        [m.coef_table(df="satterthwaite") for m in (fast, slow)],
        [m.random_effects("g") for m in (fast, slow)],
    ):
        a, b = (f.to_numpy(float) for f in frames)
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert_allclose(fast.forecast(X), slow.forecast(X), rtol=1e-5, atol=1e-6)


def test_a_sample_of_the_groups_is_a_start(monkeypatch):
    _, sums = both(frame_with_k(3), residuals_of("ar"), effects=MODELS["slope"])
    assert sums.part() is None  # few rows
    monkeypatch.setattr("sklearn_xmixed.likelihood.structured._rows.SAMPLE_ROWS", 1)
    monkeypatch.setattr("sklearn_xmixed.likelihood.structured._rows.SAMPLE", 10)
    part = sums.part()
    assert isinstance(part, GroupObjective)
    assert len(part.rows.W) < 0.5 * len(sums.rows.W)
    monkeypatch.setattr(GroupProducts, "of", lambda rows: None)
    plain = sums.part()
    assert type(plain) is StructuredObjective
    theta = some_theta(sums, 2)
    same(part.hessian(theta), plain.hessian(theta))
