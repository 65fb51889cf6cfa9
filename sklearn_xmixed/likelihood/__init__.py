"""The likelihood: what all kinds of model share, and one folder for each kind."""

from ._basis import LevelBasis, Pool, constant_size
from ._border import Border
from ._cluster_rows import ClusterBlock
from ._errors import Errors
from ._factory import CrossedOptions, equation_blocks, lay
from ._kind import Kind
from ._model import Block, VarianceModel
from ._noise import Noise
from ._objective import Objective
from ._oracle import Oracle, oracle
from ._pieces import Pieces, Root
from ._posterior import Posterior, Stage
from ._scores import Scores
from ._sensitivity import INFINITE, Sensitivity
from .crossed._crossing import Crossing, build_crossing
from .crossed._elimination import Elimination
from .crossed._exact import Exact, Frame
from .crossed._iterative import Iterative, Probes
from .crossed._objective import (
    CrossedModel,
    CrossedObjective,
    ExactObjective,
    ExchangeableBlock,
    IterativeObjective,
)
from .crossed._plan import Plan, make_plan
from .crossed._posterior import CrossedPosterior
from .nested._compress import compress
from .nested._crossproducts import build_tree
from .nested._objective import NestedObjective
from .nested._one_level import LevelResponses, OneLevel
from .nested._posterior import NestedPosterior
from .nested._replicates import ManyPieces, Replicates, evaluate_many
from .nested._resample import Redrawn, Reweighted
from .nested._sweeps import evaluate
from .nested._tree import Tree
from .structured._group_objective import GroupObjective
from .structured._group_products import GroupProducts
from .structured._objective import StructuredObjective
from .structured._pattern_objective import PatternObjective
from .structured._rows import Rows
from .structured._tensors import tensors_of

__all__ = [
    "INFINITE",
    "Block",
    "Border",
    "ClusterBlock",
    "CrossedModel",
    "CrossedObjective",
    "CrossedOptions",
    "CrossedPosterior",
    "Crossing",
    "Elimination",
    "Errors",
    "Exact",
    "ExactObjective",
    "ExchangeableBlock",
    "Frame",
    "GroupObjective",
    "GroupProducts",
    "Iterative",
    "IterativeObjective",
    "Kind",
    "LevelBasis",
    "LevelResponses",
    "ManyPieces",
    "NestedObjective",
    "NestedPosterior",
    "Noise",
    "Objective",
    "OneLevel",
    "Oracle",
    "PatternObjective",
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
    "Sensitivity",
    "Stage",
    "StructuredObjective",
    "Tree",
    "VarianceModel",
    "build_crossing",
    "build_tree",
    "compress",
    "constant_size",
    "equation_blocks",
    "evaluate",
    "evaluate_many",
    "lay",
    "make_plan",
    "oracle",
    "tensors_of",
]
