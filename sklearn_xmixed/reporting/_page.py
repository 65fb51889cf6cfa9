"""All that a summary shows, in its order, before it becomes text or HTML."""

from __future__ import annotations

from dataclasses import dataclass

from ..inference import Results
from ._format import count, decimal, general
from ._tables import Table, group_table

__all__ = ["Fact", "Header", "Page", "lr_facts", "make_header", "notes_of"]


@dataclass(frozen=True)
class Fact:
    """A number with its label."""

    label: str
    value: str


@dataclass(frozen=True)
class Header:
    """What stands above the tables.

    Parameters
    ----------
    title : str
    n_obs : Fact
    group : tuple of Fact
        Of a single level: its name, how many groups, and their smallest, average
        and largest size.  Empty without levels, with several, or if not wanted.
    groups : Table or None
        The same of several levels.
    likelihood : Fact
    wald : tuple of Fact
        Statistic and p-value.
    clusters : str
        What robust standard errors allow for; empty where they are not robust.
    """

    title: str
    n_obs: Fact
    group: tuple[Fact, ...]
    groups: Table | None
    likelihood: Fact
    wald: tuple[Fact, Fact]
    clusters: str


@dataclass(frozen=True)
class Page:
    """A summary's content; None is not shown.

    Parameters
    ----------
    header : Header or None
    fixed, random : Table or None
    lr_test : tuple of Fact or None
        Statistic and p-value of the test against linear regression.
    notes : tuple of str
    """

    header: Header | None
    fixed: Table | None
    random: Table | None
    lr_test: tuple[Fact, Fact] | None
    notes: tuple[str, ...]


def make_header(results: Results, show_groups: bool) -> Header:
    groups = results.groups if show_groups else ()
    single: tuple[Fact, ...] = ()
    if len(groups) == 1:
        (g,) = groups
        single = (
            Fact("Group variable", g.name),
            Fact("Number of groups", count(g.n_groups)),
            Fact("min", count(g.minimum)),
            Fact("avg", decimal(g.average, 9, 1)),
            Fact("max", count(g.maximum)),
        )
    clusters = ""
    if results.vce != "oim" and results.cluster_name:
        clusters = (
            f"(Std. Err. adjusted for {count(results.n_clusters)} clusters in "
            f"{results.cluster_name})"
        )
    return Header(
        results.title,
        Fact("Number of obs", count(results.n_obs)),
        single,
        group_table(groups) if len(groups) > 1 else None,
        Fact(_likelihood(results), general(results.log_likelihood, 10)),
        (
            Fact(f"Wald chi2({results.wald_df})", decimal(results.wald_chi2, 10, 2)),
            Fact("Prob > chi2", decimal(results.wald_p, 10, 4)),
        ),
        clusters,
    )


def _likelihood(results: Results) -> str:
    restricted = results.method == "REML"
    if results.pseudo:
        return f"Log {'restricted-' if restricted else ''}pseudolikelihood"
    return "Log restricted-likelihood" if restricted else "Log likelihood"


def lr_facts(results: Results) -> tuple[Fact, Fact]:
    chibar = results.lr_kind != "chi2"
    return (
        Fact(
            results.lr_kind if chibar else f"chi2({results.lr_df})",
            decimal(results.lr_chi2, 8, 2),
        ),
        Fact(
            "Prob >= chibar2" if chibar else "Prob > chi2",
            decimal(results.lr_p, 6, 4),
        ),
    )


def notes_of(results: Results, *, random: bool, lr: bool) -> tuple[str, ...]:
    notes = []
    if lr and results.lr_note:
        notes.append(results.lr_note)
    if random:
        notes += [
            f"Note: {', '.join(equation.omitted)} omitted from the random effects of "
            f"{equation.name} because of collinearity."
            for equation in results.equations
            if equation.omitted
        ]
        if results.std_errors and results.boundary:
            level, term = results.boundary[0]
            others = len(results.boundary) - 1
            more = f" and {others} more" if others else ""
            notes.append(
                f"Note: {term} of {level}{more}: no standard error, because the "
                "estimate is on the boundary of its range."
            )
    if results.message:
        notes.append(f"Warning: {results.message}")
    if results.monte_carlo is not None:
        notes.append(str(results.monte_carlo))
    return tuple(notes)
