"""
Encoding categories by mixed models
===================================

Trees and boosting take numbers, not a thousand shops. ``MixedEffectsEncoder`` replaces a
category by its predicted effect, cross-fitted as scikit-learn's ``TargetEncoder`` does it,
and goes where that goes. Here both stand before the same gradient boosting.
"""

# %%
# 300 towns with one to some tens of shops each; shops are told apart within their town alone,
# and differ in how the price counts. Price is high where a town buys little.
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder

from sklearn_xmixed import MixedEffectsEncoder, RandomEffects

rng = np.random.default_rng(0)
town_of = np.repeat(np.arange(300), np.ceil(rng.lognormal(1.2, 0.8, 300)).astype(int))
town_effect = rng.normal(size=300)
shop_effect = rng.normal(0, 0.7, town_of.size)
slope = rng.normal(-1, 0.5, 300)
first = np.searchsorted(town_of, town_of)


def draw(n):
    place = rng.integers(0, town_of.size, n)
    town = town_of[place]
    price = rng.normal(size=n) - 0.8 * town_effect[town]
    y = town_effect[town] + shop_effect[place] + slope[town] * price
    y = y + np.sin(2 * price) + rng.normal(0, 1, n)
    # the first shop of every town is number 0
    shop = (place - first[place]).astype(str)
    return pd.DataFrame({"town": town, "shop": shop, "price": price}), y


X, y = draw(6000)
X_test, y_test = draw(6000)
X["place"] = X["town"].astype(str) + "/" + X["shop"]
X_test["place"] = X_test["town"].astype(str) + "/" + X_test["shop"]

# %%
# What is encoded, and by whom. The last three hold the price fixed; the last two know that a
# shop lies in a town, and the last that the price may count differently there.
folds = KFold(5, shuffle=True, random_state=0)
labels = ["town", "place"]
nested = [RandomEffects("town", ["price"], covariance="unstructured"), "shop"]
encoders = {
    "target encoding": (TargetEncoder(target_type="continuous", cv=folds), labels),
    "each column alone": (MixedEffectsEncoder(cv=folds), labels),
    "with price fixed": (
        MixedEffectsEncoder(fixed=["price"], cv=folds),
        ["town", "place", "price"],
    ),
    "shops in towns": (
        MixedEffectsEncoder(["town", "shop"], cv=folds),
        ["town", "shop", "price"],
    ),
    "and slopes of price": (
        MixedEffectsEncoder(nested, cv=folds),
        ["town", "shop", "price"],
    ),
}
rows = {}
for name, (encoder, columns) in encoders.items():
    encode = ColumnTransformer(
        [("places", encoder, columns), ("price", "passthrough", ["price"])]
    )
    model = make_pipeline(encode, HistGradientBoostingRegressor(random_state=0))
    start = time.perf_counter()
    encoded = encode.fit_transform(X, y)
    seconds = time.perf_counter() - start
    model[-1].fit(encoded, y)
    predicted = model[-1].predict(encode.transform(X_test))
    rows[name] = {
        "RMSE": root_mean_squared_error(y_test, predicted),
        "seconds of encoding": seconds,
    }
errors = pd.DataFrame(rows).T
print(f"{X['place'].nunique()} shops in {X['town'].nunique()} towns; noise 1.0")
print(errors.round(3))

# %%
# The columns that the last encoder makes, and how near its towns are to the truth:
names = encode.named_transformers_["places"].get_feature_names_out()
print(list(names))
towns = encode.named_transformers_["places"].models_[0].random_effects_["town"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
left.barh(errors.index[::-1], errors["RMSE"][::-1], color="C0")
left.axvline(1, color="C7", ls="--", lw=1)
left.set(xlabel="RMSE on fresh rows", xlim=(0.9, None))
codes = encode.named_transformers_["places"].categories_[0][towns.index]
right.scatter(slope[codes], towns["price"] - 1, s=8, alpha=0.6)
right.axline((-1, -1), slope=1, color="C7", lw=0.8)
right.set(xlabel="true slope of price", ylabel="predicted, around -1")
fig.tight_layout()
plt.show()
