"""
The same model written twice: levels and factors
================================================

Example 11 of the Stata manual. States within regions are either a level below the regions,
or a factor whose levels have an effect in each region. With the covariance
``"exchangeable"`` the factor contains both variances of the three-level model: states have
variance v, and two states of a region the covariance c, which is the variance of the region.

In Stata::

    xtmixed gsp private emp hwy water other unemp || region: R.state, cov(ex)
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_productivity

X, y = load_productivity(return_X_y=True)
X = X[["region", "state", "private", "emp", "hwy", "water", "other", "unemp"]]
levels = MixedLinearRegressor(["region", "state"]).fit(X, y)
factor = MixedLinearRegressor(
    RandomEffects("region", factor="state", covariance="exchangeable")
).fit(X, y)
print(factor.summary(metric="variance", fixed_table=False))

# %%
# The likelihood is the same, and v = var(region) + var(state), c = var(region):
print(f"{levels.log_likelihood_:.4f} {factor.log_likelihood_:.4f}")
region, state, _ = levels.variance_components_["estimate"]
v, c, _ = factor.variance_components_["estimate"]
print(f"{region + state:.7f} {v:.7f}")
print(f"{region:.7f} {c:.7f}")

# %%
# The correlation that the model implies between the outputs of two state-years of a region,
# their covariates given:
sigma2 = levels.sigma_**2
names = ["same state", "same region", "other region"]
implied = np.array([v, c, 0]) / (v + sigma2)
by_level = np.array([region + state, region, 0]) / (region + state + sigma2)
fig, ax = plt.subplots(figsize=(6, 3.2))
place = np.arange(3)
ax.bar(place - 0.2, by_level, width=0.4, color="C0", label="two levels")
ax.bar(place + 0.2, implied, width=0.4, color="C1", label="exchangeable factor")
ax.set(xticks=place, xticklabels=names, ylabel="correlation", ylim=(0, 1))
ax.legend()
plt.show()
