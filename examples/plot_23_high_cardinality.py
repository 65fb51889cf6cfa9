"""
A category with many levels: mixed model against target encoding
================================================================

A shop, a postcode, a physician: a category with hundreds of levels, many of them rare.
One-hot encoding with a penalty and target encoding are the usual tools of machine learning;
a random intercept is the statistical one. All of them shrink the mean of a level towards
that of all; they differ in how they choose by how much.
"""

# %%
# 1,000 shops with between one and some hundred rows, effects of standard deviation 1, noise
# of standard deviation 2.
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from sklearn_xmixed import MixedLinearRegressor

rng = np.random.default_rng(0)
sizes = np.ceil(rng.lognormal(1.5, 1.2, 1000)).astype(int)
effect = rng.normal(size=1000)


def draw(level):
    x = rng.normal(size=level.size)
    y = 2 + 0.7 * x + effect[level] + rng.normal(0, 2, level.size)
    return pd.DataFrame({"shop": level, "x": x}), y


X, y = draw(np.repeat(np.arange(1000), sizes))
X_test, y_test = draw(np.repeat(np.arange(1000), 50))


def encoded(encoder, regressor):
    columns = ColumnTransformer([("shop", encoder, ["shop"])], remainder="passthrough")
    return make_pipeline(columns, regressor)


folds = KFold(5, shuffle=True, random_state=0)
one_hot = OneHotEncoder(handle_unknown="ignore")
models = {
    "no shops": make_pipeline(
        ColumnTransformer([("x", "passthrough", ["x"])]), RidgeCV()
    ),
    "one-hot, ridge": encoded(one_hot, RidgeCV(np.logspace(-2, 3, 11))),
    "target encoding": encoded(
        TargetEncoder(target_type="continuous", cv=folds), LinearRegression()
    ),
    "mixed model": MixedLinearRegressor("shop", method="reml"),
}
size_class = pd.cut(sizes, [0, 1, 3, 10, 30, 10_000])
size_class = size_class.rename_categories(["1", "2-3", "4-10", "11-30", "over 30"])
rows = {}
for name, model in models.items():
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    squared = ((model.predict(X_test) - y_test) ** 2).reshape(1000, 50).mean(axis=1)
    by_size = pd.Series(squared).groupby(size_class, observed=True).mean() ** 0.5
    rows[name] = {**by_size, "all": squared.mean() ** 0.5, "seconds": seconds}
errors = pd.DataFrame(rows).T
print(f"{len(X)} rows in {len(sizes)} shops; noise 2.0")
print(errors.round(3))

# %%
# What is to be learned is bounded below by the noise, 2.0. The errors above it, by the number
# of training rows of the shop:
mixed = models["mixed model"]
blup = mixed.random_effects_["shop"]["_cons"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[3, 2])
for k, name in enumerate(models):
    dashes = "o--" if name == "mixed model" else "o-"  # it hides the line below it
    left.plot(errors.loc[name].iloc[:5], dashes, color=f"C{k}", label=name)
left.axhline(2, color="C7", ls="--", lw=1)
left.set(xlabel="rows of the shop in training", ylabel="RMSE on fresh rows")
left.legend()
right.scatter(effect[blup.index], blup, s=3 * np.sqrt(sizes[blup.index]), alpha=0.5)
right.axline((0, 0), slope=1, color="C7", lw=0.8)
right.set(
    xlabel="true effect",
    ylabel="predicted effect (BLUP)",
    title="Rare shops are shrunken most",
)
plt.show()

# %%
# A ridge penalty on the shops, well chosen, is the same predictor; it takes a search to find.
# The mixed model reads the shrinkage off the variances that it estimates, and has standard
# errors. It takes the effects to be independent of x: where they are not, add the shop's mean
# of x as a further column.
print(mixed.coef_table().round(3))
print(mixed.variance_components_.round(3))
