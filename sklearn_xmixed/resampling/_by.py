"""One model fitted to parts of the data: categories, windows of time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from ._refit import ResamplingWarning
from ._sample import METRICS, Sample, Statistic, values_of

__all__ = ["FitsByCategory", "by", "rolling", "statsby"]

Array = np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class FitsByCategory(Mapping):
    """Fitted estimators by category, what ``by`` returns: a read-only mapping.

    Attributes
    ----------
    names : tuple of str
        Variables of the categories.
    failures : dict
        Reason by category, of those that could not be fitted.
    """

    names: tuple[str, ...]
    fits: dict[Any, Any]
    failures: dict[Any, str]

    def __getitem__(self, category: Any) -> Any:
        try:
            return self.fits[category]
        except KeyError:
            reason = self.failures.get(category)
            told = (
                f"the fit failed: {reason}"
                if reason
                else f"the categories are {list(self.fits)}"
            )
            raise KeyError(f"No fit of category {category!r}; {told}.") from None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)

    def to_frame(
        self, statistic: Statistic | None = None, *, metric: str = "sd"
    ) -> pd.DataFrame:
        """Statistics of each fit, one row per category.

        Parameters
        ----------
        statistic, metric
            As for ``bootstrap``.

        Returns
        -------
        DataFrame
        """
        rows = [values_of(fit, statistic, metric) for fit in self.fits.values()]
        return _frame(rows, _index(list(self.fits), self.names))

    def summary(self, **options: Any) -> str:
        """The summaries of all fits, each under its category.

        Parameters
        ----------
        **options : dict
            As for ``MixedLinearRegressor.summary``.

        Returns
        -------
        str
        """
        parts = []
        for category, fit in self.fits.items():
            values = category if isinstance(category, tuple) else (category,)
            told = ", ".join(
                f"{name} = {value}"
                for name, value in zip(self.names, values, strict=True)
            )
            parts.append(f"{'-' * 78}\n-> {told}\n\n{fit.summary(**options)}")
        for category, reason in self.failures.items():
            parts.append(f"{'-' * 78}\n-> {category}: {reason}")
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return self.summary()


def by(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    by: str | Sequence[str],
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> FitsByCategory:
    """Fit the model to each category of one or several variables.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Its clones are fitted.
    X, y, groups, sample_weight
        As for ``fit``.
    by : str or sequence of str
        Variables, in X or ``groups``.  They are left out of the fixed part unless
        ``fixed`` names them.  Rows without a value are left out.
    n_jobs : int, default=None
        Processes at a time, as joblib counts them; None is one.

    Returns
    -------
    FitsByCategory
        Maps a category (a tuple with several variables) to its fitted estimator.

    Warns
    -----
    ResamplingWarning
        If a category could not be fitted.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, by
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> X, y = load_orthodont(return_X_y=True)
    >>> fits = by(MixedLinearRegressor("subject"), X, y, by="sex")
    >>> list(fits), fits["Female"].coef_.round(4)
    (['Female', 'Male'], array([0.4795]))
    """
    sample, names = _sample(estimator, X, y, groups, sample_weight, by)
    categories, rows = _categories(sample.frame[names])
    done = Parallel(n_jobs=n_jobs)(delayed(_fit)(sample, part) for part in rows)
    fits = {c: f for c, (f, _) in zip(categories, done, strict=True) if f is not None}
    failures = {c: r for c, (_, r) in zip(categories, done, strict=True) if r}
    _tell(failures, "categories")
    return FitsByCategory(tuple(names), fits, failures)


def statsby(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    by: str | Sequence[str],
    statistic: Statistic | None = None,
    metric: str = "sd",
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Statistics of the model in each category.

    Parameters
    ----------
    estimator, X, y, by, groups, sample_weight, n_jobs
        As for ``by``.
    statistic, metric
        As for ``bootstrap``.

    Returns
    -------
    DataFrame
        One row per category: the statistics, ``n_obs`` and ``converged``; nan where the
        fit failed.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, statsby
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> X, y = load_orthodont(return_X_y=True)
    >>> model = MixedLinearRegressor("subject")
    >>> statsby(model, X, y, by="sex", statistic=lambda m: {"age": m.coef_[0]}).round(4)
               age  n_obs  converged
    sex
    Female  0.4795     44       True
    Male    0.7844     64       True
    """
    sample, names = _sample(estimator, X, y, groups, sample_weight, by)
    categories, rows = _categories(sample.frame[names])
    index = _index(categories, tuple(names))
    return _statistics(sample, rows, index, statistic, metric, n_jobs, "categories")


def rolling(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    window: float,
    time: str,
    step: float = 1,
    recursive: bool = False,
    statistic: Statistic | None = None,
    metric: str = "sd",
    groups: Any = None,
    sample_weight: Any = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Statistics of the model in windows of time that move on.

    Parameters
    ----------
    estimator, X, y, groups, sample_weight, n_jobs
        As for ``by``.
    window : number
        Length in units of ``time``: a window holds times from its start up to, not
        including, start + window.
    time : str
        Variable, in X or ``groups``; it stays in the fixed part if it is there.
    step : number, default=1
        By how much the window moves.
    recursive : bool, default=False
        Whether all windows start at the first time.
    statistic, metric
        As for ``bootstrap``.

    Returns
    -------
    DataFrame
        One row per window, indexed by (start, end), the end being the last time in
        it: the statistics, ``n_obs`` and ``converged``; nan where the fit failed.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, rolling
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> found = rolling(
    ...     MixedLinearRegressor("subject"), X, y, window=5, step=5, time="days",
    ...     statistic=lambda model: {"days": model.coef_[0]},
    ... )
    >>> found["days"].round(3).to_list()
    [8.249, 10.912]
    """
    for name, value in (("window", window), ("step", step)):
        if isinstance(value, bool) or not isinstance(value, Real) or not value > 0:
            raise ValueError(f"{name} must be a positive number, got {value!r}.")
    sample, _ = _sample(estimator, X, y, groups, sample_weight, (), look_at=[time])
    values = sample.frame[time].to_numpy(float)
    first, last = np.nanmin(values), np.nanmax(values)
    n = int(np.floor((last - first + 1e-9 - window) / step + 1.0)) + 1
    if first + window > last + window:
        n = 0
    starts = first + float(step) * np.arange(max(n, 1))
    rows, index = [], []
    for start in starts:
        begin = first if recursive else start
        inside = (values >= begin) & (values < start + window)
        if not inside.any():
            continue
        rows.append(np.flatnonzero(inside))
        index.append((values[inside].min(), values[inside].max()))
    pairs = pd.MultiIndex.from_tuples(index, names=["start", "end"])
    return _statistics(sample, rows, pairs, statistic, metric, n_jobs, "windows")


def _sample(
    estimator: Any,
    X: Any,
    y: Any,
    groups: Any,
    sample_weight: Any,
    by: str | Sequence[str],
    look_at: Sequence[str] = (),
) -> tuple[Sample, list[str]]:
    names = [by] if isinstance(by, str) else list(by)
    if not names and not look_at:
        raise ValueError("by must name at least one variable.")
    sample = Sample.as_given(
        estimator, X, y, groups, sample_weight, aside=names, besides=look_at
    )
    return sample, names


def _categories(frame: pd.DataFrame) -> tuple[list[Any], list[Array]]:
    """Distinct values in order, and the rows of each."""
    keys = frame.columns.to_list()
    grouped = frame.reset_index(drop=True).groupby(
        keys if len(keys) > 1 else keys[0], sort=True, observed=True, dropna=True
    )
    found = grouped.indices
    return list(found), [np.asarray(rows) for rows in found.values()]


def _index(categories: list[Any], names: tuple[str, ...]) -> pd.Index:
    if len(names) > 1:
        return pd.MultiIndex.from_tuples(categories, names=names)
    return pd.Index(categories, name=names[0])


def _fit(sample: Sample, rows: Array) -> tuple[Any, str]:
    try:
        return sample.refit(rows, lr_test=True, std_errors=True), ""
    except (ValueError, np.linalg.LinAlgError) as error:
        return None, f"{type(error).__name__}: {str(error).splitlines()[0]}"


def _one(
    sample: Sample, rows: Array, statistic: Statistic | None, metric: str
) -> tuple[pd.Series | None, bool, str]:
    fitted, reason = _fit(sample, rows)
    if fitted is None:
        return None, False, reason
    return values_of(fitted, statistic, metric), fitted.converged_, ""


def _statistics(
    sample: Sample,
    rows: list[Array],
    index: pd.Index,
    statistic: Statistic | None,
    metric: str,
    n_jobs: int | None,
    what: str,
) -> pd.DataFrame:
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
    done = Parallel(n_jobs=n_jobs)(
        delayed(_one)(sample, part, statistic, metric) for part in rows
    )
    frame = _frame([values for values, _, _ in done], index)
    tail = [
        ("n_obs", [len(part) for part in rows]),
        ("converged", [c for _, c, _ in done]),
    ]
    for name, column in tail:
        frame[(name, "") if frame.columns.nlevels > 1 else name] = column
    _tell({k: r for k, (_, _, r) in zip(index, done, strict=True) if r}, what)
    return frame


def _frame(rows: Sequence[pd.Series | None], index: pd.Index) -> pd.DataFrame:
    """Series side by side; the columns are those of all, in order of appearance."""
    columns: list[Any] = []
    names: Any = [None]
    for row in rows:
        if row is not None:
            columns += [c for c in row.index if c not in columns]
            names = row.index.names
    table = np.full((len(rows), len(columns)), np.nan)
    place = {c: j for j, c in enumerate(columns)}
    for k, row in enumerate(rows):
        if row is not None:
            table[k, [place[c] for c in row.index]] = row.to_numpy()
    made: pd.Index = (
        pd.MultiIndex.from_tuples(columns, names=names)
        if columns and isinstance(columns[0], tuple)
        else pd.Index(columns, dtype=object)
    )
    return pd.DataFrame(table, index=index, columns=made)


def _tell(failures: dict[Any, str], what: str) -> None:
    if not failures:
        return
    category, reason = next(iter(failures.items()))
    warnings.warn(
        f"{len(failures)} {what} could not be fitted, the first {category!r}: {reason}",
        ResamplingWarning,
        stacklevel=4,
    )
