"""
Bioequivalence: replicate crossover studies
===========================================

Is the exposure after a test product that of a reference product? The 90 % interval of the
ratio has to lie between 0.80 and 1.25. Two studies of the European Medicines Agency, by its
methods A and B and by the model of the FDA; its printed intervals come out.
"""

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import from_formula
from sklearn_xmixed.datasets import (
    load_bioequivalence_full,
    load_bioequivalence_partial,
)

studies = {
    "full (TRTR, RTRT)": load_bioequivalence_full().frame,
    "partial (TRR, RTR, RRT)": load_bioequivalence_partial().frame,
}

# %%
# Exposures of every subject under both products: subjects differ by far more than products.

_, axes = plt.subplots(1, 2, figsize=(8, 3.6))
for ax, (name, study) in zip(axes, studies.items(), strict=True):
    own = study.pivot_table(index="subject", columns="treatment", values="pk")
    ax.loglog(own["R"], own["T"], "o", markersize=4)
    both = [own.min().min(), own.max().max()]
    ax.loglog(both, both, color="0.6", linewidth=1, zorder=0)
    ax.set(title=name, xlabel="reference", ylabel="test")

# %%
# The three models. In the partial design the test product was given once, and what of its
# variance is within subjects cannot be told; a warning says so, which is silenced here,
# because the comparison of the products does not depend on it.

fixed = "log(pk) ~ sequence + C(period) + treatment"
methods = {
    "A: fixed subjects": ("log(pk) ~ C(subject) + C(period) + treatment", "residual"),
    "B: random subjects": (f"{fixed} + (1 | subject)", "containment"),
    "C: subject by formulation": (
        f"{fixed} + (0 + treatment | subject)"
        " + residuals(independent, by=treatment | subject)",
        "satterthwaite",
    ),
}
found = {}
for name, study in studies.items():
    for method, (formula, df) in methods.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The model is not identified")
            model = from_formula(formula, study, method="reml")
        # at the 90 % level: two one-sided tests at 5 %
        row = model.coef_table(0.90, df=df).loc["treatment[T.T]"]
        found[name, method] = row[["estimate", "ci_lower", "ci_upper", "df"]]
table = pd.DataFrame(found).T
ends = table[["estimate", "ci_lower", "ci_upper"]].astype(float)
ratios = np.exp(ends)
per_cent = (100 * ratios).round(2).assign(df=table["df"].astype(float).round(1))
print(per_cent.to_string())

# %%
_, ax = plt.subplots(figsize=(7, 3))
for color, (name, part) in zip(("C0", "C1"), ratios.groupby(level=0), strict=True):
    labels = [f"{method[0]}, {name.split()[0]}" for _, method in part.index]
    middle = part["estimate"]
    reach = [middle - part["ci_lower"], part["ci_upper"] - middle]
    ax.errorbar(middle, labels, xerr=reach, fmt="o", color=color, capsize=3)
for limit in (0.8, 1.25):
    ax.axvline(limit, color="0.3", linestyle="--", linewidth=1)
ax.axvline(1, color="0.6", linewidth=1)
ax.invert_yaxis()
ax.set(xscale="log", xlabel="ratio of geometric means, 90 % interval")
ax.set_xticks(
    [0.8, 0.9, 1.0, 1.1, 1.25], labels=["0.80", "0.90", "1.00", "1.10", "1.25"]
)
ax.minorticks_off()
