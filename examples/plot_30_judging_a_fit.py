"""
Judging a fit by eye
====================

Is the mean right, are the random effects and the residuals normal, does the covariance
structure follow the data, which subjects does the result hang on? The displays of
``sklearn_xmixed.plotting`` are made from a fitted estimator, in scikit-learn's manner.
Reaction times of 18 subjects without sleep.
"""

# %%
from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, lrtest
from sklearn_xmixed.datasets import load_sleepstudy
from sklearn_xmixed.plotting import (
    GroupCurvesDisplay,
    ProfileDisplay,
    QQDisplay,
    RandomEffectsDisplay,
    ResidualsDisplay,
    WithinCorrelationDisplay,
)

X, y = load_sleepstudy(return_X_y=True)
model = MixedLinearRegressor(
    RandomEffects("subject", ["days"], covariance="unstructured"), method="reml"
).fit(X, y)

# %%
# Does the model follow each subject? Solid: with the subject's effects, dashed: the average.
GroupCurvesDisplay.from_estimator(model, X, y, x="days")

# %%
# Who differs from the average? Intervals that leave out zero stand out.
RandomEffectsDisplay.from_estimator(model)

# %%
# Is the mean right and the variance constant?
ResidualsDisplay.from_estimator(model, X, y)

# %%
# Three observations are far out, two of them of subject 332.
QQDisplay.from_estimator(model, X, y)

# %%
# Do the correlations within a subject fall with the distance in time as the model has it?
WithinCorrelationDisplay.from_estimator(model, X, y, time="days")

# %%
# Neighbouring days are more alike than that: let the residuals follow an autoregression.
ar = MixedLinearRegressor(
    model.random_effects, method="reml", residuals=Residuals("ar", time="days")
)
ar.set_params(fixed=["days"]).fit(X, y)
print(lrtest(ar, model))
WithinCorrelationDisplay.from_estimator(ar, X, y, time="days")

# %%
# Can the interval of a standard deviation be believed? The curve bends away from the dashed
# line of the Wald interval.
ProfileDisplay.from_estimator(model, X, y, parameter=("subject", "sd(_cons)"))

# %%
# Without whom would the coefficients move most? Exact, from the one fit.
found = model.influence(X, y)
print(found.group_table["cooks_distance"].nlargest(3).round(3))
print(model.diagnose(X, y))
