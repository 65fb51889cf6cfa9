"""Bundled, fetched and simulated data sets."""

import csv
import io
import math
from importlib import resources
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, datasets
from sklearn_xmixed.datasets import _fetch, fetch_xtmixed_data, make_multilevel
from tests.conftest import MANUAL_DATA, SHIPPED, has_manual_copy, manual_data

# name: (target, level names, rows, columns of data)
BUNDLED = {
    "productivity": (
        "gsp",
        ["region", "state"],
        816,
        "state region year private emp hwy water other unemp",
    ),
    "ovary": ("follicles", ["mare"], 308, "mare stime sin1 cos1 time"),
    "sleepstudy": ("reaction", ["subject"], 180, "subject days"),
    "orthodont": ("distance", ["subject"], 108, "subject sex age"),
    "penicillin": ("diameter", ["plate", "sample"], 144, "plate sample"),
    "pastes": ("strength", ["batch", "cask"], 60, "batch cask"),
    "fev": (
        "fev1",
        ["subject"],
        800,
        "subject visit arm race sex baseline weight visitn visitn2",
    ),
    "bioequivalence_full": (
        "pk",
        ["subject"],
        298,
        "subject sequence period treatment",
    ),
    "bioequivalence_partial": (
        "pk",
        ["subject"],
        72,
        "subject sequence period treatment",
    ),
}
# missing values, all of them of the target
MISSING = {"fev": 263}


def load(name, **options):
    return getattr(datasets, f"load_{name}")(**options)


def rows_of(name):
    """Read a bundled file without pandas: a list of dicts of strings."""
    path = resources.files("sklearn_xmixed.datasets") / "data" / f"{name}.csv"
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


# ------------------------------------------------------------------- bundled


@pytest.mark.parametrize("name", BUNDLED)
def test_bunch_has_the_documented_contents(name):
    target, levels, n, columns = BUNDLED[name]
    bunch = load(name)
    assert bunch.data.columns.tolist() == columns.split() == bunch.feature_names
    assert bunch.data.shape == (n, len(columns.split()))
    assert isinstance(bunch.target, pd.Series)
    assert bunch.target.name == target == bunch.target_name
    assert bunch.target_names == [target]
    assert bunch.target.dtype == np.float64
    assert bunch.frame.columns.tolist() == [*columns.split(), target]
    assert bunch.level_names == levels
    assert not bunch.data.isna().any().any()
    assert bunch.target.isna().sum() == MISSING.get(name, 0)
    assert (resources.files(bunch.data_module) / bunch.filename).is_file()


@pytest.mark.parametrize("name", BUNDLED)
def test_values_are_those_of_the_file_to_the_last_bit(name):
    rows, frame = rows_of(name), load(name).frame
    assert len(rows) == len(frame)
    for column in rows[0]:
        read = frame[column].tolist()
        kind = type(read[0])
        np.testing.assert_equal([kind(row[column] or "nan") for row in rows], read)
    known = [float(row[BUNDLED[name][0]]) for row in rows if row[BUNDLED[name][0]]]
    mean = math.fsum(known) / len(known)
    assert frame[BUNDLED[name][0]].mean() == pytest.approx(mean, rel=1e-14)


@pytest.mark.parametrize("name", BUNDLED)
def test_return_X_y(name):
    bunch = load(name)
    X, y = load(name, return_X_y=True)
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)


@pytest.mark.parametrize("name", BUNDLED)
def test_arrays_are_object_only_where_labels_are_strings(name):
    bunch = load(name, as_frame=False)
    X, y = load(name, return_X_y=True, as_frame=False)
    assert bunch.frame is None
    assert type(bunch.data) is type(bunch.target) is type(X) is type(y) is np.ndarray
    assert X.shape == (len(y), len(bunch.feature_names))
    assert X.dtype == (np.float64 if name in ("ovary", "sleepstudy") else object)
    assert X.tolist() == load(name).data.to_numpy(dtype=object).tolist()


@pytest.mark.parametrize("name", BUNDLED)
def test_description_names_every_column_and_the_source(name):
    description = load(name).DESCR
    for column in load(name).frame.columns:
        assert f"\n{column} " in description
    missing = f"Missing values: {MISSING.get(name, 'none')}"
    for part in ("**Source**", "**How this copy was made.**", missing):
        assert part in description


@pytest.mark.parametrize("name", BUNDLED)
def test_a_loader_returns_a_fresh_copy(name):
    target = BUNDLED[name][0]
    frame = load(name).frame
    frame.loc[0, target] = -1.0
    assert load(name).frame.loc[0, target] != -1.0


def test_every_bundled_file_has_a_loader():
    package = resources.files("sklearn_xmixed.datasets")
    for folder, ending in (("data", ".csv"), ("descr", ".rst")):
        names = {p.name for p in (package / folder).iterdir()}
        assert {n for n in names if n.endswith(ending)} == {n + ending for n in BUNDLED}


# Published facts: the sizes of the groups, and grand means as fits print them.
@pytest.mark.parametrize(
    ("name", "column", "n_groups", "smallest", "largest"),
    [
        ("productivity", "region", 9, 51, 136),
        ("productivity", "state", 48, 17, 17),
        ("productivity", "year", 17, 48, 48),
        ("ovary", "mare", 11, 25, 31),
        ("sleepstudy", "subject", 18, 10, 10),
        ("orthodont", "subject", 27, 4, 4),
        ("penicillin", "plate", 24, 6, 6),
        ("penicillin", "sample", 6, 24, 24),
        ("pastes", "batch", 10, 6, 6),
        ("pastes", ["batch", "cask"], 30, 2, 2),
        ("fev", "subject", 200, 4, 4),
        ("bioequivalence_full", "subject", 77, 2, 4),
        ("bioequivalence_full", "period", 4, 70, 77),
        ("bioequivalence_partial", "subject", 24, 3, 3),
        ("bioequivalence_partial", "sequence", 3, 24, 24),
    ],
)
def test_group_sizes(name, column, n_groups, smallest, largest):
    sizes = load(name).frame.groupby(column).size()
    assert (len(sizes), sizes.min(), sizes.max()) == (n_groups, smallest, largest)


@pytest.mark.parametrize(
    ("name", "mean", "half_digit"),
    [
        # fixed intercepts of the unconditional models (balanced: the grand mean)
        ("sleepstudy", 298.51, 0.005),
        ("penicillin", 22.9722, 0.00005),
        ("pastes", 60.0533, 0.00005),
        ("orthodont", 24.023, 0.0005),
    ],
)
def test_means_known_from_balanced_fits(name, mean, half_digit):
    assert load(name).target.mean() == pytest.approx(mean, abs=half_digit)


def test_ovary_harmonics_and_time():
    frame = datasets.load_ovary().frame
    for row in frame.itertuples():
        assert row.sin1 == pytest.approx(math.sin(2 * math.pi * row.stime), abs=1e-15)
        assert row.cos1 == pytest.approx(math.cos(2 * math.pi * row.stime), abs=1e-15)
    assert (frame["time"] == frame.groupby("mare").cumcount() + 1).all()
    assert (frame.groupby("mare")["stime"].diff().dropna() > 0).all()


def test_labels_keep_their_kind():
    assert pd.api.types.is_integer_dtype(datasets.load_sleepstudy().data["subject"])
    assert pd.api.types.is_integer_dtype(datasets.load_productivity().data["region"])
    for frame, column in (
        (datasets.load_productivity().data, "state"),
        (datasets.load_pastes().data, "cask"),
    ):
        assert all(type(label) is str for label in frame[column])


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        datasets.load_ovary(True)


@pytest.mark.parametrize(
    ("name", "atol"),
    [
        ("productivity", 0.0),
        # the harmonics are in single precision there, and calculated here
        ("ovary", 2.0**-24),
    ],
)
def test_bundled_copies_are_the_manual_s(name, atol):
    if not has_manual_copy(name):
        pytest.skip(f"the manual's copy of {name} is not here (XMIXED_DATA)")
    ours, theirs = SHIPPED[name](), manual_data(name)
    common = [column for column in theirs if column in ours]
    assert len(common) == ours.shape[1]
    np.testing.assert_allclose(ours[common], theirs[common], rtol=0, atol=atol)


def test_productivity_is_made_of_the_published_figures():
    """Figures and their logs are rounded to single precision, as in the manual's copy."""
    first = datasets.load_productivity().frame.iloc[0]
    published = {
        "hwy": 7325.80,
        "water": 1655.68,
        "other": 6051.20,
        "private": 35793.80,
        "gsp": 28418.0,
        "emp": 1010.5,
    }
    for column, figure in published.items():
        log = np.log(np.float64(np.float32(figure)))
        assert first[column] == np.float64(np.float32(log))
    assert first["unemp"] == np.float64(np.float32(4.7))
    numbers = datasets.load_productivity().frame.drop(columns=["state"])
    assert (numbers == numbers.astype(np.float32)).all().all()


def test_the_first_likelihood_of_the_readme_is_the_manual_s():
    X, y = datasets.load_productivity(return_X_y=True)
    fixed = ["private", "emp", "hwy", "water", "other", "unemp"]
    model = MixedLinearRegressor(["region", "state"], fixed=fixed).fit(X, y)
    assert "Log likelihood = 1430.5017 " in str(model.summary())


# ------------------------------------------------------------------- fetched


@pytest.fixture
def sandbox(tmp_path, monkeypatch):
    """No variables set, and a download is an error until a test allows it."""
    monkeypatch.delenv("XMIXED_DATA", raising=False)
    monkeypatch.setenv("SKLEARN_XMIXED_DATA", str(tmp_path / "cache"))

    def refuse(request, timeout):
        raise URLError("no network in tests")

    monkeypatch.setattr(_fetch, "urlopen", refuse)
    return tmp_path


def pig_frame():
    week = np.tile(np.arange(1, 10), 48).astype(np.int8)
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(1, 49), 9).astype(np.int8),
            "week": week,
            "weight": (20.1 + 6.2 * week).astype(np.float32),
        }
    )


def dta(frame):
    file = io.BytesIO()
    frame.to_stata(file, write_index=False)
    return file.getvalue()


def serve(monkeypatch, content):
    """Answer every request with `content`; return the list of requests."""
    requests = []

    def answer(request, timeout):
        requests.append(request)
        assert timeout > 0
        return io.BytesIO(content)

    monkeypatch.setattr(_fetch, "urlopen", answer)
    return requests


def test_fetch_downloads_once_and_widens_the_storage_types(sandbox, monkeypatch):
    requests = serve(monkeypatch, dta(pig_frame()))
    frame = fetch_xtmixed_data("pig")
    assert [r.full_url for r in requests] == [
        "https://www.stata-press.com/data/r12/pig.dta"
    ]
    assert frame.dtypes.to_dict() == {"id": "int64", "week": "int64", "weight": "f8"}
    np.testing.assert_array_equal(frame, pig_frame().astype(np.float64))
    pd.testing.assert_frame_equal(fetch_xtmixed_data("pig"), frame)
    assert len(requests) == 1
    assert [p.name for p in (sandbox / "cache").iterdir()] == ["pig.dta"]


def test_data_home_goes_before_the_variable(sandbox, monkeypatch):
    serve(monkeypatch, dta(pig_frame()))
    fetch_xtmixed_data("pig", data_home=sandbox / "a" / "b")
    assert (sandbox / "a" / "b" / "pig.dta").is_file()
    assert not (sandbox / "cache").exists()


def test_default_cache_is_in_the_home_directory(sandbox, monkeypatch):
    monkeypatch.delenv("SKLEARN_XMIXED_DATA")
    monkeypatch.setenv("HOME", str(sandbox))
    monkeypatch.setenv("USERPROFILE", str(sandbox))
    serve(monkeypatch, dta(pig_frame()))
    fetch_xtmixed_data("pig")
    assert (sandbox / "sklearn_xmixed_data" / "pig.dta").is_file()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Moved</html>", "cannot be read as a .dta file"),
        (dta(pig_frame().head(3)), "found 3 rows"),
        (
            dta(pig_frame().rename(columns={"id": "pig"})),
            r"\['pig', 'week', 'weight'\]",
        ),
    ],
)
def test_a_wrong_download_is_reported_and_not_kept(
    sandbox, monkeypatch, content, message
):
    serve(monkeypatch, content)
    with pytest.raises(ValueError, match=message):
        fetch_xtmixed_data("pig")
    assert list((sandbox / "cache").iterdir()) == []


def test_no_network_says_how_to_do_without(sandbox):
    with pytest.raises(OSError, match="could not download") as caught:
        fetch_xtmixed_data("pig")
    for part in ("no network in tests", "local='DIRECTORY'", "XMIXED_DATA", "pig.dta"):
        assert part in str(caught.value)
    assert not (sandbox / "cache").exists()


def test_download_if_missing_false(sandbox, monkeypatch):
    with pytest.raises(OSError, match="download_if_missing is False"):
        fetch_xtmixed_data("pig", download_if_missing=False)
    (sandbox / "cache").mkdir()
    (sandbox / "cache" / "pig.dta").write_bytes(dta(pig_frame()))
    assert len(fetch_xtmixed_data("pig", download_if_missing=False)) == 432


def test_a_damaged_cache_is_reported(sandbox):
    (sandbox / "cache").mkdir()
    (sandbox / "cache" / "pig.dta").write_bytes(dta(pig_frame())[:500])
    with pytest.raises(ValueError, match="Delete it to have it downloaded again"):
        fetch_xtmixed_data("pig")


@pytest.mark.parametrize("by_variable", [False, True])
@pytest.mark.parametrize("ending", ["dta", "csv"])
def test_local_directory_is_used_instead(sandbox, monkeypatch, by_variable, ending):
    if ending == "dta":
        (sandbox / "pig.dta").write_bytes(dta(pig_frame()))
    else:
        pig_frame().astype(np.float64).to_csv(sandbox / "pig.csv", index=False)
    options = {} if by_variable else {"local": sandbox}
    if by_variable:
        monkeypatch.setenv("XMIXED_DATA", str(sandbox))
    frame = fetch_xtmixed_data("pig", **options)
    np.testing.assert_array_equal(frame, pig_frame().astype(np.float64))
    assert not (sandbox / "cache").exists()


def test_local_goes_before_the_variable_and_dta_before_csv(sandbox, monkeypatch):
    monkeypatch.setenv("XMIXED_DATA", str(sandbox / "nowhere"))
    (sandbox / "pig.dta").write_bytes(dta(pig_frame()))
    (sandbox / "pig.csv").write_text("not,a\npig\n")
    assert len(fetch_xtmixed_data("pig", local=str(sandbox))) == 432
    with pytest.raises(FileNotFoundError, match=r"XMIXED_DATA.*is not a directory"):
        fetch_xtmixed_data("pig")


def test_local_directory_without_the_file(sandbox):
    with pytest.raises(FileNotFoundError, match=r"veneer\.dta or veneer\.csv in"):
        fetch_xtmixed_data("veneer", local=sandbox)


def test_missing_values_and_labels_of_values(sandbox):
    day = np.tile([0, 2, 4, 6, 8, 10, 12], 37)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(37), 7),
            "day": day,
            "program": pd.Categorical(np.where(np.arange(259) < 100, "a", "b")),
            "strength": np.where(day == 2, np.nan, 80.0),
        }
    )
    (sandbox / "exercise.dta").write_bytes(dta(frame))
    read = fetch_xtmixed_data("exercise", local=sandbox)
    assert read["strength"].isna().sum() == 37
    assert set(read["program"]) == {0, 1}
    frame["program"] = 1
    frame.to_csv(sandbox / "exercise.csv", index=False, na_rep=".")
    (sandbox / "exercise.dta").unlink()
    read = fetch_xtmixed_data("exercise", local=sandbox)
    assert read["strength"].isna().sum() == 37
    assert read["strength"].dtype == np.float64


def test_unknown_name_lists_the_allowed_ones(sandbox):
    with pytest.raises(ValueError, match=r"did you mean 'productivity'\?") as caught:
        fetch_xtmixed_data("produktivity")
    for name in _fetch._TABLES:
        assert repr(name) in str(caught.value)
    with pytest.raises(ValueError, match=r"unknown data set 'zzz'\. The names are"):
        fetch_xtmixed_data("zzz")


@pytest.mark.parametrize("name", _fetch._TABLES)
def test_the_manual_s_data_pass_the_check(name, sandbox):
    if not has_manual_copy(name):
        pytest.skip(f"the manual's copy of {name} is not here (XMIXED_DATA)")
    frame = fetch_xtmixed_data(name, local=MANUAL_DATA)
    assert len(frame) == _fetch._TABLES[name].n_rows
    assert all(kind in "if" for kind in (d.kind for d in frame.dtypes))


# ------------------------------------------------------------------- simulated


def leftover(sim):
    """Take the fixed part and the random effects from y, by merging on labels."""
    frame = sim.frame
    rest = frame["y"] - sim.intercept - frame[list(sim.coef.index)] @ sim.coef
    for depth, name in enumerate(sim.level_names, start=1):
        path = sim.level_names[:depth]
        effects = sim.random_effects[name]
        merged = frame[path].merge(effects, left_on=path, right_index=True, how="left")
        for term in effects:
            z = 1.0 if term == "_cons" else frame[term]
            rest = rest - merged[term].reindex(frame.index) * z
    return rest


def test_default_design():
    sim = make_multilevel(random_state=0)
    assert sim.data.columns.tolist() == ["level3", "level2", "x1", "x2"]
    assert sim.feature_names == sim.data.columns.tolist()
    assert sim.level_names == ["level3", "level2"]
    assert sim.frame.columns.tolist() == [*sim.feature_names, "y"]
    assert sim.target_names == [sim.target_name] == [sim.target.name] == ["y"]
    assert len(sim.frame) == 20 * 5 * 10
    assert sim.frame.groupby("level3").size().eq(50).all()
    assert sim.frame.groupby("level2").size().tolist() == [10] * 100
    assert sim.coef.to_dict() == {"x1": 1.0, "x2": 1.0}
    assert sim.residual_covariance is None
    assert sim.covariances["level3"].equals(sim.covariances["level2"])
    assert "1000 observations" in sim.DESCR


@pytest.mark.parametrize("reuse_labels", [False, True])
@pytest.mark.parametrize("residuals", [None, ("ar", 0.4)])
def test_y_is_made_of_the_returned_parts(reuse_labels, residuals):
    sim = make_multilevel(
        ((3, 6), (1, 4), 3),
        (1, 6),
        fixed=[2.0, -1.0, 0.5],
        intercept=7.0,
        covariances={
            "level2": [[1.0, 0.3], [0.3, 0.5]],
            "level3": {"_cons": 1.0, "x3": 0.5, "x2": 2.0},
            "level4": 2.0,
        },
        sigma=0.0,
        residuals=residuals,
        reuse_labels=reuse_labels,
        random_state=3,
    )
    np.testing.assert_allclose(leftover(sim), 0, atol=1e-13)
    assert sim.covariances["level3"].columns.tolist() == ["x2", "x3", "_cons"]
    assert list(sim.covariances) == list(sim.random_effects) == sim.level_names
    for depth, name in enumerate(sim.level_names, start=1):
        index = sim.random_effects[name].index
        path = sim.level_names[:depth]
        assert list(index.names) == path
        assert index.is_unique
        assert index.equals(pd.Index(sim.frame.groupby(path).first().index))
        assert index.is_monotonic_increasing


def test_labels():
    again = make_multilevel((3, 4), 2, reuse_labels=True, random_state=0).data
    assert again["level2"].unique().tolist() == [0, 1, 2, 3]
    assert again.groupby(["level3", "level2"]).ngroups == 12
    unique = make_multilevel((3, 4), 2, random_state=0).data
    assert unique["level2"].unique().tolist() == list(range(12))
    assert unique["level3"].is_monotonic_increasing


def test_one_level_and_names():
    sim = make_multilevel(7, 3, n_features=0, level_names=["school"], random_state=0)
    assert sim.data.columns.tolist() == ["school"]
    assert sim.random_effects["school"].shape == (7, 1)
    assert sim.random_effects["school"].index.name == "school"
    assert sim.coef.shape == (0,)
    assert make_multilevel(7, 3).level_names == ["level2"]


def test_unbalanced_sizes_cover_their_range():
    data = make_multilevel(((50, 50), (1, 4)), (2, 6), random_state=0).data
    assert set(data.groupby("level3")["level2"].nunique()) == {1, 2, 3, 4}
    assert set(data.groupby("level2").size()) == {2, 3, 4, 5, 6}


def test_return_X_y_gives_the_same_draws():
    sim = make_multilevel(random_state=5)
    X, y = make_multilevel(random_state=5, return_X_y=True)
    pd.testing.assert_frame_equal(X, sim.data)
    pd.testing.assert_series_equal(y, sim.target)


def test_random_state():
    def y(state):
        return make_multilevel((3, 2), (1, 4), random_state=state).target

    assert y(1).equals(y(1))
    assert not y(1).equals(y(2))
    assert not y(None).equals(y(None))
    assert y(np.random.default_rng(1)).equals(y(1))
    assert y(np.random.RandomState(1)).equals(y(np.random.RandomState(1)))
    shared = np.random.default_rng(1)
    assert not y(shared).equals(y(shared))


def test_scale_parameters_leave_the_draws_alone():
    one = make_multilevel(random_state=0, fixed=[0, 0], covariances=0.0)
    two = make_multilevel(random_state=0, fixed=[0, 0], covariances=0.0, sigma=2.0)
    pd.testing.assert_frame_equal(one.data, two.data)
    np.testing.assert_allclose(two.target, 2 * one.target)


# The tolerances of the moments are five standard errors: with a fixed seed the tests
# are deterministic, and a wrong formula is far outside.


def assert_covariance(sample, expected, n):
    """Compare a sample covariance (known mean zero, n draws) with the true one."""
    expected = np.asarray(expected)
    variance = np.diag(expected)
    error = np.sqrt((np.outer(variance, variance) + expected**2) / n)
    assert (np.abs(np.asarray(sample) - expected) <= 5 * error + 1e-15).all()


def test_moments_of_a_large_simulation():
    top = pd.DataFrame(
        [[0.5, 0.0, 0.4], [0.0, 0.0, 0.0], [0.4, 0.0, 1.0]],
        index=["_cons", "x2", "x1"],
        columns=["_cons", "x2", "x1"],
    )
    sim = make_multilevel(
        (3000, (1, 5)),
        (3, 9),
        fixed=[1.5, -0.5],
        intercept=3.0,
        covariances=[top, {"x2": 0.25, "_cons": 2.0}],
        sigma=0.7,
        random_state=11,
    )
    expected = {
        "level3": [[1.0, 0.0, 0.4], [0.0, 0.0, 0.0], [0.4, 0.0, 0.5]],
        "level2": [[0.25, 0.0], [0.0, 2.0]],
    }
    for name, matrix in expected.items():
        np.testing.assert_array_equal(sim.covariances[name], matrix)
        u = sim.random_effects[name].to_numpy()
        assert_covariance(u.T @ u / len(u), matrix, len(u))
    e = leftover(sim).to_numpy()
    assert_covariance([[np.mean(e**2)]], [[0.7**2]], e.size)
    x = sim.data[["x1", "x2"]].to_numpy()
    assert_covariance(x.T @ x / len(x), np.eye(2), len(x))
    for column in x.T:
        assert abs(np.mean(column * e)) < 5 * 0.7 / np.sqrt(e.size)


def test_moments_seen_in_y_alone():
    """Variances between and within groups, balanced: no use of the returned truth."""
    sim = make_multilevel(
        (4000, 5), 8, n_features=0, covariances=[0.5, 2.0], sigma=1.5, random_state=2
    )
    y = sim.target.to_numpy().reshape(4000, 5, 8)
    top = y.mean(axis=(1, 2))
    middle = y.mean(axis=2) - top[:, None]
    within = y - y.mean(axis=2, keepdims=True)
    error = 2.25
    for sample, expected, df in (
        (top.var(ddof=1), 0.5 + 2.0 / 5 + error / 40, 3999),
        ((middle**2).sum() / (4000 * 4), 2.0 + error / 8, 16000),
        ((within**2).sum() / (20000 * 7), error, 140000),
    ):
        assert abs(sample - expected) < 5 * expected * np.sqrt(2 / df)


@pytest.mark.parametrize(
    ("residuals", "lags"),
    [
        (("ar", -0.6), [1.0, -0.6, 0.36, -0.216]),
        (("ma", 0.5), [1.0, 0.4, 0.0, 0.0]),
        (["exchangeable", -0.2], [1.0, -0.2, -0.2, -0.2]),
    ],
)
def test_residual_structures(residuals, lags):
    sim = make_multilevel(6000, (2, 4), sigma=2.0, residuals=residuals, random_state=4)
    expected = [[4.0 * lags[abs(i - j)] for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(sim.residual_covariance, expected)
    assert sim.feature_names == ["level2", "time", "x1", "x2"]
    assert (sim.data["time"] == sim.data.groupby("level2").cumcount()).all()
    wide = sim.data.assign(e=leftover(sim)).pivot(
        index="level2", columns="time", values="e"
    )
    for size in (2, 3, 4):  # groups of every size have the leading block
        e = wide.loc[wide.notna().sum(axis="columns") == size, range(size)].to_numpy()
        block = np.array(expected)[:size, :size]
        assert_covariance(e.T @ e / len(e), block, len(e))


def test_residual_matrix():
    matrix = [[1.0, 0.5, 0.0], [0.5, 2.0, 0.0], [0.0, 0.0, 3.0]]
    sim = make_multilevel(8000, 2, sigma=3.0, residuals=matrix, random_state=4)
    expected = [[9.0, 4.5], [4.5, 18.0]]
    np.testing.assert_array_equal(sim.residual_covariance, expected)
    e = leftover(sim).to_numpy().reshape(-1, 2)
    assert_covariance(e.T @ e / len(e), expected, len(e))


def test_a_million_rows():
    sim = make_multilevel((1000, 100), (5, 15), random_state=0)
    assert len(sim.frame) > 900_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_groups": (3, 0)}, r"n_groups\[1\] must be a positive integer.*found 0"),
        ({"n_groups": ()}, "n_groups must be"),
        ({"n_groups": 2.5}, r"n_groups must be.*found 2\.5"),
        ({"n_per_group": (5, 2)}, r"n_per_group must be.*found \(5, 2\)"),
        ({"n_per_group": True}, "n_per_group must be"),
        ({"n_features": -1}, "n_features must be a non-negative integer"),
        ({"n_features": 3, "fixed": [1.0]}, r"each of the 3 features.*\(1,\)"),
        ({"sigma": -1.0}, "sigma must be zero or positive"),
        ({"sigma": float("nan")}, "sigma must be zero or positive"),
        ({"level_names": ["a"]}, r"must be 2 different names.*\['a'\]"),
        ({"level_names": ["a", "a"]}, "must be 2 different names"),
        ({"level_names": ["x1", "b"]}, r"must not use \['x1'\]"),
        ({"covariances": [1.0]}, r"each of the levels \['level3', 'level2'\]"),
        ({"covariances": "one"}, "covariances must be a number, a sequence"),
        ({"covariances": {"level3": 1.0}}, r"a mapping with these keys; found"),
        ({"covariances": -1.0}, "level 'level3' must be positive semidefinite"),
        ({"covariances": [1, {"x9": 1.0}]}, r"terms \['x1', 'x2', '_cons'\]; found"),
        ({"covariances": [1, [1.0, 2.0]]}, "a mapping from terms to variances"),
        ({"covariances": [1, np.ones((2, 3))]}, "square matrix"),
        ({"covariances": [1, np.eye(4)]}, "at most 3 random effects"),
        ({"covariances": [1, [[1.0, 0.5], [0.1, 1.0]]]}, "symmetric"),
        ({"covariances": [1, [[1.0, 2.0], [2.0, 1.0]]]}, "smallest eigenvalue is -1"),
        ({"covariances": [1, pd.DataFrame([[1.0]], ["x1"], ["x2"])]}, "same terms"),
        ({"residuals": "ar"}, r"pair a structure with one number.*\('ar', 0\.5\)"),
        ({"residuals": ("toeplitz", 0.5)}, r"one of \('exchangeable', 'ar', 'ma'\)"),
        ({"residuals": ("ar", 1.0)}, "between -1 and 1"),
        ({"residuals": ("exchangeable", -0.5)}, "positive definite"),
        ({"residuals": np.eye(3)}, "matrix of 3 rows.*10 observations"),
    ],
)
def test_messages_say_what_was_found_and_what_is_allowed(options, message):
    with pytest.raises(ValueError, match=message):
        make_multilevel(**options)
