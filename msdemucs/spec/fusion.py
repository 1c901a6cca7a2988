"""Fusions: how several STFT resolutions become one, at the bottleneck and at the output.

A new kind is an options class here, with the operators that it costs, and a module registered for
it in `model/fusion.py`.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from msdemucs.spec.operators import Convolution, Mix, Operator, Pointwise
from msdemucs.spec.sections import Kind, OneOf, Section

Smoothing = Annotated[float, Field(ge=0, lt=1)] | None


@dataclass(frozen=True, slots=True)
class Estimates:
    """What an output fusion is given: waveforms of every resolution and source.

    Attributes:
        channels: audio channels of each.
        samples: length of each.
    """

    resolutions: int
    sources: int
    channels: int
    samples: int

    @property
    def elements(self) -> int:
        """Samples of all waveforms together."""
        return self.resolutions * self.sources * self.channels * self.samples


class OutputOptions(Kind):
    """What every output fusion has."""

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """What it computes.

        Raises:
            NotImplementedError: a kind that does not say.
        """
        raise NotImplementedError

    @property
    def fewest(self) -> int:
        """How many resolutions it needs to make sense."""
        return 1


class BottleneckOptions(Kind):
    """What every fusion at the bottleneck has."""

    def operators(self, resolutions: int, elements: int) -> tuple[Operator, ...]:
        """What it computes on maps of so many elements together.

        Raises:
            NotImplementedError: a kind that does not say.
        """
        raise NotImplementedError


class WeightedBottleneck(BottleneckOptions):
    """Feature maps are resized to the middle resolution and averaged with learned weights.

    After attention the result goes back to every resolution r as w_r · x + (1 − w_r) · h_r, with
    the weights w = softmax over the resolutions and h_r what entered.
    """

    kind: Literal["weighted"] = "weighted"
    smoothing: Smoothing = 0.9
    """Share of the running average in the weights used in training; null: no average."""

    def operators(self, resolutions: int, elements: int) -> tuple[Operator, ...]:
        """One weight a resolution; a multiply-add an element, in and out."""
        return (Mix(resolutions, 2 * elements),)


class MeanBottleneck(BottleneckOptions):
    """As weighted, with every weight one over the number of resolutions, not learned."""

    kind: Literal["mean"] = "mean"

    def operators(self, resolutions: int, elements: int) -> tuple[Operator, ...]:  # noqa: ARG002
        """A multiply-add an element, in and out."""
        return (Mix(0, 2 * elements),)


class SumOutput(OutputOptions):
    """The resolutions' waveforms are added."""

    kind: Literal["sum"] = "sum"

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """Additions only."""
        return (Mix(0, estimates.elements),)


class WeightedOutput(OutputOptions):
    """The resolutions' waveforms are averaged, one learned weight a resolution."""

    kind: Literal["weighted"] = "weighted"
    smoothing: Smoothing = 0.9
    """Share of the running average in the weights used in training; null: no average."""

    @property
    def fewest(self) -> int:
        """One would weigh itself."""
        return 2

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """One weight a resolution; a multiply-add an element."""
        return (Mix(estimates.resolutions, estimates.elements),)


class PerSourceOutput(OutputOptions):
    """The resolutions' waveforms are averaged, one learned weight a source and resolution."""

    kind: Literal["per_source"] = "per_source"
    smoothing: Smoothing = 0.9
    """Share of the running average in the weights used in training; null: no average."""

    @property
    def fewest(self) -> int:
        """One would weigh itself."""
        return 2

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """One weight a source and resolution; a multiply-add an element."""
        return (Mix(estimates.sources * estimates.resolutions, estimates.elements),)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise PydanticCustomError("odd", "must be odd, found {value}", {"value": value})
    return value


class ConvolutionOutput(OutputOptions):
    """A convolution over resolutions and time, one group of audio channels a source."""

    kind: Literal["convolution"] = "convolution"
    width: Annotated[int, Field(ge=1)] = 129
    """Taps in samples, odd."""

    _width_is_odd = field_validator("width")(_odd)

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """One grouped convolution of resolutions × width taps."""
        features = estimates.sources * estimates.channels
        taps = estimates.resolutions * self.width
        return (Convolution(features, features, taps, estimates.samples, estimates.sources),)


class TimeUNet2DOutput(OutputOptions):
    """Convolutions over time down and up a small U-Net that mixes all sources and channels.

    The first convolution spans all resolutions; nothing is strided. The first decoder is given the
    deepest features twice, as features and as skip.
    Source: shared/systems, sheet of dnf and dn, section 4.
    """

    kind: Literal["time_unet_2d"] = "time_unet_2d"
    channels: Annotated[int, Field(ge=1)] = 64
    """Features of the first level; each further level has twice as many."""
    depth: Annotated[int, Field(ge=1, le=8)] = 2
    """Levels."""
    kernel_size: Annotated[int, Field(ge=1)] = 17
    """Taps in samples, odd."""
    activation: Literal["gelu", "none"] = "none"
    """After every convolution, the last included: with gelu no estimate falls below −0.17."""

    _kernel_size_is_odd = field_validator("kernel_size")(_odd)

    @property
    def widths(self) -> tuple[int, ...]:
        """Features of each level."""
        return tuple(self.channels * 2**level for level in range(self.depth))

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """A convolution a level, down and up."""
        audio, k, n = estimates.sources * estimates.channels, self.kernel_size, estimates.samples
        above = (audio, *self.widths)
        down = [
            Convolution(into, out, k * (1 if level else estimates.resolutions), n)
            for level, (into, out) in enumerate(zip(above, self.widths, strict=False))
        ]
        up = [Convolution(into, out, k, n) for into, out in zip(above[1:], above, strict=False)]
        convolutions = (*down, *reversed(up))
        if self.activation == "none":
            return convolutions
        return tuple(
            operator
            for convolution in convolutions
            for operator in (convolution, Pointwise(convolution.out_channels * n))
        )


class AttentionOutput(OutputOptions):
    """Each source attends to the resolutions anew every few milliseconds.

    Keys are features of each resolution's waveform around a moment; each source's learned query
    turns them into weights, softmax over the resolutions, interpolated between moments.
    """

    kind: Literal["attention"] = "attention"
    features: Annotated[int, Field(ge=1)] = 16
    """Length of queries and keys."""
    hop_length: Annotated[int, Field(ge=1)] = 512
    """Samples from one moment to the next; keys see twice as many."""

    @property
    def fewest(self) -> int:
        """One would weigh itself."""
        return 2

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        """Keys by a convolution, biases and queries, and the weighted sum."""
        sources, resolutions = estimates.sources, estimates.resolutions
        moments = estimates.samples // self.hop_length + 1
        count = moments * sources * resolutions
        return (
            Convolution(estimates.channels, self.features, 2 * self.hop_length, count),
            Mix(resolutions * self.features, count * self.features),
            Mix(sources * self.features, count * self.features),
            Mix(0, estimates.elements),
        )


class Fusion(Section):
    """Where and how resolutions meet."""

    bottleneck: Annotated[BottleneckOptions, OneOf(BottleneckOptions)] = WeightedBottleneck()
    """Around attention, wherever it is; used where there are several resolutions and attention."""
    output: Annotated[OutputOptions, OneOf(OutputOptions)] = SumOutput()
    """Of the estimates in the waveform domain; the waveform branch is added after it."""
