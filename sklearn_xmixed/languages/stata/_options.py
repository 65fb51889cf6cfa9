"""Options, as tables: spelling, argument, and what becomes of them.

Capitals are the shortest abbreviation: ``COVariance`` may be written ``cov``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...expressions import Span, Token
from ._cursor import Cursor
from ._dfmethods import INFORMATION, METHODS
from ._expressions import parse_expression
from ._syntax import Option, Pattern, ResidualSyntax, Weight
from ._varlist import parse_name

__all__ = [
    "COVARIANCES",
    "RESIDUALS",
    "RULES",
    "OptionRule",
    "is_option",
    "parse_options",
]

Reader = Callable[[Cursor], Any]


def shortest(spelling: str) -> str:
    """The shortest abbreviation that a spelling allows."""
    found = re.match(r"[A-Z0-9]+", spelling)
    return found.group().lower() if found else spelling.lower()


def choose(word: str, spellings: Iterable[str]) -> str | None:
    """Full name of what a word abbreviates; None if it is none of them."""
    for spelling in spellings:
        full = spelling.lower()
        if full.startswith(word) and len(word) >= len(shortest(spelling)):
            return full
    return None


COVARIANCES = ("INDependent", "EXchangeable", "IDentity", "UNstructured")
RESIDUALS = (
    "INDependent",
    "EXchangeable",
    "AR",
    "MA",
    "UNstructured",
    "BAnded",
    "TOeplitz",
    "EXPonential",
)
SCALINGS = ("SIZE", "EFFECTIVE", "GK")
TECHNIQUES = ("NR", "BFGS", "DFP", "BHHH")


# -- arguments ---------------------------------------------------------------------


def _among(spellings: tuple[str, ...], what: str) -> Reader:
    def read(cursor: Cursor) -> str:
        token = cursor.now
        found = choose(token.text, spellings) if token.kind == "name" else None
        if found is None:
            words = ", ".join(s.lower() for s in spellings)
            problem = f"{token.text!r} is no {what}."
            if token.kind != "name":
                problem = f"The {what} is expected here, found {cursor.found()}."
            cursor.fail(problem, f"Choose one of {words}.")
        cursor.advance()
        return found

    return read


def _integer(cursor: Cursor) -> int:
    token = cursor.now
    if token.kind != "number" or not token.text.isdigit() or len(token.text) > 9:
        cursor.fail(f"A whole number is expected here, found {cursor.found()}.")
    cursor.advance()
    return int(token.text)


def _number(cursor: Cursor) -> float:
    token = cursor.now
    if token.kind != "number" or len(token.text) > 30:
        cursor.fail(f"A number is expected here, found {cursor.found()}.")
    cursor.advance()
    return float(token.text)


def _level(cursor: Cursor) -> float:
    token = cursor.now
    value = _number(cursor)
    if not 10 <= value <= 99.99:
        cursor.fail(
            f"A confidence level of {token.text} is out of range.",
            "It is given in percent, between 10 and 99.99.",
            token.span,
        )
    return value


def _weight(kind: str) -> Reader:
    def read(cursor: Cursor) -> Weight:
        start, since = cursor.now.start, cursor.at
        expression = parse_expression(cursor)
        return Weight(kind, expression, cursor.written(since), cursor.span_from(start))

    return read


def _residual(cursor: Cursor) -> ResidualSyntax:
    structure = _among(RESIDUALS, "residual structure")(cursor)
    order = None
    if cursor.now.kind == "number":
        if structure not in ("ar", "ma", "banded", "toeplitz"):
            cursor.fail(
                f"{structure} residuals have no order.",
                "Those of ar, ma, banded and toeplitz have one.",
            )
        token = cursor.now
        order = _integer(cursor)
        if order == 0 and structure != "banded":
            cursor.fail(f"The order of {structure} is at least 1.", "", token.span)
    roles: dict[str, Any] = {}
    if cursor.take(","):
        while not cursor.sees(")"):
            token = cursor.now
            if not cursor.sees_name("by", "t"):
                cursor.fail(
                    f"{cursor.found()} is no option of residuals()."
                    if token.kind != "end"
                    else "')' is missing.",
                    "Its options are by(variable) and t(variable).",
                )
            cursor.advance()
            if token.text in roles:
                cursor.fail(f"{token.text}() is given twice.", "", token.span)
            cursor.expect("(", token.text)
            roles[token.text] = parse_name(cursor, f"The variable of {token.text}()")
            cursor.expect(")", f"the variable of {token.text}()")
    return ResidualSyntax(structure, order, roles.get("by"), roles.get("t"))


def _vce(cursor: Cursor) -> tuple[str, Any]:
    token = cursor.now
    kind = None
    if token.kind == "name":
        if token.text in ("bootstrap", "boot", "jackknife", "jack"):
            cursor.fail(
                f"vce({token.text}) is not understood.",
                "Bootstrap and jackknife are functions of a fitted model.",
            )
        kind = choose(token.text, ("OIM", "Robust", "Cluster"))
    if kind is None:
        problem = f"vce({token.text}) is not understood."
        if token.kind != "name":
            problem = f"A kind of standard errors is expected, found {cursor.found()}."
        cursor.fail(
            problem,
            "Write vce(oim), vce(robust) or vce(cluster variable).",
        )
    cursor.advance()
    if kind == "cluster":
        return kind, parse_name(cursor, "The variable with the clusters")
    return kind, None


def _degrees_of_freedom(cursor: Cursor) -> str:
    word = _among(tuple(METHODS), "method of degrees of freedom")(cursor)
    method = next(
        name for spelling, name in METHODS.items() if spelling.lower() == word
    )
    if not cursor.take(","):
        return method
    if word not in ("kroger", "satterthwaite"):
        cursor.fail(
            f"dfmethod({word}) has no options.",
            "eim and oim choose the information matrix of kroger.",
        )
    token = cursor.now
    said = _among(tuple(INFORMATION), "information matrix")(cursor)
    if word == "kroger":
        return method + INFORMATION[said.upper()]
    if said == "eim":
        cursor.fail(
            "dfmethod(satterthwaite) takes the observed information.",
            "Write dfmethod(satterthwaite, oim), or dfmethod(kroger, eim).",
            token.span,
        )
    return method


def _offset(cursor: Cursor) -> Pattern:
    return parse_name(cursor, "The variable of the offset")


def _technique(cursor: Cursor) -> tuple[str, ...]:
    out: list[str] = []
    while not cursor.sees(")"):
        token = cursor.now
        word = _among(TECHNIQUES, "optimization technique")(cursor)
        if word == "bhhh":
            cursor.fail("technique(bhhh) may not be specified.", "", token.span)
        out.append(word)
        if cursor.now.kind == "number":
            _integer(cursor)
    if not out:
        cursor.fail("A technique is expected here.", "nr, bfgs or dfp.")
    return tuple(out)


def _format(cursor: Cursor) -> str:
    start = cursor.now.start
    while not cursor.sees(")") and cursor.now.kind != "end":
        cursor.advance()
    span = cursor.span_from(start)
    text = cursor.text[slice(*span)]
    if not re.fullmatch(r"%\d{1,2}\.\d{1,2}[fge]", text):
        cursor.fail(f"{text!r} is no format.", "Write such as %9.0g or %8.2f.", span)
    width, digits = map(int, re.findall(r"\d+", text))
    if not 1 <= width <= 12 or digits >= width:
        cursor.fail(
            f"The format {text} is out of range.",
            "Up to 12 characters, and fewer decimals than characters.",
            span,
        )
    return text


# -- the table ---------------------------------------------------------------------


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
        _among(COVARIANCES, "covariance structure"),
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
        _weight("frequency"),
        equation=True,
        maps="RandomEffects(weight=...), weight_type='frequency'",
    ),
    OptionRule(
        "PWeight",
        _weight("sampling"),
        equation=True,
        maps="RandomEffects(weight=...), weight_type='sampling'",
    ),
    # model
    OptionRule("MLe", maps="method='ml'"),
    OptionRule("REML", maps="method='reml'"),
    OptionRule(
        "PWSCALE",
        _among(SCALINGS, "scaling of weights"),
        maps="weight_scaling=...",
    ),
    OptionRule("Residuals", _residual, maps="residuals=Residuals(...)"),
    OptionRule("VCE", _vce, maps="vce=..., cluster=..."),
    OptionRule("DFMethod", _degrees_of_freedom, maps="df_method=..."),
    OptionRule("OFFset", _offset, maps="offset=..."),
    # reporting
    OptionRule("Level", _level, maps="summary(confidence_level=...)"),
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
    OptionRule("CFORMAT", _format, maps="summary(cformat=...)"),
    OptionRule("PFORMAT", _format, maps="summary(pformat=...)"),
    OptionRule("SFORMAT", _format, maps="summary(sformat=...)"),
    OptionRule("NOLSTRETCH", note="tables have the manual's width"),
    OptionRule("LSTRETCH", note="tables have the manual's width; summary(width=...)"),
    # EM
    OptionRule("EMITERate", _integer, maps="em_iter=..."),
    OptionRule("EMTOLerance", _number, maps="em_tol=..."),
    OptionRule("EMONLY", maps="em_only=True"),
    OptionRule("EMLOG", maps="verbose=2"),
    OptionRule("EMDOTs", note="the EM iterations are few; emlog shows them"),
    # maximization
    OptionRule("DIFFicult", note=_ALWAYS),
    OptionRule(
        "TECHnique", _technique, maps="solver='newton' (nr), 'lbfgs' (bfgs, dfp)"
    ),
    OptionRule("ITERate", _integer, maps="max_iter=..."),
    OptionRule("LOG", maps="verbose=1"),
    OptionRule("NOLOG", maps="verbose=0"),
    OptionRule("TRace", note=_SHOWN),
    OptionRule("GRADient", note=_SHOWN),
    OptionRule("SHOWSTEP", note=_SHOWN),
    OptionRule("HESSian", note=_SHOWN),
    OptionRule("SHOWTOLerance", note=_SHOWN),
    OptionRule("TOLerance", _number, note=_CRITERION),
    OptionRule("LTOLerance", _number, note=_CRITERION),
    OptionRule("NRTOLerance", _number, maps="tol=..."),
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


def parse_options(
    cursor: Cursor, *, fixed: bool = False, only_command: bool = False
) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """What stands after a comma: options of the equation, and of the command.

    Parameters
    ----------
    fixed : bool
        Whether the equation is the fixed part, of which ``noconstant`` is the only one.
    only_command : bool
        Whether there is no equation.
    """
    own: list[Option] = []
    common: list[Option] = []
    while cursor.now.kind != "end" and not cursor.sees("||", ")"):
        token = cursor.now
        if token.kind != "name":
            cursor.fail(
                f"An option is expected here, found {cursor.found()}.",
                "Commas stand before the first option only."
                if token.text == ","
                else "",
            )
        rule = _rule(cursor, token)
        cursor.advance()
        if rule.refused:
            cursor.fail(
                f"The option {rule.name} is not available.", rule.refused, token.span
            )
        value: Any = True
        if rule.read is not None:
            cursor.expect("(", f"the option {rule.name}")
            value = rule.read(cursor)
            if not cursor.sees(")"):
                cursor.fail(
                    f"')' is expected after the argument of {rule.name}(), found "
                    f"{cursor.found()}."
                )
            cursor.advance()
        elif cursor.sees("("):
            cursor.fail(f"The option {rule.name} takes no argument.")
        option = Option(rule.name, value, cursor.span_from(token.start))
        if rule.equation and (only_command or (fixed and rule.name != "noconstant")):
            cursor.fail(
                f"The option {rule.name} belongs to a random-effects equation.",
                "Write it after the comma of that equation: || id: x, ...",
                option.span,
            )
        place = own if rule.equation else common
        if any(o.name == rule.name for o in place):
            cursor.fail(f"The option {rule.name} is given twice.", "", option.span)
        place.append(option)
    return tuple(own), tuple(common)


def is_option(word: str) -> bool:
    """Whether a word is an option, of three letters at least."""
    return len(word) > 2 and any(choose(word, (r.spelling,)) for r in RULES)


def _rule(cursor: Cursor, token: Token) -> OptionRule:
    word = token.text
    for rule in RULES:
        if choose(word, (rule.spelling,)) is not None:
            return rule
    longer = [r for r in RULES if r.name.startswith(word)]
    span: Span = token.span
    if longer:
        least = ", ".join(f"{shortest(r.spelling)} ({r.name})" for r in longer)
        cursor.fail(
            f"{word!r} abbreviates no option.", f"Write at least {least}.", span
        )
    close = difflib.get_close_matches(word, [r.name for r in RULES], n=1, cutoff=0.6)
    hint = f"Did you mean {close[0]!r}?" if close else ""
    cursor.fail(f"There is no option {word!r}.", hint, span)
