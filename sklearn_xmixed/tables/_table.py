"""A lazy table: what the user passed, as something that can be asked for sums."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import glob
from pathlib import Path
from time import perf_counter
from typing import Any, NoReturn

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from ._parts import cluster
from ._progress import Progress

__all__ = ["Table"]

#: engines whose answers are tested against those in memory
ENGINES = (
    nw.Implementation.DUCKDB,
    nw.Implementation.POLARS,
    nw.Implementation.DASK,
    nw.Implementation.IBIS,
    nw.Implementation.PYSPARK,
    nw.Implementation.SQLFRAME,
)
READERS = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".csv.gz": "read_csv",
}
#: what is in memory, and common
IN_MEMORY = (np.ndarray, pd.DataFrame, pd.Series, list, tuple, dict, type(None))


@dataclass(frozen=True, eq=False)
class Table:
    """Rows that an engine holds.

    Parameters
    ----------
    frame : narwhals.LazyFrame
    progress : Progress or None
        Who is told of passes.
    """

    frame: nw.LazyFrame
    progress: Progress | None = None

    @classmethod
    def of(cls, data: Any) -> Table | None:
        """A lazy table as it is, files and datasets through DuckDB; None for the rest.

        Raises
        ------
        ImportError
            If DuckDB is needed and not installed.
        TypeError
            If the engine is one that has not been tried.
        ValueError
            If the names of files do not say what they are, or say it wrongly.
        FileNotFoundError
            If no file has the name.
        """
        if isinstance(data, IN_MEMORY):
            return None
        if isinstance(data, str | Path):
            data = _read_files(str(data))
        elif _is_dataset(data):
            data = _duckdb("A pyarrow Dataset is").connect().from_arrow(data)
        try:
            with warnings.catch_warnings():
                # of a plugin to come, which narwhals has no need of yet
                warnings.filterwarnings("ignore", "Dask support is moving")
                frame = nw.from_native(data, pass_through=True)
        except TypeError:
            return None
        if not isinstance(frame, nw.LazyFrame):
            return None
        if frame.implementation not in ENGINES:
            _refuse(frame.implementation.name.lower())
        return cls(frame)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Types by name of column."""
        return dict(self.frame.collect_schema())

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.schema)

    def describe(self) -> str:
        """What was there to look in, for messages."""
        return f"The columns of the table are {self.columns}."

    def require(self, name: Any, what: str) -> str:
        """The name of a column that is there.

        Raises
        ------
        TypeError
            If it is no name.
        ValueError
            If there is no such column.
        """
        if not isinstance(name, str):
            raise TypeError(
                f"X is a lazy table, so that {what} must be the name of one of its "
                f"columns, got {type(name).__name__}. {self.describe()}"
            )
        if name not in self.schema:
            raise ValueError(f"{what} {name!r} is no column of X. {self.describe()}")
        return name

    def kind(self, name: str) -> str:
        """Whether a column holds "numbers", "times" or "text"."""
        dtype = self.schema[name]
        if dtype.is_numeric() or dtype == nw.Boolean:
            return "numbers"
        return "times" if dtype.is_temporal() else "text"

    @property
    def elementary(self) -> bool:
        """Whether the engine sums by group columns only, and no expressions of them."""
        return self.frame.implementation is nw.Implementation.DASK

    @property
    def client(self) -> Any:
        """The client of the cluster that holds the rows; None where there is none."""
        return cluster() if self.elementary else None

    def collect(self, frame: nw.LazyFrame, what: str = "counts") -> Any:
        """Rows of an answer, as a data frame in memory.

        Parameters
        ----------
        what : str
            How the progress speaks of it.
        """
        if self.progress is None:
            return self._collect(frame)
        start = perf_counter()
        answer = self._collect(frame)
        self.progress.passed(what, perf_counter() - start)
        return answer

    def _collect(self, frame: nw.LazyFrame) -> Any:
        if self.frame.implementation is nw.Implementation.POLARS:
            return frame.collect(engine="streaming").to_native()
        with warnings.catch_warnings():
            # SQLFrame has pandas read from a connection that pandas does not test
            warnings.filterwarnings("ignore", "pandas only supports SQLAlchemy")
            return frame.collect(backend="pandas").to_native()

    def one(
        self, expressions: Sequence[nw.Expr], frame: Any = None, what: str = "counts"
    ) -> dict[str, float]:
        """Sums of all rows by name."""
        asked = self.frame if frame is None else frame
        answer = self.collect(asked.select(*expressions), what)
        return {
            name: float(np.asarray(answer[name])[0])
            if answer[name][0] is not None
            else np.nan
            for name in answer.columns
        }

    def lend(self, columns: dict[str, Any]) -> nw.LazyFrame:
        """Columns in memory as a table of the same engine, to join with this one."""
        engine, native = self.frame.implementation, self.frame.to_native()
        if engine is nw.Implementation.POLARS:
            return nw.from_dict(columns, backend=engine).lazy()
        lent = pd.DataFrame(columns)
        if engine is nw.Implementation.DASK:
            made = importlib.import_module("dask.dataframe").from_pandas(
                lent, npartitions=1
            )
        elif engine is nw.Implementation.IBIS:
            made = importlib.import_module("ibis").memtable(lent)
        elif engine is nw.Implementation.PYSPARK:
            made = native.sparkSession.createDataFrame(lent)
        elif engine is nw.Implementation.SQLFRAME:
            made = native.session.createDataFrame(lent)
        else:  # DuckDB finds it by its name
            made = native.query("table_of_rows", "select * from lent")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Dask support is moving")
            return nw.from_native(made)


def _refuse(engine: str) -> NoReturn:
    raise TypeError(
        f"X is a table of {engine}, which is not supported; a polars.LazyFrame, a DuckDB "
        "relation, a frame of Dask, Ibis, PySpark or SQLFrame, a pyarrow Dataset and paths of "
        "Parquet or CSV files are. Write it to Parquet files and pass their path."
    )


def _is_dataset(data: Any) -> bool:
    """Whether it is a pyarrow Dataset, without importing pyarrow."""
    return any(
        base.__name__ == "Dataset" and base.__module__.startswith("pyarrow")
        for base in type(data).__mro__
    )


def _duckdb(what: str) -> Any:
    try:
        return importlib.import_module("duckdb")
    except ImportError as error:
        raise ImportError(
            f"{what} read by DuckDB, which is not installed; "
            'pip install "sklearn-xmixed[duckdb]".'
        ) from error


def _read_files(path: str) -> Any:
    """A relation of all files that a path or a pattern names."""
    reader = next((r for end, r in READERS.items() if path.lower().endswith(end)), None)
    if reader is None:
        raise ValueError(
            f"X is the text {path!r}; a path or a pattern of files must end in one of "
            f"{sorted(READERS)}."
        )
    duckdb = _duckdb("Files are")
    try:
        return getattr(duckdb.connect(), reader)(path)
    except duckdb.Error as error:
        if "://" not in path and not glob(path, recursive=True):
            raise FileNotFoundError(
                f"X is the text {path!r}, and no file has this name or matches this "
                f"pattern; a path that does not begin at the root begins at {os.getcwd()}. "
                "Pass the path of a Parquet or CSV file, or a pattern, 'data/*.parquet' say."
            ) from error
        kind = "CSV" if reader == "read_csv" else "Parquet"
        raise ValueError(
            f"X is the text {path!r}, which names files that DuckDB cannot read as {kind}: "
            f"{str(error).splitlines()[0]} Pass files of that kind, or rename them by what "
            f"they are: names end in one of {sorted(READERS)}."
        ) from error
