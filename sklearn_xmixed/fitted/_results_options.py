"""Results options: what is wanted of an estimate."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ResultsOptions"]


@dataclass(frozen=True)
class ResultsOptions:
    """Which results are wanted of an estimate.

    Parameters
    ----------
    std_errors, lr_test : bool
    vce : {"oim", "robust", "cluster", "CR0", "CR1", "CR1S", "CR2", "CR3"}
    cluster : str or None
        Name of the variable of clusters.
    frequency : bool
        Whether weights are frequencies.
    df_method : str or None
        Degrees of freedom that tests have by default.
    """

    std_errors: bool
    lr_test: bool
    vce: str
    cluster: str | None
    frequency: bool
    df_method: str | None = None
