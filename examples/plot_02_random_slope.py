"""
Pigs that grow at their own rate: a random slope
================================================

Example 2 of the Stata manual. Besides a starting weight, every pig now has its own
weekly gain: ``RandomEffects("id", ["week"])``.

In Stata::

    xtmixed weight week || id: week
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    pig = fetch_xtmixed_data("pig")
except OSError:
    print("The manual's data are not at hand: simulated pigs with the same totals.")
    pig = make_xtmixed_data("pig")

X, y = pig[["id", "week"]], pig["weight"]
intercepts = MixedLinearRegressor("id").fit(X, y)
slopes = MixedLinearRegressor(RandomEffects("id", ["week"])).fit(X, y)
print(slopes.summary())

# %%
# Is it worth a parameter? The variance of the slopes is tested on the boundary of what it
# can be, so that the statistic follows an even mixture of chi2(0) and chi2(1).
print(lrtest(slopes, intercepts))

# %%
# Maximum likelihood estimates of variances are too small in small samples; restricted
# maximum likelihood corrects for the estimation of the fixed effects. With 48 pigs the
# difference is slight.
reml = MixedLinearRegressor(RandomEffects("id", ["week"]), method="reml").fit(X, y)
variances = {"ml": slopes, "reml": reml}
print(
    pd.DataFrame(
        {name: one.variance_components_["estimate"] for name, one in variances.items()}
    ).round(4)
)

# %%
# What it means for the pigs: lines of their own, and a spread that widens with time as it
# does in the data.
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True)
for _, one in pig.groupby("id"):
    axes[0].plot(one["week"], one["weight"], color="C7", lw=0.6)
axes[0].set(title="Weights", ylabel="weight (kg)")
grid = pd.DataFrame(
    {"id": np.repeat(pig["id"].unique(), 9), "week": np.tile(np.arange(1, 10), 48)}
)
for ax, one, title in [
    (axes[1], intercepts, "Random intercepts"),
    (axes[2], slopes, "Random slopes as well"),
]:
    lines = grid.assign(weight=one.predict(grid)).groupby("id")
    for _, line in lines:
        ax.plot(line["week"], line["weight"], color="C0", lw=0.6)
    ax.set(title=title)
for ax in axes:
    ax.set_xlabel("week")
plt.show()
