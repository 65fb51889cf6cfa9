"""
A pipeline with splines, categories and group labels
====================================================

Labels are ordinary columns of X, so a ``ColumnTransformer`` passes them through while it
transforms the covariates. Two switches keep the names: ``verbose_feature_names_out=False``
and ``set_output(transform="pandas")``.
"""

# %%
# Output of the American states again (see the three-level example), with a smooth common
# trend in the year, standardised inputs, and a category, the part of the country. Region and
# state pass through to the mixed model.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_productivity

X, y = load_productivity(return_X_y=True)
part = pd.cut(X["region"], [0, 2, 4, 7, 9])
X["part"] = part.cat.rename_categories(["Northeast", "Midwest", "South", "West"])

columns = ColumnTransformer(
    [
        ("year", SplineTransformer(n_knots=4, include_bias=False), ["year"]),
        (
            "inputs",
            StandardScaler(),
            ["private", "emp", "hwy", "water", "other", "unemp"],
        ),
        ("part", OneHotEncoder(drop="first", sparse_output=False), ["part"]),
        ("labels", "passthrough", ["region", "state"]),
    ],
    verbose_feature_names_out=False,
)
model = Pipeline(
    [
        ("columns", columns),
        (
            "mixed",
            MixedLinearRegressor([RandomEffects("region"), RandomEffects("state")]),
        ),
    ]
).set_output(transform="pandas")
model.fit(X, y)
print(model[-1].coef_table().round(4))

# %%
# Any part of it can be searched over, here the flexibility of the trend and whether states
# differ in their response to unemployment.
search = GridSearchCV(
    model,
    {
        "columns__year__n_knots": [2, 3, 4, 6, 8],
        "mixed__random_effects__state__columns": [[], ["unemp"]],
    },
    cv=KFold(5, shuffle=True, random_state=0),
    scoring="neg_root_mean_squared_error",
)
search.fit(X, y)
print(search.best_params_)

# %%
# The common trend that was found: predictions for an average state with the covariates held
# at their means, relative to 1970. ``kind="fixed"`` is handed to the last step.
rows = X.iloc[:17].copy()
inputs = ["private", "emp", "hwy", "water", "other", "unemp"]
rows[inputs] = X[inputs].mean().to_numpy()
rows["year"] = np.arange(1970, 1987)
trend = search.best_estimator_.predict(rows, kind="fixed")

scores = -search.cv_results_["mean_test_score"].reshape(5, 2)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
left.plot(rows["year"], 100 * (trend - trend[0]), color="C0", lw=2)
left.axhline(0, color="C7", lw=0.6)
left.set(
    title="Output, inputs held constant", ylabel="change since 1970 (%)", xlabel="year"
)
for k, name in enumerate(["one coefficient of unemployment", "one per state"]):
    right.plot([2, 3, 4, 6, 8], 1000 * scores[:, k], "o-", label=name)
right.set(
    title="Cross-validated error",
    xlabel="knots of the trend",
    ylabel="1000 × RMSE (log)",
)
right.legend()
plt.show()
