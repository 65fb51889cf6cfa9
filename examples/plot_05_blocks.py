"""
One level, several equations: a block-diagonal covariance matrix
================================================================

Example 5 of the Stata manual: in the model of output of states within regions, the
coefficients of highways and unemployment may differ between regions. Repeating a level
gives its random effects a covariance matrix in blocks, each of its own structure.

In Stata::

    xtmixed gsp private emp hwy water other unemp || region: hwy unemp || state:
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest
from sklearn_xmixed.datasets import load_productivity

X, y = load_productivity(return_X_y=True)
X = X[["region", "state", "private", "emp", "hwy", "water", "other", "unemp"]]
one_variance_each = MixedLinearRegressor(
    [RandomEffects("region", ["hwy", "unemp"]), RandomEffects("state")]
).fit(X, y)
print(one_variance_each.summary())

# %%
# Two of the three variances of the regions look alike, so let the coefficients share one
# (``identity``); the intercept moves to the last equation of its level.
shared = MixedLinearRegressor(
    [
        RandomEffects("region", ["hwy", "unemp"], covariance="identity"),
        RandomEffects("region"),
        RandomEffects("state"),
    ]
).fit(X, y)
print(shared.summary(header=False, group_table=False, fixed_table=False))
print(lrtest(one_variance_each, shared))

# %%
# The coefficient of unemployment in each region: the common one plus the region's part,
# with 95 % intervals of that part.
effect, std = shared.random_effects("region", return_std=True)
common = shared.coef_[shared.fixed_names_.index("unemp")]
slope = (common + effect["unemp"]).sort_values()

fig, ax = plt.subplots(figsize=(7, 3.6))
place = np.arange(len(slope))
ax.errorbar(
    100 * slope, place, xerr=196 * std["unemp"][slope.index], fmt="o", ms=5, color="C0"
)
ax.axvline(100 * common, color="C3", lw=1, label="all regions")
ax.axvline(0, color="C7", lw=0.6)
ax.set(
    yticks=place,
    yticklabels=[f"region {name}" for name in slope.index],
    xlabel="change of output (%) per percentage point of unemployment",
)
ax.legend()
plt.show()
