"""
Follicles of mares: autoregressive residuals
============================================

Example 8 of the Stata manual: ovarian follicles of 11 mares, counted daily over one cycle
(Pierson and Ginther 1987; Pinheiro and Bates 2000). Two consecutive counts resemble each
other more than a random intercept explains; the residuals of each mare follow an
autoregression of order two.

In Stata::

    xtmixed follicles sin1 cos1 || mare:, residuals(ar 2, t(time)) reml
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, Residuals, compare_residuals
from sklearn_xmixed.datasets import load_ovary

X, y = load_ovary(return_X_y=True)
model = MixedLinearRegressor(
    "mare",
    fixed=["sin1", "cos1"],
    method="reml",
    residuals=Residuals("ar", order=2, time="time"),
).fit(X, y)
print(model.summary())

# %%
# Which structure? With the fixed effects the same, REML fits can be compared by AIC.
table = compare_residuals(
    model,
    [
        Residuals(),
        Residuals("ar", order=1, time="time"),
        Residuals("ar", order=2, time="time"),
        Residuals("ma", order=1, time="time"),
        Residuals("ma", order=2, time="time"),
        Residuals("exponential", time="time"),
    ],
    X,
    y,
)
print(table.round(2))

# %%
# A check by eye: the residuals about the fitted means have the autocorrelation that is to
# be modelled; after standardisation by the estimated covariance none should remain.


def autocorrelation(residuals, lags=10):
    """Of the mares' series together, about zero."""
    rows = pd.DataFrame({"mare": X["mare"], "time": X["time"], "r": residuals})
    series = rows.pivot(index="time", columns="mare", values="r").to_numpy()
    return [
        np.nansum(series[k:] * series[: len(series) - k]) / np.nansum(series**2)
        for k in range(1, lags + 1)
    ]


raw = autocorrelation(y - model.predict(X))
whitened = autocorrelation(model.standardized_residuals(X, y))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=[3, 2])
for k, mare in enumerate([1, 2, 6]):
    rows = X[X["mare"] == mare]
    left.plot(rows["stime"], y[rows.index], ".", color=f"C{k}", label=f"mare {mare}")
    left.plot(rows["stime"], model.predict(rows), color=f"C{k}")
left.set(
    xlabel="ovulation cycle", ylabel="follicles", title="Three mares and their curves"
)
left.set_ylim(top=26)
left.legend(ncols=3, loc="upper center")
lag = np.arange(1, 11)
right.bar(lag - 0.2, raw, width=0.4, color="C7", label="raw")
right.bar(lag + 0.2, whitened, width=0.4, color="C0", label="standardised")
bound = 1.96 / np.sqrt(len(y))
right.axhspan(-bound, bound, color="C0", alpha=0.15)
right.set(xlabel="lag (days)", title="Autocorrelation of residuals")
right.legend()
plt.show()

# %%
# ``predict`` gives the mare's curve; ``forecast`` adds what her last residuals say about the
# next days. Far ahead the two meet.
last = X[X["mare"] == 1].iloc[[-1]]
step = last["stime"].iloc[0] - X[X["mare"] == 1]["stime"].iloc[-2]
ahead = pd.concat([last] * 6, ignore_index=True)
ahead["time"] += np.arange(1, 7)
ahead["stime"] += step * np.arange(1, 7)
ahead["sin1"] = np.sin(2 * np.pi * ahead["stime"])
ahead["cos1"] = np.cos(2 * np.pi * ahead["stime"])
print(
    pd.DataFrame(
        {"predict": model.predict(ahead), "forecast": model.forecast(ahead)},
        index=pd.Index(ahead["time"], name="day"),
    ).round(2)
)
