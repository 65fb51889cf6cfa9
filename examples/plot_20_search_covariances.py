"""
Grid search over covariance structures
======================================

The structure of the random effects is a parameter like any other, so scikit-learn's
searches run over it. Reaction times of 18 subjects during ten days without sleep (Belenky
et al. 2003): does every subject need a slope, and may it be correlated with the intercept?
"""

# %%
# ``random_effects__columns`` and ``random_effects__covariance`` reach into the equation.
# (In a list of equations the name comes between: ``random_effects__subject__covariance``.)
# The folds are made of rows, since the question is how well further days of known subjects
# are predicted.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, RepeatedKFold

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_sleepstudy

X, y = load_sleepstudy(return_X_y=True)
model = MixedLinearRegressor(RandomEffects("subject"), fixed=["days"])
structures = ["identity", "independent", "exchangeable", "unstructured"]
grid = [
    {"random_effects": [None, RandomEffects("subject")]},
    {
        "random_effects__columns": [["days"]],
        "random_effects__covariance": structures,
        "method": ["ml", "reml"],
    },
]
search = GridSearchCV(
    model,
    grid,
    scoring="neg_root_mean_squared_error",
    cv=RepeatedKFold(n_splits=10, n_repeats=5, random_state=0),
)
search.fit(X, y)
print(search.best_params_)

# %%
# AIC asks a different question, of the fit to all data, and costs one fit per candidate.


def label(parameters):
    if "random_effects" in parameters:
        return "intercept only" if parameters["random_effects"] else "no random effects"
    method = parameters["method"].upper()
    return f"slope, {parameters['random_effects__covariance']}, {method}"


found = pd.DataFrame(
    {
        "candidate": [label(p) for p in search.cv_results_["params"]],
        "rmse": -search.cv_results_["mean_test_score"],
        "se": search.cv_results_["std_test_score"] / np.sqrt(50),
        "aic": [
            MixedLinearRegressor(
                RandomEffects("subject"), fixed=["days"], std_errors=False
            )
            .set_params(**p)
            .fit(X, y)
            .aic_
            for p in search.cv_results_["params"]
        ],
    }
).set_index("candidate")
print(found.sort_values("rmse").round(2))

# %%
# AIC is comparable within one method only. Both say: give every subject a slope; which
# covariance it has with the intercept hardly matters for prediction.
table = found.sort_values("rmse", ascending=False)
fig, ax = plt.subplots(figsize=(7.5, 3.8))
ax.errorbar(table["rmse"], range(len(table)), xerr=table["se"], fmt="o", color="C0")
ax.set(
    yticks=range(len(table)),
    yticklabels=table.index,
    xlabel="root mean squared error in ms (bars: one standard error over the folds)",
)
plt.show()
