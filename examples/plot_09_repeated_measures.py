"""
An exercise trial: a covariance matrix of repeated measures
===========================================================

Example 9 of the Stata manual: 37 people train with more repetitions or with more weight; their
strength is measured on five days (Freund, Littell and Spector 1986). There are no random
effects: the dependence within a person is that of the residuals, either any covariance matrix
of the five days or a correlation that falls exponentially with the distance in time.

In Stata::

    xtmixed strength i.program##i.day || id:, noconstant residuals(exponential, ///
            t(day))
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    exercise = fetch_xtmixed_data("exercise")
except OSError:
    print("The manual's data are not at hand: simulated data of the same shape.")
    exercise = make_xtmixed_data("exercise")

exercise = exercise[exercise["day"].isin([0, 4, 6, 8, 12])].dropna()
exercise["p2"] = (exercise["program"] == 2).astype(float)
fixed = ["p2"]
for day in (4, 6, 8, 12):
    exercise[f"d{day}"] = (exercise["day"] == day).astype(float)
    exercise[f"p2Xd{day}"] = exercise["p2"] * exercise[f"d{day}"]
    fixed += [f"d{day}", f"p2Xd{day}"]
X, y = exercise.drop(columns="strength"), exercise["strength"]

# %%
# ``intercept=False`` names the groups within which residuals are correlated, without giving
# them a random effect.
models = {
    structure: MixedLinearRegressor(
        RandomEffects("id", intercept=False),
        fixed=fixed,
        residuals=Residuals(structure, time="day"),
    ).fit(X, y)
    for structure in ("unstructured", "exponential")
}
print(models["exponential"].summary())
print(lrtest(models["unstructured"], models["exponential"]))

# %%
# 15 parameters against two: the correlations that they estimate.
days = [0, 4, 6, 8, 12]
free = models["unstructured"].results_.variance_frame("sd").loc["Residual", "estimate"]
correlations = {"unstructured": np.eye(5), "exponential": np.eye(5)}
rho = models["exponential"].residual_parameters_["rho"]
for i, first in enumerate(days):
    for j, second in enumerate(days[:i]):
        name = f"corr(e{second},e{first})"
        correlations["unstructured"][i, j] = correlations["unstructured"][j, i] = free[
            name
        ]
        gap = rho ** (first - second)
        correlations["exponential"][i, j] = correlations["exponential"][j, i] = gap

fig, axes = plt.subplots(1, 2, figsize=(8, 3.8))
for ax, (name, matrix) in zip(axes, correlations.items(), strict=True):
    image = ax.imshow(matrix, vmin=0.5, vmax=1, cmap="viridis")
    for i in range(5):
        for j in range(5):
            shade = "black" if matrix[i, j] > 0.8 else "white"
            ax.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", color=shade)
    ax.set(title=name, xticks=range(5), yticks=range(5))
    ax.set_xticklabels(days)
    ax.set_yticklabels(days)
    ax.set_xlabel("day")
fig.colorbar(image, ax=axes, label="correlation", shrink=0.8)
plt.show()
