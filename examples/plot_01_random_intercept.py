"""
Pigs on a scale: a random intercept
===================================

Example 1 of the Stata manual: 48 pigs are weighed in nine successive weeks (Diggle,
Heagerty, Liang and Zeger 2002). All gain weight at the same rate here, but each has a
starting weight of its own:

.. math:: \\text{weight}_{ij} = \\beta_0 + \\beta_1 \\text{week}_{ij} + u_j + e_{ij}

In Stata::

    xtmixed weight week || id:
"""

# %%
# The label ``id`` is a column of X; naming it gives every pig a random intercept, and
# takes it out of the covariates.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    pig = fetch_xtmixed_data("pig")
except OSError:
    print("The manual's data are not at hand: simulated pigs with the same totals.")
    pig = make_xtmixed_data("pig")

X, y = pig[["id", "week"]], pig["weight"]
model = MixedLinearRegressor("id").fit(X, y)
print(model.summary())

# %%
# The pigs' weights vary by ``sd(_cons)`` around the common line, and each weighing by
# ``sd(Residual)`` around the pig's own line. The test in the last line asks whether the
# pigs differ at all. Their predicted effects (BLUPs) are shrunken towards zero; the bars
# are 95 % intervals.
effect, std = model.random_effects("id", return_std=True)
effect, std = effect["_cons"].sort_values(), std["_cons"]

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=[3, 2])
for _, one in pig.groupby("id"):
    left.plot(one["week"], one["weight"], color="C7", lw=0.6, alpha=0.6)
week = np.arange(1, 10)
average = model.intercept_ + model.coef_[0] * week
left.plot(week, average, color="C3", lw=2.5, label="average pig")
for sign in (-1.96, 1.96):
    spread = sign * np.sqrt(model.covariances_["id"].iloc[0, 0])
    left.plot(week, average + spread, color="C3", lw=1, ls="--")
left.plot([], [], color="C3", lw=1, ls="--", label="95 % of the pigs' lines")
left.set(xlabel="week", ylabel="weight (kg)", title="48 pigs and their average")
left.legend(loc="upper left")

place = np.arange(len(effect))
right.errorbar(
    effect, place, xerr=1.96 * std[effect.index], fmt="o", ms=3, lw=0.8, color="C0"
)
right.axvline(0, color="C7", lw=0.8)
right.set(xlabel="effect of the pig (kg)", yticks=[], title="Heavy and light pigs")
plt.show()
