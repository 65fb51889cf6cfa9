"""Lazy tables: the same numbers as in memory, from sums that an engine forms."""

from __future__ import annotations

from pathlib import Path

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals

duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")
dataset = pytest.importorskip("pyarrow.dataset")

FIXED = ["year", "x", "b"]
CLASS = RandomEffects("class", ["year"], covariance="unstructured")
MODELS = {
    "linear": None,
    "intercept": "school",
    "nested": ["school", CLASS],
    "slopes at two levels": [RandomEffects("school", ["x"]), CLASS],
    "text": ["school", "name"],
    "all": ["_all", "school"],
    "a level without effects": ["school", RandomEffects("class", intercept=False)],
    "a column beside X": RandomEffects("school", ["z"], covariance="exchangeable"),
}


def make_data(n: int = 2000) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    school, of_school = rng.integers(0, 12, n), rng.integers(0, 9, n)
    data = pd.DataFrame({"school": school, "class": of_school})
    data["name"] = "c" + data["class"].astype(str)
    data["year"] = 2000.0 + rng.integers(0, 20, n)
    data["x"], data["b"] = rng.normal(size=n), rng.random(n) > 0.5
    data["z"] = data["x"] ** 2
    u, v = rng.normal(size=12), rng.normal(size=(12, 9, 2)) * [1.0, 0.1]
    data["y"] = (
        1.0 + 0.3 * data["x"] + u[school] + v[school, of_school, 0] + rng.normal(size=n)
    )
    data["y"] += v[school, of_school, 1] * (data["year"] - 2010.0)
    data["w"] = rng.integers(0, 3, n).astype(float)
    return data


DATA = make_data()


def lazy(data: pd.DataFrame, engine: str):
    if engine == "polars":
        return pl.from_pandas(data).lazy()
    if engine == "dataset":
        return dataset.dataset(pl.from_pandas(data).to_arrow())
    return duckdb.connect().from_df(data)


def in_memory(model, data=DATA, weight=None):
    X = data.drop(columns=["y", "w"])
    return model.fit(X, data["y"], sample_weight=weight and data[weight])


def assert_same(one, other, rtol=1e-8):
    """Everything a fit saves; variances near zero count against the largest."""
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=rtol)
    a, b = (m.variance_components_.to_numpy(float) for m in (one, other))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=rtol, atol=rtol)
    assert one.results_.n_obs == other.results_.n_obs
    assert one.results_.groups == other.results_.groups
    assert list(one.random_effects_) == list(other.random_effects_)
    for name, effects in one.random_effects_.items():
        pd.testing.assert_frame_equal(
            effects, other.random_effects_[name], rtol=rtol, atol=rtol
        )


@pytest.mark.daily
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
@pytest.mark.filterwarnings("ignore:The model is not identified")
def test_as_in_memory(spec, method, engine):
    model = MixedLinearRegressor(spec, method=method, fixed=FIXED)
    expected = in_memory(MixedLinearRegressor(spec, method=method, fixed=FIXED))
    found = model.fit(lazy(DATA, engine), "y")
    if spec == ["_all", "school"]:  # one group says nothing of its variance
        assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-8)
        return
    assert_same(found, expected)


@pytest.mark.daily
@pytest.mark.parametrize("engine", ["duckdb", "polars", "dataset"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_frequency_weights(engine, fit_intercept):
    """Rows of weight zero are left out, as in memory."""
    kwargs = {"fixed": FIXED, "fit_intercept": fit_intercept}
    expected = in_memory(MixedLinearRegressor(["school", CLASS], **kwargs), weight="w")
    model = MixedLinearRegressor(["school", CLASS], **kwargs)
    found = model.fit(lazy(DATA, engine), "y", sample_weight="w")
    # the optimum itself is known to the tolerance of the search
    assert_same(found, expected)
    assert found.results_.n_obs == DATA["w"].sum()
    with pytest.raises(ValueError, match="not supported with method='reml'"):
        model.set_params(method="reml").fit(lazy(DATA, engine), "y", sample_weight="w")


@pytest.mark.parametrize("structure", ["independent", "exchangeable", "identity"])
def test_structures(structure):
    spec = RandomEffects("school", ["x", "z"], covariance=structure)
    expected = in_memory(MixedLinearRegressor(spec, fixed=FIXED))
    assert_same(
        MixedLinearRegressor(spec, fixed=FIXED).fit(lazy(DATA, "duckdb"), "y"), expected
    )


@pytest.mark.parametrize("method", ["newton", "em"])
def test_small_samples_and_tests_need_no_rows(method):
    kwargs = {"method": "reml", "fixed": FIXED, "em_only": method == "em"}
    expected = in_memory(MixedLinearRegressor("school", **kwargs))
    found = MixedLinearRegressor("school", **kwargs).fit(lazy(DATA, "polars"), "y")
    if method == "newton":
        for df in ("satterthwaite", "kenward-roger", "between-within"):
            a, b = (m.coef_table(df=df) for m in (found, expected))
            np.testing.assert_allclose(a, b, rtol=1e-7)
    assert found.results_.lr_chi2 == pytest.approx(expected.results_.lr_chi2, rel=1e-8)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_files(tmp_path, ending):
    """A pattern names the parts of one table."""
    for part in range(3):
        rows = pl.from_pandas(DATA.iloc[part::3])
        getattr(rows, f"write_{ending}")(tmp_path / f"part{part}.{ending}")
    model = MixedLinearRegressor(["school", CLASS], fixed=FIXED)
    found = model.fit(str(tmp_path / f"*.{ending}"), "y")
    assert_same(found, in_memory(MixedLinearRegressor(["school", CLASS], fixed=FIXED)))
    assert found.results_.target == "y"


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv"])
def test_files_that_are_not_there_or_not_what_they_say(tmp_path, ending, monkeypatch):
    model = MixedLinearRegressor("school", fixed=FIXED)
    monkeypatch.chdir(tmp_path)
    for path in (f"rows*.{ending}", str(tmp_path / f"rows.{ending}")):
        with pytest.raises(FileNotFoundError, match="no file has this name") as told:
            model.fit(path, "y")
        assert repr(path) in str(told.value)
        assert f"begins at {Path.cwd()}" in str(told.value)
    Path(f"rows.{ending}").write_bytes(b"\xff\xfe\x00\x00" * 40)
    kind = "Parquet" if ending == "parquet" else "CSV"
    with pytest.raises(ValueError, match=f"DuckDB cannot read as {kind}: "):
        model.fit(f"rows.{ending}", "y")


def test_collinear_columns_are_left_out():
    data = DATA.assign(
        twice=2.0 * DATA["x"] + 1.0,
        close=DATA["x"] + 1e-5 * DATA["z"],  # sums about the means cannot tell
        closest=DATA["year"] + 1e-12 * DATA["z"],
        one=1.0,
    )
    columns = ["x", "twice", "year", "close", "closest", "one", "z"]
    kwargs = {"fixed": columns}
    expected = in_memory(MixedLinearRegressor("school", **kwargs), data)
    for engine in ("duckdb", "polars"):
        found = MixedLinearRegressor("school", **kwargs).fit(lazy(data, engine), "y")
        assert found.results_.omitted == expected.results_.omitted
        assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-8)


def test_ill_conditioned_columns_are_summed_again():
    """Beyond the digits of sums about the means; the fixed part nearly fits y."""
    data = DATA.assign(close=DATA["x"] + 1e-3 * DATA["z"])
    data["y"] = 1e4 * DATA["x"] + 1e-3 * DATA["y"]
    spec = ["school", RandomEffects("class", ["close"])]
    kwargs = {"fixed": ["x", "close"]}
    expected = in_memory(MixedLinearRegressor(spec, **kwargs), data)
    for engine in ("duckdb", "polars"):
        found = MixedLinearRegressor(spec, **kwargs).fit(lazy(data, engine), "y")
        assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, 1e-8)
        for name, effects in expected.random_effects_.items():
            np.testing.assert_allclose(
                found.random_effects_[name], effects, rtol=1e-6, atol=1e-9
            )


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_missing_values(engine):
    data = DATA.copy()
    data.loc[3, "x"] = np.nan
    data.loc[5, "y"] = np.nan
    data.loc[7, "name"] = None
    spec = ["school", "name"]
    table = lazy(data, engine)
    with pytest.raises(ValueError, match=r"missing values by column are .*'x': 1"):
        MixedLinearRegressor(spec, fixed=FIXED).fit(table, "y")
    kwargs = {"fixed": FIXED, "missing": "drop"}
    found = MixedLinearRegressor(spec, **kwargs).fit(table, "y")
    assert_same(found, in_memory(MixedLinearRegressor(spec, **kwargs), data))
    assert found.results_.specification.n_dropped == 3
    with pytest.raises(AttributeError, match="have no numbers"):
        found.sample_  # noqa: B018


@pytest.mark.daily
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"x": np.inf}, "contains infinity"),
        ({"w": -1.0}, "must be finite and not negative"),
        ({"w": 0.0}, "zero in all rows"),
        ({"x": 1e200}, "too large to be squared"),
        ({"x": "a"}, "hold text"),
        ({"x": pd.Timestamp("2020-01-01")}, "dates or times"),
    ],
)
def test_bad_values(engine, change, match):
    table = lazy(DATA.assign(**change), engine)
    with pytest.raises(ValueError, match=match):
        MixedLinearRegressor("school", fixed=FIXED).fit(table, "y", sample_weight="w")


@pytest.mark.parametrize(
    ("params", "match"),
    [
        (
            {
                "residuals": Residuals("exchangeable"),
                "random_effects": RandomEffects("school", weight="w"),
            },
            "with weights of groups",
        ),
        (
            {
                "residuals": Residuals("exchangeable"),
                "random_effects": ["school", "class"],
            },
            "of one level",
        ),
    ],
)
def test_what_is_not_there_says_so(params, match):
    model = MixedLinearRegressor("school", fixed=FIXED).set_params(**params)
    with pytest.raises(NotImplementedError, match=match):
        model.fit(lazy(DATA, "polars"), "y")


def test_names():
    table, model = lazy(DATA, "duckdb"), MixedLinearRegressor("school", fixed=FIXED)
    with pytest.raises(TypeError, match="must be the name of one of its columns"):
        model.fit(table, DATA["y"])
    with pytest.raises(ValueError, match="the response y 'score' is no column"):
        model.fit(table, "score")
    with pytest.raises(ValueError, match="sample_weight 'weight' is no column"):
        model.fit(table, "y", sample_weight="weight")
    with pytest.raises(NotImplementedError, match="Join them"):
        model.fit(table, "y", groups=DATA["school"])
    with pytest.raises(ValueError, match="must end in one of"):
        model.fit("table.xlsx", "y")
    with pytest.raises(ValueError, match="the table has no rows"):
        model.fit(lazy(DATA.iloc[:0], "polars"), "y")


def test_by_default_every_other_column_is_a_covariate():
    data = DATA[["school", "x", "z", "y", "w"]]
    found = MixedLinearRegressor("school").fit(lazy(data, "polars"), "y", "w")
    assert found.fixed_names_ == ["x", "z"]
    assert list(found.feature_names_in_) == ["school", "x", "z"]
    frame = data.drop(columns=["y", "w"])
    expected = in_memory(MixedLinearRegressor("school"), data, "w")
    np.testing.assert_allclose(found.predict(frame), expected.predict(frame))


# -- afterwards ------------------------------------------------------------------------


def collected(table) -> pd.DataFrame:
    return table.collect().to_pandas() if hasattr(table, "collect") else table.df()


def predictions(model, data, engine, **kwargs):
    """In the order of ``row``, because a lazy table has none."""
    table = lazy(data.assign(row=np.arange(len(data))), engine)
    out = collected(model.predict(table, **kwargs)).sort_values("row")
    assert list(out.columns) == [*data.columns, "row", "prediction"]
    return out["prediction"].to_numpy(float)


@pytest.mark.daily
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
@pytest.mark.filterwarnings("ignore:The model is not identified")
def test_predict(spec, engine):
    model = MixedLinearRegressor(spec, fixed=FIXED).fit(lazy(DATA, engine), "y")
    new = DATA.copy()
    new.loc[:9, ["school", "class"]] = 99  # not seen
    new.loc[10:19, "name"] = "none"
    frame = new.drop(columns="y")
    cases = [{}, {"kind": "fixed"}]
    cases += [{"level": "school"}] if isinstance(spec, list) else []
    for kwargs in cases:
        found = predictions(model, new, engine, **kwargs)
        expected = model.predict(frame, **kwargs)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    table = lazy(new, engine)
    for y, w in (("y", None), ("y", "w")):
        in_memory_score = model.score(frame, new[y], None if w is None else new[w])
        assert model.score(table, y, w) == pytest.approx(in_memory_score, rel=1e-9)


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_unseen_labels(engine):
    model = MixedLinearRegressor(["school", CLASS], fixed=FIXED, unseen="nan")
    model.fit(lazy(DATA, engine), "y")
    new = DATA.copy()
    new.loc[:9, "class"] = 99
    expected = model.predict(new.drop(columns="y"))
    np.testing.assert_allclose(predictions(model, new, engine), expected, rtol=1e-9)
    assert model.score(lazy(new, engine), "y") == pytest.approx(
        model.score(new.drop(columns="y"), new["y"]), rel=1e-9
    )
    model.set_params(unseen="raise")
    with pytest.raises(ValueError, match="10 rows have labels of level 'class'"):
        model.predict(lazy(new, engine))
    np.testing.assert_allclose(
        predictions(model, DATA, engine),
        model.predict(DATA.drop(columns="y")),
        rtol=1e-9,
    )


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_predictions_of_missing_values(engine):
    model = MixedLinearRegressor("school", fixed=FIXED).fit(lazy(DATA, engine), "y")
    new = DATA.copy()
    new.loc[3, "x"] = np.nan
    with pytest.raises(ValueError, match="1 rows have missing values"):
        model.score(lazy(new, engine), "y")
    model.set_params(missing="drop")
    expected = model.predict(new.drop(columns="y"))
    np.testing.assert_allclose(predictions(model, new, engine), expected, rtol=1e-9)
    assert model.score(lazy(new, engine), "y") == pytest.approx(
        model.score(new.drop(columns="y"), new["y"]), rel=1e-9
    )


def test_predict_refuses():
    table = lazy(DATA, "duckdb")
    model = MixedLinearRegressor("school", fixed=FIXED).fit(table, "y")
    with pytest.raises(ValueError, match="rename it"):
        model.predict(model.predict(table))
    with pytest.raises(ValueError, match="kind='blup' needs labels"):
        model.predict(lazy(DATA[FIXED], "duckdb"), kind="blup")
    with pytest.raises(TypeError, match="are text here and were numbers"):
        model.predict(lazy(DATA.assign(school="s"), "duckdb"))
    with pytest.raises(ValueError, match="'x' is no column"):
        model.predict(lazy(DATA.drop(columns="x"), "duckdb"))
    with pytest.raises(TypeError, match=r"pass X\.df\(\)"):
        model._source(table, None)


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_random_effects_as_tables(engine):
    """Of the engine's kind on request; the fit may have been in memory."""
    table = lazy(DATA, engine)
    model = MixedLinearRegressor(["school", "class"], fixed=FIXED).fit(table, "y")
    for std in (False, True):
        kept = model.random_effects("class", return_std=True)[std]
        found = model.random_effects("class", return_std=True, like=table)[std]
        assert type(found) is type(lazy(DATA, engine))
        read = nw.from_native(found).lazy().collect(backend="pandas").to_native()
        assert list(read) == ["school", "class", "_cons"]
        read = read.sort_values(["school", "class"])["_cons"]
        assert_allclose(read, kept["_cons"].sort_index(), rtol=1e-12)
    assert list(model.random_effects(like=table)) == ["school", "class"]


def test_random_effects_as_frames():
    model = MixedLinearRegressor("school", fixed=["x"]).fit(DATA, DATA["y"])
    found = model.random_effects("school", like=pl.from_pandas(DATA))
    assert isinstance(found, pl.DataFrame)
    assert found.columns == ["school", "_cons"]
    for other in (3, "table"):
        with pytest.raises(TypeError, match="a table or a data frame is wanted"):
            model.random_effects("school", like=other)
