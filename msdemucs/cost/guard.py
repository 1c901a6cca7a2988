"""Refuse what is too large before anything is allocated."""

from dataclasses import dataclass

from msdemucs.cost.account import cost_of
from msdemucs.errors import PlanError, Problem
from msdemucs.spec import Plan
from msdemucs.units import format_bytes, format_count


@dataclass(frozen=True)
class Limits:
    """How large a model may be.

    Attributes:
        parameters: learned values; None for no limit.
        training_bytes: what forward and backward pass of one segment (batch 1, float32) hold
            beside the model; None for no limit.
    """

    parameters: int | None = 2_000_000_000
    training_bytes: int | None = 128 * 2**30


def check_size(plan: Plan, limits: Limits) -> None:
    """Raise PlanError for a model beyond its limits.

    Raises:
        PlanError: it is larger; each problem says how large, and what the limit is.
    """
    problems = []
    costs = cost_of(plan)
    if limits.parameters is not None and costs.parameters > limits.parameters:
        count, most = format_count(costs.parameters), format_count(limits.parameters)
        problems.append(
            Problem(
                f"{plan.spec.name} would have {count} parameters, the limit is {most}",
                "channels",
                hint="narrow it, or raise the limit (--max-parameters)",
            )
        )
    if limits.training_bytes is not None and costs.training_bytes > limits.training_bytes:
        size, most = format_bytes(costs.training_bytes), format_bytes(limits.training_bytes)
        problems.append(
            Problem(
                f"{plan.spec.name} would need {size} for a training step of one segment, the "
                f"limit is {most}",
                "segment",
                hint="shorten the segment, narrow it, or raise the limit (--max-memory)",
            )
        )
    if problems:
        raise PlanError(problems)
