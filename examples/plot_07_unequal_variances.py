"""
Gum fluid around dental veneers: residual variances that differ
===============================================================

Example 7 of the Stata manual: teeth of 12 patients get ceramic veneers; the gingival
crevicular fluid is measured three and six months later (Ocampo 2005; West, Welch and
Galecki 2007). Patients have a random intercept and a random trend, their teeth a random
intercept, and the two follow-ups may differ in their residual variance.

In Stata::

    xtmixed gcf followup base_gcf cda age || patient: followup, cov(un) || tooth:, ///
            reml
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.datasets import fetch_xtmixed_data, make_xtmixed_data

try:
    veneer = fetch_xtmixed_data("veneer")
except OSError:
    print("The manual's data are not at hand: simulated data of the same shape.")
    veneer = make_xtmixed_data("veneer")

X, y = veneer.drop(columns="gcf"), veneer["gcf"]
equal = MixedLinearRegressor(
    [RandomEffects("patient", ["followup"], covariance="unstructured"), "tooth"],
    fixed=["followup", "base_gcf", "cda", "age"],
    method="reml",
).fit(X, y)
print(equal.summary())

# %%
# One residual variance for each follow-up:
unequal = MixedLinearRegressor(
    equal.random_effects,
    fixed=equal.fixed,
    method="reml",
    residuals=Residuals("independent", by="followup"),
).fit(X, y)
print(unequal.summary(header=False, group_table=False, fixed_table=False))
print(lrtest(unequal, equal))

# %%
# The intercept is the level at month zero, outside the data; its correlation with the trend,
# close to -1, says that the patients are most alike about month three and drift apart
# afterwards. On the right the residuals of the two follow-ups about their predictions.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[3, 2])
patients = X.assign(fitted=unequal.predict(X, level="patient"), gcf=y)
for k, (_, rows) in enumerate(patients.groupby("patient")):
    line = rows.groupby("followup")[["fitted", "gcf"]].mean()
    left.plot(line.index, line["fitted"], color=f"C{k % 10}", lw=1.5)
    left.plot(line.index, line["gcf"], "o", color=f"C{k % 10}", ms=4)
left.set(
    xticks=[3, 6],
    xlabel="months after the treatment",
    ylabel="gingival crevicular fluid",
    title="12 patients: means (points) and fit (lines)",
)
residual = y - unequal.predict(X)
for place, month in enumerate([3, 6]):
    at = X["followup"] == month
    jitter = np.linspace(-0.25, 0.25, at.sum())
    sd = np.sqrt(unequal.residual_parameters_[f"{month}: var(e)"])
    right.fill_between([place - 0.35, place + 0.35], -sd, sd, color="C3", alpha=0.15)
    right.plot(place + jitter, residual[at], ".", color="C0")
right.set(
    xticks=[0, 1],
    xticklabels=["3 months", "6 months"],
    title="Residuals, band: ± one sd",
)
plt.show()
