"""How much memory the activations of a segment take at most, from the plan alone.

One walk over the plan's operators. While one of them runs there are, beside the model: what waits
(skips, other branches' features, what a residual branch is added to), what enters it, what it
makes, and what its kernel lays out for a moment. In training there is also all that was made before
and that the way back looks at again; there, gradients of the same sizes take the place of the
values. So one sum serves the way forward and the way back, and its largest value is the peak.

Sizes are those of float32 on the CPU, where torch computes with oneDNN; what kernels lay out was
read off torch 2.11's allocator (`measure.allocated_peak`), with AVX-512.
"""

from collections.abc import Iterable

from msdemucs.cost.formulas import BLOCK, activations, blocks, result
from msdemucs.spec import Plan, Resolution
from msdemucs.spec.fusion import AttentionOutput, OutputOptions
from msdemucs.spec.levels import DecoderLevel, EncoderLevel
from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Normalisation,
    Operator,
    Pointwise,
    Recurrent,
    Scale,
    TransposedConvolution,
)
from msdemucs.spec.plan import PlanNode

BYTES = 4
"""Of one float32 value."""

SMALL = 20480
"""Values up to which torch convolves a lone item itself, with all that a position sees laid out."""

MOST_COLUMNS = 2**28
"""Values that oneDNN lays out at most for the gradient of a map that is not channels last; nor are
they more than 15 times as many as the convolution is given and makes."""


def inference_bytes(plan: Plan, *, batch: int = 1) -> int:
    """The most that a forward pass without gradients holds beside the model and the mixture.

    Args:
        plan: of the spec.
        batch: segments at a time.
    """
    return BYTES * _Walk(plan, batch, is_training=False).peak


def training_bytes(plan: Plan, *, batch: int = 1) -> int:
    """The most that a forward and a backward pass hold beside model, gradients and batch.

    With the L1 loss. An optimiser's state comes on top: with Adam, weights, gradients and state
    take 16 bytes a parameter.

    Args:
        plan: of the spec.
        batch: segments at a time.
    """
    return BYTES * _Walk(plan, batch, is_training=True).peak


class _Walk:
    """From the mixture to the estimates.

    Attributes:
        tops: values that enter each branch's first level, by that node's path.
        deepest: values of the maps at the bottleneck.
        waiting: values of skips, features and waveforms that later parts look at.
        kept: values that the way back looks at again; none without training.
        peak: the most values so far, of all items together.
        is_planar: whether the maps of the current node are channels first.
    """

    def __init__(self, plan: Plan, batch: int, *, is_training: bool) -> None:
        self.plan, self.batch, self.is_training = plan, batch, is_training
        self.tops = {
            f"{branch.name}.encoder.0": branch.encoder[0].shifts[0].outer.elements
            for branch in plan.branches
        }
        self.deepest = sum(grid.elements for grid in plan.deepest)
        self.waiting = self.deepest + sum(self.tops.values())
        self.kept = self.peak = 0
        self.is_planar = False
        self.keep(sum(self.tops.values()))
        for node in plan.nodes:
            self.node(node)
        if not plan.spectral:
            self.synthesise()
        if is_training:
            self.note(2 * self.estimates)  # the difference and its gradient

    @property
    def estimates(self) -> int:
        """Values of the waveforms that leave."""
        spec = self.plan.spec
        return len(spec.sources) * spec.audio_channels * spec.n_samples

    def note(self, values: int, shared: int = 0) -> None:
        """A moment with so many values of each item, and of all together, beside what waits."""
        self.peak = max(self.peak, self.batch * (self.kept + self.waiting + values) + shared)

    def keep(self, values: int) -> None:
        """So many are looked at again on the way back."""
        self.kept += values if self.is_training else 0

    def node(self, node: PlanNode) -> None:
        """A part of the model."""
        # the layout of a lone channel is no layout: torch goes on as if it were channels first
        self.is_planar = self.plan.spec.audio_channels == 1 and (
            not node.path.startswith("spectral.")
            or (self.plan.trunk is not None and node.part == "decoder")
        )
        if isinstance(node.level, EncoderLevel):
            self.encode(node.level)
            self.waiting -= self.tops.get(node.path, 0)
        elif isinstance(node.level, DecoderLevel):
            self.decode(node.level)
        elif node.path == "output.fusion":
            self.synthesise()
            self.fuse(node.operators)
        elif node.part in ("attention", "recurrent", "fusion"):
            self.run(node.operators, self.deepest)

    def encode(self, level: EncoderLevel) -> None:
        """A level down; what leaves it waits as a skip."""
        made, operators = level.output.elements, level.operators()
        inside = 1 + next(
            i for i, operator in enumerate(operators) if isinstance(operator, Pointwise)
        )
        self.run(operators[:inside], 0, level.shifts[0].outer.elements)
        # forward, what the activation was given stays beside what it made
        self.run(operators[inside:], made if self.is_training else 2 * made, made)
        self.waiting += made

    def decode(self, level: DecoderLevel) -> None:
        """A level up: what enters is added to a skip, and what leaves waits instead of the two."""
        entering = level.input.elements
        leaving = sum(shift.outer.elements for shift in level.shifts)
        self.keep(entering)
        if self.is_training:  # their sum is kept, and on the way back they have no gradients yet
            self.waiting -= 2 * entering
        self.run(level.operators(), 0 if self.is_training else entering, entering)
        self.keep(-leaving)  # no operator looks at it again, but at its sum with a skip
        self.waiting += leaving - (0 if self.is_training else 2 * entering)

    def synthesise(self) -> None:
        """The branches' waveforms, which wait beside their features until the end."""
        for branch in self.plan.branches:
            features = branch.decoder[-1].output.elements
            front = branch.front
            if isinstance(front, Resolution):
                # denormalised, in windows, weighted, and four sums and shifts of a hop each
                self.note(3 * features + 4 * features * front.hop_length // front.n_fft)
                self.waiting += self.estimates
            elif front.options.resample > 1:
                # oneDNN takes the one channel that the filter makes for a block
                self.note(2 * features + blocks(1) * features // front.options.resample)
                self.waiting += self.estimates
            else:
                self.note(features)
                self.waiting += features

    def fuse(self, operators: Iterable[Operator]) -> None:
        """The resolutions' waveforms become one.

        Their maps are not channels last: oneDNN makes results in blocks and reorders them. What a
        convolution makes may wait as a skip, and what enters one may be a sum with a skip.
        """
        beside = entering = self.estimates * len(self.plan.spectral)
        output = self.plan.spec.fusion.output
        is_attention = isinstance(output, AttentionOutput)  # to its convolution waveforms are items
        for operator in operators:
            made, room = result(operator), entering
            if isinstance(operator, Convolution):
                room = made + operator.in_channels * operator.positions
                seen = operator.groups * columns(operator)
                self.note(-self.waiting, self.strided(output, operator))
                if self.is_training and seen <= min(MOST_COLUMNS, 15 * (entering + made)):
                    room = max(room, seen - self.waiting)  # on the way back nothing waits
            self.run((operator,), beside + room, entering, is_lone=not is_attention)
            if isinstance(operator, Convolution) and not self.is_training:
                beside += made
            entering = made

    def strided(self, output: OutputOptions, operator: Convolution) -> int:
        """Values that oneDNN lays out, item by item, for the gradient of what a stride passes over.

        Measured with kernels of two hops; few channels of a long kernel alone are laid out so.
        """
        if not (self.is_training and isinstance(output, AttentionOutput)):
            return 0
        if operator.in_channels == 1 or operator.out_channels >= 2 * BLOCK or operator.kernel <= 64:
            return 0
        items = len(self.plan.spec.sources) * len(self.plan.spectral)
        return columns(operator) // items * output.hop_length // 2

    def run(
        self, operators: Iterable[Operator], beside: int, given: int = 0, *, is_lone: bool = True
    ) -> None:
        """One operator after the other.

        Args:
            operators: a chain with residual branches, each of which ends in a Scale.
            beside: values that wait until a transposed convolution, or the end.
            given: values that enter the first, where they wait anyway.
            is_lone: whether an item of the batch is one for the operators too.
        """
        entering, added = 0, 0
        for operator in operators:
            if isinstance(operator, Pointwise) and operator.is_for_training > self.is_training:
                continue
            if isinstance(operator, TransposedConvolution):
                beside = added = 0
                entering = operator.in_channels * operator.positions
            is_small = (
                is_lone and self.batch == 1 and (given or entering or added or beside) <= SMALL
            )
            given, made = 0, result(operator)
            self.note(
                beside + added + entering + made + self.room(operator, is_small=is_small),
                self.shared(operator),
            )
            self.keep(activations(operator))
            entering, added = (0, made) if isinstance(operator, Scale) else (made, added)

    def room(self, operator: Operator, *, is_small: bool) -> int:
        """Values that an operator needs beside what it is given and makes, for each item.

        Args:
            operator: what runs.
            is_small: whether it is given so little that torch does without oneDNN.
        """
        match operator:
            case Convolution(groups=1) if operator.kernel > 1 and is_small:
                return columns(operator)
            case Convolution() if operator.kernel > 1 and self.is_planar:
                return blocks(max(operator.in_channels, operator.out_channels)) * operator.positions
            case TransposedConvolution() if is_small:
                return operator.out_channels * operator.kernel * operator.positions
            case TransposedConvolution():  # made in blocks, then again in order
                return result(operator) * (not self.is_training)
            case Recurrent(width=width):
                return operator.steps * width * (10 if operator.layers == 1 else 12)
            case AttentionProducts(mechanism="local", queries=queries, keys=keys):
                scores = operator.sequences * operator.heads * queries * keys
                return result(operator) + 3 * scores + 2 * queries * keys
            case AttentionProducts():
                return activations(operator)
            case Normalisation(kind="group") | Scale():  # centred; times the gradient
                return result(operator) * self.is_training
            case _:
                return 0

    def shared(self, operator: Operator) -> int:
        """The same for all items together: weights in oneDNN's layout, and their gradients."""
        match operator:
            case Convolution() | TransposedConvolution() if operator.kernel > 1:
                into = operator.in_channels  # up to three are not filled up to a block
                pairs = (blocks(into) if into > 3 else into) * blocks(operator.out_channels)
                return pairs * operator.kernel * (4 if self.is_training else 2)
            case Recurrent():  # one direction of one layer at a time
                return 3 * operator.parameters * self.is_training // (2 * operator.layers)
            case _:
                return 3 * operator.parameters * self.is_training


def columns(operator: Convolution) -> int:
    """Values of all that every position sees, laid out."""
    return operator.in_channels // operator.groups * operator.kernel * operator.positions
