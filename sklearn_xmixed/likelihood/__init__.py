"""The tree: elimination, adjoint, root, profile; the oracle."""

from ._basis import Pool
from ._compress import compress
from ._crossed import Exact, Frame
from ._crossedmodel import CrossedModel, CrossedObjective, ExchangeableBlock
from ._crossing import Crossing, build_crossing
from ._crossproducts import build_tree
from ._elimination import Elimination
from ._iterative import Iterative, Probes
from ._model import Block, VarianceModel
from ._objective import Objective
from ._oracle import Oracle, oracle
from ._pieces import Pieces, Root, evaluate
from ._plan import Plan, make_plan
from ._replicates import ManyPieces, Replicates, evaluate_many
from ._resample import Redrawn, Reweighted
from ._rows import Rows
from ._scores import Scores, cluster_scores, crossed_scores
from ._structured import StructuredObjective
from ._tree import Tree

__all__ = [
    "Block",
    "CrossedModel",
    "CrossedObjective",
    "Crossing",
    "Elimination",
    "Exact",
    "ExchangeableBlock",
    "Frame",
    "Iterative",
    "ManyPieces",
    "Objective",
    "Oracle",
    "Pieces",
    "Plan",
    "Pool",
    "Probes",
    "Redrawn",
    "Replicates",
    "Reweighted",
    "Root",
    "Rows",
    "Scores",
    "StructuredObjective",
    "Tree",
    "VarianceModel",
    "build_crossing",
    "build_tree",
    "cluster_scores",
    "compress",
    "crossed_scores",
    "evaluate",
    "evaluate_many",
    "make_plan",
    "oracle",
]
