"""The command line: a command, a file of data, and the output.

Exit status: 0 for a fit that converged, 1 for one that did not or failed, 2 where
the options, the command or the file cannot be understood.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..exceptions import CommandError, MixedModelWarning

__all__ = ["main"]

EXAMPLES = """\
examples:
  python -m sklearn_xmixed 'weight week || id: week, cov(un)' --data pig.dta
  python -m sklearn_xmixed 'y x || school: || class:' --data pupils.csv --level 90
  python -m sklearn_xmixed --formula 'y ~ x + (x | school)' --data pupils.parquet
  python -m sklearn_xmixed --data trial.csv \\
      --formula 'y ~ arm + residuals(unstructured, time=visit | id)'
  cat pig.csv | python -m sklearn_xmixed 'weight week || id:' --data - --format json
  python -m sklearn_xmixed 'y i.arm##i.visit || id:' --data trial.csv \\
      --then 'margins arm, at(visit=(1 4))' --then 'contrast r.arm@visit, effects'

The command is that of Stata 12, with or without its name; options of the command
(variance, reml, level(90) ...) go into it.  Exit status: 0 converged, 1 the fit failed
or did not converge, 2 the options, the command or the file cannot be understood.
"""


#: lines after a command, methods of its fit
LINES = ("margins", "contrast", "pwcompare", "test", "lincom", "estat")


class UsageError(Exception):
    """Something that the user has to write in another way."""


def _read_csv(file: Any) -> pd.DataFrame:
    from ..datasets._csv import read_csv

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the program's name; None takes those of the process.

    Returns
    -------
    int
        The exit status.
    """
    try:
        status = _run(_parser().parse_args(argv))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(
        prog="python -m sklearn_xmixed",
        description="Fit a multilevel mixed-effects linear regression.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", help="the command, or the formula with --formula")
    parser.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="csv, tsv, dta, parquet or feather; - reads csv from the standard input",
    )
    parser.add_argument(
        "--data-format",
        choices=list(READERS),
        help="where the file's name does not say",
    )
    parser.add_argument(
        "--formula", action="store_true", help="the command is a formula of lme4"
    )
    parser.add_argument("--reml", action="store_true", help="of a formula: REML")
    parser.add_argument(
        "--xtset", metavar="'[PANEL] TIME'", help="variables of time-series operators"
    )
    parser.add_argument(
        "--level", type=_level, metavar="PERCENT", help="confidence level (default 95)"
    )
    parser.add_argument(
        "--then",
        action="append",
        default=[],
        metavar="LINE",
        help=f"a line after the command: {', '.join(LINES)}; may be repeated",
    )
    parser.add_argument("--format", choices=("text", "html", "json"), default="text")
    parser.add_argument("--output", metavar="FILE", help="instead of standard output")
    parser.add_argument(
        "--version", action="version", version=version("sklearn-xmixed")
    )
    return parser


def _level(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = math.nan
    if not 1 < percent < 100:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no percentage between 1 and 100, such as 90"
        )
    return percent / 100.0


def _run(options: argparse.Namespace) -> int:
    try:
        data = _read(options.data, options.data_format)
        _check_lines(options)
        fit, notes = _fit(options, data)
        text = FORMATS[options.format](fit, options)
        _write(text, options.output)
    except UsageError as error:
        return _complain(str(error), 2)
    except (CommandError, ValueError, NotImplementedError) as error:
        # what the data or the model refuse has a cause; what is misspelt has a place
        understood = not isinstance(error, CommandError) or error.__cause__ is not None
        return _complain(str(error), 1 if understood else 2)
    for note in notes:
        _complain(note, 1)
    return 0 if fit.converged_ else 1


def _complain(text: str, status: int) -> int:
    print(f"sklearn_xmixed: {text}", file=sys.stderr)
    return status


def _read(name: str, kind: str | None) -> pd.DataFrame:
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


def _fit(options: argparse.Namespace, data: pd.DataFrame) -> tuple[Any, list[str]]:
    """The fitted estimator, and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MixedModelWarning)
        if options.formula:
            if options.xtset:
                raise UsageError("--xtset belongs to a command, not to a formula.")
            fit = _by_formula(options, data)
        else:
            if options.reml:
                raise UsageError(
                    "--reml belongs to --formula; a command says it as an option: "
                    "'..., reml'."
                )
            fit = _by_command(options, data)
    ours = [w for w in caught if issubclass(w.category, MixedModelWarning)]
    return fit, [str(w.message) for w in ours]


def _by_command(options: argparse.Namespace, data: pd.DataFrame) -> Any:
    from .stata import xtmixed

    xtset = options.xtset.split() if options.xtset else None
    if xtset is not None and len(xtset) > 2:
        raise UsageError(
            "--xtset takes a time variable, or a panel and a time variable."
        )
    named = None if xtset is None else xtset[0] if len(xtset) == 1 else tuple(xtset)
    return xtmixed(options.command, data, xtset=named, show=False)


def _by_formula(options: argparse.Namespace, data: pd.DataFrame) -> Any:
    from .formula import FormulaError, from_formula

    method = "reml" if options.reml else "ml"
    try:
        return from_formula(options.command, data, method=method, missing="drop")
    except (FormulaError, ImportError) as error:
        raise UsageError(str(error)) from error


def _check_lines(options: argparse.Namespace) -> None:
    """Before the fit, which may take long."""
    if options.then and options.formula:
        raise UsageError(
            "--then takes lines after a command, and a formula has none; its fit answers "
            "marginal_means, wald_test and other methods in Python."
        )
    for line in options.then:
        if _word(line) not in LINES:
            raise UsageError(
                f"--then {line!r} is not understood: a line begins with one of "
                f"{', '.join(LINES)}."
            )


def _word(line: str) -> str:
    return line.replace(",", " ").strip().partition(" ")[0]


def _then(fit: Any, options: argparse.Namespace) -> list[tuple[str, Any]]:
    """Lines after the command, and what they give."""
    return [(line, getattr(fit, _word(line))(line)) for line in options.then]


def _summary(fit: Any, options: argparse.Namespace) -> Any:
    level = {} if options.level is None else {"confidence_level": options.level}
    return fit.summary(**level)


def _as_text(fit: Any, options: argparse.Namespace) -> str:
    notes = getattr(fit, "notes_", ())
    lines = [f". {line}\n\n{found}" for line, found in _then(fit, options)]
    return "\n\n".join([str(_summary(fit, options)), *notes, *lines]) + "\n"


def _as_html(fit: Any, options: argparse.Namespace) -> str:
    from html import escape

    body = _summary(fit, options)._repr_html_()
    for line, found in _then(fit, options):
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
        document["then"] = [_line_document(*pair) for pair in _then(fit, options)]
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


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror or error}.") from error
