"""
A thousand responses at once
============================

Which of 1,000 genes answer to a treatment? Six samples of each of 20 patients, three of
them treated: patients differ, in some genes much and in some not at all, and so a gene's
six samples of a patient are not six independent ones.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor

rng = np.random.default_rng(0)
patient, treated = np.repeat(np.arange(20), 6), np.tile([0, 0, 0, 1, 1, 1], 20)
X = pd.DataFrame({"treated": treated, "patient": patient})

between = rng.choice([0.0, 0.5, 1.5], size=1000)
Y = rng.normal(size=(120, 1000)) + (rng.normal(size=(20, 1000)) * between)[patient]
answers = np.arange(1000) < 50
Y += np.outer(treated, np.where(answers, rng.normal(0, 0.9, 1000), 0.0))
Y = pd.DataFrame(Y, columns=[f"gene{k}" for k in range(1000)])

# %%
# One call fits all of them, each with its own variances. The column ``p_adjusted`` keeps
# the share of false discoveries below what one asks for.

model = MixedLinearRegressor("patient", fixed=["treated"], method="reml").fit(X, Y)
table = model.coef_table(df="satterthwaite", adjust="fdr").xs("treated", level="term")
found = table["p_adjusted"] < 0.05
print(table[found].sort_values("p_value").head().round(4))
print(f"{found.sum()} genes found, {(found & ~answers).sum()} of them in error")

# %%
# Effects against their p-values.

fig, ax = plt.subplots(figsize=(7, 4.5))
size = -np.log10(table["p_value"])
ax.scatter(table["estimate"][~found], size[~found], s=8, color="0.7")
ax.scatter(table["estimate"][found], size[found], s=16, color="C3")
ax.set(xlabel="effect of the treatment", ylabel="-log10 p-value")
ax.set_title("5 % false discoveries")

# %%
# Variances between patients: every third gene has none, and for about half of these the
# estimate is zero.

estimates = model.variance_components_["estimate"].xs("patient", level="level")
truth = pd.Series(between**2, index=Y.columns, name="true variance")
print(estimates.droplevel("term").groupby(truth).describe().round(2))
