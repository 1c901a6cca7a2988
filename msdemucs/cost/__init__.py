"""What a spec costs, from its plan alone; needs no torch."""

from msdemucs.cost.account import Cost, NodeCost, cost
from msdemucs.cost.dialects import ThopCount, ptflops_count, thop_count
from msdemucs.cost.guard import Limits, activation_bytes, check_size

__all__ = [
    "Cost",
    "Limits",
    "NodeCost",
    "ThopCount",
    "activation_bytes",
    "check_size",
    "cost",
    "ptflops_count",
    "thop_count",
]
