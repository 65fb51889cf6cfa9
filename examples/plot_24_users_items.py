"""
Users × items: ratings with two crossed factors
===============================================

Some users rate everything highly, some items are better than others, and most pairs were
never rated. Crossed random effects separate the two, shrink those with few ratings, and say
how certain each is: the baseline of every recommender.
"""

# %%
# 2,000 users, 400 items, 20,000 ratings; popular items are rated often. The users are a
# level, which may be of any number; the items are a factor that crosses it.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects

rng = np.random.default_rng(0)
taste, quality = rng.normal(0, 0.5, 2000), rng.normal(0, 0.7, 400)
popularity = rng.dirichlet(np.full(400, 0.4))
n = 40_000
ratings = pd.DataFrame(
    {
        "user": rng.integers(0, 2000, n),
        "item": rng.choice(400, n, p=popularity),
        "evening": rng.integers(0, 2, n),
    }
)
ratings["stars"] = (
    3.5
    + 0.2 * ratings["evening"]
    + taste[ratings["user"]]
    + quality[ratings["item"]]
    + rng.normal(0, 1, n)
)
train, test = ratings.iloc[: n // 2], ratings.iloc[n // 2 :]
columns = ["user", "item", "evening"]
model = MixedLinearRegressor(
    [RandomEffects("_all", factor="item"), RandomEffects("user")],
    fixed=["evening"],
    method="reml",
).fit(train[columns], train["stars"])
print(model.summary())

# %%
# Against the usual shortcut, the mean of the item plus the mean deviation of the user:
overall = train["stars"].mean()
item_mean = train.groupby("item")["stars"].mean() - overall
rest = train["stars"] - overall - train["item"].map(item_mean)
user_mean = rest.groupby(train["user"]).mean()
shortcut = (
    overall
    + test["item"].map(item_mean).fillna(0)
    + test["user"].map(user_mean).fillna(0)
)
predicted = model.predict(test[columns])
ideal = 3.5 + 0.2 * test["evening"] + taste[test["user"]] + quality[test["item"]]
seen = train["item"].value_counts().reindex(range(400), fill_value=0)
bins = pd.cut(test["item"].map(seen), [-1, 0, 3, 10, 30, 100, 10_000])
bins = bins.cat.rename_categories(
    ["none", "1-3", "4-10", "11-30", "31-100", "over 100"]
)
errors = pd.DataFrame(
    {
        name: ((guess - ideal) ** 2).groupby(bins, observed=True).mean() ** 0.5
        for name, guess in [
            ("overall mean", overall),
            ("means of item and user", shortcut),
            ("mixed model", predicted),
        ]
    }
)
print(errors.round(3))

# %%
# On the left the distance from the expected rating, by how often the item was rated before;
# on the right the items, with 95 % intervals that widen where ratings are few.
effect, effect_std = model.random_effects("item", return_std=True)
effect, effect_std = effect.to_numpy().ravel(), effect_std.to_numpy().ravel()
known = np.sort(train["item"].unique())
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for name in errors:
    left.plot(errors[name], "o-", label=name)
left.set(
    xlabel="ratings of the item in training", ylabel="RMSE from the expected rating"
)
left.set_ylim(bottom=0)
left.legend()
order = np.argsort(seen[known].to_numpy(), kind="stable")
pick = order[:: len(order) // 40]
right.errorbar(
    np.arange(len(pick)),
    effect[pick],
    1.96 * effect_std[pick],
    fmt="o",
    ms=3,
    lw=0.8,
    label="predicted",
)
right.plot(quality[known[pick]], "x", color="C3", ms=4, label="true")
right.set(
    xlabel="items, from rarely to often rated", ylabel="effect of the item", xticks=[]
)
right.legend()
plt.show()
