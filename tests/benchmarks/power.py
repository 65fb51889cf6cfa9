"""Seconds of power with 1,000 draws: 20 groups of 10 rows, REML.

python tests/benchmarks/power.py
"""

from __future__ import annotations

from statistics import median
from time import process_time

import numpy as np
import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, power

REPEATS = 5

group = np.repeat(np.arange(20), 10)
X = pd.DataFrame(
    {"time": np.tile(np.arange(10.0), 20), "treated": group % 2, "g": group}
)
slopes = RandomEffects("g", ["time"], covariance="unstructured")
CASES = {
    "random intercept": ("g", {"g": 0.5}),
    "correlated slopes": (slopes, {"g": [[0.02, 0.01], [0.01, 0.5]]}),
}

for name, (effects, variances) in CASES.items():
    model = MixedLinearRegressor(effects, fixed=["time", "treated"], method="reml")
    for method in ("z", "satterthwaite", "kenward-roger", "lr"):
        seconds = []
        for k in range(REPEATS + 1):
            start = process_time()
            power(
                model,
                X,
                effect={"treated": 0.8},
                variance_components=variances,
                sigma=1.0,
                method=method,
                random_state=k,
            )
            seconds.append(process_time() - start)
        print(f"{name:20} {method:15} {median(seconds[1:]):.3f}", flush=True)
