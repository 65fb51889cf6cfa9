"""Hypotheses about estimates: expressions and equations of their names, and Wald tests."""

from ._combination import combine
from ._joint_zero import wald
from ._linear_hypothesis import LinearHypothesis, linear_hypothesis
from ._wald import wald_test
from ._wald_tests import WaldFTest, WaldTest

__all__ = [
    "LinearHypothesis",
    "WaldFTest",
    "WaldTest",
    "combine",
    "linear_hypothesis",
    "wald",
    "wald_test",
]
