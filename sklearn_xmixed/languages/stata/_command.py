"""xtmixed: a command, data, and the fitted model."""

from __future__ import annotations

from typing import Any

from ...exceptions import CommandError
from ._estimator import CommandRegressor
from ._plan import plan
from .columns import Data
from .grammar import parse

__all__ = ["xtmixed"]


def xtmixed(
    command: str, data: Any, *, xtset: Any = None, show: bool = True
) -> CommandRegressor:
    """Fit the model of a command and print the output.

    Parameters
    ----------
    command : str
        As ``xtmixed`` of Stata 12 reads it, with or without the command's name:
        ``depvar [indepvars] [if] [in] [weight] [, noconstant] || levelvar: [varlist]
        [, options] ...``.  A pasted log with its prompts and ``///`` are understood.
    data : data frame, or mapping of names to arrays
        With the variables of the command.
    xtset : str or (str, str), default=None
        Time variable, or panel and time variable, of time-series operators.
    show : bool, default=True
        Whether to print the output, as the prefix ``quietly`` prevents too.

    Returns
    -------
    CommandRegressor
        The fitted estimator; printing it gives the output again.

    Raises
    ------
    CommandError
        If the command cannot be understood or does not fit to the data; the message
        shows the place.

    See Also
    --------
    MixedLinearRegressor : The same models without the command.

    Examples
    --------
    >>> from sklearn_xmixed import xtmixed
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> sleep = load_sleepstudy().frame
    >>> fit = xtmixed("reaction days || subject: days, cov(un) nolog nogroup", sleep)
    Mixed-effects ML regression                     Number of obs      =       180
    <BLANKLINE>
                                                    Wald chi2(1)       =     48.55
    Log likelihood = -875.96967                     Prob > chi2        =    0.0000
    ...
    >>> fit.coef_.round(4)
    array([10.4673])
    """
    parsed = parse(command)
    try:
        table = Data(data)
    except ValueError as error:
        raise CommandError(str(error)) from error
    parameters, recipe = plan(parsed, table, xtset)
    estimator = CommandRegressor(recipe=recipe, **parameters)
    shown = show and not parsed.quietly
    if shown and parsed.option("nolog") is None:
        estimator.verbose = 2 if parsed.option("emlog") else 1
    try:
        estimator.fit(table)  # read once
    except CommandError:
        raise
    except (ValueError, TypeError, NotImplementedError) as error:
        raise CommandError(str(error), parsed.text) from error
    finally:
        logged, estimator.verbose = estimator.verbose > 0, 0
    if shown:
        print(("\n" if logged else "") + str(estimator))
        for note in recipe.notes:
            print(f"\n{note}")
    return estimator
