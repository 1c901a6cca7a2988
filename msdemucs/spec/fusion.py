"""Fusions: how several STFT resolutions become one, at the bottleneck and at the output."""

from typing import Annotated, Literal

from pydantic import Field

from msdemucs.spec.base import Section
from msdemucs.spec.operators import Convolution, Mix, Operator

Smoothing = Annotated[float, Field(ge=0, lt=1)] | None


class WeightedBottleneck(Section):
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


class SumOutput(Section):
    """The resolutions' waveforms are added."""

    kind: Literal["sum"] = "sum"

    def operators(
        self, sources: int, channels: int, resolutions: int, samples: int
    ) -> tuple[Operator, ...]:
        """Additions only."""
        return (Mix(0, sources * channels * resolutions * samples),)


class WeightedOutput(Section):
    """The resolutions' waveforms are averaged, one learned weight a resolution."""

    kind: Literal["weighted"] = "weighted"
    smoothing: Smoothing = 0.9
    """Share of the running average in the weights used in training; null: no average."""

    def operators(
        self, sources: int, channels: int, resolutions: int, samples: int
    ) -> tuple[Operator, ...]:
        """One weight a resolution; a multiply-add an element."""
        return (Mix(resolutions, sources * channels * resolutions * samples),)


class PerSourceOutput(Section):
    """The resolutions' waveforms are averaged, one learned weight a source and resolution."""

    kind: Literal["per_source"] = "per_source"
    smoothing: Smoothing = 0.9
    """Share of the running average in the weights used in training; null: no average."""

    def operators(
        self, sources: int, channels: int, resolutions: int, samples: int
    ) -> tuple[Operator, ...]:
        """One weight a source and resolution; a multiply-add an element."""
        return (Mix(sources * resolutions, sources * channels * resolutions * samples),)


class ConvolutionOutput(Section):
    """A convolution over resolutions and time, one group of audio channels a source."""

    kind: Literal["convolution"] = "convolution"
    width: Annotated[int, Field(ge=1)] = 129
    """Taps in samples, odd."""

    def operators(
        self, sources: int, channels: int, resolutions: int, samples: int
    ) -> tuple[Operator, ...]:
        """One grouped convolution of resolutions × width taps."""
        features = sources * channels
        return (Convolution(features, features, resolutions * self.width, samples, groups=sources),)


BottleneckFusion = WeightedBottleneck
OutputFusion = Annotated[
    SumOutput | WeightedOutput | PerSourceOutput | ConvolutionOutput, Field(discriminator="kind")
]


class Fusion(Section):
    """Where and how resolutions meet."""

    bottleneck: BottleneckFusion = WeightedBottleneck()
    """Around the attention; used where there are several resolutions and attention."""
    output: OutputFusion = SumOutput()
    """Of the estimates in the waveform domain; the waveform branch is added after it."""
