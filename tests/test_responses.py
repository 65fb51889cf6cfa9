"""Many responses at once: every column of Y as if it were fitted alone."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.compat import HAS_CALLBACKS
from sklearn_xmixed.design._compile import compile_design
from sklearn_xmixed.resampling import _responses
from sklearn_xmixed.resampling._responses import _Alone
from sklearn_xmixed.resampling._together import Together
from tests.conftest import slow


def responses(m, seed=0, slopes=False):
    """Columns with group variances of zero, small and large."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(12), 6), rng.normal(size=72)
    sd = np.array([0.0, 0.3, 1.0, 2.0])[np.arange(m) % 4]
    Y = rng.normal(size=(72, m)) + (rng.normal(size=(12, m)) * sd)[g]
    if slopes:
        Y += x[:, None] * (rng.normal(size=(12, m)) * sd)[g]
    Y = 1e3 * np.arange(m) + Y * 10.0 ** (np.arange(m) % 3)
    X = pd.DataFrame({"x": x, "top": g // 3, "g": g, "half": np.tile(range(4), 18)})
    return X, pd.DataFrame(Y, columns=[f"r{i}" for i in range(m)])


def same_as_alone(model, X, Y):
    many = MixedLinearRegressor(**model).fit(X, Y)
    predicted = many.predict(X)
    assert predicted.shape == Y.shape
    for i, name in enumerate(Y):
        one = MixedLinearRegressor(**model).fit(X, Y[name])
        assert many.converged_[i] == one.converged_
        assert abs(many.log_likelihood_[i] - one.log_likelihood_) < 1e-8
        a, b = many.coef_table().loc[name], one.coef_table()
        np.testing.assert_allclose(a["estimate"], b["estimate"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(a["std_error"], b["std_error"], rtol=1e-5)
        a, b = many.variance_components_.loc[name], one.variance_components_
        assert list(a.index) == list(b.index)
        size = one.sigma_**2
        np.testing.assert_allclose(a["estimate"], b["estimate"], atol=1e-4 * size)
        np.testing.assert_array_equal(a["std_error"].isna(), b["std_error"].isna())
        np.testing.assert_allclose(a["std_error"], b["std_error"], rtol=1e-3)
        np.testing.assert_allclose(
            predicted[:, i], one.predict(X), atol=1e-4 * one.sigma_
        )
    return many


SLOPES = RandomEffects("g", ["x"], covariance="unstructured")
CROSSED = [RandomEffects("_all", factor="g"), RandomEffects("_all", factor="half")]


@pytest.mark.parametrize("method", [slow("ml"), "reml"])
def test_random_intercept_boundary_included(method):
    X, Y = responses(24)
    model = {"random_effects": "g", "fixed": ["x"], "method": method}
    many = same_as_alone(model, X, Y)
    zero = many.variance_components_["estimate"].xs("g", level="level") == 0
    assert zero.any()
    assert not zero.all()
    together = max(len(part.numbers) for part in many._fitted.parts)
    assert together >= 22  # hardly any is left to a fit of its own


@pytest.mark.parametrize("method", [slow("ml"), "reml"])
def test_correlated_slopes(method):
    X, Y = responses(12, slopes=True)
    same_as_alone({"random_effects": SLOPES, "fixed": ["x"], "method": method}, X, Y)


def test_two_levels():
    X, Y = responses(8)
    same_as_alone({"random_effects": ["top", "g"], "fixed": ["x"]}, X, Y)


def test_missing_by_response():
    X, Y = responses(8)
    Y.iloc[:7, ::2] = np.nan
    Y.iloc[3, 7] = np.nan
    model = {"random_effects": "g", "fixed": ["x"], "missing": "drop"}
    many = MixedLinearRegressor(**model).fit(X, Y)
    for i, name in enumerate(Y):
        one = MixedLinearRegressor(**model).fit(X, Y[name])
        assert abs(many.log_likelihood_[i] - one.log_likelihood_) < 1e-8
        np.testing.assert_array_equal(many.sample_[:, i], one.sample_)
    with pytest.raises(ValueError, match="NaN"):
        MixedLinearRegressor("g", fixed=["x"]).fit(X, Y)


def test_one_by_one_where_work_cannot_be_shared():
    X, Y = responses(4)
    for model in ({}, {"random_effects": "g", "fixed": ["x"], "vce": "robust"}):
        data = X if model else X[["x"]]
        many = MixedLinearRegressor(**model).fit(data, Y)
        one = MixedLinearRegressor(**model).fit(data, Y["r2"])
        assert many.log_likelihood_[2] == pytest.approx(one.log_likelihood_)
        np.testing.assert_allclose(
            many.coef_table().loc["r2", "std_error"], one.coef_table()["std_error"]
        )


def test_frames_and_shapes():
    X, Y = responses(6)
    many = MixedLinearRegressor("g", fixed=["x"]).fit(X, Y.to_numpy())
    assert many.coef_.shape == (6, 1)
    assert many.intercept_.shape == many.sigma_.shape == many.n_iter_.shape == (6,)
    assert many.random_effects_["g"].loc["y3"].shape == (12, 1)
    assert many.results_.to_frame().loc["y5"].shape == (4, 6)
    adjusted = many.coef_table(adjust="fdr")
    assert (adjusted["p_adjusted"] >= adjusted["p_value"]).all()
    assert many.score(X, Y) > 0
    one = MixedLinearRegressor("g", fixed=["x"]).fit(X, Y["r4"])
    expected = one.random_effects_["g"].to_numpy()
    np.testing.assert_allclose(
        many.random_effects_["g"].loc["y4"].to_numpy(), expected, atol=1e-4 * one.sigma_
    )


def test_what_is_there_for_one_response_says_so():
    X, Y = responses(4)
    many = MixedLinearRegressor("g", fixed=["x"]).fit(X, Y)
    with pytest.raises(AttributeError, match="fitted to 4 responses at once"):
        many.summary()
    with pytest.raises(TypeError, match="larger model was fitted to several responses"):
        lrtest(many, MixedLinearRegressor("g", fixed=[]).fit(X, Y["r0"]))
    with pytest.raises(ValueError, match="infinity"):
        many.score(X, Y.replace(Y.iloc[3, 1], np.inf))
    with pytest.raises(ValueError, match="df must be None"):
        many.coef_table(df="holm")
    with pytest.raises(ValueError, match="defined for REML"):
        many.coef_table(df="kenward-roger")
    with pytest.raises(ValueError, match="adjust must be one of"):
        many.coef_table(adjust="tukey")
    with pytest.raises(ValueError, match="several columns of the name"):
        MixedLinearRegressor("g", fixed=["x"]).fit(X, Y[["r0", "r0"]])


TWO = ["top", RandomEffects("g", ["x"])]
EFFECTS = {"g": "g", "slopes": SLOPES, "two": TWO}
METHODS = ("satterthwaite", "kenward-roger", "kenward-roger-linear-observed")


@cache
def restricted(effects):
    """Responses fitted together, and each alone."""
    X, Y = responses(8, seed=3, slopes=effects != "g")
    model = MixedLinearRegressor(EFFECTS[effects], fixed=["x"], method="reml")
    return X, Y, clone(model).fit(X, Y), {n: clone(model).fit(X, Y[n]) for n in Y}


@pytest.mark.daily
@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("df", [*METHODS, "residual", "containment", "between-within"])
def test_small_samples(effects, df):
    """Degrees of freedom and standard errors of single fits, at the boundary too."""
    X, Y, many, alone = restricted(effects)
    together = max(len(part.numbers) for part in many._fitted.parts)
    assert together >= 7
    table = many.coef_table(df=df, adjust="fdr")
    assert list(table)[:4] == ["estimate", "std_error", "t", "df"]
    for name in Y:
        one = alone[name].coef_table(df=df)
        for column in ("std_error", "df", "p_value"):
            np.testing.assert_allclose(
                table.loc[name, column], one[column], rtol=1e-4, atol=1e-12
            )
    default = clone(many).set_params(df_method=df).fit(X, Y)
    pd.testing.assert_frame_equal(default.coef_table(), many.coef_table(df=df))


class Progress:
    """Counts what is complete."""

    def __init__(self):
        self.names = []

    def setup(self, estimator, context):
        self.total = context.max_subtasks

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.names.append(context.task_name)

    def teardown(self, estimator, context):
        self.names.append("teardown")


@pytest.mark.skipif(not HAS_CALLBACKS, reason="callbacks came with scikit-learn 1.9")
@pytest.mark.parametrize("effects", ["g", CROSSED], ids=["together", "one by one"])
def test_progress_counts_responses(effects):
    X, Y = responses(5)
    progress = Progress()
    model = MixedLinearRegressor(effects, fixed=["x"], lr_test=False)
    model.set_callbacks(progress).fit(X, Y)
    assert progress.total == 5
    assert progress.names == [*["response"] * 5, "fit", "teardown"]


def test_crossed_factors_on_several_cores():
    X, Y = responses(4)
    model = {"random_effects": CROSSED, "fixed": ["x"]}
    with parallel_config(n_jobs=2, backend="threading"):
        many = same_as_alone(model, X, Y)
    assert len(many._fitted.parts) == 4


@pytest.mark.parametrize(
    ("effects", "residuals"),
    [
        ("g", Residuals("ar", time="t")),  # tensors of patterns
        (RandomEffects("g", ["x"]), Residuals("ar", time="t")),  # rows
        (RandomEffects("g", intercept=False), Residuals("toeplitz", order=2, time="t")),
    ],
    ids=["tensors", "rows", "residuals alone"],
)
def test_small_samples_of_what_workers_fitted(effects, residuals, monkeypatch):
    """Fits that come back without their rows are laid over those of the first."""
    X, Y = responses(4)
    X["t"], Y = np.tile(range(6), 12), Y.iloc[:, 1:]
    Y.iloc[3, 2] = np.nan  # rows of its own, fitted in this process
    model = MixedLinearRegressor(
        effects, fixed=["x"], residuals=residuals, method="reml", missing="drop"
    )
    here = _responses._fitted
    monkeypatch.setattr(
        _responses, "_fitted", lambda *a: pickle.loads(pickle.dumps(here(*a)))
    )
    many = clone(model).fit(X, Y)
    alone = {name: clone(model).fit(X, Y[name]) for name in Y}
    for df in ("kenward-roger", "between-within"):
        table = many.coef_table(df=df)
        for name, one in alone.items():
            np.testing.assert_allclose(
                table.loc[name].to_numpy(float),
                one.coef_table(df=df).to_numpy(float),
                rtol=1e-8,
            )
    saved = pickle.loads(pickle.dumps(many))
    with pytest.raises(ValueError, match="saved without its rows"):
        saved.coef_table(df="kenward-roger-linear")


def test_long_work_takes_all_cores(monkeypatch):
    """Unless joblib was told otherwise."""
    X, Y = responses(3)
    alone = _Alone(MixedLinearRegressor("g"), X, Y.to_numpy(), (None, None, None), int)
    alone.seconds = 1.0
    assert alone._n_jobs(3) is None
    assert alone._n_jobs(4) == -1
    with parallel_config(n_jobs=1):
        assert alone._n_jobs(4) is None


def level_responses(effects, m=6):
    """The design of a fit, and its responses as groups."""
    X, Y = responses(m, slopes=True)
    X["t"] = np.tile(np.arange(6.0), 12)
    one = MixedLinearRegressor(effects, fixed=["x", "t"])
    compiled = compile_design(clone(one), X, Y["r0"].to_numpy(), None, None)
    fitted = clone(one).fit(X, Y["r0"])._fitted
    together = Together.of(compiled, fitted, std_errors=True, tol=1e-10, max_iter=50)
    left, _ = together.maker.residual(Y.to_numpy())
    return together, together.maker.on(together.level, left), left


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    "effects",
    ["g", RandomEffects("g", ["t"]), SLOPES, RandomEffects("g", ["x", "t"])],
    ids=["intercept", "equal designs", "slopes", "two slopes"],
)
def test_level_equals_the_tree(effects, reml):
    """Closed forms equal sweeps and complex steps, with and without stand-ins."""
    together, groups, left = level_responses(effects)
    tree = together.maker.replicates(left, merge=False)
    q, B = groups.design.q, len(groups)
    L = np.random.default_rng(0).normal(size=(q, q, B))
    D = [np.einsum("acB,bcB->abB", L, L)]
    directions = [(0, D[0])] + [
        (k, np.repeat(M[:, :, None], B, axis=2))
        for k, M in together.batch.model.elements()
    ]
    expected = tree.pieces(D, reml=reml, directions=directions)
    for data in (groups, groups.merged()):
        found = data.pieces(D, reml=reml, directions=directions)
        for name in ("beta", "c", "l", "pivot", "F", "c_2", "l_2"):
            a, b = getattr(found, name), getattr(expected, name)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * np.abs(b).max())
        np.testing.assert_allclose(found.c_D[0], expected.c_D[0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.l_D[0], expected.l_D[0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        groups.effects(D, found.beta)[0], tree.effects(D, found.beta)[0], atol=1e-11
    )
    few = groups.merged().design.C.shape[2]
    assert few < 12 if effects == "g" else few <= 12


@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
def test_constant_responses_do_not_stop_the_others():
    """A gene that is never seen, first or last, is a fit of its own."""
    X, Y = responses(8)
    Y["r0"] = Y["r7"] = 0.0
    many = MixedLinearRegressor("g", fixed=["x"]).fit(X, Y)
    assert max(len(part.numbers) for part in many._fitted.parts) == 6
    np.testing.assert_array_equal(many.converged_, [False, *[True] * 6, False])
    one = MixedLinearRegressor("g", fixed=["x"]).fit(X, Y["r3"])
    assert abs(many.log_likelihood_[3] - one.log_likelihood_) < 1e-8
    assert "2 of 8 responses" in many.results_.message


def test_pickled():
    X, Y = responses(6)
    many = MixedLinearRegressor(SLOPES, fixed=["x"], method="reml").fit(X, Y)
    again = pickle.loads(pickle.dumps(many))
    np.testing.assert_array_equal(again.predict(X), many.predict(X))
    pd.testing.assert_frame_equal(
        again.coef_table(df="kenward-roger"), many.coef_table(df="kenward-roger")
    )


def test_one_column_is_a_matrix():
    """As scikit-learn has it: predictions have the shape of the response."""
    X, Y = responses(3)
    model = MixedLinearRegressor("g", fixed=["x"])
    many, one = clone(model).fit(X, Y[["r2"]]), clone(model).fit(X, Y["r2"])
    assert many.predict(X).shape == (72, 1)
    assert many.coef_.shape == (1, 1)
    assert isinstance(one.log_likelihood_, float)
    np.testing.assert_allclose(many.predict(X)[:, 0], one.predict(X), rtol=1e-6)


def test_weights_are_fitted_one_by_one():
    X, Y = responses(4)
    w = np.random.default_rng(0).integers(1, 4, size=72).astype(float)
    model = MixedLinearRegressor("g", fixed=["x"])
    many = clone(model).fit(X, Y, w)
    for i, name in enumerate(Y):
        one = clone(model).fit(X, Y[name], w)
        assert many.log_likelihood_[i] == pytest.approx(one.log_likelihood_, abs=1e-8)


def test_responses_of_one_pattern_share_a_search():
    X, Y = responses(12)
    Y.iloc[:9, 1::2] = np.nan
    Y.iloc[20, 11] = np.nan
    model = {"random_effects": "g", "fixed": ["x"], "missing": "drop"}
    many = same_as_alone(model, X, Y)
    sizes = sorted(len(part.numbers) for part in many._fitted.parts)
    assert sizes == [1, 5, 6]
    effects = many.random_effects_["g"]
    assert len(effects.loc["r0"]) == 12
    assert len(effects.loc["r1"]) == 11  # the first group has no rows left
    assert list(dict.fromkeys(effects.index.get_level_values(0))) == list(Y)


@pytest.mark.parametrize("adjust", ["fdr", "holm", "bonferroni"])
def test_adjusted_p_values(adjust):
    """By coefficient, and by their definitions."""
    X, Y = responses(9)
    Y = Y + np.array([0, 0, 0.5, 0, 30, 0, 0, 60, 0]) * X[["x"]].to_numpy()
    table = MixedLinearRegressor("g", fixed=["x"]).fit(X, Y).coef_table(adjust=adjust)
    for term in ("x", "_cons"):
        p = table.xs(term, level="term")["p_value"].to_numpy()
        rank = p.argsort().argsort() + 1
        factor = {"fdr": 9 / rank, "holm": 10 - rank, "bonferroni": 9}[adjust]
        single = np.minimum(1.0, factor * p)
        if adjust == "fdr":  # a larger p-value is at least as large when adjusted
            expected = [single[p >= own].min() for own in p]
        else:
            expected = [single[p <= own].max() for own in p]
        found = table.xs(term, level="term")["p_adjusted"]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("way", ["column", "array"])
def test_an_offset_is_taken_from_every_response(way):
    X, Y = responses(6)
    known = np.linspace(-50.0, 50.0, len(X))
    model = MixedLinearRegressor("g", fixed=["x"], method="reml")
    given = {"offset": known}
    if way == "column":
        X, given = X.assign(known=known), {}
        model.set_params(offset="known")
    many = clone(model).fit(X, Y, **given)
    plain = MixedLinearRegressor("g", fixed=["x"], method="reml")
    less = plain.fit(X, Y.sub(known, axis=0))
    np.testing.assert_allclose(many.log_likelihood_, less.log_likelihood_, atol=1e-8)
    np.testing.assert_allclose(
        many.predict(X, **given), less.predict(X) + known[:, None], rtol=1e-8, atol=1e-8
    )
    for i, name in enumerate(Y):
        one = clone(model).fit(X, Y[name], **given)
        np.testing.assert_allclose(many.log_likelihood_[i], one.log_likelihood_, 1e-9)


def test_precision_weights_count_for_every_response():
    X, Y = responses(5)
    w = np.random.default_rng(4).uniform(0.2, 3.0, len(X))
    model = MixedLinearRegressor(
        "g", fixed=["x"], method="reml", weight_type="precision"
    )
    many = clone(model).fit(X, Y, w)
    for i, name in enumerate(Y):
        one = clone(model).fit(X, Y[name], w)
        np.testing.assert_allclose(many.log_likelihood_[i], one.log_likelihood_, 1e-9)


def test_several_maxima():
    """Where effects can stand for one another every response looks for its own."""
    rng = np.random.default_rng(16)
    g, t = np.repeat(np.arange(23), 5), np.tile(np.arange(5.0), 23)
    sd = rng.choice([0.0, 0.5, 1.0, 5.0], size=(2, 12))
    Y = rng.normal(size=(115, 12)) + (rng.normal(size=(23, 12)) * sd[0])[g]
    Y += (rng.normal(size=(23, 12)) * sd[1])[g] * t[:, None]
    X = pd.DataFrame({"t": t, "g": g})
    for covariance in ("identity", "exchangeable", "independent"):
        effects = RandomEffects("g", ["t"], covariance=covariance)
        many = MixedLinearRegressor(effects, fixed=["t"], method="reml").fit(X, Y)
        for i, y in enumerate(Y.T):
            one = clone(many).fit(X, y)
            # none stays behind its own fit
            assert many.log_likelihood_[i] > one.log_likelihood_ - 1e-8
        assert max(len(part.numbers) for part in many._fitted.parts) >= 10
