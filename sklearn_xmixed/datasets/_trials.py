"""Loaders of the clinical trials that are part of the package."""

from __future__ import annotations

from typing import Any

from ._bunch import load_bundled


def load_fev(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load a trial with four visits and missing responses (repeated measures).

    Artificial data: lung function (FEV1) of 200 patients in two arms at four visits that
    have names. A third of the responses are missing (nan in `target`); leave these rows
    out before a fit, ``frame.dropna(subset=["fev1"])``.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because labels are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (800, 9)
            ``subject``, ``visit`` (``VIS1`` to ``VIS4``), ``arm`` (``PBO``, ``TRT``),
            ``race``, ``sex`` (strings), ``baseline``, ``weight``, ``visitn`` (1 to 4)
            and ``visitn2``, a second coordinate of the visit.
        target : Series or ndarray of shape (800,), float64
            ``fev1``; 263 of them are nan.
        frame : DataFrame of shape (800, 10), or None
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
    Sabanes Bove, D. et al. mmrm: Mixed Models for Repeated Measures. R package, version
    0.3.18 (Apache License 2.0).

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_fev
    >>> trial = load_fev().frame
    >>> trial.groupby("visit")["fev1"].count().to_dict()
    {'VIS1': 134, 'VIS2': 140, 'VIS3': 129, 'VIS4': 134}
    """
    return load_bundled(
        "fev", "fev1", ["subject"], return_X_y=return_X_y, as_frame=as_frame
    )


def load_bioequivalence_full(*, return_X_y: bool = False, as_frame: bool = True) -> Any:
    """Load a bioequivalence study, fully replicated (crossover).

    Data set I of the European Medicines Agency: 77 subjects took a test and a reference
    product twice each, in sequence TRTR or RTRT; eight of them missed periods.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because labels are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (298, 4)
            ``subject`` (1 to 78, without 61), ``sequence`` (string), ``period`` (1 to 4)
            and ``treatment`` (``R``, ``T``).
        target : Series or ndarray of shape (298,), float64
            ``pk``, the pharmacokinetic response; models take its logarithm.
        frame : DataFrame of shape (298, 5), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns: ``["subject"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    See Also
    --------
    load_bioequivalence_partial : The reference alone is replicated.

    References
    ----------
    European Medicines Agency. Questions & Answers: positions on specific questions
    addressed to the Pharmacokinetics Working Party, EMA/618604/2008, data set I.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_bioequivalence_full
    >>> study = load_bioequivalence_full().frame
    >>> study.groupby("sequence")["subject"].nunique().to_dict()
    {'RTRT': 38, 'TRTR': 39}
    """
    return load_bundled(
        "bioequivalence_full",
        "pk",
        ["subject"],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )


def load_bioequivalence_partial(
    *, return_X_y: bool = False, as_frame: bool = True
) -> Any:
    """Load a bioequivalence study, partially replicated (crossover).

    Data set II of the European Medicines Agency: 24 subjects took a test product once
    and a reference product twice, in sequence TRR, RTR or RRT; nothing is missing.

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=True
        If True, pandas objects. If False, NumPy arrays; `data` has then
        dtype object, because labels are strings.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes

        data : DataFrame or ndarray of shape (72, 4)
            ``subject`` (1 to 24), ``sequence`` (string), ``period`` (1 to 3) and
            ``treatment`` (``R``, ``T``).
        target : Series or ndarray of shape (72,), float64
            ``pk``, the pharmacokinetic response; models take its logarithm.
        frame : DataFrame of shape (72, 5), or None
            `data` and `target` side by side; None if ``as_frame=False``.
        feature_names, target_names, level_names : list of str
            The columns of `data`; the target (`target_name`: the string); the label
            columns: ``["subject"]``.
        DESCR, filename, data_module : str
            The full description; the file and the package in which it lies.

    (data, target) : tuple
        If ``return_X_y=True``.

    See Also
    --------
    load_bioequivalence_full : Both products are replicated.

    References
    ----------
    European Medicines Agency. Questions & Answers: positions on specific questions
    addressed to the Pharmacokinetics Working Party, EMA/618604/2008, data set II.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import load_bioequivalence_partial
    >>> study = load_bioequivalence_partial().frame
    >>> study.groupby(["sequence", "treatment"]).size().unstack().loc["TRR"].to_dict()
    {'R': 16, 'T': 8}
    """
    return load_bundled(
        "bioequivalence_partial",
        "pk",
        ["subject"],
        return_X_y=return_X_y,
        as_frame=as_frame,
    )
