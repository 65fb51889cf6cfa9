"""
Do heavy pigs grow faster? An unstructured covariance matrix
============================================================

Example 3 of the Stata manual. By default the random effects of an equation are
independent; ``covariance="unstructured"`` lets starting weight and weekly gain be
correlated.

In Stata::

    xtmixed weight week || id: week, covariance(unstructured) variance
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    pig = fetch_xtmixed_data("pig")
except OSError:
    print("The manual's data are not at hand: simulated pigs with the same totals.")
    pig = make_xtmixed_data("pig")

X, y = pig[["id", "week"]], pig["weight"]
independent = MixedLinearRegressor(RandomEffects("id", ["week"])).fit(X, y)
correlated = MixedLinearRegressor(
    RandomEffects("id", ["week"], covariance="unstructured")
).fit(X, y)
print(correlated.summary(metric="variance"))

# %%
# A covariance may have either sign, so its test is an ordinary one.
print(lrtest(correlated, independent))

# %%
# The ellipses hold 95 % of the pigs according to the model. The points, one per pig, are
# the predicted effects; they lie closer to the centre, because prediction shrinks.
effect = correlated.random_effects_["id"]
sigma = correlated.covariances_["id"].loc[["_cons", "week"], ["_cons", "week"]]
angle = np.linspace(0, 2 * np.pi, 200)
circle = np.sqrt(5.991) * np.stack([np.cos(angle), np.sin(angle)])
ellipse = np.linalg.cholesky(sigma) @ circle
uncorrelated = np.sqrt(np.diag(independent.covariances_["id"]))[::-1, None] * circle

fig, ax = plt.subplots(figsize=(6, 4.2))
ax.scatter(effect["_cons"], effect["week"], s=22, color="C0", label="pigs (BLUPs)")
ax.plot(*ellipse, color="C3", label="95 %, unstructured")
ax.plot(*uncorrelated, color="C7", ls="--", label="95 %, independent")
ax.axhline(0, color="C7", lw=0.6)
ax.axvline(0, color="C7", lw=0.6)
ax.set(
    xlabel="effect on the starting weight (kg)", ylabel="effect on the gain (kg/week)"
)
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
