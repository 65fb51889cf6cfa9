"""
Good weeks and heavy pigs: crossed effects
==========================================

Example 10 of the Stata manual. Week and pig do not nest: every pig has every week. A week's
effect (the weather, the feed) is common to all pigs: ``RandomEffects("_all",
factor="week")``.

In Stata::

    xtmixed weight week || _all: R.week || _all: R.id
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    pig = fetch_xtmixed_data("pig")
except OSError:
    print("The manual's data are not at hand: simulated pigs with the same totals.")
    pig = make_xtmixed_data("pig")

X, y = pig[["id", "week"]], pig["weight"]
crossed = MixedLinearRegressor(
    [RandomEffects("_all", factor="week"), RandomEffects("_all", factor="id")],
    fixed=["week"],
).fit(X, y)
print(crossed.summary())

# %%
# One of the two factors may be a level instead, which is the faster way to write the same
# model; the manual prints both.
nested = MixedLinearRegressor(
    [RandomEffects("_all", factor="week"), RandomEffects("id")], fixed=["week"]
).fit(X, y)
print(f"{crossed.log_likelihood_:.6f} {nested.log_likelihood_:.6f}")

# %%
# In the middle the deviations from the common line, pigs sorted by their effect; at the
# margins the predicted effects of weeks and pigs, with 95 % intervals. That the colours
# deepen to the right is the random slope which this model lacks.
weeks = nested.random_effects("week", return_std=True)
pigs, pig_std = nested.random_effects("id", return_std=True)
order = pigs["_cons"].argsort().to_numpy()
rest = (y - nested.predict(X, kind="fixed")).to_numpy()
table = X.assign(rest=rest).pivot(index="id", columns="week", values="rest")

week_effect, week_std = (frame.to_numpy().ravel() for frame in weeks)
fig, axes = plt.subplots(
    2,
    2,
    figsize=(7, 6),
    width_ratios=[3, 1],
    height_ratios=[1, 3],
    sharex="col",
    sharey="row",
)
axes[0, 1].axis("off")
axes[0, 0].errorbar(range(9), week_effect, 1.96 * week_std, fmt="o", color="C0")
axes[0, 0].axhline(0, color="C7", lw=0.6)
axes[0, 0].set_title("effect of the week (kg)")
image = axes[1, 0].imshow(
    table.to_numpy()[order], aspect="auto", cmap="RdBu_r", vmin=-14, vmax=14
)
axes[1, 0].set(xticks=range(9), yticks=[], xlabel="week", ylabel="pigs")
axes[1, 0].set_xticklabels(range(1, 10))
axes[1, 1].errorbar(
    pigs["_cons"].to_numpy()[order],
    np.arange(48),
    xerr=1.96 * pig_std["_cons"].to_numpy()[order],
    fmt="o",
    ms=3,
    lw=0.8,
    color="C0",
)
axes[1, 1].axvline(0, color="C7", lw=0.6)
axes[1, 1].set_title("effect of the pig (kg)")
fig.colorbar(image, ax=axes[1, 1], label="weight less the common line (kg)")
plt.show()
