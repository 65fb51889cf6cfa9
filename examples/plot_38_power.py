"""
How many schools?
=================

A teaching programme is to be tried in schools: half of them have it, all their pupils are
tested. How many schools, and how many pupils of each, does it take to find an effect of
0.4 standard deviations?
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, power

# %%
# A study is a frame of its rows. Schools are drawn for the programme at random.


def design(n_groups, n_rows, rng):
    school = np.repeat(np.arange(n_groups), n_rows)
    programme = rng.permutation(np.arange(n_groups) % 2)
    return pd.DataFrame({"programme": programme[school], "school": school})


# %%
# Schools differ in 15 % of the variance, as such studies find. ``power`` draws a thousand
# studies of every size, fits the model to each and counts how often the test finds
# the programme.

model = MixedLinearRegressor("school", fixed=["programme"], method="reml")
stated = {"variance_components": {"school": 0.15}, "sigma": np.sqrt(0.85)}
result = power(
    model,
    design=design,
    effect={"programme": 0.4},
    n_groups=[10, 20, 40],
    n_rows=[5, 40],
    random_state=0,
    **stated,
)
print(result)

# %%
# Pupils help up to a point; then it is schools that count. Bars are what is due to
# simulation, dotted lines are the level of the test and a power of 0.8.

result.plot()

# %%
# Does the test keep its level with so few schools? Without an effect the power is the
# share of false alarms. Satterthwaite's degrees of freedom see to it; the test of large
# samples would find too much.

sizes = {"effect": {"programme": 0.0}, "n_groups": [6, 10, 20], "n_rows": 20}
fig, ax = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
for method in ("z", "satterthwaite"):
    level = power(
        model, design=design, method=method, random_state=1, **sizes, **stated
    )
    ax.plot(level.table["n_groups"], level.table["power"], marker="o", label=method)
ax.axhline(0.05, color="0.6", linewidth=0.8, linestyle=":")
ax.set(xlabel="schools", ylabel="false alarms", ylim=(0, None))
ax.legend(frameon=False)
