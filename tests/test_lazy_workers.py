"""Groups that stay on Dask's workers: the same numbers as in memory."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import signal

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.tables import Parts, Table
from tests.conftest import slow
from tests.test_lazy_tables import CLASS, DATA, FIXED, in_memory

dask = pytest.importorskip("dask")
frames = pytest.importorskip("dask.dataframe")

# warnings of engines about one another, of ports, sockets and loops as they come
pytestmark = pytest.mark.filterwarnings("ignore")

#: the optimum of both fits to the digits that are compared
EXACT = {"fixed": FIXED, "tol": 1e-20}
NESTED = ["school", CLASS]
#: nothing is so small that it comes to the client
STAYS = {"sklearn-xmixed.collect": 0, "distributed.scheduler.allowed-failures": 10}


class Here:
    """What is asked of a cluster's client, done at once in this process."""

    def __init__(self):
        self.known = {}

    def done(self, value):
        """A future whose value is known, so that a graph can be made of it."""
        future = dask.delayed(value, traverse=False)
        self.known[future.key] = value
        return future

    def nthreads(self) -> dict:
        return {"here": 2}

    def compute(self, delayed: list) -> list:
        return [self.done(v) for v in dask.compute(*delayed, scheduler="sync")]

    def submit(self, function, *args, pure):
        return self.done(function(*map(self.gather, args)))

    def map(self, function, *args, pure):
        return [
            self.submit(function, *each, pure=pure) for each in zip(*args, strict=True)
        ]

    def gather(self, futures):
        if isinstance(futures, list):
            return [self.gather(each) for each in futures]
        if hasattr(futures, "dask") and futures.key not in self.known:
            return futures.compute(scheduler="sync")
        return self.known[futures.key] if hasattr(futures, "dask") else futures


@pytest.fixture(scope="module")
def client():
    """Workers in name only: a real cluster takes longer to start than all of this."""
    usual, client = Table.client, Here()
    Table.client = property(lambda self: client if self.elementary else None)
    with dask.config.set(
        {"sklearn-xmixed.collect": 0, "dataframe.shuffle.method": "tasks"}
    ):
        yield client
    Table.client = usual


def table(data=DATA, npartitions=3):
    return frames.from_pandas(data, npartitions=npartitions)


@pytest.fixture(scope="module")
def pair(client):
    """A fit with the groups on the workers, and the same in memory."""
    params = {"method": "reml", **EXACT}
    found = MixedLinearRegressor(NESTED, **params).fit(table(), "y")
    return found, in_memory(MixedLinearRegressor(NESTED, **params))


def assert_same_numbers(one, other, rtol=1e-8):
    """Everything but the groups themselves."""
    assert one._fitted.posterior.elsewhere
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=rtol)
    a, b = (m.variance_components_.to_numpy(float) for m in (one, other))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(one.vcov(), other.vcov(), rtol=rtol, atol=rtol)
    assert one.results_.n_obs == other.results_.n_obs
    for mine, theirs in zip(one.results_.groups, other.results_.groups, strict=True):
        assert mine.name == theirs.name
        np.testing.assert_allclose(
            [mine.n_groups, mine.minimum, mine.average, mine.maximum],
            [theirs.n_groups, theirs.minimum, theirs.average, theirs.maximum],
        )


def assert_same_effects(one, other, rtol=1e-8):
    """The effects come as frames of Dask with a column for each label."""
    for name, expected in other.random_effects_.items():
        frame = one.random_effects_[name]
        assert type(frame).__module__.startswith("dask")
        labels = list(expected.index.names)
        assert list(frame.columns) == [*labels, *expected.columns]
        found = frame.compute().set_index(labels).sort_index()
        pd.testing.assert_frame_equal(
            found, expected.sort_index(), rtol=rtol, atol=rtol, check_index_type=False
        )


def test_as_in_memory(pair):
    found, expected = pair
    assert_same_numbers(found, expected)
    assert_same_effects(found, expected)
    std = found.random_effects("class", return_std=True)[1].compute()
    known = expected.random_effects("class", return_std=True)[1]
    np.testing.assert_allclose(
        std.set_index(["school", "class"]).sort_index(), known.sort_index(), rtol=1e-8
    )


def test_degrees_of_freedom_are_sums_over_the_parts(pair):
    for df in ("satterthwaite", "between-within"):
        a, b = (model.coef_table(df=df) for model in pair)
        np.testing.assert_allclose(a, b, rtol=1e-7)


def test_predict(pair):
    found, expected = pair
    new = DATA.drop(columns=["y", "w"]).assign(row=np.arange(len(DATA)))
    new.loc[:9, ["school", "class"]] = 99  # not seen
    out = found.predict(table(new)).compute().sort_values("row")
    np.testing.assert_allclose(
        out["prediction"], expected.predict(new.drop(columns="row")), rtol=1e-9
    )


def test_rows_in_memory_are_not_looked_up(pair):
    found, expected = pair
    X = DATA.drop(columns="y")
    np.testing.assert_allclose(
        found.predict(X, kind="fixed"),
        expected.predict(X.drop(columns="w"), kind="fixed"),
        rtol=1e-9,
    )
    with pytest.raises(NotImplementedError, match="are on the workers of a Dask"):
        found.predict(X)
    duckdb = pytest.importorskip("duckdb")
    with pytest.raises(NotImplementedError, match="only a frame of Dask can be joined"):
        found.predict(duckdb.connect().from_df(X))


def test_a_copy_has_no_groups(pair):
    found, _ = pair
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert other.log_likelihood_ == found.log_likelihood_
        with pytest.raises(RuntimeError, match="not part of a saved or copied"):
            other.random_effects_["class"]
    assert found.random_effects_["school"].compute().shape == (12, 2)


def test_weights_text_and_missing_values(client):
    data = DATA.copy()
    data.loc[3, "x"] = np.nan
    data.loc[7, "name"] = None
    kwargs = {"missing": "drop", **EXACT}
    found = MixedLinearRegressor("name", **kwargs).fit(table(data), "y", "w")
    expected = in_memory(MixedLinearRegressor("name", **kwargs), data, "w")
    assert_same_numbers(found, expected)
    assert_same_effects(found, expected)


@pytest.mark.slow
def test_ill_conditioned_columns_are_summed_again(client):
    data = DATA.assign(close=DATA["x"] + 1e-3 * DATA["z"])
    data["y"] = 1e4 * DATA["x"] + 1e-3 * DATA["y"]
    kwargs = {"fixed": ["x", "close"]}
    spec = RandomEffects("school", ["close"])
    found = MixedLinearRegressor(spec, **kwargs).fit(table(data), "y")
    expected = in_memory(MixedLinearRegressor(spec, **kwargs), data)
    assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, rel=1e-8)


def test_few_groups_come_to_the_client(client):
    with dask.config.set({"sklearn-xmixed.collect": "10 kB"}):  # of 12 groups, not rows
        found = MixedLinearRegressor("school", **EXACT).fit(table(), "y")
    expected = in_memory(MixedLinearRegressor("school", **EXACT))
    assert not found._fitted.posterior.elsewhere
    assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, rel=1e-10)
    pd.testing.assert_frame_equal(
        found.random_effects_["school"], expected.random_effects_["school"], rtol=1e-8
    )


@pytest.mark.skipif(
    int(dask.__version__.split(".")[0]) < 2026,
    reason="Dask of 2025 names expressions in a time that is exponential in their depth",
)
def test_standard_errors_of_predictions(pair):
    found, expected = pair
    new = DATA.drop(columns=["y", "w"]).assign(row=np.arange(len(DATA)))
    new.loc[:9, ["school", "class"]] = 99  # not seen
    new.loc[10:19, "class"] = 99
    for level in (None, "school"):
        out = found.predict(table(new), return_std=True, level=level)
        out = out.compute().sort_values("row")
        mean, std = expected.predict(
            new.drop(columns="row"), return_std=True, level=level
        )
        np.testing.assert_allclose(out["prediction"], mean, rtol=1e-9)
        np.testing.assert_allclose(out["std_error"], std, rtol=1e-8)


def test_precision_weights(client):
    kwargs = {"weight_type": "precision", "method": "reml", **EXACT}
    found = MixedLinearRegressor(NESTED, **kwargs).fit(table(), "y", "w")
    expected = in_memory(MixedLinearRegressor(NESTED, **kwargs), weight="w")
    assert_same_numbers(found, expected)
    assert_same_effects(found, expected)


@pytest.mark.slow
def test_a_level_without_effects(client):
    spec = [RandomEffects("school"), RandomEffects(CLASS.group, intercept=False)]
    found = MixedLinearRegressor(spec, **EXACT).fit(table(), "y")
    expected = in_memory(MixedLinearRegressor(spec, **EXACT))
    assert_same_numbers(found, expected)


@pytest.mark.parametrize(
    ("spec", "kwargs", "weight"),
    [
        (NESTED, {"vce": "robust"}, None),
        slow("school", {"vce": "cluster", "cluster": "school"}, "w"),
        slow("school", {"weight_type": "sampling"}, "w"),
        slow([RandomEffects("_all", factor="name"), "school"], {}, None),
    ],
    ids=["robust", "cluster", "sampling", "crossed"],
)
def test_what_needs_all_groups_brings_them_to_the_client(client, spec, kwargs, weight):
    kwargs = {"fixed": ["x", "b"], **kwargs}
    found = MixedLinearRegressor(spec, **kwargs).fit(table(), "y", weight)
    expected = in_memory(MixedLinearRegressor(spec, **kwargs), weight=weight)
    assert not found._fitted.posterior.elsewhere
    assert found.log_likelihood_ == pytest.approx(expected.log_likelihood_, rel=1e-8)
    np.testing.assert_allclose(found.vcov(), expected.vcov(), rtol=1e-4, atol=1e-8)


def test_where_the_sums_are_is_told(client, capsys):
    MixedLinearRegressor(NESTED, verbose=1, **EXACT).fit(table(), "y")
    out = capsys.readouterr().out
    assert "groups by school, class, " in out
    assert "GB, stay on the workers." in out
    assert "sums of each of" not in out


@pytest.mark.slow
def test_a_worker_that_dies_between_evaluations(monkeypatch):
    """What it held is made again from the rows, in the middle of the search."""
    distributed = pytest.importorskip("distributed")
    logging.getLogger("distributed").setLevel(logging.ERROR)
    killed, usual, rounds = [], Parts.added_twice, []

    def added_twice(self, *args):
        rounds.append(len(self))
        if len(rounds) == 3:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)
        return usual(self, *args)

    monkeypatch.setattr(Parts, "added_twice", added_twice)
    with (
        dask.config.set(STAYS),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        model = MixedLinearRegressor(NESTED, method="reml", **EXACT)
        model.fit(table(npartitions=6), "y")
        assert len(rounds) > 3
        # not asked of the workers, one of which may be closing
        assert killed[0] not in {nanny.pid for nanny in cluster.workers.values()}
        expected = in_memory(MixedLinearRegressor(NESTED, method="reml", **EXACT))
        assert_same_numbers(model, expected)
        assert_same_effects(model, expected)
