"""The picture of the front page and the README: `python docs/picture.py`."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from gallery_style import STYLE
from PIL import Image

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_sleepstudy

mpl.use("agg")
mpl.rcParams.update(STYLE)
X, y = load_sleepstudy(return_X_y=True)
model = MixedLinearRegressor(
    RandomEffects("subject", ["days"], covariance="unstructured"), method="reml"
).fit(X, y)
order = model.random_effects_["subject"]["days"].sort_values().index

fig, axes = plt.subplots(2, 9, figsize=(11, 3.7), sharex=True, sharey=True)
for subject, ax in zip(order, axes.flat, strict=True):
    days = np.linspace(0, 9, 30)
    rows = pd.DataFrame({"subject": subject, "days": days})
    mean, std = model.predict(rows, return_std=True)
    ax.plot(days, model.predict(rows, kind="fixed"), color="C7", lw=1, ls="--")
    ax.fill_between(days, mean - 1.96 * std, mean + 1.96 * std, color="C0", alpha=0.2)
    ax.plot(days, mean, color="C0", lw=2)
    own = X["subject"] == subject
    ax.plot(X.loc[own, "days"], y[own], ".", color="C3", ms=4)
    ax.set_title(subject, fontsize=8, loc="center", pad=2)
    ax.tick_params(labelsize=7)
    ax.set(xticks=[0, 4, 8], yticks=[200, 300, 400])
fig.supylabel("reaction time (ms)", fontsize=9)
fig.supxlabel(
    "days of sleep deprivation; line and 95 % band of each subject, dashed: average",
    fontsize=9,
)
file = Path(__file__).parent / "_static" / "sleepstudy.png"
fig.savefig(file, dpi=110)
Image.open(file).convert("RGB").quantize(64).save(file, optimize=True)
