"""What a spec costs, from its plan alone; needs no torch."""

from msdemucs.cost.account import Cost, NodeCost, cost
from msdemucs.cost.guard import Limits, activation_bytes, check_size
from msdemucs.cost.thop import ThopCount, thop_count

__all__ = [
    "Cost",
    "Limits",
    "NodeCost",
    "ThopCount",
    "activation_bytes",
    "check_size",
    "cost",
    "thop_count",
]
