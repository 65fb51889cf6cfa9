"""
Intervals that cover when the model is wrong
============================================

The prediction intervals of a mixed model cover if the model is right. Here it is not: one
group in four is large and quiet, the others are small and six times as noisy, while the
model has one residual variance for all. :class:`~sklearn_xmixed.ConformalMixedRegressor`
widens its intervals until they cover a row of a new group, whatever the distribution, because
the groups are exchangeable.
"""

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import ConformalMixedRegressor, MixedLinearRegressor

rng = np.random.default_rng(0)


def draw(n_groups, first, rows=None):
    """Rows of new groups, numbered from ``first``: all of each, or so many."""
    quiet = rng.random(n_groups) < 0.25
    size = np.where(quiet, 35, 4)
    sd, effect = np.where(quiet, 0.5, 3.0), rng.normal(size=n_groups)
    at = np.repeat(np.arange(n_groups), size if rows is None else rows)
    x = rng.uniform(0, 10, len(at))
    y = 2 + 0.5 * x + effect[at] + sd[at] * rng.normal(size=len(at))
    frame = pd.DataFrame({"group": first + at, "x": x})
    return frame, y, quiet[at]


X, y, _ = draw(60, 0)
X_new, y_new, quiet = draw(1000, 60, rows=1)

# %%
# What is held to be exchangeable matters: rows of large groups are many, and a calibration
# by rows believes them. By groups, each counts once. The estimator says itself that rows of
# new groups are not exchangeable with those of known ones; here that is the point.
warnings.filterwarnings("ignore", r"\d+ rows are of groups")
model = MixedLinearRegressor("group", method="reml")
ways = {
    "model": model,
    "conformal, rows": ConformalMixedRegressor(model, random_state=0),
    "conformal, groups": ConformalMixedRegressor(
        model, exchangeable="groups", cv=5, random_state=0
    ),
}
lines, ends = {}, {}
for name, way in ways.items():
    ends[name] = way.fit(X, y).prediction_interval(X_new, 0.9)
    inside = y_new >= ends[name]["lower"]
    inside &= y_new <= ends[name]["upper"]
    lines[name] = {
        "coverage of 90 %": inside.mean(),
        "quiet groups": inside[quiet].mean(),
        "noisy groups": inside[~quiet].mean(),
        "width": (ends[name]["upper"] - ends[name]["lower"]).mean(),
    }
table = pd.DataFrame(lines).T
print(table.round(2))

# %%
# The coverage is that of a new group on average. Quiet groups are covered more often than
# noisy ones, which nothing in a row tells apart before its group is known.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=[2, 1])
order = np.argsort(X_new["x"].to_numpy())
left.scatter(X_new["x"], y_new, s=5, c=np.where(quiet, "C0", "C1"), alpha=0.5)
for name, style in (("model", "C7--"), ("conformal, groups", "k-")):
    for end in ("lower", "upper"):
        left.plot(
            X_new["x"].to_numpy()[order],
            ends[name][end].to_numpy()[order],
            style,
            lw=1,
            label=name if end == "lower" else None,
        )
left.set(xlabel="x", ylabel="y", title="one row of each new group")
left.legend(frameon=False, fontsize=8)
right.barh(table.index[::-1], table["coverage of 90 %"][::-1], color="C0")
right.axvline(0.9, color="C7", ls="--", lw=1)
right.set(xlabel="coverage", xlim=(0.5, 1))
fig.tight_layout()
plt.show()
