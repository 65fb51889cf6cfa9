"""The likelihood-ratio test of two likelihoods."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import chdtrc

__all__ = ["ASSUMED", "CONSERVATIVE", "LikelihoodRatio", "likelihood_ratio"]

CONSERVATIVE = "Note: LR test is conservative and provided only for reference."
ASSUMED = (
    "Note: The reported degrees of freedom assumes the null hypothesis is not on "
    "the boundary of the parameter space. If this is not true, then the reported "
    "test is conservative."
)


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood-ratio test.

    Attributes
    ----------
    chi2 : float
        Twice the difference of the log likelihoods, at least 0.
    df : int
        Difference of the numbers of parameters.
    p_value : float
    kind : {"chi2", "chibar2(01)", "chibar2", "exact", "bootstrap"}
        Reference distribution; chibar2(01) is the even mixture of chi2(0) and chi2(1),
        chibar2 the one with ``weights``; the last two are simulated.
    note : str
        What to bear in mind about the p-value; empty where there is nothing.
    weights : tuple of float
        Of chi2(0), chi2(1), ... in a mixture; empty for other kinds.
    n_resamples : int
        Size of the simulation behind the p-value, 0 without one.
    """

    chi2: float
    df: int
    p_value: float
    kind: str
    note: str = ""
    weights: tuple[float, ...] = ()
    n_resamples: int = 0

    def __str__(self) -> str:
        relation = ">=" if self.kind != "chi2" else ">"
        name = self.kind if self.kind != "chi2" else f"chi2({self.df})"
        label = self.kind.removesuffix("(01)")
        if self.kind in ("exact", "bootstrap"):
            name, label = f"({self.kind})", "LR"
        text = (
            f"LR {name} = {self.chi2:.2f}   Prob {relation} {label} = "
            f"{self.p_value:.4f}"
        )
        return f"{text}\n{self.note}" if self.note else text


def likelihood_ratio(
    log_likelihood: float,
    comparison: float,
    df: int,
    *,
    one_variance: bool,
    note: str = "",
) -> LikelihoodRatio:
    """Test of a model against one nested in it.

    Parameters
    ----------
    one_variance : bool
        Whether exactly one variance and nothing else is set to zero; the
        p-value is then half the tail of chi2(1), and 1 for a statistic of 0.
    """
    chi2 = 2.0 * (log_likelihood - comparison)
    if chi2 < 0:
        chi2 = 0.0
    if df == 0:
        p = 1.0 if chi2 == 0 else math.nan
    else:
        p = float(chdtrc(df, chi2))
    if one_variance:
        if chi2 < 1e-9 * (1.0 + abs(log_likelihood)):
            return LikelihoodRatio(chi2, df, 1.0, "chibar2(01)")
        return LikelihoodRatio(chi2, df, 0.5 * p, "chibar2(01)")
    return LikelihoodRatio(chi2, df, p, "chi2", note)
