"""Files of data, by the kinds that are read."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ._usage import UsageError

__all__ = ["READERS", "read_data"]


def _read_csv(file: Any) -> pd.DataFrame:
    from ...datasets._csv import read_csv

    return read_csv(file)


def _read_tsv(file: Any) -> pd.DataFrame:
    return pd.read_csv(file, sep="\t")


def _read_stata(file: Any) -> pd.DataFrame:
    # codes, as the command has them, not the labels of values
    return pd.read_stata(file, convert_categoricals=False)


READERS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "dta": _read_stata,
    "parquet": pd.read_parquet,
    "feather": pd.read_feather,
}
ALIASES = {"txt": "tsv", "tab": "tsv", "pq": "parquet", "arrow": "feather"}


def read_data(name: str, kind: str | None) -> pd.DataFrame:
    """The data of a file, or csv from the standard input, whose name is ``-``.

    Raises
    ------
    UsageError
        If there is no such file, or it is none of this kind.
    """
    if kind is None:
        suffix = Path(name).suffix.lower().removeprefix(".")
        kind = "csv" if name == "-" else ALIASES.get(suffix, suffix)
    if kind not in READERS:
        raise UsageError(
            f"{name}: what kind of file this is cannot be seen from its name; say it by "
            f"--data-format {{{','.join(READERS)}}}."
        )
    source: Any = name
    if name == "-":
        raw = sys.stdin.buffer.read()
        source = io.BytesIO(raw)
        if kind in ("csv", "tsv"):
            source = io.StringIO(raw.decode("utf-8-sig"))
    try:
        return READERS[kind](source)
    except FileNotFoundError:
        raise UsageError(f"{name}: there is no such file.") from None
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}.") from error
    except ImportError as error:
        raise UsageError(f"{name}: {kind} files need pyarrow ({error}).") from error
    except Exception as error:  # readers raise all kinds of errors on broken files
        told = str(error).strip() or type(error).__name__
        raise UsageError(f"{name} cannot be read as {kind}: {told}") from error
