"""A fit from a Parquet file against the engine's own group-by of the same sums.

    python tests/benchmarks/lazy_tables.py file.parquet [rows] [groups] [part]

makes the file where it does not exist.  Four columns, one random slope.  ``part`` is
"sums" or "fit" where one of the two is wanted, whose peak of memory is then its own.
DuckDB is given 3 GB, beyond which it spills to disk.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import duckdb

from sklearn_xmixed import MixedLinearRegressor, RandomEffects

ROWS = """
    select g, x, t, z, 1 + 0.5 * x + 0.2 * t + (hash(g * 7 + 1) % 1000) / 500.0
        + ((hash(g * 13 + 5) % 1000) / 1000.0 - 0.5) * 0.3 * t + e as y
    from (select (random() * {groups})::int as g, random() x, random() * 10 t,
        random() z, random() + random() + random() - 1.5 as e from range({rows}))
"""
SUMS = """
    select g, count(*), sum(x), sum(t), sum(z), sum(y), sum(t * t), sum(t * x),
        sum(t * z), sum(t * y) from read_parquet('{path}') group by g
"""


def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"memory_limit": "3GB", "temp_directory": "spilled"})


def peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB"


def main(
    path: str, rows: int = 10_000_000, groups: int = 1_000_000, part: str = ""
) -> None:
    if "*" not in path and not Path(path).exists():
        made = ROWS.format(rows=rows, groups=groups)
        duckdb.connect().execute(f"copy ({made}) to '{path}' (format parquet)")
    if part != "fit":
        start = time.perf_counter()
        engine().sql(SUMS.format(path=path)).df()
        print(f"group-by {time.perf_counter() - start:.1f} s, {peak()}", flush=True)
    if part == "sums":
        return
    model = MixedLinearRegressor(
        RandomEffects("g", ["t"], covariance="unstructured"),
        method="reml",
        fixed=["x", "t", "z"],
    )
    start = time.perf_counter()
    model.fit(engine().read_parquet(path), "y")
    took = time.perf_counter() - start
    print(f"fit {took:.1f} s, {model.n_iter_} iterations, {peak()}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:4]), *sys.argv[4:])
