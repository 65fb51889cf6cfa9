"""
States within regions: three levels
===================================

Example 4 of the Stata manual: yearly output of 48 American states, 1970 to 1986 (Munnell
1990; Baltagi, Song and Jung 2001). States nest in nine regions, and both have levels of
their own. Does public capital (highways, water, other) raise private output?

In Stata::

    xtmixed gsp private emp hwy water other unemp || region: || state:
"""

# %%
# Levels are given top first; the labels are columns of X.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor
from sklearn_xmixed.datasets import load_productivity

X, y = load_productivity(return_X_y=True)
X = X[["region", "state", "private", "emp", "hwy", "water", "other", "unemp"]]
model = MixedLinearRegressor(["region", "state"]).fit(X, y)
print(model.summary())

# %%
# States differ more within their regions than the regions do. In the picture a bar is a
# region's effect, a point the sum of the effects of a region and one of its states, with
# the 95 % interval of the state's part.
region = model.random_effects_["region"]["_cons"].sort_values()
state, std = (
    frame["_cons"] for frame in model.random_effects("state", return_std=True)
)

fig, ax = plt.subplots(figsize=(8, 4.2))
for place, (name, effect) in enumerate(region.items()):
    within = state[name].sort_values()
    x = place + np.linspace(-0.33, 0.33, len(within))
    ax.errorbar(
        x, effect + within, 1.96 * std[name][within.index], fmt="o", ms=3, lw=0.8
    )
    ax.plot([place - 0.4, place + 0.4], [effect, effect], color="C7", lw=2)
ax.axhline(0, color="C7", lw=0.6)
ax.set(
    xticks=range(len(region)),
    xticklabels=region.index,
    xlabel="region (bar: its own effect)",
    ylabel="effect on log output",
    title="48 states in nine regions",
)
plt.show()

# %%
# How alike are two years of a state, two states of a region? The share of the variance at a
# level and above is the intraclass correlation.
v = model.variance_components_["estimate"]
total = v.sum()
print(f"same region:           {v['region'].sum() / total:.3f}")
print(f"same state and region: {(v['region'].sum() + v['state'].sum()) / total:.3f}")
