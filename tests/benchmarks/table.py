"""Outcomes of one case as rows of a markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contestant import Outcome

# The same optimum: log likelihoods that agree to this fraction of the best one.
SAME_OPTIMUM = 1e-6

HEADER = (
    "case",
    "method",
    "program",
    "median s",
    "best s",
    "reps",
    "time / ours",
    "log likelihood",
    "below best",
    "same optimum",
    "remark",
)


def rows(
    case: str, method: str, outcomes: Sequence[Outcome], ours: str
) -> list[tuple[str, ...]]:
    """Rows of one case; ratios are to our time, so above 1 is slower than we are."""
    mine = next((o.median for o in outcomes if o.contestant == ours), None)
    reached = [o.log_likelihood for o in outcomes if o.log_likelihood is not None]
    best = max(reached, default=None)
    return [
        (
            case,
            method.upper(),
            outcome.contestant,
            _number(outcome.median, "{:.4g}"),
            _number(min(outcome.seconds, default=None), "{:.4g}"),
            str(len(outcome.seconds)),
            _number(_ratio(outcome.median, mine), "{:.2f}"),
            _number(outcome.log_likelihood, "{:.6f}"),
            _number(_gap(outcome, best), "{:.1e}"),
            _agreement(outcome, best),
            outcome.note.replace("|", "/").replace("\n", " "),
        )
        for outcome in outcomes
    ]


def missed(outcome: Outcome, best: float | None) -> bool:
    """Whether the search ended short of the best log likelihood of the case."""
    gap = _gap(outcome, best)
    return gap is not None and gap > SAME_OPTIMUM * abs(best)


def markdown(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _ratio(seconds: float | None, mine: float | None) -> float | None:
    return seconds / mine if seconds is not None and mine else None


def _gap(outcome: Outcome, best: float | None) -> float | None:
    if outcome.log_likelihood is None or best is None:
        return None
    return best - outcome.log_likelihood


def _agreement(outcome: Outcome, best: float | None) -> str:
    if outcome.log_likelihood is None or best is None:
        return ""
    return "NO" if missed(outcome, best) else "yes"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
