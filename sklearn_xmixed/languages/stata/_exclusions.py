"""Exclusions: what cannot be asked for together, marked where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._spec import RandomEffects
from .grammar import Command, EquationSyntax, Option

__all__ = ["Exclusions"]

#: pairs that contradict one another
_PAIRS = (
    ("mle", "reml"),
    ("matsqrt", "matlog"),
    ("log", "nolog"),
    ("variance", "estmetric"),
    ("variance", "stddeviations"),
    ("estmetric", "stddeviations"),
    ("nolstretch", "lstretch"),
)


@dataclass(frozen=True)
class Exclusions:
    """Combinations of options, and of options and model, that a command may not have.

    Parameters
    ----------
    command : Command
    """

    command: Command

    def options(self) -> None:
        """Options that contradict one another."""
        for first, second in _PAIRS:
            a, b = self.command.option(first), self.command.option(second)
            if a is not None and b is not None:
                self.command.fail(
                    f"{first} and {second} contradict each other.", "", b.span
                )

    def model(
        self,
        parameters: dict[str, Any],
        equations: list[tuple[RandomEffects, EquationSyntax]],
    ) -> None:
        """Combinations that the manual excludes, marked where they are written."""
        has = self.command.option
        weighted = parameters["weight_type"] != "precision" and (
            self.command.weight is not None
            or any(e.weight is not None for e, _ in equations)
        )
        structured = parameters["residuals"] is not None

        refuse = self._refuse
        refuse(
            has("reml"),
            weighted,
            "Weights are not supported with reml.",
            "Fit by mle, the default.",
        )
        refuse(
            has("reml"),
            parameters["vce"] != "oim",
            f"vce({parameters['vce']}) is not supported with reml.",
            "Fit by mle, the default.",
        )
        refuse(
            has("pwscale"),
            parameters["weight_type"] != "sampling",
            "pwscale() scales sampling weights, and there are none.",
            "Give them by [pw=...] or pweight().",
        )
        levels = {e.group for e, _ in equations}
        refuse(
            has("pwscale"),
            len(levels) != 1 or "_all" in levels,
            "pwscale() is supported only with two-level models.",
            "That is one level of groups.",
        )
        for name in ("emonly", "nostderr"):
            refuse(
                has(name),
                structured,
                f"{name} is available only with independent residuals of one variance.",
                "",
            )
        refuse(has("emonly"), weighted, "emonly is available only without weights.", "")
        refuse(
            has("emonly"),
            parameters.get("em_iter") == 0,
            "emonly needs EM iterations.",
            "Write emiterate(500), say.",
        )
        self._check_degrees_of_freedom(parameters)
        self._check_levels(equations)

    def _refuse(
        self, option: Option | None, condition: bool, problem: str, hint: str
    ) -> None:
        """Fail at an option that is given where it must not."""
        if option is not None and condition:
            self.command.fail(problem, hint, option.span)

    def _check_degrees_of_freedom(self, parameters: dict[str, Any]) -> None:
        """What dfmethod() and small need."""
        has, method = self.command.option, parameters["df_method"]
        self._refuse(
            has("dfmethod"),
            parameters["method"] == "ml" and str(method).startswith("kenward-roger"),
            "dfmethod(kroger) is about REML.",
            "Add the option reml, or write dfmethod(satterthwaite).",
        )
        self._refuse(
            has("small"),
            method is None,
            "small goes with dfmethod().",
            "It says how degrees of freedom are found: dfmethod(kroger), say.",
        )

    def _check_levels(
        self, equations: list[tuple[RandomEffects, EquationSyntax]]
    ) -> None:
        """The order of the levels."""
        seen: list[str] = []
        for spec, equation in equations:
            if spec.group in seen and seen[-1] != spec.group:
                self.command.fail(
                    f"The equations of level {spec.group} are not next to each other.",
                    "Repeated levels follow one another.",
                    equation.level.span,
                )
            if spec.group == "_all" and any(g != "_all" for g in seen):
                self.command.fail(
                    "_all is one group of all rows and comes first.",
                    "The top level comes first.",
                    equation.level.span,
                )
            seen.append(spec.group)
