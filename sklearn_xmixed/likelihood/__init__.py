"""The likelihood: what all kinds of model share, and one folder for each kind."""

from ._basis import Pool
from ._model import Block, VarianceModel
from ._objective import Objective
from ._oracle import Oracle, oracle
from ._pieces import Pieces, Root
from ._scores import Scores
from .crossed._crossing import Crossing, build_crossing
from .crossed._elimination import Elimination
from .crossed._exact import Exact, Frame
from .crossed._iterative import Iterative, Probes
from .crossed._objective import CrossedModel, CrossedObjective, ExchangeableBlock
from .crossed._plan import Plan, make_plan
from .crossed._posterior import CrossedPosterior
from .crossed._scores import crossed_scores
from .nested._compress import compress
from .nested._crossproducts import build_tree
from .nested._objective import NestedObjective
from .nested._posterior import Posterior
from .nested._replicates import ManyPieces, Replicates, evaluate_many
from .nested._resample import Redrawn, Reweighted
from .nested._scores import cluster_scores
from .nested._sweeps import evaluate
from .nested._tree import Tree
from .structured._errors import Errors
from .structured._objective import StructuredObjective
from .structured._rows import Rows

__all__ = [
    "Block",
    "CrossedModel",
    "CrossedObjective",
    "CrossedPosterior",
    "Crossing",
    "Elimination",
    "Errors",
    "Exact",
    "ExchangeableBlock",
    "Frame",
    "Iterative",
    "ManyPieces",
    "NestedObjective",
    "Objective",
    "Oracle",
    "Pieces",
    "Plan",
    "Pool",
    "Posterior",
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
