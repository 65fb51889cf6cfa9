"""
Bigger than memory
==================

Journeys of taxis, a file for each month, in which every driver has an own speed and an
own way of losing it in the rush hour. The files are never read into memory: DuckDB sums
products by driver, and the fit is one to these sums.
"""

# %%
# Four files of 50,000 rows stand for some hundred of some millions.

import tempfile
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects

rng = np.random.default_rng(0)
own = rng.multivariate_normal([30.0, -8.0], [[4.0, -1.0], [-1.0, 2.0]], size=1000)
folder, engine = Path(tempfile.mkdtemp()), duckdb.connect()
for month in range(1, 5):
    driver, rush = rng.integers(0, 1000, 50_000), rng.random(50_000) < 0.3
    km = rng.exponential(5.0, 50_000)
    speed = own[driver, 0] + own[driver, 1] * rush + 0.4 * km + rng.normal(0, 3, 50_000)
    journeys = pd.DataFrame({"driver": driver, "rush": rush, "km": km, "speed": speed})
    engine.from_df(journeys).write_parquet(str(folder / f"month_{month}.parquet"))

# %%
# A pattern of paths stands where X does, and names of columns for y and for the weights.

model = MixedLinearRegressor(
    RandomEffects("driver", ["rush"], covariance="unstructured"),
    fixed=["rush", "km"],
    method="reml",
    verbose=1,
).fit(str(folder / "month_*.parquet"), "speed")
print(model.summary())

# %%
# The random effects as a table of the engine, to join or to write: how much slower the
# drivers are in the rush hour, on top of the average.

table = engine.read_parquet(str(folder / "month_*.parquet"))
effects = model.random_effects("driver", like=table)
fig, ax = plt.subplots(figsize=(7, 4))
ax.hist(effects.df()["rush"], bins=40, color="C0")
ax.set(xlabel="rush hour, km/h beside the average", ylabel="drivers")
ax.set_title("1,000 drivers")

# %%
# Predictions are columns of a table too, formed when rows are asked for.

predicted = model.predict(table, return_std=True)
shown = "driver, rush, speed, prediction, round(std_error, 3) as std_error"
print(predicted.filter("driver = 7").order("km").select(shown).limit(4))

# %%
# A new month comes: rows that are added to sums need none of the old ones.

running = MixedLinearRegressor(
    RandomEffects("driver", ["rush"], covariance="unstructured"),
    fixed=["rush", "km"],
    method="reml",
)
for month in range(1, 5):
    running.partial_fit(str(folder / f"month_{month}.parquet"), "speed")
print(running.history_.groupby("batch")[["n_rows", "log_likelihood"]].last())
print(abs(running.coef_ - model.coef_).max() < 1e-8)
