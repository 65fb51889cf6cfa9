"""
Three levels: productivity of public capital in states within regions
=====================================================================

Yearly output of 48 American states in nine regions (Munnell 1990; Baltagi,
Song and Jung 2001).  Does public capital raise private output once regions
and states are allowed levels of their own?
"""

# %%
# The labels ``region`` and ``state`` are columns of X; the levels are given top first.

from sklearn.model_selection import GroupKFold, KFold, cross_val_score

from sklearn_xmixed import MixedLinearRegressor
from sklearn_xmixed.datasets import load_productivity

X, y = load_productivity(return_X_y=True)
X = X[["region", "state", "private", "emp", "hwy", "water", "other", "unemp"]]

model = MixedLinearRegressor(["region", "state"], verbose=1).fit(X, y)
print()
print(model.summary())

# %%
# Two questions that cross-validation can answer: how well is a further year of a
# known state predicted (rows left out at random), and a state never seen before
# (states left out as a whole)?
model.set_params(verbose=0)
years = cross_val_score(model, X, y, cv=KFold(5, shuffle=True, random_state=0))
states = cross_val_score(model, X, y, cv=GroupKFold(5), groups=X["state"])
print("R2 for further years of known states:", [round(float(s), 4) for s in years])
print("R2 for states not seen before:       ", [round(float(s), 4) for s in states])

# %%
# Predictions: with the effects of region and state, with the region's alone, and
# for an average state, with their standard errors.
model.fit(X, y)
last = X.groupby("state", sort=False).tail(1).head(5)
full, full_se = model.predict(last, return_std=True)
region = model.predict(last, level="region")
average = model.predict(last, kind="fixed")
print("\nstate            observed  fitted (s.e.)     region   average state")
for i, (row, state) in enumerate(zip(last.index, last["state"], strict=True)):
    print(
        f"{state:<15}{y[row]:>10.3f}{full[i]:>8.3f} ({full_se[i]:.3f})"
        f"{region[i]:>11.3f}{average[i]:>12.3f}"
    )
