"""Plan → exact integers: parameters, MACs and memory, for one segment of audio.

A MAC is one multiplication whose result is added to something; FLOPs are 2 × MACs. Counted are
convolutions, transposed ones (at their input's positions), linear layers, LSTMs, resamplers'
filters and the products inside attention, softmax or linear. Norms, activations, gains, tables and
additions are elementwise and counted apart, in values; Fourier transforms apart too, in floating-
point operations. Two dialects in `cost.dialects` reproduce what other tools count.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from msdemucs.columns import COLUMNS
from msdemucs.cost.formulas import elementwise, macs, transform_flops
from msdemucs.cost.memory import inference_bytes, training_bytes
from msdemucs.errors import PlanError, Problem
from msdemucs.spec import Plan, Spec, plan
from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Filter,
    Linear,
    Recurrent,
    TransposedConvolution,
)
from msdemucs.units import format_bytes, format_count

KINDS: dict[type, str] = {
    Convolution: "convolution",
    TransposedConvolution: "convolution",
    Filter: "convolution",
    Recurrent: "recurrent",
    Linear: "linear",
    AttentionProducts: "attention products",
}


@dataclass(frozen=True)
class NodeCost:
    """What one node of the plan costs.

    Attributes:
        path: the node's path, such as "spectral.0.encoder.1".
        part: encoder, embedding, attention, recurrent, fusion, decoder, transform or unused.
        parameters: learned values; none where it shares another node's.
        macs: multiply-accumulates for one segment.
        elementwise: values touched by norms, gains, tables and mixes; not in `macs`.
        transform_flops: floating-point operations of Fourier transforms; not in `macs`.
    """

    path: str
    part: str
    parameters: int
    macs: int
    elementwise: int
    transform_flops: int


@dataclass(frozen=True)
class Cost:
    """What a spec costs for one segment of audio (batch 1).

    Attributes:
        parameters: learned values.
        macs: multiply-accumulates; FLOPs are twice as many. What counts is said in `formulas`.
        macs_by_kind: of convolutions (transposed ones and filters too), LSTMs, linear layers and
            attention products.
        elementwise: values touched by norms, gains, tables and mixes; not in `macs`.
        transform_flops: floating-point operations of the STFTs and their inverses; not in `macs`.
        inference_bytes: the most that a forward pass holds beside the model, in float32.
        training_bytes: the most that a training step holds beside the model, its gradients and the
            optimiser's state, in float32; see `cost.memory` for both.
        seconds: of audio that all of this is for: a segment in whole samples.
        nodes: the same, part by part.
        plan: what it is the cost of.
    """

    parameters: int
    macs: int
    macs_by_kind: dict[str, int]
    elementwise: int
    transform_flops: int
    inference_bytes: int
    training_bytes: int
    seconds: float
    nodes: tuple[NodeCost, ...]
    plan: Plan

    @cached_property
    def figures(self) -> dict[str, float]:
        """Value of every recorded column that is known from the plan, by its name."""
        known = [name for name, column in COLUMNS.items() if column.known == "plan"]
        return {name: COST_FORMULAS[name](self) for name in known}

    @property
    def macs_per_second(self) -> float:
        """MACs for a second of audio, to compare specs with different segments."""
        return self.macs / self.seconds

    @property
    def per_second(self) -> dict[str, float]:
        """Everything that grows with the segment, for a second of audio, by its name."""
        names = ("macs", "elementwise", "transform_flops", "inference_bytes", "training_bytes")
        return {name: getattr(self, name) / self.seconds for name in names}

    @property
    def parameters_by_part(self) -> dict[str, int]:
        """Learned values of encoders, decoders, attention and the rest."""
        return _by_part((node.part, node.parameters) for node in self.nodes)

    @property
    def macs_by_part(self) -> dict[str, int]:
        """MACs of encoders, decoders, attention and the rest."""
        return _by_part((node.part, node.macs) for node in self.nodes)


COST_FORMULAS: dict[str, Callable[[Cost], float]] = {
    name: attrgetter(name)
    for name in ("macs", "macs_per_second", "parameters", "inference_bytes", "training_bytes")
}
"""Formula of every column of `msdemucs.columns` that is known from the plan, by its name."""


def cost_of(spec: Spec | Plan) -> Cost:
    """The exact cost of a spec, from its plan alone: no model is built, torch is not needed.

    Raises:
        PlanError: the spec cannot be built.
    """
    resolved = plan(spec) if isinstance(spec, Spec) else spec
    nodes = node_costs(resolved)
    macs_by_kind: Counter[str] = Counter(dict.fromkeys(KINDS.values(), 0))
    for operator in (operator for node in resolved.nodes for operator in node.operators):
        if type(operator) in KINDS:
            macs_by_kind[KINDS[type(operator)]] += macs(operator)
    return Cost(
        parameters=sum(node.parameters for node in nodes),
        macs=sum(node.macs for node in nodes),
        macs_by_kind=dict(macs_by_kind),
        elementwise=sum(node.elementwise for node in nodes),
        transform_flops=sum(node.transform_flops for node in nodes),
        inference_bytes=inference_bytes(resolved),
        training_bytes=training_bytes(resolved),
        seconds=resolved.spec.n_samples / resolved.spec.sample_rate,
        nodes=nodes,
        plan=resolved,
    )


def node_costs(resolved: Plan) -> tuple[NodeCost, ...]:
    """What each node of a plan costs, in the plan's order: `cost_of` without sums and memory."""
    return tuple(
        NodeCost(
            node.path,
            node.part,
            0 if node.shares else sum(operator.parameters for operator in node.operators),
            sum(map(macs, node.operators)),
            sum(map(elementwise, node.operators)),
            sum(map(transform_flops, node.operators)),
        )
        for node in resolved.nodes
    )


def _by_part(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for part, count in pairs:
        counts[part] += count
    return dict(counts)


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
