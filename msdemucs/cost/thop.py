"""The published notes' way of counting, to compare our figures with theirs.

They come from the profiler thop 0.1.1, which looks at convolutions, linear layers, LSTMs and layer
norms alone. It misses all of torch's multi-head attention, counts transposed convolutions at their
output (a stride too high), and takes four operations for each value that a layer norm touches. Use
`cost` for what a model costs; this is for parity.

Source: shared/systems, sheet of n, section 0.7; thop 0.1.1, rnn_hooks.py.
"""

from dataclasses import dataclass
from functools import singledispatch

from msdemucs.spec import Plan, Spec, plan
from msdemucs.spec.operators import (
    Convolution,
    Linear,
    Normalisation,
    Operator,
    Recurrent,
    TransposedConvolution,
)


@dataclass(frozen=True)
class ThopCount:
    """What thop reports of a model.

    Attributes:
        macs: its “MACs”.
        parameters: of the modules that it knows.
    """

    macs: int
    parameters: int


def thop_count(spec: Spec | Plan) -> ThopCount:
    """The figures of the published notes' convention, for one segment (batch 1).

    Raises:
        PlanError: the spec cannot be built.
    """
    resolved = plan(spec) if isinstance(spec, Spec) else spec
    operators = [operator for node in resolved.nodes for operator in node.operators]
    own = [operator for node in resolved.nodes if not node.shares for operator in node.operators]
    return ThopCount(
        sum(_macs(operator) for operator in operators),
        sum(operator.parameters for operator in own if _is_known(operator)),
    )


def _is_known(operator: Operator) -> bool:
    match operator:
        case Linear(in_multihead=in_multihead):
            return not in_multihead
        case Normalisation(kind=kind):
            return kind == "layer"
        case _:
            return isinstance(operator, Convolution | TransposedConvolution | Recurrent)


@singledispatch
def _macs(operator: Operator) -> int:  # noqa: ARG001
    return 0


@_macs.register
def _(operator: Convolution) -> int:
    per_position = operator.in_channels // operator.groups * operator.out_channels * operator.kernel
    return per_position * operator.positions


@_macs.register
def _(operator: TransposedConvolution) -> int:
    return operator.in_channels * operator.out_channels * operator.kernel * operator.outputs


@_macs.register
def _(operator: Linear) -> int:
    if operator.in_multihead:
        return 0
    return operator.in_features * operator.out_features * operator.positions


@_macs.register
def _(operator: Normalisation) -> int:
    return 4 * operator.elements if operator.kind == "layer" else 0


@_macs.register
def _(operator: Recurrent) -> int:
    width = operator.width
    cells = 0
    for inputs in operator.inputs:
        gate = (inputs + width) * width + 3 * width  # products, their sum and two biases
        cells += 2 * (4 * gate + 4 * width)  # four gates and the cell's own steps, both directions
    return operator.steps * cells
