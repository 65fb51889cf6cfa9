"""A fit from a Parquet file against the engine's own group-by of the same sums.

    python tests/benchmarks/lazy_tables.py file.parquet [rows] [groups]

makes the file where it does not exist.  Four columns, one random slope.
"""

from __future__ import annotations

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


def main(path: str, rows: int = 10_000_000, groups: int = 1_000_000) -> None:
    if not Path(path).exists():
        made = ROWS.format(rows=rows, groups=groups)
        duckdb.connect().execute(f"copy ({made}) to '{path}' (format parquet)")
    start = time.perf_counter()
    duckdb.connect().sql(SUMS.format(path=path)).df()
    print(f"group-by {time.perf_counter() - start:.1f} s")
    model = MixedLinearRegressor(
        RandomEffects("g", ["t"], covariance="unstructured"),
        method="reml",
        fixed=["x", "t", "z"],
    )
    start = time.perf_counter()
    model.fit(path, "y")
    print(f"fit {time.perf_counter() - start:.1f} s, {model.n_iter_} iterations")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
