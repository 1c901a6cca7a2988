"""The primitive operators that a plan is made of, with their sizes: what costs follow from.

Each knows the parameters it holds; `cost.formulas` knows what it computes.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution of any dimension.

    Attributes:
        kernel: taps of the kernel over all its dimensions.
        positions: output positions over all dimensions.
    """

    in_channels: int
    out_channels: int
    kernel: int
    positions: int
    groups: int = 1

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.in_channels // self.groups * self.out_channels * self.kernel + self.out_channels


@dataclass(frozen=True, slots=True)
class TransposedConvolution:
    """A transposed convolution.

    Attributes:
        positions: those of its input, where its work is done.
        outputs: those of its output before anything is cropped.
        made: those that it makes, where its own padding crops already.
    """

    in_channels: int
    out_channels: int
    kernel: int
    positions: int
    outputs: int
    made: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.in_channels * self.out_channels * self.kernel + self.out_channels


@dataclass(frozen=True, slots=True)
class Filter:
    """A fixed filter of `taps` at `positions` outputs, such as a resampler's."""

    taps: int
    positions: int
    parameters: Literal[0] = 0


@dataclass(frozen=True, slots=True)
class Linear:
    """A biased matrix applied at every position.

    Attributes:
        in_multihead: whether the originals have it inside torch's multi-head attention module,
            where the profiler of the published figures does not look.
    """

    in_features: int
    out_features: int
    positions: int
    in_multihead: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.in_features * self.out_features + self.out_features


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A bidirectional LSTM, each direction as wide as its input.

    Attributes:
        steps: time steps over all sequences.
    """

    width: int
    layers: int
    steps: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """Features that enter each layer: later ones see both directions."""
        return (self.width, *(2 * self.width for _ in range(self.layers - 1)))

    @property
    def parameters(self) -> int:
        """Input and recurrent matrices of four gates, two biases each, in both directions."""
        return sum(8 * self.width * (inputs + self.width + 2) for inputs in self.inputs)


@dataclass(frozen=True, slots=True)
class AttentionProducts:
    """The products of queries, keys and values, projections apart.

    Attributes:
        mechanism: softmax, linear, or local: softmax whose scores are made one by one.
        sequences: how many sequences attend, each to itself or one other.
    """

    queries: int
    keys: int
    width: int
    heads: int
    mechanism: Literal["softmax", "linear", "local"]
    sequences: int = 1
    parameters: Literal[0] = 0


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Normalisation over `elements` values, with an affine pair a channel.

    Attributes:
        kind: of each token over its features (layer) or of groups of channels over all positions.
    """

    channels: int
    elements: int
    kind: Literal["group", "layer"] = "group"

    @property
    def parameters(self) -> int:
        """Gain and bias of every channel."""
        return 2 * self.channels


@dataclass(frozen=True, slots=True)
class Scale:
    """A learned gain a channel over `elements` values (LayerScale)."""

    channels: int
    elements: int

    @property
    def parameters(self) -> int:
        """One gain a channel."""
        return self.channels


@dataclass(frozen=True, slots=True)
class Table:
    """A learned table that is added to `elements` values (frequency embedding)."""

    rows: int
    channels: int
    elements: int

    @property
    def parameters(self) -> int:
        """Every entry."""
        return self.rows * self.channels


@dataclass(frozen=True, slots=True)
class Mix:
    """A weighted sum over `elements` values with a few learned weights, or none."""

    parameters: int
    elements: int


@dataclass(frozen=True, slots=True)
class Fourier:
    """Real Fourier transforms of `n_fft` samples, `frames` of them over all signals."""

    n_fft: int
    frames: int
    parameters: Literal[0] = 0


@dataclass(frozen=True, slots=True)
class Pointwise:
    """GELU, ReLU, GLU or dropout: a function of values with nothing to learn.

    Attributes:
        elements: values that it makes.
        is_for_training: whether training alone computes it.
    """

    elements: int
    is_for_training: bool = False
    parameters: Literal[0] = 0


Operator = (
    Convolution
    | TransposedConvolution
    | Filter
    | Linear
    | Recurrent
    | AttentionProducts
    | Normalisation
    | Scale
    | Table
    | Mix
    | Fourier
    | Pointwise
)
