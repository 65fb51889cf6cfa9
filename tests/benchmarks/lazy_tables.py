"""A fit from a Parquet file against the engine's own group-by of the same sums.

    python tests/benchmarks/lazy_tables.py file.parquet --rows 10000000 --groups 1000000

makes the file where it does not exist: a group, a random slope's column t, further columns
and the response.  ``--times 10`` reads the same file ten times over, ``--columns`` says
how many of its columns are in the fixed part, and ``--part sums`` or ``fit`` runs one of
the two, whose peak of memory is then its own.  DuckDB is given ``--memory``, beyond which
it spills to disk.

    python tests/benchmarks/lazy_tables.py --growth directory

makes files there and prints a table by rows, groups and columns, every figure from a
process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from sklearn_xmixed import MixedLinearRegressor, RandomEffects

#: columns of a file beside the group and the response, the random slope's first
COLUMNS = 12
#: rows, groups and columns of the growth table, and how often the file is read
GROWTH = [
    (1_000_000, 100_000, 3, 1),
    (10_000_000, 100_000, 3, 1),
    (100_000_000, 100_000, 3, 10),
    (10_000_000, 10_000, 3, 1),
    (10_000_000, 1_000_000, 3, 1),
    (10_000_000, 100_000, 6, 1),
    (10_000_000, 100_000, 12, 1),
]


def make(path: str, rows: int, groups: int) -> None:
    """Random numbers; the response has a random intercept and slope."""
    noise = ", ".join(f"random() x{j}" for j in range(1, COLUMNS))
    names = ", ".join(f"x{j}" for j in range(1, COLUMNS))
    made = f"""
        select g, t, {names}, 1 + 0.5 * x1 + 0.2 * t + (hash(g * 7 + 1) % 1000) / 500.0
            + ((hash(g * 13 + 5) % 1000) / 1000.0 - 0.5) * 0.3 * t + e as y
        from (select (random() * {groups})::int as g, random() * 10 t, {noise},
            random() + random() + random() - 1.5 as e from range({rows}))
    """
    duckdb.connect().execute(f"copy ({made}) to '{path}' (format parquet)")


def read(path: str, times: int, memory: str) -> duckdb.DuckDBPyRelation:
    """The file, so many times over."""
    settings = {"memory_limit": memory, "temp_directory": "spilled"}
    return duckdb.connect(config=settings).read_parquet([path] * times)


def sums(rows: duckdb.DuckDBPyRelation, fixed: list[str]) -> None:
    """What a fit needs by group, asked for by hand."""
    t, *others = fixed
    asked = [f"sum({name})" for name in [*fixed, "y"]]
    asked += [f"sum({t} * {name})" for name in [t, *others, "y"]]
    rows.aggregate(f"g, count(*), {', '.join(asked)}", "g").df()


def fit(rows: duckdb.DuckDBPyRelation, fixed: list[str]) -> MixedLinearRegressor:
    """A random intercept and slope."""
    return MixedLinearRegressor(
        RandomEffects("g", ["t"], covariance="unstructured"),
        method="reml",
        fixed=fixed,
    ).fit(rows, "y")


def measured(options: argparse.Namespace, part: str) -> tuple[float, float, int]:
    """Seconds, the peak of memory in GB and iterations."""
    rows = read(options.file, options.times, options.memory)
    fixed = ["t", *(f"x{j}" for j in range(1, options.columns))]
    start = time.perf_counter()
    iterations = 0
    if part == "sums":
        sums(rows, fixed)
    else:
        iterations = fit(rows, fixed).n_iter_
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return took, peak, iterations


def growth(directory: Path) -> None:
    """The table, in the markup of the documentation."""
    directory.mkdir(exist_ok=True)
    print("| rows | groups | columns | group-by | fit | ratio | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, groups, columns, times in GROWTH:
        path = directory / f"{rows // times}_{groups}.parquet"
        if not path.exists():
            make(str(path), rows // times, groups)
        told = []
        for part in ("sums", "fit"):
            options = [f"--columns={columns}", f"--times={times}", f"--part={part}"]
            command = [sys.executable, __file__, str(path), *options]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            told.append(answer.stdout.split())
        by_hand, ours, peak = float(told[0][1]), float(told[1][1]), told[1][3]
        print(
            f"| {rows:,} | {groups:,} | {columns} | {by_hand:.1f} s | {ours:.1f} s "
            f"| {ours / by_hand:.1f} | {peak} GB |",
            flush=True,
        )


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("file", nargs="?", help="a Parquet file")
    words.add_argument("--rows", type=int, default=10_000_000)
    words.add_argument("--groups", type=int, default=1_000_000)
    words.add_argument("--columns", type=int, default=3)
    words.add_argument("--times", type=int, default=1)
    words.add_argument("--memory", default="3GB")
    words.add_argument("--part", choices=["sums", "fit"])
    words.add_argument("--growth", type=Path, metavar="DIRECTORY")
    options = words.parse_args()
    if options.growth is not None:
        return growth(options.growth)
    if options.file is None:
        words.error("a file is wanted, or --growth with a directory")
    if not Path(options.file).exists():
        make(options.file, options.rows, options.groups)
    for part in [options.part] if options.part else ["sums", "fit"]:
        took, peak, iterations = measured(options, part)
        told = f", {iterations} iterations" if iterations else ""
        print(f"{part} {took:.1f} s, {peak:.1f} GB at the peak{told}", flush=True)
    return None


if __name__ == "__main__":
    main()
