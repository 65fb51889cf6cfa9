"""Options of the command line."""

from __future__ import annotations

import argparse
import math

from ._data_files import READERS
from ._lines import LINES

__all__ = ["make_parser"]

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


def make_parser() -> argparse.ArgumentParser:
    """The options as argparse knows them."""
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
