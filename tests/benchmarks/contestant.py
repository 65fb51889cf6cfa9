"""What a benchmark asks of a program: a fit to time, then its log likelihood."""

from __future__ import annotations

import gc
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cases import Case


@dataclass
class Outcome:
    """Seconds of every repetition, and where the search ended."""

    contestant: str
    seconds: list[float] = field(default_factory=list)
    log_likelihood: float | None = None
    note: str = ""
    failed: bool = False

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


class Contestant:
    """A program that fits in this process."""

    name = ""

    def version(self) -> str:
        raise NotImplementedError

    def missing(self) -> str | None:
        """Why the program cannot be run here, or None."""
        try:
            self.version()
        except ImportError as error:
            return f"not importable ({error})"
        return None

    def refuses(self, case: Case, method: str) -> str | None:
        """Why the program cannot fit the model of this case, or None."""

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        """The fit to be timed; whatever is not part of it is done here."""
        raise NotImplementedError

    def read(self, fitted: Any) -> tuple[float | None, str]:
        """Log likelihood and a remark (iterations, no convergence)."""
        raise NotImplementedError


# A first, untimed fit loads libraries and fills caches; very slow fits go without.
WARM_UP_BELOW = 1.0


def race(
    contestants: list[Contestant], case: Case, method: str, reps: int, budget: float
) -> list[Outcome]:
    """Time the contestants in turns, so that a slow spell of the machine hits all.

    A contestant that has used up its budget of seconds is repeated no further.
    """
    fits = {c: c.prepare(case, method) for c in contestants}
    outcomes = {c: Outcome(c.name) for c in contestants}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for contestant in contestants:
            outcome = outcomes[contestant]
            try:
                seconds, fitted = _timed(fits[contestant])
                outcome.log_likelihood, outcome.note = contestant.read(fitted)
            except Exception as error:
                outcome.failed = True
                outcome.note = f"failed: {type(error).__name__}: {error}"
                continue
            if seconds > WARM_UP_BELOW:
                outcome.seconds.append(seconds)
        for _ in range(reps):
            for contestant, outcome in outcomes.items():
                done = len(outcome.seconds) >= reps or sum(outcome.seconds) > budget
                if not (outcome.failed or done):
                    outcome.seconds.append(_timed(fits[contestant])[0])
    return list(outcomes.values())


def _timed(fit: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.perf_counter()
    fitted = fit()
    return time.perf_counter() - start, fitted
