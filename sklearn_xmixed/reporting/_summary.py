"""Summary: what ``MixedLinearRegressor.summary`` returns."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from numbers import Integral

import numpy as np

from ..inference import Reference, Results, check_level
from ._format import Formats
from ._html import render_html
from ._page import Page, lr_facts, make_header, notes_of
from ._tables import FixedBlock, fixed_table, random_table
from ._text import WIDTH, render_text

__all__ = ["Summary"]

METRICS = ("sd", "variance", "estimation")
SWITCHES = (
    "header",
    "group_table",
    "fixed_table",
    "random_table",
    "lr_test",
    "coef_legend",
    "omitted",
)


@dataclass(frozen=True, repr=False)
class Summary:
    """Output of a fit, arranged as in the manual.

    Printing it gives text, a notebook shows it as tables.

    Parameters
    ----------
    results : Results
        What a fit saves, ``MixedLinearRegressor.results_``.
    metric : {"sd", "variance", "estimation"}, default="sd"
        Random-effects parameters as standard deviations and correlations, as variances
        and covariances, or in the metric of estimation: logs of standard deviations
        (``lns``) and hyperbolic arctangents of correlations (``atr``).
    confidence_level : float, default=0.95
        Of the intervals, between 0 and 1.
    header : bool, default=True
        Whether to show what stands above the tables, groups included.
    group_table : bool, default=True
        Whether to show numbers and sizes of the groups.
    fixed_table : bool, default=True
        Whether to show the coefficients of the fixed part.
    random_table : bool, default=True
        Whether to show the random-effects parameters and the residual's.
    lr_test : bool, default=True
        Whether to show the test against linear regression, if there is one.
    cformat, pformat, sformat : str, default="%9.0g", "%5.3f", "%8.2f"
        Formats of coefficients (standard errors and intervals too), p-values and test
        statistics: ``%w.df``, ``%w.dg`` or ``%w.de``, or without width ``.df``...
    coef_legend : bool, default=False
        Whether to show the names by which expressions call the estimates
        (``wald_test``, ``lincom``, ``nlcom``) instead of statistics.
    omitted : bool, default=True
        Whether to list collinear columns that were left out of the fixed part.
    fixed_blocks : tuple of FixedBlock, default=None
        How the lines of the fixed part are written: with the levels of a factor under
        its name, say.  None is one line per coefficient, by its name.
    reference : Reference, default=None
        What tests of coefficients refer to; None is the large sample.
    width : int, default=78
        Characters per line of the text, at least 78; what is more goes to the names.
        Names too long for their column continue on the next line.

    Raises
    ------
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor("subject").fit(X, y)
    >>> print(model.summary(header=False, fixed_table=False))
    ------------------------------------------------------------------------------
      Random-effects Parameters  |   Estimate   Std. Err.     [95% Conf. Interval]
    -----------------------------+------------------------------------------------
    subject: Identity            |
                       sd(_cons) |   36.01208   6.445459      25.35711    51.14423
    -----------------------------+------------------------------------------------
                    sd(Residual) |   30.89543   1.716413      27.70801    34.44953
    ------------------------------------------------------------------------------
    LR test vs. linear regression: chibar2(01) =   106.21 Prob >= chibar2 = 0.0000
    """

    results: Results
    _: KW_ONLY
    metric: str = "sd"
    confidence_level: float = 0.95
    header: bool = True
    group_table: bool = True
    fixed_table: bool = True
    random_table: bool = True
    lr_test: bool = True
    cformat: str = "%9.0g"
    pformat: str = "%5.3f"
    sformat: str = "%8.2f"
    coef_legend: bool = False
    omitted: bool = True
    fixed_blocks: tuple[FixedBlock, ...] | None = None
    width: int = WIDTH
    reference: Reference | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(
                f"metric must be one of {', '.join(map(repr, METRICS))}, got "
                f"{self.metric!r}."
            )
        check_level(self.confidence_level)
        Formats(self.cformat, self.pformat, self.sformat)
        for name in SWITCHES:
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ValueError(
                    f"{name} must be True or False, got {getattr(self, name)!r}."
                )
        if not isinstance(self.width, Integral) or self.width < WIDTH:
            raise ValueError(
                f"width must be an integer that is at least {WIDTH}, got "
                f"{self.width!r}."
            )

    @cached_property
    def _page(self) -> Page:
        results, level, legend = self.results, self.confidence_level, self.coef_legend
        formats = Formats(self.cformat, self.pformat, self.sformat)
        lr = lr_facts(results) if self.lr_test and results.has_lr_test else None
        header = fixed = random = None
        if self.header:
            header = make_header(results, self.group_table, self.reference)
        if self.fixed_table:
            fixed = fixed_table(
                results,
                level,
                formats,
                legend=legend,
                omitted=self.omitted,
                blocks=self.fixed_blocks,
                reference=self.reference,
            )
        if self.random_table:
            random = random_table(results, self.metric, level, formats, legend=legend)
        notes = notes_of(
            results,
            random=self.random_table,
            lr=lr is not None,
            reference=self.reference,
        )
        return Page(header, fixed, random, lr, notes)

    def __str__(self) -> str:
        return render_text(self._page, self.width)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return render_html(self._page)
