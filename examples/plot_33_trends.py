"""
Growth curves: slopes and means at an age
=========================================

Do boys grow faster than girls, and from which age are they larger? Orthodontic
measurements of 27 children (Potthoff and Roy 1964), with a line of each child's own.
"""

# %%
from sklearn_xmixed import from_formula
from sklearn_xmixed.datasets import load_orthodont

children = load_orthodont().frame
model = from_formula("distance ~ sex * age + (age | subject)", children, method="reml")

# %%
# The slopes, millimetres per year, and their difference.

slopes = model.marginal_trends("sex", "age", df="kenward-roger")
print(slopes)
print(slopes.pairs())

# %%
# Means of both at four ages, and how they differ.

ages = {"age": [8, 10, 12, 14]}
means = model.marginal_means("sex", by="age", at=ages, df="kenward-roger")
print(means.pairs())

# %%
model.marginal_means("age", by="sex", at=ages, df="kenward-roger").plot()
