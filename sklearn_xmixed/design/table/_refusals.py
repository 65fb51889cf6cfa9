"""What is asked of a table that is not in memory, and what is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._spec import RandomEffects
from .._clusters import CORRECTED

__all__ = ["needs_clusters", "precise", "refuse", "refuse_of_table", "structured"]

READ = "Read the table into memory for it, or leave it out."


def structured(estimator: Any) -> bool:
    """Whether residuals have a structure, which rows of whole groups are read for."""
    return estimator.residuals is not None and not estimator.residuals.white


def needs_clusters(estimator: Any) -> bool:
    """Whether scores by cluster are wanted, which need all groups in this process."""
    return estimator.vce != "oim" or estimator.weight_type == "sampling"


def precise(estimator: Any, weight: str | None) -> bool:
    """Whether there are weights that say how exact rows are."""
    return estimator.weight_type == "precision" and weight is not None


def refuse(
    estimator: Any,
    equations: Sequence[RandomEffects],
    groups: bool = False,
    *,
    where: str = "with a lazy table",
    way_out: str = READ,
    whole: bool = False,
) -> None:
    """What sums by group do not have.

    Parameters
    ----------
    whole : bool
        Whether rows can be read by whole groups, for structured residuals.
    """
    residuals = estimator.residuals
    by_rows = structured(estimator) and not whole
    reasons = {
        "groups= is not supported with a lazy table: its labels are columns of the "
        "table. Join them to it.": groups,
        f"residuals={residuals!r} needs rows of whole groups, and is not supported "
        f"{where}, of which sums by group alone are kept. {way_out} fit takes a lazy "
        "table with them, which it reads by whole groups.": by_rows,
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)


def refuse_of_table(estimator: Any, equations: Sequence[RandomEffects]) -> None:
    """What needs more of a table than sums by group and by cluster."""
    vce, sampling = estimator.vce, estimator.weight_type == "sampling"
    robust = vce != "oim" or sampling
    what = f"vce={vce!r}" if vce != "oim" else "weight_type='sampling'"
    factors = any(e.factor is not None for e in equations)
    by_precision = estimator.weight_type == "precision"
    reasons = {
        f"vce={vce!r} is not supported with a lazy table and weight_type='precision': a "
        "root of the covariance matrix of a cluster's rows is not the same after these "
        "were divided by their standard deviations, as they are in sums. Use vce='CR1' "
        f"or 'CR3'. {READ}": vce == "CR2" and by_precision,
        f"vce={vce!r} is not supported with a lazy table and factors (factor=): it corrects "
        "by matrices of all rows of a cluster. Use vce='robust' or 'cluster', for which "
        f"sums by cluster suffice. {READ}": factors and vce in CORRECTED,
        f"{what} without random effects makes every row a cluster, whose sums are the "
        "rows. Name a column of clusters, cluster=... (with vce='cluster' in place of "
        "'robust'); or read the table into memory.": robust
        and not equations
        and estimator.cluster is None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise NotImplementedError(reason)
