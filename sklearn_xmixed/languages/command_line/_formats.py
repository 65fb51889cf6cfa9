"""Formats of the output: text, HTML, JSON."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from typing import Any

from ._lines import answers_to

__all__ = ["FORMATS"]


def _summary(fit: Any, options: argparse.Namespace) -> Any:
    level = {} if options.level is None else {"confidence_level": options.level}
    return fit.summary(**level)


def _as_text(fit: Any, options: argparse.Namespace) -> str:
    notes = getattr(fit, "notes_", ())
    lines = [f". {line}\n\n{found}" for line, found in answers_to(fit, options)]
    return "\n\n".join([str(_summary(fit, options)), *notes, *lines]) + "\n"


def _as_html(fit: Any, options: argparse.Namespace) -> str:
    from html import escape

    body = _summary(fit, options)._repr_html_()
    for line, found in answers_to(fit, options):
        shown = getattr(found, "_repr_html_", None)
        told = f"<pre>{escape(str(found))}</pre>" if shown is None else shown()
        body += f"\n<p>. {escape(line)}</p>\n{told}"
    title = escape(" ".join(options.command.split()))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _as_json(fit: Any, options: argparse.Namespace) -> str:
    results = fit.results_
    level = 0.95 if options.level is None else options.level
    document = {
        "command": options.command,
        "method": results.method,
        "converged": results.converged,
        "message": results.message,
        "n_obs": results.n_obs,
        "groups": {
            g.name: {
                "n_groups": g.n_groups,
                "minimum": g.minimum,
                "average": g.average,
                "maximum": g.maximum,
            }
            for g in results.groups
        },
        "log_likelihood": results.log_likelihood,
        "aic": results.aic,
        "bic": results.bic,
        "wald": {
            "chi2": results.wald_chi2,
            "df": results.wald_df,
            "p_value": results.wald_p,
        },
        "lr_test": {
            "chi2": results.lr_chi2,
            "df": results.lr_df,
            "p_value": results.lr_p,
            "kind": results.lr_kind,
        }
        if results.has_lr_test
        else None,
        "confidence_level": level,
        "fixed_effects": [
            {"term": str(name), **row}
            for name, row in results.fixed_table(level).to_dict("index").items()
        ],
        "variance_components": [
            {"level": str(name[0]), "term": str(name[1]), **row}
            for name, row in results.variance_frame("variance", level)
            .to_dict("index")
            .items()
        ],
    }
    if options.then:
        document["then"] = [_line_document(*pair) for pair in answers_to(fit, options)]
    return json.dumps(_plain(document), indent=2, allow_nan=False) + "\n"


def _line_document(line: str, found: Any) -> dict[str, Any]:
    """A line and its table; a test as text."""
    table = getattr(found, "table", found)
    if not hasattr(table, "reset_index"):
        return {"line": line, "text": str(found)}
    return {"line": line, "table": table.reset_index().to_dict("records")}


def _plain(value: Any) -> Any:
    """Numbers that JSON knows; what is missing or infinite becomes null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


FORMATS: dict[str, Callable[[Any, argparse.Namespace], str]] = {
    "text": _as_text,
    "html": _as_html,
    "json": _as_json,
}
