"""
Pupils and schools drawn with unequal probabilities: sampling weights
=====================================================================

Example 12 of the Stata manual: parents' socio-economic index and reading in American
schools, PISA 2000 (Rabe-Hesketh and Skrondal 2006). Schools and pupils were drawn with
unequal probabilities; a two-level model needs the weights of both levels, and their scale
matters.

In Stata::

    xtmixed isei female high_school college one_for both_for test_lang [pw=w_fstuwt] ///
            || id_school:, pweight(wnrschbw) pwscale(size)
"""

# %%
# Pupils' weights are divided by their school's, to be conditional on the school. The
# school's weight is named in its equation.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    pisa = fetch_xtmixed_data("pisa2000")
except OSError:
    print("The manual's data are not at hand: simulated data of the same shape.")
    pisa = make_xtmixed_data("pisa2000")

fixed = ["female", "high_school", "college", "one_for", "both_for", "test_lang"]
X, y = pisa[["id_school", "wnrschbw", *fixed]], pisa["isei"]
pupils = pisa["w_fstuwt"] / pisa["wnrschbw"]


def weighted(scaling):
    return MixedLinearRegressor(
        RandomEffects("id_school", weight="wnrschbw"),
        fixed=fixed,
        weight_type="sampling",
        weight_scaling=scaling,
    )


size = weighted("size").fit(X, y, sample_weight=pisa["w_fstuwt"])
print(size.summary())

# %%
# The overall weight may be passed with scaling to the size of the school, because a constant
# per school cancels; the Graubard-Korn method needs the conditional weights.
fits = {
    "no weights": MixedLinearRegressor("id_school", fixed=fixed).fit(X, y),
    "size": size,
    "effective": weighted("effective").fit(X, y, sample_weight=pisa["w_fstuwt"]),
    "gk": weighted("gk").fit(X, y, sample_weight=pupils),
}
print(
    pd.DataFrame(
        {
            name: model.results_.variance_frame("sd")["estimate"]
            for name, model in fits.items()
        }
    ).round(3)
)

# %%
# Coefficients with 95 % intervals; those of the weighted fits are robust.
fig, ax = plt.subplots(figsize=(8, 4))
for k, (name, model) in enumerate(fits.items()):
    table = model.coef_table().drop("_cons")
    place = np.arange(len(table)) + 0.18 * (1.5 - k)
    ax.errorbar(
        table["estimate"],
        place,
        xerr=1.96 * table["std_error"],
        fmt="o",
        ms=4,
        label=name,
    )
ax.axvline(0, color="C7", lw=0.6)
ax.set(
    yticks=range(len(table)),
    yticklabels=table.index,
    xlabel="difference in the socio-economic index",
)
ax.legend(loc="lower right")
plt.show()
