"""All that a summary shows, in its order, before it becomes text or HTML."""

from __future__ import annotations

from dataclasses import dataclass

from ..inference import Reference, Results, coefficient_table, overall_test
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
    df : tuple of Fact
        Method of the degrees of freedom, and the smallest, average and largest of the
        coefficients; empty for a large sample.
    """

    title: str
    n_obs: Fact
    group: tuple[Fact, ...]
    groups: Table | None
    likelihood: Fact
    wald: tuple[Fact, Fact]
    clusters: str
    df: tuple[Fact, ...] = ()


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


def make_header(
    results: Results, show_groups: bool, reference: Reference | None = None
) -> Header:
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
        _overall(results, reference),
        clusters,
        () if reference is None else _degrees_of_freedom(results, reference),
    )


def _overall(results: Results, reference: Reference | None) -> tuple[Fact, Fact]:
    """Joint test of all coefficients but the constant."""
    test = None if reference is None else overall_test(results, reference)
    if test is None:
        return (
            Fact(f"Wald chi2({results.wald_df})", decimal(results.wald_chi2, 10, 2)),
            Fact("Prob > chi2", decimal(results.wald_p, 10, 4)),
        )
    return (
        Fact(f"F({test.df}, {test.df_denom:.2f})", decimal(test.f_value, 10, 2)),
        Fact("Prob > F", decimal(test.p_value, 10, 4)),
    )


def _degrees_of_freedom(results: Results, reference: Reference) -> tuple[Fact, ...]:
    df = coefficient_table(results, reference, 0.95)["df"].dropna()
    if not len(df):
        return ()
    name = reference.method.title() if "-" in reference.method else reference.method
    return (
        Fact("DF method", name[:1].upper() + name[1:]),
        Fact("min", decimal(float(df.min()), 10, 2)),
        Fact("avg", decimal(float(df.mean()), 10, 2)),
        Fact("max", decimal(float(df.max()), 10, 2)),
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


def notes_of(
    results: Results, *, random: bool, lr: bool, reference: Reference | None = None
) -> tuple[str, ...]:
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
            (level, term), *others = results.boundary
            more = f" and {len(others)} more" if others else ""
            if len(others) == 1:
                more = f" and {others[0][1]} of {others[0][0]}"
            held = " Degrees of freedom take it as known." if reference else ""
            notes.append(
                f"Note: {term} of {level}{more}: no standard error, because the "
                f"estimate is on the boundary of its range.{held}"
            )
    if results.message:
        notes.append(f"Warning: {results.message}")
    if results.monte_carlo is not None:
        notes.append(str(results.monte_carlo))
    return tuple(notes)
