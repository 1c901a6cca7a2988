"""What a spec costs, from its plan alone; needs no torch."""

from msdemucs.cost.account import (
    COST_FORMULAS,
    Cost,
    Limits,
    NodeCost,
    check_size,
    cost_of,
    node_costs,
)
from msdemucs.cost.dialects import ThopCount, ptflops_count, thop_count
from msdemucs.cost.memory import inference_bytes, training_bytes
from msdemucs.cost.width import solve_width, with_width

__all__ = [
    "COST_FORMULAS",
    "Cost",
    "Limits",
    "NodeCost",
    "ThopCount",
    "check_size",
    "cost_of",
    "inference_bytes",
    "node_costs",
    "ptflops_count",
    "solve_width",
    "thop_count",
    "training_bytes",
    "with_width",
]
