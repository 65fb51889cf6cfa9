"""
A split plot: means and differences
===================================

Varieties are sown on whole plots and fertiliser is given to their parts. A difference
between doses is measured within whole plots, one between varieties between them: they have
different standard errors and degrees of freedom, and marginal means know them. The data are
simulated, and some plots were lost.
"""

# %%
import numpy as np
import pandas as pd

from sklearn_xmixed import from_formula

rng = np.random.default_rng(3)
plots = pd.MultiIndex.from_product(
    [range(6), ["early", "hardy", "tall"], ["none", "some", "much"]],
    names=["block", "variety", "dose"],
).to_frame(index=False)
effect = plots["variety"].map({"early": 0, "hardy": 4, "tall": 9}) + plots["dose"].map(
    {"none": 0, "some": 8, "much": 13}
)
block = rng.normal(0, 5, 6)[plots["block"]]
whole = rng.normal(0, 4, 18)[plots.index // 3]
plots["yield_"] = 80 + effect + block + whole + rng.normal(0, 3, len(plots))
kept = plots.sample(frac=0.9, random_state=1)

model = from_formula(
    "yield_ ~ variety * dose + (1 | block/variety)", kept, method="reml"
)

# %%
# Means of the varieties over the doses, with Kenward and Roger's degrees of freedom, and
# which of them differ.

varieties = model.marginal_means("variety", df="kenward-roger")
print(varieties)
print(varieties.pairs())

# %%
# Differences between doses within each variety have smaller errors and more degrees of
# freedom.

doses = model.marginal_means("dose", by="variety", df="kenward-roger")
print(doses.contrasts("reference", ref="none"))
doses.plot()
