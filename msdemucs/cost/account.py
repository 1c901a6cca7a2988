"""Plan → exact integers: parameters and MACs of every part, for one segment of audio."""

from collections import Counter
from dataclasses import dataclass

from msdemucs.cost.formulas import elementwise, macs, transform_flops
from msdemucs.spec import Plan, Spec, plan
from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Filter,
    Linear,
    Operator,
    Recurrent,
    TransposedConvolution,
)

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
    """

    path: str
    part: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class Cost:
    """What a spec costs for one segment of audio (batch 1).

    Attributes:
        parameters: learned values.
        macs: multiply-accumulates; FLOPs are twice as many. What counts is said in `formulas`.
        macs_per_second: MACs for a second of audio, to compare specs with different segments.
        macs_by_kind: of convolutions (transposed ones and filters too), LSTMs, linear layers and
            attention products.
        elementwise: values touched by norms, gains, tables and mixes; not in `macs`.
        transform_flops: floating-point operations of the STFTs and their inverses; not in `macs`.
        segment: seconds of audio that all of this is for.
        nodes: the same, part by part.
    """

    parameters: int
    macs: int
    macs_per_second: float
    macs_by_kind: dict[str, int]
    elementwise: int
    transform_flops: int
    segment: float
    nodes: tuple[NodeCost, ...]


def cost(spec: Spec | Plan) -> Cost:
    """The exact cost of a spec, from its plan alone: no model is built, torch is not needed.

    Raises:
        PlanError: the spec cannot be built.
    """
    resolved = plan(spec) if isinstance(spec, Spec) else spec
    nodes = tuple(
        NodeCost(
            node.path,
            node.part,
            0 if node.shares else sum(operator.parameters for operator in node.operators),
            sum(macs(operator) for operator in node.operators),
        )
        for node in resolved.nodes
    )
    operators = [operator for node in resolved.nodes for operator in node.operators]
    total = sum(node.macs for node in nodes)
    return Cost(
        parameters=sum(node.parameters for node in nodes),
        macs=total,
        macs_per_second=total * resolved.spec.sample_rate / resolved.spec.n_samples,
        macs_by_kind=_by_kind(operators),
        elementwise=sum(elementwise(operator) for operator in operators),
        transform_flops=sum(transform_flops(operator) for operator in operators),
        segment=resolved.spec.segment,
        nodes=nodes,
    )


def _by_kind(operators: list[Operator]) -> dict[str, int]:
    counts: Counter[str] = Counter(dict.fromkeys(KINDS.values(), 0))
    for operator in operators:
        if type(operator) in KINDS:
            counts[KINDS[type(operator)]] += macs(operator)
    return dict(counts)
