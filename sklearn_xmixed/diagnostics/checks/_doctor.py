"""The model doctor: all checks, and the simplified model."""

from __future__ import annotations

from typing import Any

from ._estimate_checks import ESTIMATE_CHECKS
from ._finding import SEVERITIES, Diagnosis, Finding
from ._patient import Patient
from ._proposal import code_of
from ._row_checks import ROW_CHECKS, Rows
from ._specification_checks import SPECIFICATION_CHECKS

__all__ = ["diagnose"]


def diagnose(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    *,
    groups: Any = None,
) -> Diagnosis:
    """What is wrong or fragile in a fit; see ``MixedLinearRegressor.diagnose``.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        A fitted one.
    X, y, sample_weight, groups : default=None
        What was passed to ``fit``, for the checks that need the rows.

    Returns
    -------
    Diagnosis
    """
    patient = Patient(estimator)
    findings: list[Finding] = []
    checked = []
    for what, check in (*ESTIMATE_CHECKS, *SPECIFICATION_CHECKS):
        findings += check(patient)
        checked.append(what)
    if X is not None:
        named = getattr(estimator, "recipe", None) is not None
        if y is None and not named:  # a command or a formula names it
            raise ValueError("The checks of rows need y as well as X.")
        rows = Rows(patient, X, y, sample_weight, groups)
        for what, row_check in ROW_CHECKS:
            findings += row_check(rows)
            checked.append(what)
    else:
        checked.append(
            "not checked, since no rows were passed: "
            + "; ".join(what for what, _ in ROW_CHECKS)
        )
    findings.sort(key=lambda f: SEVERITIES.index(f.severity))
    model = patient.proposal.model(estimator)
    code = "" if model is None else code_of(model)
    if model is not None and type(model) is not type(estimator):
        code = f"# in columns that are made of the data first\n{code}"
    return Diagnosis(tuple(findings), tuple(checked), model, code)
