"""Columns of the wrong kind or of absurd size: one clear error each, or the right numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

rng = np.random.default_rng(0)
N = 120
G = np.repeat(np.arange(20), 6)
FRAME = pd.DataFrame(
    {
        "g": G,
        "t": np.tile(np.arange(6), 20),
        "x": rng.normal(size=N),
        "z": rng.normal(size=N),
    }
)
Y = 1 + FRAME["x"] + rng.normal(size=20)[G] + 0.7 * rng.normal(size=N)


def fit(frame=FRAME, y=Y, random_effects="g", fixed=("x", "z"), **parameters):
    return MixedLinearRegressor(random_effects, fixed=fixed, **parameters).fit(frame, y)


@pytest.mark.parametrize("size", [1e-308, 1e-200, 1e-160, 1e160, 1e200, 1e300])
class TestSquaresOutOfRange:
    def test_a_column_of_the_fixed_part(self, size):
        with pytest.raises(
            ValueError, match=r"Column 'x' has values too (large|small)"
        ):
            fit(FRAME.assign(x=FRAME["x"] * size))

    def test_a_random_column(self, size):
        with pytest.raises(ValueError, match="Column 'z' has values too"):
            fit(
                FRAME.assign(z=FRAME["z"] * size),
                random_effects=RandomEffects("g", ["z"]),
                fixed=["x"],
            )

    def test_the_response(self, size):
        with pytest.raises(ValueError, match="The response has values too"):
            fit(y=Y * size)

    def test_weights(self, size):
        model = MixedLinearRegressor("g", fixed=["x"])
        with pytest.raises(ValueError, match="divide them by their mean"):
            model.fit(FRAME, Y, sample_weight=np.full(N, size))


@pytest.mark.parametrize("size", [1e-140, 1e-60, 1e60, 1e140])
def test_what_can_be_squared_is_fitted(size):
    usual = fit()
    scaled = fit(FRAME.assign(x=FRAME["x"] * size))
    assert_allclose(scaled.log_likelihood_, usual.log_likelihood_, rtol=1e-10)
    assert_allclose(scaled.coef_[0] * size, usual.coef_[0], rtol=1e-8)
    scaled = fit(y=Y * size)
    assert_allclose(scaled.coef_ / size, usual.coef_, rtol=1e-7)


def test_zeros_are_not_too_small():
    model = fit(FRAME.assign(x=0.0))
    assert model.coef_[0] == 0.0
    assert model.converged_


DATES = pd.Timestamp("2020-01-01") + pd.to_timedelta(FRAME["t"], "D")


@pytest.mark.parametrize(
    "dates",
    [DATES, DATES.dt.tz_localize("UTC"), DATES - DATES[0]],
    ids=["naive", "zone", "duration"],
)
class TestDates:
    def test_in_the_fixed_part(self, dates):
        with pytest.raises(ValueError, match=r"\['x'\] of the fixed part hold dates"):
            fit(FRAME.assign(x=dates))

    def test_as_random_coefficients(self, dates):
        with pytest.raises(ValueError, match="random coefficient 'z' is of dates"):
            fit(
                FRAME.assign(z=dates),
                random_effects=RandomEffects("g", ["z"]),
                fixed=["x"],
            )

    def test_as_the_response(self, dates):
        with pytest.raises(ValueError, match="pass numbers"):
            fit(y=dates)

    @pytest.mark.parametrize("structure", ["ar", "exponential"])
    def test_as_times(self, dates, structure):
        with pytest.raises(ValueError, match="'t' of residuals holds dates"):
            fit(FRAME.assign(t=dates), residuals=Residuals(structure, time="t"))

    def test_as_labels_they_are_welcome(self, dates):
        by_date = fit(FRAME.assign(g=dates))
        by_number = fit(FRAME.assign(g=FRAME["t"]))
        assert_allclose(by_date.log_likelihood_, by_number.log_likelihood_)
        assert_allclose(
            by_date.predict(FRAME.assign(g=dates)),
            by_number.predict(FRAME.assign(g=FRAME["t"])),
        )


LISTS = [[float(i), 1.0] for i in range(N)]
RAGGED = [[1.0] * (i % 3) for i in range(N)]


def refusal_of(several):
    """As scikit-learn has it: a TypeError of what is no sequence of numbers."""
    return TypeError if isinstance(several[0], dict) else ValueError


@pytest.mark.parametrize(
    "several",
    [
        LISTS,
        [np.ones(2)] * N,
        [{"a": 1.0}] * N,
        [(1.0,)] * N,
        [[1.0] * (i % 3) for i in range(N)],
    ],
    ids=["list", "array", "dict", "tuple", "ragged"],
)
class TestSeveralValuesInARow:
    def test_of_the_fixed_part(self, several):
        message = "the column 'x' holds a .* in row 0, where one number is allowed"
        with pytest.raises(refusal_of(several), match=message):
            fit(FRAME.assign(x=pd.Series(several)))
        frame = FRAME[["x"]].assign(x=pd.Series(several))
        with pytest.raises(refusal_of(several), match=message):
            MixedLinearRegressor().fit(frame, Y)

    def test_as_random_coefficients(self, several):
        frame = FRAME.assign(z=pd.Series(several))
        with pytest.raises(refusal_of(several), match="random coefficient 'z' holds a"):
            fit(frame, random_effects=RandomEffects("g", ["z"]), fixed=["x"])

    def test_the_response(self, several):
        y = pd.Series(several)
        with pytest.raises(refusal_of(several), match=r"y holds a .* in row 0"):
            fit(y=y)
        with pytest.raises(refusal_of(several), match=r"y holds a .* in row 0"):
            MixedLinearRegressor().fit(FRAME[["x"]], y)

    def test_new_rows(self, several):
        model = fit()
        with pytest.raises(
            refusal_of(several), match=r"the column 'z' holds a .* in row 0"
        ):
            model.predict(FRAME.assign(z=pd.Series(several)))


def test_lists_of_polars():
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(FRAME).with_columns(pl.Series("x", LISTS))
    with pytest.raises(ValueError, match=r"the column 'x' holds a .* in row 0"):
        fit(frame)
    with pytest.raises(ValueError, match=r"y holds a .* in row 0"):
        fit(pl.from_pandas(FRAME), pl.Series("y", LISTS))


def test_text_as_random_coefficients():
    with pytest.raises(ValueError, match="random coefficient 'z' holds text"):
        fit(FRAME.assign(z="a"), random_effects=RandomEffects("g", ["z"]), fixed=["x"])


def test_labels_that_cannot_be_compared():
    with pytest.raises(TypeError, match=r"labels of level 'g' .* of type list"):
        fit(FRAME.assign(g=[[int(g)] for g in G]))


def test_tuples_are_labels():
    frame = FRAME.assign(g=pd.Series([(int(g), "a") for g in G]))
    assert_allclose(fit(frame).log_likelihood_, fit().log_likelihood_)


def test_a_lazy_frame():
    pl = pytest.importorskip("polars")
    lazy = pl.DataFrame(FRAME.to_dict("list")).lazy()
    with pytest.raises(TypeError, match="y must be the name of one of its columns"):
        fit(lazy)
    with pytest.raises(TypeError, match=r"X is a LazyFrame; pass X\.collect\(\)"):
        fit().standardized_residuals(lazy, Y)


def test_a_column_named_as_the_constant():
    with pytest.raises(ValueError, match="'_cons'"):
        fit(FRAME.rename(columns={"x": "_cons"}), fixed=["_cons"])


def test_a_column_twice():
    with pytest.raises(ValueError, match="fixed names a column twice"):
        fit(fixed=["x", "x"])


@pytest.mark.parametrize("switch", ["intercept", "collinear"])
def test_switches_are_true_or_false(switch):
    with pytest.raises(TypeError, match=f"{switch} of the equation for 'g'"):
        fit(random_effects=RandomEffects("g", **{switch: "no"}))


def test_a_covariance_that_is_no_name():
    with pytest.raises(ValueError, match="must be one of"):
        fit(random_effects=RandomEffects("g", covariance=["unstructured"]))


@pytest.mark.parametrize("structure", [("ar", 2), ("ma", 1), ("toeplitz", None)])
def test_times_in_too_small_a_unit(structure):
    name, order = structure
    with pytest.raises(ValueError, match="Divide it by its step"):
        fit(
            FRAME.assign(t=FRAME["t"] * 10**6),
            residuals=Residuals(name, order=order, time="t"),
        )


def test_categories_in_another_order():
    frame = FRAME.assign(g=pd.Categorical(G, categories=list(range(25))[::-1]))
    model = fit(frame)
    assert_allclose(model.log_likelihood_, fit().log_likelihood_)
    other = FRAME.assign(g=pd.Categorical(G, categories=list(range(20))))
    for rows in (other, FRAME, FRAME.assign(g=FRAME["g"].astype("Int64"))):
        assert_allclose(model.predict(rows), model.predict(frame))


def test_labels_of_another_type_are_pointed_out():
    model = fit()
    with pytest.warns(UserWarning, match="they are text here and were numbers"):
        found = model.predict(FRAME.assign(g=FRAME["g"].astype(str)))
    assert_allclose(found, model.predict(FRAME, kind="fixed"))
    model.predict(FRAME.assign(g=FRAME["g"] + 100))  # merely unseen: no warning
    strict = fit(unseen="raise")
    with pytest.raises(ValueError, match="the first is 77 in row 0"):
        strict.predict(FRAME.assign(g=77))


def test_a_full_set_of_contrasts_beside_the_constant_stays_finite():
    # the likelihood rises towards a residual variance of zero, to a finite limit
    contrasts = {f"d{k}": (FRAME["t"] == k).astype(float) for k in range(6)}
    model = MixedLinearRegressor(
        RandomEffects("g", list(contrasts), covariance="identity", collinear=True),
        fixed=["x"],
    )
    with pytest.warns(UserWarning, match="the log likelihood is right"):
        model.fit(FRAME.assign(**contrasts), Y)
    V = np.kron(np.eye(20), np.eye(6) + 1.0)
    X = np.column_stack([FRAME["x"], np.ones(N)])
    solved = np.linalg.solve(V, np.column_stack([X, Y]))
    beta = np.linalg.solve(X.T @ solved[:, :2], X.T @ solved[:, 2])
    left = Y - X @ beta
    variance = left @ np.linalg.solve(V, left) / N
    deviance = N * np.log(2 * np.pi * variance) + N + np.linalg.slogdet(V)[1]
    assert_allclose(model.log_likelihood_, -0.5 * deviance, rtol=1e-8)
