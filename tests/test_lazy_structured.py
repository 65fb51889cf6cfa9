"""Structured residuals of lazy tables: the same numbers as in memory, by patterns."""

from __future__ import annotations

import dataclasses
import pickle
from functools import cache

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.design.table import _patterns
from sklearn_xmixed.likelihood.structured import _pattern_plan
from sklearn_xmixed.residuals import Exponential, Power
from sklearn_xmixed.tables import _whole_groups
from tests.conftest import slow

duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

NOBODY = RandomEffects("patient", intercept=False)
EFFECTS = {
    "none": NOBODY,
    "intercept": RandomEffects("patient"),
    "slope": RandomEffects("patient", ["t"], covariance="unstructured"),
    "beside": RandomEffects("patient", ["t2"], intercept=False),
}
FIXED = ["x", "t", "year"]


def make_data(n: int = 250) -> pd.DataFrame:
    """Up to five visits of every patient, a fifth of them missing, in any order."""
    rng = np.random.default_rng(11)
    patient, t = (a.ravel() for a in np.mgrid[0:n, 0:5])
    data = pd.DataFrame({"patient": patient, "t": t})
    data["name"] = [f"p{p:04d}" for p in patient]
    data["arm"] = np.where(patient % 3 == 0, "new", "old")
    data["visit"] = ["week " + "abcde"[k] for k in t]
    data["s"], data["t2"], data["year"] = 0.7 * t + 0.1, 1.0 * (t >= 2), 2000.0 + t**2
    data["dose"] = 1.0 + t
    data["x"] = rng.normal(size=len(data))
    e = (
        rng.normal(size=(n, 5))
        @ np.linalg.cholesky(0.6 ** abs(np.subtract.outer(*[np.arange(5)] * 2))).T
    )
    u = rng.normal(size=(n, 2)) * [0.8, 0.2]
    data["y"] = 3.0 + 0.5 * data.x - 0.2 * t + u[patient, 0] + u[patient, 1] * t
    data["y"] += e.ravel() * (1.0 + 0.1 * t)
    return data[rng.random(len(data)) > 0.2].sample(frac=1.0, random_state=1)


DATA = make_data()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(_whole_groups, "BATCH_ROWS", 250)


def lazy(data, engine: str = "duckdb"):
    if engine == "polars":
        return pl.from_pandas(data).lazy()
    if engine == "dask":
        frames = pytest.importorskip("dask.dataframe")
        return frames.from_pandas(data, npartitions=3)
    return duckdb.connect().from_df(data)


def model_of(residuals, effects=NOBODY, **params) -> MixedLinearRegressor:
    params = {"fixed": FIXED, "method": "reml", "tol": 1e-20, **params}
    return MixedLinearRegressor(effects, residuals=residuals, **params)


def both(residuals, effects=NOBODY, engine="duckdb", data=DATA, **params):
    """Fits to the table, and to its rows in memory."""
    model = model_of(residuals, effects, **params)
    there = model_of(residuals, effects, **params).fit(lazy(data, engine), "y")
    return there, model.fit(data.drop(columns="y"), data["y"])


def assert_same(one, other, rtol=1e-8):
    a, b = one.results_, other.results_
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=rtol)
    for name in ("beta", "beta_vcov", "alpha", "alpha_vcov"):
        assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=rtol)
    numbers = ("n_obs", "n_params", "groups", "lr_df", "residual_label", "parameters")
    for name in numbers:
        assert getattr(a, name) == getattr(b, name), name
    for name in ("aic", "bic", "lr_chi2", "wald_chi2"):
        assert getattr(a, name) == pytest.approx(
            getattr(b, name), rel=rtol, nan_ok=True
        ), name
    assert a.converged
    assert b.converged


STRUCTURES = {
    "unstructured": Residuals("unstructured", time="t"),
    "unstructured, names": Residuals("unstructured", time="visit"),
    "ar": Residuals("ar", time="t"),
    "ar 2": Residuals("ar", order=2, time="t"),
    "ma": Residuals("ma", time="t"),
    "arma": Residuals("arma", time="t"),
    "toeplitz": Residuals("toeplitz", time="t"),
    "banded": Residuals("banded", order=1, time="t"),
    "antedependence": Residuals("antedependence", time="t"),
    "exchangeable": Residuals("exchangeable"),
    "exponential": Residuals("exponential", time="s"),
    "gaussian": Residuals("gaussian", time="s"),
    "by arm": Residuals("ar", time="t", by="arm"),
    "unstructured by arm": Residuals("unstructured", time="t", by="arm"),
    "independent by visit": Residuals("independent", by="visit"),
    "independent, variances": Residuals("independent", variance="visit"),
    "power": Residuals("ar", time="t", variance=Power("dose")),
    "exponential of t": Residuals("exchangeable", variance=Exponential("t")),
    "variances by visit": Residuals("exchangeable", variance="visit"),
}


EVERY_DAY = ("unstructured, names", "ar 2", "by arm", "exponential", "power")


@pytest.mark.parametrize(
    "name", [n if n in EVERY_DAY else slow(n) for n in STRUCTURES], ids=STRUCTURES
)
def test_structures(name):
    assert_same(*both(STRUCTURES[name], engine="polars", method="reml"))
    assert_same(*both(STRUCTURES[name], engine="polars", method="ml"))


@pytest.mark.parametrize("effects", ["intercept", "slope", "beside"])
@pytest.mark.parametrize("structure", ["ar", slow("by arm"), slow("ma")])
def test_random_effects(structure, effects):
    residuals, method = STRUCTURES[structure], "ml" if effects == "beside" else "reml"
    one, other = both(residuals, EFFECTS[effects], "polars", method=method)
    assert_same(one, other, rtol=1e-7 if structure != "ar" else 1e-8)
    assert list(one.covariances_) == list(other.covariances_)


def test_independent_residuals_with_random_effects():
    for name in ("independent by visit", "independent, variances"):
        assert_same(*both(STRUCTURES[name], EFFECTS["intercept"], "polars"))


@pytest.mark.parametrize("engine", ["duckdb", "polars", slow("dask")])
def test_engines_and_labels_of_text(engine):
    residuals = Residuals("unstructured", time="visit", by="arm")
    nobody = RandomEffects("name", intercept=False)
    assert_same(*both(residuals, nobody, engine))


def test_labels_that_are_dates_or_categories():
    residuals = Residuals("ar", time="t")
    born = pd.Timestamp("1950-01-01") + pd.to_timedelta(DATA.patient, unit="D")
    data = DATA.assign(born=born, kind=pd.Categorical(DATA.name))
    for label, engine in (("born", "polars"), ("born", "duckdb"), ("kind", "polars")):
        nobody = RandomEffects(label, intercept=False)
        columns = [*{"x", "t", "year", "y", label}]
        assert_same(*both(residuals, nobody, engine, data[columns]))


def test_categories_have_their_order():
    order = ["week c", "week a", "week b", "week e", "week d"]
    enum = pl.from_pandas(DATA).with_columns(pl.col("visit").cast(pl.Enum(order)))
    residuals = Residuals("unstructured", time="visit")
    one = model_of(residuals).fit(enum.lazy(), "y")
    data = DATA.assign(visit=pd.Categorical(DATA.visit, order))
    other = model_of(residuals).fit(data.drop(columns="y"), data["y"])
    assert_same(one, other)
    assert next(iter(one.residual_parameters_)) == 'var(e"week c")'
    assert list(one.residual_parameters_) == list(other.residual_parameters_)


def test_missing_values_are_left_out():
    data = DATA.copy()
    data.loc[data.index[::7], "y"] = np.nan
    data.loc[data.index[3::11], "visit"] = None
    residuals = Residuals("unstructured", time="visit")
    one, other = both(residuals, data=data, missing="drop")
    assert_same(one, other)
    assert (
        one.results_.specification.n_dropped == other.results_.specification.n_dropped
    )
    with pytest.raises(ValueError, match="missing values by column are"):
        model_of(residuals).fit(lazy(data), "y")


def test_columns_far_from_zero_and_collinear():
    data = DATA.assign(year=2e6 + 1e-3 * DATA.t**2, twice=2.0 * DATA.x)
    residuals = Residuals("ar", time="t")
    one, other = both(
        residuals, EFFECTS["intercept"], "polars", data, fixed=[*FIXED, "twice"]
    )
    assert one.results_.omitted == ("twice",)
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-8)
    assert_allclose(one.coef_, other.coef_, rtol=1e-5)


def test_without_a_constant():
    residuals = Residuals("unstructured", time="t")
    assert_same(*both(residuals, fit_intercept=False))
    assert_same(*both(residuals, fixed=[], engine="polars"))


def test_one_row_of_each_group_and_few_groups():
    few = DATA[DATA.patient < 12]
    assert_same(*both(Residuals("exchangeable"), data=few, engine="polars"))


# ------------------------------------------------------------ afterwards

DF = ("residual", "between-within", "containment", "satterthwaite", "kenward-roger")
DF += ("kenward-roger-linear", "kenward-roger-2009", "kenward-roger-observed")


@cache
def fits(structure: str, effects: str):
    """Fits to a table and in memory, which several tests look at."""
    return both(STRUCTURES[structure], EFFECTS[effects], "polars")


X, Y = DATA.drop(columns="y"), DATA["y"]


@pytest.mark.parametrize("model", [("unstructured", "none"), ("ar", "slope")])
def test_degrees_of_freedom(model):
    one, other = fits(*model)
    for method in DF:
        a, b = one.coef_table(df=method), other.coef_table(df=method)
        assert_allclose(a.to_numpy(float), b.to_numpy(float), rtol=1e-6, atol=1e-8)


def test_what_needs_no_groups():
    one, other = fits("ar", "slope")
    assert str(one.summary(df="kenward-roger")) == str(
        other.summary(df="kenward-roger")
    )
    for name in ("residual_correlation", "marginal_covariance", "r2"):
        a, b = (getattr(m, name)(X.iloc[:40]) for m in (one, other))
        assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-6)
    a, b = (m.confint().to_numpy(float) for m in (one, other))
    assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    assert one.n_groups_ == other.n_groups_ == {"patient": DATA.patient.nunique()}
    pd.testing.assert_frame_equal(one.group_table(), other.group_table())


def test_predictions_of_the_fixed_part():
    one, other = fits("ar", "slope")
    right, std = other.predict(X, kind="fixed", return_std=True)
    found = one.predict(lazy(DATA, "polars"), kind="fixed", return_std=True).collect()
    assert_allclose(found["prediction"], right, rtol=1e-7)
    assert_allclose(found["std_error"], std, rtol=1e-7)


def test_without_random_effects_there_is_nothing_else_to_predict():
    one, other = fits("unstructured", "none")
    assert_allclose(one.predict(X), other.predict(X), rtol=1e-7)
    score = other.score(X, Y)
    assert one.score(lazy(DATA, "polars"), "y") == pytest.approx(score, rel=1e-7)
    a, b = (m.standardized_residuals(X, Y) for m in (one, other))
    assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    with pytest.raises(NotImplementedError, match="which forecasts need"):
        one.forecast(X)


def test_random_effects_by_another_pass():
    one, other = fits("ar", "slope")
    both_of = (m.random_effects(return_std=True) for m in (one, other))
    for a, b in zip(*both_of, strict=True):  # effects, then errors
        pd.testing.assert_frame_equal(a["patient"], b["patient"], rtol=1e-6, atol=1e-7)
    right, error = other.predict(X, return_std=True)
    mean, std = one.predict(X, return_std=True)
    assert_allclose(mean, right, rtol=1e-6, atol=1e-7)
    assert_allclose(std, error, rtol=1e-6, atol=1e-7)
    table = lazy(DATA.assign(row=np.arange(len(DATA))), "polars")
    found = one.predict(table, return_std=True).collect().sort("row")
    assert_allclose(found["prediction"], right, rtol=1e-6, atol=1e-7)
    assert_allclose(found["std_error"], error, rtol=1e-6, atol=1e-7)
    score = other.score(X, Y)
    assert one.score(lazy(DATA, "polars"), "y") == pytest.approx(score, rel=1e-7)
    a, b = (m.standardized_residuals(X, Y) for m in (one, other))
    assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    a, b = (np.asarray(m.prediction_interval(X)) for m in (one, other))
    assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    with pytest.raises(NotImplementedError, match="which forecasts need"):
        one.forecast(X)


@pytest.mark.parametrize(
    ("name", "effects", "engine"),
    [
        ("by arm", "beside", "duckdb"),
        slow("independent by visit", "intercept", "polars"),
        slow("power", "slope", "polars"),
        slow("ma", "intercept", "dask"),
    ],
)
def test_random_effects_of_structures(name, effects, engine):
    method = "ml" if effects == "beside" else "reml"
    one, other = both(STRUCTURES[name], EFFECTS[effects], engine, method=method)
    a, b = (m.random_effects_["patient"] for m in (one, other))
    pd.testing.assert_frame_equal(a, b, rtol=1e-5, atol=1e-6)


def test_saved_fits():
    residuals = STRUCTURES["ar"]
    fit = model_of(residuals, EFFECTS["intercept"]).fit(lazy(DATA, "polars"), "y")
    again = pickle.loads(pickle.dumps(fit))
    right = fit.predict(X, kind="fixed")
    assert_allclose(again.predict(X, kind="fixed"), right)
    for ask in (
        lambda m: m.predict(X),
        lambda m: m.random_effects_["patient"],
        lambda m: m.predict(lazy(DATA, "polars"), return_std=True),
    ):
        with pytest.raises(
            NotImplementedError, match="a saved or copied estimator does"
        ):
            ask(again)
    effects = fit.random_effects_["patient"]
    again = pickle.loads(pickle.dumps(fit))  # what was read is saved
    pd.testing.assert_frame_equal(again.random_effects_["patient"], effects)


def test_a_table_that_has_other_times_later():
    connection = duckdb.connect()
    connection.execute("create table visits as select * from DATA")
    model = model_of(STRUCTURES["ar"], EFFECTS["intercept"])
    model = model.fit(connection.table("visits"), "y")
    connection.execute("update visits set t = 3 * t + 1")
    with pytest.raises(ValueError, match=r"has changed since\. Fit to it again"):
        model.random_effects_["patient"]


@pytest.mark.parametrize("model", [("unstructured", "none"), ("ar", "slope")])
def test_rows_in_memory_are_laid_out_anew(model):
    a, b = (m.influence(X, Y) for m in fits(*model))
    for name in ("group_table", "rows"):
        one, other = getattr(a, name), getattr(b, name)
        pd.testing.assert_frame_equal(one, other, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------ what is not there


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"random_effects": ["arm", "patient"]}, r"levels \['arm', 'patient'\]"),
        ({"random_effects": "_all"}, "level '_all' is not supported"),
        ({"vce": "robust", "method": "ml"}, "vce='robust' is not supported"),
        ({"weight_type": "sampling", "method": "ml"}, "vce='robust' is not supported"),
        (
            {"random_effects": None, "residuals": Residuals("independent", by="arm")},
            "without groups is not supported",
        ),
    ],
)
def test_refusals(params, match):
    model = model_of(Residuals("ar", time="t"), fixed=["x"]).set_params(**params)
    with pytest.raises(NotImplementedError, match=match) as error:
        model.fit(lazy(DATA, "polars"), "y")
    assert "into memory" in str(error.value)


def test_weights_are_refused():
    with pytest.raises(NotImplementedError, match=r"weights \(sample_weight='dose'\)"):
        model_of(Residuals("ar", time="t")).fit(lazy(DATA), "y", sample_weight="dose")


def test_partial_fit_names_the_way():
    with pytest.raises(AttributeError) as error:
        model_of(Residuals("ar", time="t")).partial_fit(X, Y)
    assert "fit takes a lazy table with them" in str(error.value.__cause__)


def test_too_many_patterns(monkeypatch):
    monkeypatch.setattr(_patterns, "MAX_PATTERNS", 20)
    match = "share the values of 't', and the table has more than 20 different patterns"
    with pytest.raises(NotImplementedError, match=match):
        model_of(Residuals("unstructured", time="t")).fit(lazy(DATA, "polars"), "y")
    own = RandomEffects("patient", ["x"])
    match = "values of 't' and the random columns 'x', and the table has more than 20"
    with pytest.raises(NotImplementedError, match=match):
        model_of(Residuals("ar", time="t"), own).fit(lazy(DATA, "polars"), "y")
    monkeypatch.setattr(_patterns, "MAX_NUMBERS", 1 << 10)
    with pytest.raises(NotImplementedError, match="sums of products alone take"):
        model_of(Residuals("exchangeable")).fit(lazy(DATA, "polars"), "y")


@pytest.mark.parametrize(
    ("change", "residuals", "match"),
    [
        ({"t": DATA.t // 2}, Residuals("ar", time="t"), "repeated within group pati"),
        ({}, Residuals("ar", time="s"), "need an integer-valued time"),
        ({}, Residuals("ar", time="t", by="visit"), "varies within .* group patient="),
        ({"t": -DATA.t}, Residuals("unstructured", time="t"), "nonnegative integers"),
        ({}, Residuals("ar", time="when"), "time variable of residuals 'when' is no c"),
        ({}, Residuals("toeplitz", order=9, time="t"), "order=9 of toeplitz residuals"),
        ({}, Residuals("nothing"), "structure of residuals must be one of"),
    ],
)
def test_what_is_wrong_with_times_names_a_group(change, residuals, match):
    data = DATA.assign(**change)
    with pytest.raises(ValueError, match=match):
        model_of(residuals, fixed=["x"]).fit(lazy(data, "polars"), "y")


def table_of(data):
    return _whole_groups.Table.of(lazy(data, "polars"))


def test_batches_hold_whole_groups():
    found = _whole_groups.WholeGroups.of(table_of(DATA), "patient")
    batches = list(found.read([]))
    assert len(batches) == len(found.starts) >= 3
    labels = [set(batch["__label"]) for batch in batches]
    assert [len(own) for own in labels] == found.groups.tolist()
    assert len(set().union(*labels)) == found.n_groups == DATA.patient.nunique()
    assert max(map(len, batches)) < 250 + 5
    assert found.sizes @ found.copies == len(DATA)


def test_a_table_that_changes_is_told():
    found = _whole_groups.WholeGroups.of(table_of(DATA), "patient")
    fewer = table_of(DATA[DATA.patient > 3])
    with pytest.raises(ValueError, match="the table changes while it is read"):
        list(dataclasses.replace(found, table=fewer).read([]))


@pytest.mark.parametrize("model", [("unstructured", "none"), ("ar", "slope")])
def test_without_tensors(monkeypatch, model):
    """Stand-ins whose rows are whitened, as where there are more than 32 times."""
    structure, effects = model
    _, other = fits(structure, effects)
    monkeypatch.setattr(_pattern_plan, "MAX_TIMES", 2)
    by_rows = model_of(STRUCTURES[structure], EFFECTS[effects])
    by_rows = by_rows.fit(lazy(DATA, "polars"), "y")
    assert_same(by_rows, other)
    for method in ("satterthwaite", "kenward-roger", "between-within"):
        a, b = by_rows.coef_table(df=method), other.coef_table(df=method)
        assert_allclose(a.to_numpy(float), b.to_numpy(float), rtol=1e-5, atol=1e-8)


def test_patients_who_begin_on_different_days():
    """Where lags alone matter patterns are told by the time since the first row."""
    data = DATA.assign(t=DATA.t + 100 * DATA.patient)
    assert_same(*both(STRUCTURES["ar"], NOBODY, "polars", data, fixed=["x"]))


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_an_offset(engine):
    """Taken from the response of the rows that are read, and added to predictions."""
    settings = {
        "random_effects": EFFECTS["intercept"],
        "residuals": Residuals("ar", time="t"),
        "fixed": ["x"],
        "offset": "dose",
    }
    model = MixedLinearRegressor(**settings).fit(lazy(DATA, engine), "y")
    expected = MixedLinearRegressor(**settings).fit(DATA, DATA["y"])
    assert_allclose(model.log_likelihood_, expected.log_likelihood_, rtol=1e-10)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-8)
    told = nw.from_native(model.predict(lazy(DATA, engine))).lazy().collect("pandas")
    told = told.to_native().sort_values(["patient", "t"])["prediction"]
    there = expected.predict(DATA.sort_values(["patient", "t"]))
    assert_allclose(told, there, rtol=1e-8)
