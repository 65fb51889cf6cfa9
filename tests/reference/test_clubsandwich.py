"""Robust errors of fixed effects are clubSandwich's CR0 times M / (M - 1)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.reference.conftest import REFERENCES

DOCUMENT = json.loads((Path(__file__).parent / "clubsandwich.json").read_text())


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["id"])
def test_robust_errors_are_those_of_clubsandwich(case):
    reference = REFERENCES[case["id"]]
    frame = reference.frame()
    model = reference.estimator(vce="robust").fit(frame, frame[reference.response])
    r, M = model.results_, case["n_clusters"]
    expected = np.array(case["cr0"]) * M / (M - 1)
    assert (r.n_clusters, r.cluster_name) == (M, case["cluster"])
    assert_allclose(r.beta, case["coef"], rtol=1e-7)
    # at equal theta the two agree to rounding; the rest is where the searches end
    assert_allclose(r.beta_vcov, expected, rtol=1e-6)
