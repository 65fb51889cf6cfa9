"""Time our estimator against its peers, in one run on one machine.

    python tests/benchmarks/run.py [--only CASE ...] [--reps N] [--peers]

Prints a markdown table of medians and ratios, and whether every program reached the
same optimum.  Exits with 1 when ours fell short of the best log likelihood or could
not be run.
"""

from __future__ import annotations

import argparse
import sys

import memory
from cases import CASES, Case
from contestant import Contestant, Outcome, race
from machine import describe
from ours import Ours
from peers import PEERS, Lme4
from table import HEADER, markdown, missed, rows

MEMORY_CASES = ("million", "crossed-8k", "crossed-20k")
MEMORY_HEADER = ("case", "method", "program", "data MB", "extra MB", "extra / data")


def main() -> int:
    options = _options()
    contestants = _available(options)
    if not contestants:
        print("No program to run.", file=sys.stderr)
        return 2
    print("\n".join(describe(contestants)), end="\n\n", flush=True)
    body: list[tuple[str, ...]] = []
    fell_short = not options.peers and not isinstance(contestants[0], Ours)
    for name in options.only or CASES:
        case = CASES[name]()
        if options.string_labels:
            case = case.with_string_labels()
        for method in options.method or case.methods:
            outcomes = _run(case, method, contestants, options)
            body += rows(case.name, method, outcomes, Ours.name)
            reached = [o.log_likelihood for o in outcomes if o.log_likelihood]
            best = max(reached, default=None)
            fell_short |= any(_ours_failed(o, best) for o in outcomes)
        del case
    print(markdown(HEADER, body), end="\n\n")
    if not options.no_memory:
        _print_memory(contestants, options)
    return int(fell_short)


def _ours_failed(outcome: Outcome, best: float | None) -> bool:
    if outcome.contestant != Ours.name:
        return False
    return not outcome.seconds or missed(outcome, best)


def _run(
    case: Case, method: str, contestants: list[Contestant], options: argparse.Namespace
) -> list[Outcome]:
    _say(f"{case.name} ({method}): {case.title}")
    entered = []
    for contestant in contestants:
        if contestant.name not in (Ours.name, *case.rivals):
            continue
        reason = contestant.refuses(case, method)
        if reason:
            _say(f"  {contestant.name}: skipped, {reason}")
        else:
            entered.append(contestant)
    reps = options.reps or case.reps
    here = [c for c in entered if not isinstance(c, Lme4)]
    outcomes = race(here, case, method, reps, options.budget)
    for contestant in entered:
        if isinstance(contestant, Lme4):
            outcomes += contestant.race(case, method, reps, options.budget)
    return outcomes


def _available(options: argparse.Namespace) -> list[Contestant]:
    wanted = [*PEERS] if options.peers else [Ours(), *PEERS]
    available = []
    for contestant in wanted:
        if contestant.name in options.without:
            continue
        reason = contestant.missing()
        if reason:
            _say(f"{contestant.name}: skipped, {reason}")
        else:
            available.append(contestant)
    return available


def _print_memory(contestants: list[Contestant], options: argparse.Namespace) -> None:
    body = []
    for name in MEMORY_CASES:
        if options.only and name not in options.only:
            continue
        case = CASES[name]()
        methods = options.method or case.methods
        entered = [
            (method, contestant)
            for method in methods
            for contestant in contestants
            if contestant.name in (Ours.name, *case.rivals)
            and not contestant.refuses(case, method)
        ]
        del case
        for method, contestant in entered:
            _say(f"memory, {name} ({method}): {contestant.name}")
            peak = memory.measure(name, contestant.name, method)
            body.append(
                (
                    name,
                    method.upper(),
                    contestant.name,
                    f"{peak.data / 1e6:.0f}",
                    f"{peak.extra / 1e6:.0f}",
                    f"{peak.ratio:.2f}",
                )
            )
    if body:
        print(markdown(MEMORY_HEADER, body))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [c.name for c in PEERS]
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="CASE")
    parser.add_argument("--reps", type=int, help="repetitions (default: by case)")
    parser.add_argument(
        "--peers", action="store_true", help="the peers only, without our estimator"
    )
    parser.add_argument(
        "--without", nargs="+", default=[], choices=names, metavar="PEER"
    )
    parser.add_argument("--method", nargs="+", choices=("ml", "reml"))
    parser.add_argument(
        "--budget",
        type=float,
        default=60.0,
        help="seconds after which a program is repeated no further (default: 60)",
    )
    parser.add_argument(
        "--string-labels", action="store_true", help="labels as text, not integers"
    )
    parser.add_argument("--no-memory", action="store_true", help="skip peak memory")
    return parser.parse_args()


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
