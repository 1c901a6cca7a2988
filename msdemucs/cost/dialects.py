"""Other tools' ways of counting, to compare our figures with theirs. Use `cost` for what is true.

thop 0.1.1, which the published notes' figures come from, looks at convolutions, linear layers,
LSTMs and layer norms alone. It misses all of torch's multi-head attention, counts transposed
convolutions at their output (a stride too high), and takes four operations for each value that a
layer norm touches. Source: shared/systems, sheet of n, section 0.7; thop 0.1.1, rnn_hooks.py.

ptflops 0.7.5 with its backend aten counts convolutions and matrix products with their
biases. It misses the products of torch's fused attention, and LSTMs. Source: ptflops 0.7.5,
aten_ops.py.
"""

from dataclasses import dataclass
from functools import singledispatch

from msdemucs.cost.formulas import macs
from msdemucs.spec import Plan, Spec, plan
from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Filter,
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


def ptflops_count(spec: Spec | Plan) -> int:
    """The “MACs” that ptflops's backend aten reports of our model, for one segment (batch 1).

    Raises:
        PlanError: the spec cannot be built.
    """
    resolved = plan(spec) if isinstance(spec, Spec) else spec
    return sum(_ptflops(operator) for node in resolved.nodes for operator in node.operators)


@singledispatch
def _ptflops(operator: Operator) -> int:  # noqa: ARG001
    return 0


@_ptflops.register
def _(operator: Convolution) -> int:
    return macs(operator) + operator.out_channels * operator.positions


@_ptflops.register
def _(operator: TransposedConvolution) -> int:
    return macs(operator) + operator.out_channels * operator.made


@_ptflops.register
def _(operator: Filter) -> int:
    return macs(operator)


@_ptflops.register
def _(operator: Linear) -> int:
    return macs(operator) + operator.out_features * operator.positions


@_ptflops.register
def _(operator: AttentionProducts) -> int:
    return 0 if operator.mechanism == "softmax" else macs(operator)


@singledispatch
def _macs(operator: Operator) -> int:  # noqa: ARG001
    return 0


@_macs.register
def _(operator: Convolution) -> int:
    return macs(operator)


@_macs.register
def _(operator: TransposedConvolution) -> int:
    return operator.in_channels * operator.out_channels * operator.kernel * operator.outputs


@_macs.register
def _(operator: Linear) -> int:
    return 0 if operator.in_multihead else macs(operator)


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
