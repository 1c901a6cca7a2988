"""Refuse what is too large before anything is allocated."""

from dataclasses import dataclass

from msdemucs.cost.account import cost
from msdemucs.cost.formulas import activations
from msdemucs.errors import PlanError, Problem
from msdemucs.spec import Plan
from msdemucs.units import format_bytes, format_count

BYTES = 4
"""Of one float32 value."""


@dataclass(frozen=True)
class Limits:
    """How large a model may be.

    Attributes:
        parameters: learned values; None for no limit.
        activation_bytes: what the operators' results for one segment (batch 1, float32) take when
            all are kept, as training keeps most of them; None for no limit.
    """

    parameters: int | None = 2_000_000_000
    activation_bytes: int | None = 128 * 2**30


def activation_bytes(plan: Plan) -> int:
    """Bytes of every operator's result for one segment (batch 1, float32)."""
    return BYTES * sum(activations(operator) for node in plan.nodes for operator in node.operators)


def check_size(plan: Plan, limits: Limits) -> None:
    """Nothing, where the model is within its limits.

    Raises:
        PlanError: it is larger; each problem says how large, and what the limit is.
    """
    problems = []
    parameters, size = cost(plan).parameters, activation_bytes(plan)
    if limits.parameters is not None and parameters > limits.parameters:
        found, most = format_count(parameters), format_count(limits.parameters)
        problems.append(
            Problem(
                f"{plan.spec.name} would have {found} parameters, the limit is {most}",
                "channels",
                hint="narrow it, or raise the limit (--max-parameters)",
            )
        )
    if limits.activation_bytes is not None and size > limits.activation_bytes:
        found, most = format_bytes(size), format_bytes(limits.activation_bytes)
        problems.append(
            Problem(
                f"{plan.spec.name} would need {found} for the activations of one segment, the "
                f"limit is {most}",
                "segment",
                hint="shorten the segment, narrow it, or raise the limit (--max-memory)",
            )
        )
    if problems:
        raise PlanError(problems)
