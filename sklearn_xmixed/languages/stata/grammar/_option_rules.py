"""Options as a table: spelling, argument, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

from ._abbreviations import choose
from ._arguments import (
    COVARIANCES,
    SCALINGS,
    Reader,
    among,
    read_degrees_of_freedom,
    read_format,
    read_integer,
    read_level,
    read_number,
    read_offset,
    read_residual,
    read_technique,
    read_vce,
    read_weight,
)

__all__ = ["RULES", "OptionRule", "is_option"]


@dataclass(frozen=True)
class OptionRule:
    """An option.

    Parameters
    ----------
    spelling : str
        Its name, the shortest abbreviation in capitals.
    read : callable or None
        Reader of its argument; None takes none.
    equation : bool
        Whether it belongs to one equation.
    note : str
        Why it has no effect, where it has none.
    refused : str
        Why it is not accepted, where it is not.
    maps : str
        What it becomes.
    """

    spelling: str
    read: Reader | None = None
    equation: bool = False
    note: str = ""
    refused: str = ""
    maps: str = ""

    @property
    def name(self) -> str:
        """Its full name."""
        return self.spelling.lower()


_SHOWN = "the iteration log shows the likelihood only"
_ALWAYS = "the search is always safeguarded"
_CRITERION = "convergence is judged by the Newton decrement, see nrtolerance()"
RULES: tuple[OptionRule, ...] = (
    # of one equation
    OptionRule(
        "COVariance",
        among(COVARIANCES, "covariance structure"),
        equation=True,
        maps="RandomEffects(covariance=...)",
    ),
    OptionRule(
        "NOCONStant",
        equation=True,
        maps="fit_intercept=False; RandomEffects(intercept=False)",
    ),
    OptionRule("COLLinear", equation=True, maps="RandomEffects(collinear=True)"),
    OptionRule(
        "FWeight",
        read_weight("frequency"),
        equation=True,
        maps="RandomEffects(weight=...), weight_type='frequency'",
    ),
    OptionRule(
        "PWeight",
        read_weight("sampling"),
        equation=True,
        maps="RandomEffects(weight=...), weight_type='sampling'",
    ),
    # model
    OptionRule("MLe", maps="method='ml'"),
    OptionRule("REML", maps="method='reml'"),
    OptionRule(
        "PWSCALE",
        among(SCALINGS, "scaling of weights"),
        maps="weight_scaling=...",
    ),
    OptionRule("Residuals", read_residual, maps="residuals=Residuals(...)"),
    OptionRule("VCE", read_vce, maps="vce=..., cluster=..."),
    OptionRule("DFMethod", read_degrees_of_freedom, maps="df_method=..."),
    OptionRule("OFFset", read_offset, maps="offset=..."),
    # reporting
    OptionRule("Level", read_level, maps="summary(confidence_level=...)"),
    OptionRule("Variance", maps="summary(metric='variance')"),
    OptionRule("STDDeviations", maps="summary(metric='sd')"),
    OptionRule("NORETable", maps="summary(random_table=False)"),
    # the manual spells it in both ways
    OptionRule("NORETTable", maps="summary(random_table=False)"),
    OptionRule("NOFETable", maps="summary(fixed_table=False)"),
    OptionRule("ESTMetric", maps="summary(metric='estimation')"),
    OptionRule("NOHEADer", maps="summary(header=False)"),
    OptionRule("NOGRoup", maps="summary(group_table=False)"),
    OptionRule("NOSTDerr", maps="std_errors=False"),
    OptionRule("NOLRtest", maps="lr_test=False"),
    OptionRule("COEFLegend", maps="summary(coef_legend=True)"),
    OptionRule("NOOMITted", maps="summary(omitted=False)"),
    OptionRule("VSQUISH", maps="summary(squeeze=True)"),
    OptionRule("NOEMPTYcells", maps="summary(empty_cells=False)"),
    OptionRule("BASElevels", maps="summary(base_levels=True)"),
    OptionRule("ALLBASElevels", maps="summary(base_levels='all')"),
    OptionRule("CFORMAT", read_format, maps="summary(cformat=...)"),
    OptionRule("PFORMAT", read_format, maps="summary(pformat=...)"),
    OptionRule("SFORMAT", read_format, maps="summary(sformat=...)"),
    OptionRule("NOLSTRETCH", note="tables have the manual's width"),
    OptionRule("LSTRETCH", note="tables have the manual's width; summary(width=...)"),
    # EM
    OptionRule("EMITERate", read_integer, maps="em_iter=..."),
    OptionRule("EMTOLerance", read_number, maps="em_tol=..."),
    OptionRule("EMONLY", maps="em_only=True"),
    OptionRule("EMLOG", maps="verbose=2"),
    OptionRule("EMDOTs", note="the EM iterations are few; emlog shows them"),
    # maximization
    OptionRule("DIFFicult", note=_ALWAYS),
    OptionRule(
        "TECHnique", read_technique, maps="solver='newton' (nr), 'lbfgs' (bfgs, dfp)"
    ),
    OptionRule("ITERate", read_integer, maps="max_iter=..."),
    OptionRule("LOG", maps="verbose=1"),
    OptionRule("NOLOG", maps="verbose=0"),
    OptionRule("TRace", note=_SHOWN),
    OptionRule("GRADient", note=_SHOWN),
    OptionRule("SHOWSTEP", note=_SHOWN),
    OptionRule("HESSian", note=_SHOWN),
    OptionRule("SHOWTOLerance", note=_SHOWN),
    OptionRule("TOLerance", read_number, note=_CRITERION),
    OptionRule("LTOLerance", read_number, note=_CRITERION),
    OptionRule("NRTOLerance", read_number, maps="tol=..."),
    OptionRule("NONRTOLerance", note="convergence is always certified"),
    OptionRule("MATSQRT", maps="parameterization='matsqrt'"),
    OptionRule("MATLOG", maps="parameterization='matlog'"),
    # what other commands or releases have
    OptionRule("ROBUST", refused="Write vce(robust)."),
    OptionRule("CLuster", refused="Write vce(cluster variable)."),
    OptionRule("FROM", refused="Starting values are found by EM and cannot be given."),
    OptionRule("CONSTraints", refused="Linear constraints are not available."),
    OptionRule("EXPosure", refused="There is no exposure in linear models."),
    OptionRule(
        "SMALL", note="with dfmethod() all tables and tests are those of small samples"
    ),
    OptionRule("EForm", refused="Coefficients of linear models are not exponentiated."),
    OptionRule("BETA", refused="Standardize the variables before."),
    OptionRule("MAXIMIZE", refused="The likelihood is always maximized."),
    OptionRule("NOESTimate", refused="The model is always fitted."),
)


def is_option(word: str) -> bool:
    """Whether a word is an option, of three letters at least."""
    return len(word) > 2 and any(choose(word, (r.spelling,)) for r in RULES)
