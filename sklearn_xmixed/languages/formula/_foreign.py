"""What mmrm, glmmTMB and others write before a parenthesis with a bar.

``us(visit | id)`` is the covariance of the residuals in mmrm and that of random effects
in glmmTMB.  Neither reading is taken here: the message gives both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from ._error import FormulaError
from ._text import NAME

__all__ = ["refuse_word", "structure_of"]


@dataclass(frozen=True)
class Word:
    """A word, what it says in other programs, and how that is said here.

    Parameters
    ----------
    readers : tuple of str
        Of "residuals" (mmrm) and "random effects" (glmmTMB, lme4 2.0): what it is the
        covariance of.
    residuals : str
        The structure of residuals that it is; empty if there is none.
    effects : str
        The same of random effects.
    variances : bool
        Whether every occasion has a variance of its own.
    """

    readers: tuple[str, ...]
    residuals: str = ""
    effects: str = ""
    variances: bool = False


_BOTH = ("residuals", "random effects")
_MMRM, _GLMMTMB = _BOTH[:1], _BOTH[1:]

WORDS = {
    "us": Word(_BOTH, "unstructured", "unstructured"),
    "cs": Word(_BOTH, "exchangeable", "exchangeable"),
    "ar1": Word(_BOTH, "ar"),
    "toep": Word(_BOTH, "toeplitz"),
    "ad": Word(_MMRM, "antedependence"),
    "adh": Word(_MMRM, "antedependence", variances=True),
    "ar1h": Word(_MMRM, "ar", variances=True),
    "csh": Word(_MMRM, "exchangeable", variances=True),
    "toeph": Word(_MMRM, "toeplitz", variances=True),
    "sp_exp": Word(_MMRM, "exponential"),
    "homcs": Word(_GLMMTMB, "exchangeable", "exchangeable"),
    "homtoep": Word(_GLMMTMB, "toeplitz"),
    "hetar1": Word(_GLMMTMB, "ar", variances=True),
    "homdiag": Word(_GLMMTMB, "", "identity"),
    "ou": Word(_GLMMTMB, "exponential"),
    "exp": Word(_GLMMTMB, "exponential"),
    "gau": Word(_GLMMTMB, "gaussian"),
    "mat": Word(_GLMMTMB),
    "rr": Word(_GLMMTMB),
    "propto": Word(_GLMMTMB),
    "equalto": Word(_GLMMTMB),
    # of SAS, brms, nlme and this package: a structure, of what is not said
    "un": Word((), "unstructured", "unstructured"),
    "unstr": Word((), "unstructured", "unstructured"),
    "unstructured": Word((), "unstructured", "unstructured"),
    "cosy": Word((), "exchangeable", "exchangeable"),
    "exchangeable": Word((), "exchangeable", "exchangeable"),
    "identity": Word((), "", "identity"),
    "independent": Word((), "independent", "independent"),
    "ar": Word((), "ar"),
    "ma": Word((), "ma"),
    "banded": Word((), "banded"),
    "toeplitz": Word((), "toeplitz"),
    "exponential": Word((), "exponential"),
    "gaussian": Word((), "gaussian"),
    "antedependence": Word((), "antedependence"),
    "arma": Word((), "arma"),
}


def structure_of(word: str) -> str:
    """The structure of residuals that a word of another program stands for, or nothing."""
    found = WORDS.get(word.lower())
    return "" if found is None else found.residuals


def refuse_word(
    text: str, start: int, opening: int, bar: int, closing: int
) -> NoReturn:
    """Say how a term with a word before its parenthesis is read, and what to write.

    Parameters
    ----------
    text : str
    start, opening, bar, closing : int
        Where the word, the parenthesis, the bar and the closing parenthesis stand.
    """
    said = text[start:opening].strip()
    span = (start, start + len(said))
    word = WORDS.get(said.lower())
    if word is None:
        near = said.lower().startswith("resid")
        raise FormulaError(
            f"{said!r} is no covariance structure of this package's formulas.",
            text,
            span,
            "Structures of residuals are written residuals(structure, time=variable | "
            "group)"
            + (
                "."
                if near
                else "; of random effects (x | g) is unstructured, (x || g) and "
                "diag(x | g) are independent. Exchangeable and identity covariances: "
                "pass random_effects= to MixedLinearRegressor."
            ),
        )
    whole = " ".join(text[start : closing + 1].split())
    if len(word.readers) == 2:
        problem = (
            f"{whole} has two readings: in mmrm it is the covariance of the residuals, "
            "in glmmTMB that of random effects."
        )
    elif word.readers:
        program = "mmrm" if word.readers == _MMRM else "glmmTMB"
        problem = f"{said}() is the covariance of {word.readers[0]} in {program}."
    else:
        problem = f"{said}() does not say whether it is of residuals or random effects."
    double = text[bar : bar + 2] == "||"
    effects = text[opening + 1 : bar].strip() or "x"
    groups = text[bar + 1 + double : closing].strip() or "group"
    hint = f"{_of_residuals(said, word, effects, groups)}\n"
    hint += _of_effects(said, word, effects, groups)
    raise FormulaError(problem, text, span, hint)


def _of_residuals(said: str, word: Word, effects: str, groups: str) -> str:
    """How the structure is written of residuals."""
    if not word.residuals:
        return f"Residuals: there is no structure {said} of residuals here."
    # us(visit + 0 | id), us(0 + visit | id), us(visit | id)
    time = re.sub(r"\s*[+-]\s*[01]\s*$|^\s*[01]\s*\+\s*", "", effects)
    roles = [word.residuals]
    time = time if NAME.fullmatch(time) else "variable"
    if word.residuals not in ("exchangeable", "independent"):
        roles.append(f"time={time}")
    if word.variances:
        roles.append(f"variance={time}")
    # mmrm's arm/id has parameters of each arm
    by, slash, own = (part.strip() for part in groups.partition("/"))
    if slash and word.readers != _GLMMTMB and NAME.fullmatch(by) and own:
        roles.append(f"by={by}")
        groups = own
    return f"Residuals: residuals({', '.join(roles)} | {groups})."


def _of_effects(said: str, word: Word, effects: str, groups: str) -> str:
    """How the structure is written of random effects."""
    if word.effects == "unstructured":
        return f"Random effects: ({effects} | {groups})."
    if word.effects == "independent":
        return f"Random effects: ({effects} || {groups})."
    if word.effects:
        return (
            f"Random effects: MixedLinearRegressor with RandomEffects(group, columns, "
            f"covariance={word.effects!r})."
        )
    return f"Random effects: there is no structure {said} of them here" + (
        "; without residual variance (glmmTMB's dispformula = ~0) they are residuals."
        if word.residuals
        else "."
    )
