"""Loaders of the data sets that are part of the package."""

# The loaders are annotated ``-> Any``: a union of Bunch and tuple would make typed
# callers narrow it before every attribute.

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ._bunch import load_bundled


def _add_harmonics(table: pd.DataFrame) -> pd.DataFrame:
    """Insert sin1 and cos1, one turn per unit of stime, behind stime."""
    angle = 2 * np.pi * table["stime"]
    place = list(table.columns).index("stime") + 1
    table.insert(place, "sin1", np.sin(angle))
    table.insert(place + 1, "cos1", np.cos(angle))
    return table


def load_productivity(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load the productivity data of the US states (three levels, nested).

    Output, employment, private and public capital of 48 states in 9 regions, yearly
    from 1970 to 1986. All money and employment columns are natural logs. Like the copy
    that Stata's manual analyses, and equal to it to the last bit, the numbers are in
    single precision (widened to float64).

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because the names of the states are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (816, 9)
            ``state`` (string), ``region`` (1 to 9), ``year``, ``private``, ``emp``,
            ``hwy``, ``water``, ``other`` (logs) and ``unemp`` (per cent).
        target : Series or ndarray of shape (816,), float64
            ``gsp``, log of gross state product (millions of dollars).
        frame : DataFrame of shape (816, 10), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns (top level first): ``["region", "state"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    References
    ----------
    Munnell, A. H. (1990). New England Economic Review, January/February, 3-22.

    Baltagi, B. H., Song, S. H. and Jung, B. C. (2001). Journal of Econometrics 101,
    357-381.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_productivity
    >>> productivity = load_productivity()
    >>> productivity.frame.shape
    (816, 10)
    >>> productivity.frame.groupby("region")["state"].nunique().tolist()
    [6, 3, 5, 7, 8, 4, 4, 8, 3]
    """
    return load_bundled(
        "productivity",
        "gsp",
        ["region", "state"],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def load_ovary(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load the counts of ovarian follicles (two levels, serial correlation).

    Follicles of 11 mares, counted daily over one cycle. The loader adds
    ``sin1 = sin(2 * pi * stime)`` and ``cos1 = cos(2 * pi * stime)``.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` then is float64.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (308, 5)
            ``mare`` (1 to 11), ``stime`` (cycles; ovulations at 0 and 1), ``sin1``,
            ``cos1`` and ``time`` (1, 2, ... within a mare).
        target : Series or ndarray of shape (308,), float64
            ``follicles``, number of follicles larger than 10 mm.
        frame : DataFrame of shape (308, 6), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns: ``["mare"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    References
    ----------
    Pierson, R. A. and Ginther, O. J. (1987). Animal Reproduction Science 14, 219-231.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_ovary
    >>> X, y = load_ovary(return_X_y=True)
    >>> X.columns.tolist()
    ['mare', 'stime', 'sin1', 'cos1', 'time']
    >>> y.shape
    (308,)
    """
    return load_bundled(
        "ovary",
        "follicles",
        ["mare"],
        return_X_y=return_X_y,
        as_frame=as_frame,
        derive=_add_harmonics,
    )


def load_sleepstudy(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load the reaction times under sleep restriction (random slopes).

    Mean reaction time of 18 subjects on the first ten days of an experiment; after day
    2 they were allowed three hours in bed per night.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` then is float64.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (180, 2)
            ``subject`` (number of the subject) and ``days`` (0 to 9).
        target : Series or ndarray of shape (180,), float64
            ``reaction``, mean reaction time (milliseconds).
        frame : DataFrame of shape (180, 3), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns: ``["subject"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    References
    ----------
    Belenky, G. et al. (2003). Journal of Sleep Research 12, 1-12.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> sleepstudy = load_sleepstudy()
    >>> sleepstudy.frame.head(2)
       subject  days  reaction
    0      308     0  249.5600
    1      308     1  258.7047
    """
    return load_bundled(
        "sleepstudy", "reaction", ["subject"], return_X_y=return_X_y, as_frame=as_frame
    )


def load_orthodont(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load the growth of an orthodontic distance (growth curves).

    Distance between two points of the skull of 27 children at ages 8, 10, 12 and 14.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because subject and sex are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (108, 3)
            ``subject`` (string), ``sex`` (``Male``, ``Female``) and ``age`` (years).
        target : Series or ndarray of shape (108,), float64
            ``distance``, pituitary to pterygomaxillary fissure (millimetres).
        frame : DataFrame of shape (108, 4), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns: ``["subject"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    References
    ----------
    Potthoff, R. F. and Roy, S. N. (1964). Biometrika 51, 313-326.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_orthodont
    >>> orthodont = load_orthodont()
    >>> orthodont.frame.groupby("sex")["distance"].mean().round(2).to_dict()
    {'Female': 22.65, 'Male': 24.97}
    """
    return load_bundled(
        "orthodont", "distance", ["subject"], return_X_y=return_X_y, as_frame=as_frame
    )


def load_penicillin(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load the assay of penicillin samples (crossed effects).

    Zone of inhibition around each of 6 samples on each of 24 plates: two completely
    crossed random effects.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because its columns are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (144, 2)
            ``plate`` (``a`` to ``x``) and ``sample`` (``A`` to ``F``), strings.
        target : Series or ndarray of shape (144,), float64
            ``diameter``, diameter of the zone without growth (millimetres).
        frame : DataFrame of shape (144, 3), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns (crossed, in no order): ``["plate", "sample"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    References
    ----------
    Davies, O. L. and Goldsmith, P. L., eds. (1972). Statistical Methods in Research and
    Production, 4th edition. Oliver and Boyd, Edinburgh. Section 6.6.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_penicillin
    >>> penicillin = load_penicillin()
    >>> penicillin.frame.pivot(
    ...     index="plate", columns="sample", values="diameter"
    ... ).shape
    (24, 6)
    """
    return load_bundled(
        "penicillin",
        "diameter",
        ["plate", "sample"],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def load_pastes(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load the strength of a chemical paste (nested, labels used again).

    Two assays of each of 3 casks of each of 10 batches. The casks are called ``a``,
    ``b``, ``c`` in every batch, so a cask is identified by batch and cask together.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because its columns are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (60, 2)
            ``batch`` (``A`` to ``J``) and ``cask`` (``a`` to ``c``), strings.
        target : Series or ndarray of shape (60,), float64
            ``strength``, strength of the paste.
        frame : DataFrame of shape (60, 3), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns (top level first): ``["batch", "cask"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    References
    ----------
    Davies, O. L. and Goldsmith, P. L., eds. (1972). Statistical Methods in Research and
    Production, 4th edition. Oliver and Boyd, Edinburgh. Section 6.5.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_pastes
    >>> pastes = load_pastes()
    >>> pastes.frame.groupby(pastes.level_names).ngroups
    30
    """
    return load_bundled(
        "pastes",
        "strength",
        ["batch", "cask"],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
