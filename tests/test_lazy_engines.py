"""Tables of Dask, Ibis, SQLFrame and Spark: the same numbers as in memory."""

from __future__ import annotations

import time
from functools import cache
from itertools import count

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor
from tests.conftest import slow
from tests.test_lazy_tables import CLASS, DATA, FIXED, assert_same, in_memory

# warnings of engines about one another are no business of ours
pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]

#: the optimum of both fits to the digits that are compared
EXACT = {"fixed": FIXED, "tol": 1e-20}


#: of tables in one database
NUMBERS = count()


def of_dask(data):
    frames = pytest.importorskip("dask.dataframe")
    return frames.from_pandas(data, npartitions=3)


def of_ibis(data):
    return pytest.importorskip("ibis").memtable(data)


@cache
def duckdb_of_sqlframe():
    """One for all tests, since SQLFrame keeps the first session there is."""
    sessions = pytest.importorskip("sqlframe.duckdb")
    connection = pytest.importorskip("duckdb").connect()
    return connection, sessions.DuckDBSession(conn=connection)


def of_sqlframe(data):
    connection, session = duckdb_of_sqlframe()
    name = f"rows_{next(NUMBERS)}"
    connection.register("given", data)
    connection.execute(f"create table {name} as select * from given")
    return session.table(name)


def of_spark(data):
    sessions = pytest.importorskip("pyspark.sql")
    session = sessions.SparkSession.builder.master("local[2]")
    session = session.config("spark.ui.enabled", "false")
    session = session.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    return session.createDataFrame(data)


ENGINES = {
    "dask": of_dask,
    "ibis": of_ibis,
    "sqlframe": of_sqlframe,
    "spark": of_spark,
}
#: how rows are asked for
ROWS = {
    "dask": "compute",
    "ibis": "execute",
    "sqlframe": "toPandas",
    "spark": "toPandas",
}


def every_engine(*daily: str) -> pytest.MarkDecorator:
    """All engines; every day some, since what they are asked for is the same."""
    return pytest.mark.parametrize(
        "engine", [name if name in daily else slow(name) for name in ENGINES]
    )


@pytest.mark.daily
@every_engine("dask", "ibis", "sqlframe")
@pytest.mark.parametrize("method", ["ml", "reml"])
def test_as_in_memory(engine, method):
    model = MixedLinearRegressor(["school", CLASS], method=method, **EXACT)
    model.fit(ENGINES[engine](DATA), "y")
    expected = MixedLinearRegressor(["school", CLASS], method=method, **EXACT)
    assert_same(model, in_memory(expected))


@every_engine("sqlframe")
def test_weights_text_and_missing_values(engine):
    data = DATA.copy()
    data.loc[3, "x"] = np.nan
    data.loc[7, "name"] = None
    kwargs = {"missing": "drop", **EXACT}
    model = MixedLinearRegressor(["school", "name"], **kwargs)
    model.fit(ENGINES[engine](data), "y", "w")
    expected = MixedLinearRegressor(["school", "name"], **kwargs)
    assert_same(model, in_memory(expected, data, "w"))


@every_engine("dask", "ibis")
def test_predict_and_score(engine):
    """In the order of ``row``, because a lazy table has none."""
    model = in_memory(MixedLinearRegressor(["school", CLASS], **EXACT))
    new = DATA.assign(row=np.arange(len(DATA)))
    new.loc[:9, ["school", "class"]] = 99  # not seen
    table, frame = ENGINES[engine](new), new.drop(columns=["y", "w", "row"])
    out = getattr(model.predict(table), ROWS[engine])().sort_values("row")
    assert list(out.columns) == [*new.columns, "prediction"]
    found = out["prediction"].to_numpy(float)
    np.testing.assert_allclose(found, model.predict(frame), rtol=1e-9)
    assert model.score(table, "y") == pytest.approx(model.score(frame, new["y"]), 1e-9)


@every_engine("dask")
def test_partial_fit(engine):
    """Batches of two kinds of table."""
    data = DATA.drop(columns="w")
    model = MixedLinearRegressor(["school", CLASS], **EXACT)
    model.partial_fit(ENGINES[engine](data.iloc[:900]), "y")
    rest = data.iloc[900:]
    model.partial_fit(rest.drop(columns="y"), rest["y"])
    assert_same(model, in_memory(MixedLinearRegressor(["school", CLASS], **EXACT)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of ports, sockets and loops, as they come
def test_a_worker_that_dies_costs_time_and_not_the_result():
    import os
    import signal
    import threading

    def slowly(part):
        """A pass that is still on when a worker dies; sent whole, not by its name."""
        time.sleep(0.3)
        return part

    distributed = pytest.importorskip("distributed")
    frames = pytest.importorskip("dask.dataframe")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        table = frames.from_pandas(DATA, npartitions=8)
        table = table.map_partitions(slowly, meta=DATA.iloc[:0])
        victim = next(iter(client.run(os.getpid).values()))
        killer = threading.Timer(2.0, os.kill, (victim, signal.SIGKILL))
        killer.start()
        model = MixedLinearRegressor(["school", CLASS], **EXACT).fit(table, "y")
        killer.join()
        workers = set(client.run(os.getpid).values())
    assert victim not in workers  # it did die, and another took its place
    assert_same(model, in_memory(MixedLinearRegressor(["school", CLASS], **EXACT)))
