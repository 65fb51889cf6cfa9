"""Robust covariance matrices: the sandwich, and corrections for few clusters."""

from ._cluster_robust import ClusterRobust, cluster_robust
from ._corrections import CORRECTIONS
from ._sandwich import sandwich

__all__ = ["CORRECTIONS", "ClusterRobust", "cluster_robust", "sandwich"]
