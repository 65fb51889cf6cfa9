"""The data sets of the Stata manual's worked examples, fetched and cached."""

from __future__ import annotations

import difflib
import os
import uuid
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import pandas as pd

from ._csv import read_csv

ADDRESS = "https://www.stata-press.com/data/r12/{name}.dta"
LOCAL_VARIABLE = "XMIXED_DATA"
CACHE_VARIABLE = "SKLEARN_XMIXED_DATA"
TIMEOUT = 30  # seconds without an answer


class _Table(NamedTuple):
    """What a copy of a data set must contain to be taken for it."""

    n_rows: int
    columns: str


_TABLES = {
    "pig": _Table(432, "id week weight"),
    "productivity": _Table(
        816, "state region year public hwy water other private gsp emp unemp"
    ),
    "childweight": _Table(198, "id age weight brthwt girl"),
    "veneer": _Table(110, "patient tooth gcf age base_gcf cda followup"),
    "ovary": _Table(308, "mare stime follicles sin1 cos1 time"),
    "exercise": _Table(259, "id day program strength"),
    "pisa2000": _Table(
        2069,
        "female isei w_fstuwt wnrschbw high_school college one_for both_for "
        "test_lang pass_read id_school",
    ),
}


def _read(path: Path) -> pd.DataFrame:
    """Read a .csv or .dta file; numbers become int64 or float64, codes stay codes."""
    if path.suffix == ".csv":
        return read_csv(path)
    return pd.read_stata(path, convert_categoricals=False, preserve_dtypes=False)


def _read_checked(path: Path, name: str, remedy: str) -> pd.DataFrame:
    """Read a file and make sure that it is the data set `name`."""
    try:
        frame = _read(path)
    except Exception as error:  # pandas raises many kinds for a damaged file
        raise ValueError(
            f"{path} cannot be read as a {path.suffix} file ({error}). {remedy}"
        ) from error
    table = _TABLES[name]
    missing = [column for column in table.columns.split() if column not in frame]
    if missing or len(frame) != table.n_rows:
        raise ValueError(
            f"{path} is not the manual's data set {name!r}: found {len(frame)} rows "
            f"and the columns {list(frame.columns)}, expected {table.n_rows} rows and "
            f"the columns {table.columns.split()}. {remedy}"
        )
    return frame


def _read_local(
    directory: str | os.PathLike[str], name: str, asked_by: str
) -> pd.DataFrame:
    """Read NAME.dta or else NAME.csv in a directory the user named."""
    folder = Path(directory).expanduser()
    candidates = [folder / f"{name}.dta", folder / f"{name}.csv"]
    for path in candidates:
        if path.is_file():
            return _read_checked(path, name, f"Replace the file or change {asked_by}.")
    state = "does not contain either" if folder.is_dir() else "is not a directory"
    raise FileNotFoundError(
        f"{asked_by} asks for {name}.dta or {name}.csv in {folder}, which {state}. Put "
        f"the file there or name another directory."
    )


def _cache_directory(data_home: str | os.PathLike[str] | None) -> Path:
    """Where downloads are kept; the directory need not exist."""
    if data_home is None:
        data_home = os.environ.get(CACHE_VARIABLE) or "~/sklearn_xmixed_data"
    return Path(data_home).expanduser()


def _get(url: str, name: str) -> bytes:
    """Return what lies at an address, or explain how to do without it."""
    request = Request(url, headers={"User-Agent": "sklearn_xmixed"})
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            return answer.read()
    except (OSError, HTTPException) as error:
        raise OSError(
            f"could not download {url} ({error}). Where it cannot be reached, get "
            f"{name}.dta (or {name}.csv) by other means and name its directory: "
            f"fetch_xtmixed_data({name!r}, local='DIRECTORY'), or set the environment "
            f"variable {LOCAL_VARIABLE}."
        ) from error


def _download(name: str, path: Path) -> None:
    """Download a data set to `path`, where it appears whole and checked or not at all.

    The draft lies in the same directory, so that the last step is a renaming.
    """
    url = ADDRESS.format(name=name)
    content = _get(url, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
    try:
        draft.write_bytes(content)
        _read_checked(draft, name, f"It came from {url}; nothing was kept.")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def fetch_xtmixed_data(
    name: str,
    *,
    data_home: str | os.PathLike[str] | None = None,
    local: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
) -> pd.DataFrame:
    """Fetch a data set of the worked examples in Stata's manual entry on xtmixed.

    The first source in this list that applies is used: the directory `local`; the
    directory named by the environment variable ``XMIXED_DATA``; the cache; Stata
    Press's public address of the data of release 12. A download is checked (rows and
    columns), then cached.

    ================  =====  ==========================================================
    name              rows   contents
    ================  =====  ==========================================================
    ``pig``           432    weights of 48 pigs over 9 weeks
    ``productivity``  816    output of 48 US states in 9 regions, 1970 to 1986
    ``childweight``   198    weights of 68 children, birth to about 2.5 years
    ``veneer``        110    gum fluid after dental veneers, 55 teeth of 12 patients
    ``ovary``         308    follicles of 11 mares, daily over one cycle
    ``exercise``      259    strength in an exercise trial, 37 subjects, 7 days
    ``pisa2000``      2069   reading in 148 US schools, PISA 2000, with weights
    ================  =====  ==========================================================

    Parameters
    ----------
    name : str
        One of the names in the table.
    data_home : str or path-like, default=None
        Directory of the cache. None: the environment variable
        ``SKLEARN_XMIXED_DATA`` or else ``~/sklearn_xmixed_data``. It is made when
        something is downloaded.
    local : str or path-like, default=None
        A directory that holds ``NAME.dta`` or ``NAME.csv`` (looked for in this
        order), used instead of cache and download. None: the environment variable
        ``XMIXED_DATA``, if it is set and not empty.
    download_if_missing : bool, default=True
        If False, raise an OSError instead of downloading what is not cached.

    Returns
    -------
    frame : DataFrame
        The whole table, target among the columns, rows and columns in the order of
        the file. Integers are int64 and other numbers float64 whatever the storage
        type in Stata; labelled values are given as their codes; missing is NaN.

    Raises
    ------
    ValueError
        If the name is unknown, or a file is damaged or holds something else.
    FileNotFoundError
        If `local` (or ``XMIXED_DATA``) does not have the file.
    OSError
        If the download fails, or would be needed and `download_if_missing` is False.

    See Also
    --------
    load_productivity, load_ovary : Copies of two of them that come with the package.
    make_xtmixed_data : Stand-ins for the others.

    Notes
    -----
    The data sets belong to the publications that the manual cites and are not part of
    this package. Stata stores many columns in single precision; they are widened here,
    not rounded again.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import fetch_xtmixed_data
    >>> pig = fetch_xtmixed_data("pig")  # doctest: +SKIP
    >>> pig.shape  # doctest: +SKIP
    (432, 3)

    >>> fetch_xtmixed_data("pigs")
    Traceback (most recent call last):
    ...
    ValueError: unknown data set 'pigs'; did you mean 'pig'? The names are 'pig', ...
    """
    if name not in _TABLES:
        close = difflib.get_close_matches(str(name), _TABLES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        names = ", ".join(repr(known) for known in _TABLES)
        raise ValueError(f"unknown data set {name!r}{hint} The names are {names}.")
    if local is not None:
        return _read_local(local, name, f"local={os.fspath(local)!r}")
    if directory := os.environ.get(LOCAL_VARIABLE):
        return _read_local(
            directory, name, f"the environment variable {LOCAL_VARIABLE}"
        )
    path = _cache_directory(data_home) / f"{name}.dta"
    if not path.is_file():
        if not download_if_missing:
            raise OSError(
                f"{path} does not exist and download_if_missing is False. Allow the "
                f"download, or give the directory of a copy with local= or the "
                f"environment variable {LOCAL_VARIABLE}."
            )
        _download(name, path)
    return _read_checked(path, name, "Delete it to have it downloaded again.")
