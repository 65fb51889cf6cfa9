"""
What KFold and GroupKFold estimate
==================================

Cross-validation of grouped data answers one of two questions. Folds of rows (``KFold``)
estimate the error for further rows of the groups at hand; folds of whole groups
(``GroupKFold``) that for groups never seen. Both are right, of different things: here both
are compared with the errors on fresh data from the same population.
"""

# %%
# 30 groups of 10 rows, group effects of the same size as the noise. ``population`` makes the
# rows that nobody has seen: of the same groups, and of other groups.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

from sklearn_xmixed import MixedLinearRegressor


def population(rng, effects, rows_per_group):
    group = np.repeat(np.arange(len(effects)), rows_per_group)
    x = rng.normal(size=group.size)
    y = 1 + x + effects[group] + rng.normal(size=group.size)
    return pd.DataFrame({"group": group, "x": x}), pd.Series(y)


def rmse(model, X, y):
    return np.sqrt(np.mean((y - model.predict(X)) ** 2))


RMSE = "neg_root_mean_squared_error"
rng = np.random.default_rng(0)
rows = []
for _ in range(60):
    effects = rng.normal(size=30)
    X, y = population(rng, effects, 10)
    model = MixedLinearRegressor("group").fit(X, y)
    X_known, y_known = population(rng, effects, 100)
    X_new, y_new = population(rng, rng.normal(size=300), 10)
    X_new["group"] += 1000
    folds = KFold(5, shuffle=True, random_state=0)
    rows.append(
        {
            "KFold": -cross_val_score(model, X, y, cv=folds, scoring=RMSE).mean(),
            "known groups, fresh rows": rmse(model, X_known, y_known),
            "GroupKFold": -cross_val_score(
                model, X, y, cv=GroupKFold(5), groups=X["group"], scoring=RMSE
            ).mean(),
            "new groups": rmse(model, X_new, y_new),
            "no groups": rmse(LinearRegression().fit(X[["x"]], y), X_new[["x"]], y_new),
        }
    )
errors = pd.DataFrame(rows)
print(errors.agg(["mean", "std"]).T.round(3))

# %%
# An honest report says which of the two it is. For new groups the mixed model predicts the
# average group and gains little over linear regression in the mean; what it adds is the
# standard error that says so.
fig, ax = plt.subplots(figsize=(7.5, 3.6))
colors = ["C0", "C0", "C3", "C3", "C7"]
for k, name in enumerate(errors):
    jitter = k + rng.uniform(-0.15, 0.15, len(errors))
    ax.plot(errors[name], jitter, ".", color=colors[k], alpha=0.6)
    ax.plot([errors[name].mean()] * 2, [k - 0.3, k + 0.3], color="black", lw=2)
ax.set(
    yticks=range(5),
    yticklabels=[
        "KFold",
        "fresh rows of\nknown groups",
        "GroupKFold",
        "rows of\nnew groups",
        "new groups,\nlinear regression",
    ],
    xlabel="root mean squared error, 60 simulated data sets (bar: mean)",
)
ax.invert_yaxis()
plt.show()

# %%
# The standard error of a prediction knows the difference too: it includes the variance of
# the group's effect where the group is new.
two = pd.DataFrame({"group": [0, 1000], "x": [0.0, 0.0]})
mean, std = model.predict(two, return_std=True)
print(
    f"known group {mean[0]:.2f} ± {std[0]:.2f}, new group {mean[1]:.2f} ± {std[1]:.2f}"
)
