"""Factors over lazy tables: the fit in memory from sums by pairs of groups."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.exceptions import NotConvergedWarning
from tests.test_lazy_tables import assert_same, lazy, predictions

FIXED = ["year", "x"]
RATER = RandomEffects("_all", factor="rater")
MODELS = {
    "one factor": RATER,
    "two factors": [RATER, RandomEffects("_all", factor="task")],
    "a factor and levels": [RATER, "school", RandomEffects("class", ["x"])],
    "slopes of a factor": [
        RandomEffects("_all", ["year"], factor="rater", covariance="unstructured"),
        RandomEffects("task", ["x"], covariance="unstructured"),
    ],
    "a factor within a level": [
        RATER,
        RandomEffects("school"),
        RandomEffects("school", factor="task"),
    ],
    "exchangeable": [
        RATER,
        RandomEffects("school", factor="task", covariance="exchangeable"),
    ],
    "a column beside X": [RandomEffects("_all", ["z"], factor="rater"), "task"],
}


def make_data(n: int = 800) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    rater, task = rng.integers(0, 30, n), rng.integers(0, 12, n)
    school, of_school = rng.integers(0, 5, n), rng.integers(0, 4, n)
    data = pd.DataFrame({"rater": rater, "school": school, "class": of_school})
    data["task"] = [f"task {k}" for k in task]
    data["year"] = 2000.0 + rng.integers(0, 20, n)
    data["x"] = rng.normal(size=n)
    data["z"] = data["x"] ** 2
    u, v = rng.normal(size=(30, 2)), rng.normal(size=(12, 2))
    at_school, at_class = rng.normal(size=5), rng.normal(size=(5, 4, 2))
    data["y"] = (
        1.0
        + 0.3 * data["x"]
        + u[rater, 0]
        + 0.1 * u[rater, 1] * (data["year"] - 2010.0)
    )
    data["y"] += v[task, 0] + v[task, 1] * data["x"] + at_school[school]
    data["y"] += at_class[school, of_school, 0] + rng.normal(size=n)
    data["w"] = rng.integers(0, 3, n).astype(float)
    return data


DATA = make_data()


def in_memory(model, data=DATA, weight=None):
    X = data.drop(columns=["y", "w"])
    return model.fit(X, data["y"], sample_weight=weight and data[weight])


@pytest.mark.daily
@pytest.mark.parametrize(("engine", "method"), [("duckdb", "ml"), ("polars", "reml")])
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
def test_as_in_memory(spec, method, engine):
    kwargs = {"method": method, "fixed": FIXED}
    found = MixedLinearRegressor(spec, **kwargs).fit(lazy(DATA, engine), "y")
    assert_same(found, in_memory(MixedLinearRegressor(spec, **kwargs)))


def test_of_parquet_files(tmp_path):
    polars = pytest.importorskip("polars")
    for part in range(2):
        polars.from_pandas(DATA.iloc[part::2]).write_parquet(
            tmp_path / f"{part}.parquet"
        )
    spec = MODELS["two factors"]
    found = MixedLinearRegressor(spec, fixed=FIXED).fit(
        str(tmp_path / "*.parquet"), "y"
    )
    assert_same(found, in_memory(MixedLinearRegressor(spec, fixed=FIXED)))


@pytest.mark.slow  # it imports Dask
@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_of_dask():
    frames = pytest.importorskip("dask.dataframe")
    spec = MODELS["slopes of a factor"]
    table = frames.from_pandas(DATA, npartitions=3)
    found = MixedLinearRegressor(spec, fixed=FIXED).fit(table, "y")
    assert_same(found, in_memory(MixedLinearRegressor(spec, fixed=FIXED)))


@pytest.mark.parametrize(
    ("spec", "engine"),
    [("two factors", "duckdb"), ("a factor within a level", "polars")],
)
def test_frequency_weights_and_missing_labels(spec, engine):
    data = DATA.astype({"rater": float})
    data.loc[3, "x"] = np.nan
    data.loc[5, "rater"] = np.nan
    data.loc[7, "task"] = None
    kwargs = {"fixed": FIXED, "missing": "drop"}
    model = MixedLinearRegressor(MODELS[spec], **kwargs)
    found = model.fit(lazy(data, engine), "y", "w")
    expected = in_memory(MixedLinearRegressor(MODELS[spec], **kwargs), data, "w")
    assert_same(found, expected)
    with pytest.raises(ValueError, match=r"missing values by column are .*'rater': 1"):
        model.set_params(missing="raise").fit(lazy(data, engine), "y", "w")


def test_columns_that_nearly_are_one_are_summed_again():
    """Beyond the digits of sums about the means."""
    data = DATA.assign(close=DATA["x"] + 1e-4 * DATA["z"])
    spec = [RandomEffects("_all", ["close"], factor="rater"), "task"]
    kwargs = {"fixed": ["x", "close"]}
    expected = in_memory(MixedLinearRegressor(spec, **kwargs), data)
    for engine in ("duckdb", "polars"):
        found = MixedLinearRegressor(spec, **kwargs).fit(lazy(data, engine), "y")
        assert_same(found, expected, rtol=1e-7)  # of coefficients that nearly cancel


def test_by_products_alone():
    """The iterative way has the same tables, and draws the same probes."""
    kwargs = {"fixed": FIXED, "crossed": "iterative", "n_probes": 20}
    spec = MODELS["two factors"]
    found = MixedLinearRegressor(spec, **kwargs).fit(lazy(DATA, "duckdb"), "y")
    expected = in_memory(MixedLinearRegressor(spec, **kwargs))
    assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-8)
    assert found.results_.crossed == expected.results_.crossed


def test_small_samples_need_no_rows():
    spec = MODELS["two factors"]
    kwargs = {"fixed": FIXED, "method": "reml"}
    found = MixedLinearRegressor(spec, **kwargs).fit(lazy(DATA, "polars"), "y")
    expected = in_memory(MixedLinearRegressor(spec, **kwargs))
    for df in ("satterthwaite", "kenward-roger"):
        tables = [m.coef_table(df=df) for m in (found, expected)]
        np.testing.assert_allclose(*tables, rtol=1e-7)


def test_little_noise_is_no_exact_fit():
    """Rows tell the two apart, sums do not: linear regression is not reported."""
    polars = pytest.importorskip("polars")
    rng = np.random.default_rng(3)
    a, b, x = rng.integers(0, 20, 300), rng.integers(0, 12, 300), rng.normal(size=300)
    y = 1 + x + rng.normal(size=20)[a] + rng.normal(size=12)[b]
    y = y + 1e-3 * rng.normal(size=300)
    table = polars.DataFrame({"a": a, "b": b, "x": x, "y": y}).lazy()
    spec = [RandomEffects("_all", factor=name) for name in ("a", "b")]
    with warnings.catch_warnings():  # an exact fit would be an error
        warnings.simplefilter("ignore", NotConvergedWarning)
        model = MixedLinearRegressor(spec, fixed=["x"]).fit(table, "y")
    assert model.sigma_**2 == pytest.approx(1e-6, rel=0.2)


def test_what_is_refused():
    table = lazy(DATA, "polars")
    model = MixedLinearRegressor(RandomEffects("_all", factor="nobody"))
    with pytest.raises(ValueError, match="the factor 'nobody' is no column of X"):
        model.fit(table, "y")
    model = MixedLinearRegressor(RATER, fixed=FIXED)
    with pytest.raises(ValueError, match="'_all' is a single one"):
        model.set_params(weight_type="sampling").fit(table, "y", "w")
    with pytest.raises(AttributeError) as refused:
        MixedLinearRegressor(RATER).partial_fit(table, "y")
    assert "Crossed factors" in str(refused.value.__cause__)


# -- afterwards ------------------------------------------------------------------------


def unseen_labels() -> pd.DataFrame:
    new = DATA.iloc[:300].drop(columns="w")
    new.loc[:9, "rater"] = 99
    new.loc[5:19, "task"] = "none"
    new.loc[15:29, "school"] = 99
    return new


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
def test_predict(spec):
    engine = "duckdb" if isinstance(spec, list) and len(spec) == 2 else "polars"
    model = in_memory(MixedLinearRegressor(spec, fixed=FIXED))
    new = unseen_labels()
    frame = new.drop(columns="y")
    cases = [{}, {"kind": "fixed"}]
    cases += [{"level": "_all"}] if spec == MODELS["two factors"] else []
    for kwargs in cases:
        found = predictions(model, new, engine, **kwargs)
        np.testing.assert_allclose(found, model.predict(frame, **kwargs), rtol=1e-9)
    found = model.score(lazy(new, engine), "y")
    assert found == pytest.approx(model.score(frame, new["y"]), rel=1e-9)


@pytest.mark.parametrize("spec", ["two factors", "exchangeable"])
def test_predict_unseen(spec):
    new = unseen_labels()
    model = in_memory(MixedLinearRegressor(MODELS[spec], fixed=FIXED, unseen="nan"))
    expected = model.predict(new.drop(columns="y"))
    np.testing.assert_allclose(predictions(model, new, "duckdb"), expected, rtol=1e-9)
    model.set_params(unseen="raise")
    with pytest.raises(
        ValueError, match="10 rows have labels of 'rater' that were not"
    ):
        model.predict(lazy(new, "duckdb"))
