"""What a spec costs, from its plan alone; needs no torch."""

from msdemucs.cost.account import Cost, NodeCost, cost

__all__ = ["Cost", "NodeCost", "cost"]
