"""Settings: what the options of a command say of anything but the model's columns."""

from __future__ import annotations

from typing import Any

from .grammar import RULES, Command

__all__ = ["notes_of", "parameters_of", "reporting_of"]

_NOTES = {rule.name: rule.note for rule in RULES if rule.note}
#: options to ``summary``
_REPORTING: dict[str, tuple[str, Any]] = {
    "variance": ("metric", "variance"),
    "stddeviations": ("metric", "sd"),
    "estmetric": ("metric", "estimation"),
    "noretable": ("random_table", False),
    "norettable": ("random_table", False),
    "nofetable": ("fixed_table", False),
    "noheader": ("header", False),
    "nogroup": ("group_table", False),
    "coeflegend": ("coef_legend", True),
    "noomitted": ("omitted", False),
    "vsquish": ("squeeze", True),
    "noemptycells": ("empty_cells", False),
    "baselevels": ("base_levels", True),
    "allbaselevels": ("base_levels", "all"),
}
_FORMATS = ("cformat", "pformat", "sformat")


def parameters_of(command: Command) -> dict[str, Any]:
    """Parameters of ``MixedLinearRegressor`` that need no data."""
    has, value = command.option, command.value
    out: dict[str, Any] = {
        "method": "reml" if has("reml") else "ml",
        "fit_intercept": command.constant,
        "weight_scaling": value("pwscale"),
        "parameterization": "matlog" if has("matlog") else "matsqrt",
        "em_only": bool(has("emonly")),
        "std_errors": not has("nostderr"),
        "lr_test": not has("nolrtest"),
        "missing": "drop",
        "df_method": value("dfmethod"),
    }
    technique = value("technique", ("nr",))[0]
    out["solver"] = "newton" if technique == "nr" else "lbfgs"
    for name, parameter in (
        ("emiterate", "em_iter"),
        ("emtolerance", "em_tol"),
        ("iterate", "max_iter"),
        ("nrtolerance", "tol"),
    ):
        if has(name):
            out[parameter] = value(name)
    return out


def reporting_of(command: Command) -> dict[str, Any]:
    """Arguments of ``summary``."""
    out: dict[str, Any] = {}
    if command.name == "mixed":  # prints variances where not told otherwise
        out["metric"] = "variance"
    for option in command.options:
        if option.name in _REPORTING:
            key, value = _REPORTING[option.name]
            out[key] = value
        elif option.name == "level":
            out["confidence_level"] = round(option.value / 100.0, 12)
        elif option.name in _FORMATS:
            out[option.name] = option.value
    return out


def notes_of(command: Command) -> tuple[str, ...]:
    """What is to be said about options without effect."""
    notes = [
        f"Note: {option.name} has no effect here; {_NOTES[option.name]}."
        for option in command.options
        if option.name in _NOTES
    ]
    technique = command.value("technique", ())
    if len(technique) > 1:
        notes.append(
            f"Note: techniques do not take turns here; {technique[0]} is used."
        )
    if "dfp" in technique[:1]:
        notes.append("Note: dfp stands for a quasi-Newton method, L-BFGS here.")
    return tuple(notes)
