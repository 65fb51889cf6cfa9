"""
Repeated measures in a trial: covariance structures compared
============================================================

Two arms, four visits, a third of the responses missing. How do the visits vary together,
and what does the answer depend on it? Data are artificial (those of the R package mmrm).
"""

# %%
import matplotlib.pyplot as plt
import pandas as pd

from sklearn_xmixed import Residuals, compare_residuals, from_formula
from sklearn_xmixed.datasets import load_fev

trial = load_fev().frame
rows = trial.dropna(subset=["fev1"])
model = from_formula(
    "fev1 ~ race + sex + baseline + arm * visit"
    " + residuals(unstructured, time=visit | subject)",
    rows,
    method="reml",
)
model.marginal_means("visit", by="arm", df="kenward-roger").plot()

# %%
# Six structures with the same fixed part. Those that give each visit a variance of its own
# are far ahead.

own = {"time": "visitn", "variance": "visit"}
structures = {
    "unstructured": Residuals("unstructured", time="visit"),
    "ante-dependence": Residuals("antedependence", **own),
    "heterogeneous AR(1)": Residuals("ar", **own),
    "heterogeneous exchangeable": Residuals("exchangeable", variance="visit"),
    "AR(1)": Residuals("ar", time="visitn"),
    "exchangeable": Residuals("exchangeable"),
}
table = compare_residuals(model, structures, rows, rows["fev1"])
print(table[["n_params", "aic", "bic"]].round(1))

# %%
# The difference at every visit under each of them. One variance for all visits makes the
# interval of the last, which varies most, too short, and those of the second and third too
# long.

differences = {}
for name, structure in structures.items():
    fit = from_formula(
        "fev1 ~ race + sex + baseline + arm * visit + (0 | subject)",
        rows,
        method="reml",
        residuals=structure,
    )
    means = fit.marginal_means("arm", by="visit", df="satterthwaite")
    differences[name] = means.contrasts("reference", ref="PBO").table.droplevel(1)
found = pd.concat(differences, names=["structure"])

_, axes = plt.subplots(1, 4, sharey=True, figsize=(9, 3))
for ax, (visit, part) in zip(axes, found.groupby("visit"), strict=True):
    part = part.droplevel("visit").loc[list(structures)[::-1]]
    reach = part["ci_upper"] - part["estimate"]
    ax.errorbar(part["estimate"], part.index, xerr=reach, fmt="o", capsize=3)
    ax.axvline(0, color="0.6", linewidth=1)
    ax.set(title=visit, xlabel="treatment - placebo")
