"""The iteration log as the manual prints it."""

from __future__ import annotations

from ..likelihood import Plan
from ..optimization import Iteration

__all__ = ["IterationLog"]

TITLES = {"em": "EM", "scoring": "scoring", "gradient": "gradient-based"}
#: predicted seconds from which on a crossed fit is announced
LONG = 1.0


class IterationLog:
    """Prints the iterations while they happen.

    Parameters
    ----------
    verbose : int
        0 nothing, 1 the gradient-based iterations, 2 the EM iterations too.
    restricted : bool
        Whether the likelihood is a restricted one.
    pseudo : bool
        Whether it is a pseudolikelihood.
    em_only : bool
        EM iterations are then shown from ``verbose=1``.
    """

    def __init__(self, verbose: int, *, restricted: bool, em_only: bool, pseudo: bool):
        self.verbose = int(verbose)
        self.show_em = self.verbose > 1 or (em_only and self.verbose > 0)
        self.label = "log likelihood"
        if restricted:
            self.label = "log restricted-likelihood"
        elif pseudo:
            self.label = "log pseudolikelihood"
        self._phase = ""

    def __call__(self, line: Iteration) -> None:
        if not self.verbose or (line.phase == "scoring" and not self.show_em):
            return
        if line.phase != self._phase:
            if line.phase == "gradient" and not self._phase:
                print("Performing EM optimization:\n")
            title = TITLES[line.phase]
            gap = "\n" if self._phase and self.show_em else ""
            print(f"{gap}Performing {title} optimization:\n")
            self._phase = line.phase
        if line.phase == "em" and not self.show_em:
            return
        note = f"  ({line.note})" if line.note else ""
        print(f"Iteration {line.number}:  {self.label} = {-0.5 * line.value:.8g}{note}")

    def plan(self, plan: Plan) -> None:
        """Say what a large fit will cost, and with ``verbose=2`` any."""
        if self.verbose > 1 or plan.seconds > LONG:
            print(f"{plan}\n")

    def standard_errors(self) -> None:
        """Say that the search is over and standard errors come next."""
        if self.verbose:
            print("\nComputing standard errors:")
