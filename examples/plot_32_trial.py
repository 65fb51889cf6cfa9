"""
A trial: treatments at every visit
==================================

Two drugs and a placebo, three visits, a baseline covariate, patients who missed visits.
What was the difference to placebo at each visit, at the average baseline? Data are
simulated.
"""

# %%
import numpy as np
import pandas as pd

from sklearn_xmixed import from_formula

rng = np.random.default_rng(8)
n = 60
patients = pd.DataFrame(
    {
        "patient": np.arange(n),
        "arm": np.array(["placebo", "low", "high"])[np.arange(n) % 3],
        "baseline": rng.normal(50, 8, n),
        "own": rng.normal(0, 4, n),
    }
)
rows = patients.merge(pd.DataFrame({"visit": ["w04", "w08", "w12"]}), how="cross")
gain = rows["arm"].map({"placebo": 0.0, "low": 1.0, "high": 2.5}) * rows["visit"].map(
    {"w04": 0.4, "w08": 0.8, "w12": 1.0}
)
rows["score"] = (
    10 + 0.6 * rows["baseline"] + rows["own"] + 2 * gain + rng.normal(0, 3, len(rows))
)
seen = rows.sample(frac=0.85, random_state=2)

model = from_formula(
    "score ~ arm * visit + baseline + (1 | patient)", seen, method="reml"
)

# %%
# Differences to placebo at each visit by Dunnett's method, which the exact multivariate t
# distribution gives for unequal numbers too.

means = model.marginal_means("arm", by="visit", df="kenward-roger")
differences = means.contrasts("reference", ref="placebo")
print(differences)

# %%
# All three arms are tested at once, visit by visit.

print(differences.joint_test().round(4))

# %%
differences.plot()
