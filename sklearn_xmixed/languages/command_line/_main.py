"""From arguments to the output and an exit status.

Exit status: 0 for a fit that converged, 1 for one that did not or failed, 2 where
the options, the command or the file cannot be understood.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ...exceptions import CommandError, MixedModelWarning
from ._data_files import read_data
from ._formats import FORMATS
from ._lines import check_lines
from ._options import make_parser
from ._usage import UsageError

__all__ = ["main"]


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
        status = _run(make_parser().parse_args(argv))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _run(options: argparse.Namespace) -> int:
    try:
        data = read_data(options.data, options.data_format)
        check_lines(options)
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
    from ..stata import xtmixed

    xtset = options.xtset.split() if options.xtset else None
    if xtset is not None and len(xtset) > 2:
        raise UsageError(
            "--xtset takes a time variable, or a panel and a time variable."
        )
    named = None if xtset is None else xtset[0] if len(xtset) == 1 else tuple(xtset)
    return xtmixed(options.command, data, xtset=named, show=False)


def _by_formula(options: argparse.Namespace, data: pd.DataFrame) -> Any:
    from ..formula import FormulaError, from_formula

    method = "reml" if options.reml else "ml"
    try:
        return from_formula(options.command, data, method=method, missing="drop")
    except (FormulaError, ImportError) as error:
        raise UsageError(str(error)) from error


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror or error}.") from error
