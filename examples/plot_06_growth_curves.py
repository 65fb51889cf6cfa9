"""
Growth curves of children
=========================

Example 6 of the Stata manual: 68 Asian children in a British community are weighed up to
five times before they are two and a half years old (Goldstein 1986). A quadratic growth
curve has an intercept and a slope of each child's own; later, boys and girls have variances
of their own.

In Stata::

    xtmixed weight age c.age#c.age || id: age
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    child = fetch_xtmixed_data("childweight")
except OSError:
    print("The manual's data are not at hand: simulated data of the same shape.")
    child = make_xtmixed_data("childweight")

child = child.assign(
    age2=child["age"] ** 2,
    boy=1.0 - child["girl"],
    boyXage=(1.0 - child["girl"]) * child["age"],
    girlXage=child["girl"] * child["age"],
)
X, y = child.drop(columns="weight"), child["weight"]
plain = MixedLinearRegressor(RandomEffects("id", ["age"]), fixed=["age", "age2"])
print(plain.fit(X, y).summary())

# %%
# Boys and girls with lines of their own, first with the same variances, then with separate
# ones: two equations of the level ``id``, of which the other sex's columns are zero.
fixed = ["girl", "boyXage", "girlXage", "age2"]
same = MixedLinearRegressor(RandomEffects("id", ["age"]), fixed=fixed).fit(X, y)
separate = MixedLinearRegressor(
    [
        RandomEffects("id", ["boy", "boyXage"], intercept=False, name="boys"),
        RandomEffects("id", ["girl", "girlXage"], intercept=False, name="girls"),
    ],
    fixed=fixed,
).fit(X, y)
print(separate.summary(header=False, group_table=False))
print(lrtest(separate, same))

# %%
# Boys' growth rates vary more than girls'. Lines: the children's predicted curves over the
# ages at which they were weighed; bands: 95 % of the children.
boys, girls = separate.covariances_["boys"], separate.covariances_["girls"]
fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
age = np.linspace(0.1, 2.6, 60)
for ax, girl, sigma, name in [(axes[0], 0, boys, "boys"), (axes[1], 1, girls, "girls")]:
    for _, one in X[X["girl"] == girl].groupby("id"):
        at = np.linspace(one["age"].min(), one["age"].max(), 20)
        rows = pd.DataFrame([one.iloc[0]] * 20).assign(age=at, age2=at**2)
        rows = rows.assign(boyXage=rows["boy"] * at, girlXage=rows["girl"] * at)
        ax.plot(at, separate.predict(rows), color=f"C{girl}", lw=0.7)
        ax.plot(one["age"], y[one.index], ".", color="C7", ms=3)
    terms = dict(zip(separate.fixed_names_, separate.coef_, strict=True))
    mean = separate.intercept_ + girl * terms["girl"] + terms["age2"] * age**2
    mean += age * (terms["girlXage"] if girl else terms["boyXage"])
    z = np.stack([np.ones(60), age])
    spread = 1.96 * np.sqrt(np.einsum("ij,ik,jk->k", sigma, z, z))
    ax.fill_between(age, mean - spread, mean + spread, color=f"C{girl}", alpha=0.15)
    ax.plot(age, mean, color=f"C{girl}", lw=2.5)
    ax.set(xlabel="age (years)", title=name)
axes[0].set_ylabel("weight (kg)")
plt.show()
