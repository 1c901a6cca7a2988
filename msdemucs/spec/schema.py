"""The spec: everything that a variant changes is a field here, with its one default.

A *schedule* is one value for each level, in four spellings that all expand to a list:

    8                                            the same at every level
    [8, 8, 4, 4]                                 level by level
    {start: 8, at: {2: 16, 4: 32}}               change points: 8 8 16 16 32
    {start: 16, times: 0.5, every: 2, min: 2}    geometric: 16 16 8 8 4

Channels also grow: {start: 48, growth: 2} is 48 96 192 384, each step rounded down to a whole
number and then up to a multiple of round_to.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Self, TypeVar, cast

from pydantic import Field, ValidationError, WrapValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError

from msdemucs.files import legible
from msdemucs.spec.attention import Attention
from msdemucs.spec.fusion import Fusion
from msdemucs.spec.sections import Section

Positive = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0)]


class ChangePoints(Section):
    """A value that holds until the next change point."""

    start: Positive
    """The value from level 0 on."""
    at: Mapping[int, Positive]
    """Level → the value from that level on."""


class Geometric(Section):
    """A value multiplied every few levels."""

    start: Positive
    """The value at level 0."""
    times: Factor = 1.0
    """The factor of one step; results are rounded down."""
    every: Positive = 1
    """Levels from one step to the next."""
    min: Positive = 1
    """No value falls below this."""


class GrowthChanges(Section):
    """A factor of growth that holds until the next change point."""

    start: Factor
    """The factor from level 0 to level 1, and on."""
    at: Mapping[int, Factor]
    """Level → the factor by which channels grow from that level to the next, and on."""


class Growth(Section):
    """Channels that grow from level to level."""

    start: Positive
    """Channels of level 0."""
    growth: Factor | tuple[Factor, ...] | GrowthChanges = 2.0
    """The factor from one level to the next; a list gives each step its own, {start, at} changes
    it at levels."""
    round_to: Positive = 1
    """Each level's channels are rounded up to a multiple of this."""


FIELDS = ("start", "at", "times", "every", "min", "growth", "round_to")
"""Of all spellings together."""


def _in(spellings: str) -> WrapValidator:
    # Pydantic reports one error for each member of a union; a person wants one sentence.
    def validated(value: object, handler: Callable[[object], object]) -> object:
        try:
            return handler(_unjsoned(value))
        except ValidationError:
            unknown = [key for key in value if key not in FIELDS] if isinstance(value, dict) else []
            if unknown:
                context = {"name": unknown[0], "fields": ", ".join(FIELDS)}
                raise PydanticCustomError("schedule_field", "has no such field", context) from None
            message = "must be a whole number of at least 1, a list of them, or {spellings}"
            raise PydanticCustomError("schedule", message, {"spellings": spellings}) from None

    return WrapValidator(validated)


def _unjsoned(value: object) -> object:
    # A wrapping validator sees plain Python, to which strict mode no longer applies JSON's rules:
    # lists stand for tuples, and the names of levels for numbers.
    if isinstance(value, list):
        return tuple(_unjsoned(item) for item in value)
    if isinstance(value, dict):
        return {
            int(key) if key.isdecimal() else key: _unjsoned(item) for key, item in value.items()
        }
    return value


Schedule = Annotated[
    Positive | tuple[Positive, ...] | ChangePoints | Geometric,
    _in("{start, at: {level: value}} or {start, times, every, min}"),
]
ChannelSchedule = Annotated[
    Positive | tuple[Positive, ...] | ChangePoints | Growth,
    _in("{start, growth, round_to} or {start, at: {level: value}}"),
]
Number = TypeVar("Number", int, float)
AnySchedule = int | tuple[int, ...] | ChangePoints | Geometric | Growth

SCHEDULES = (
    "channels",
    "kernel_size",
    "stride",
    "waveform.kernel_size",
    "waveform.stride",
    "residual.depth",
    "norm.groups",
)
"""The spec's fields that are schedules."""


def expand(schedule: AnySchedule, depth: int) -> tuple[int, ...]:
    """The schedule's value at each of `depth` levels.

    Raises:
        ValueError: a list of another length, a change point beyond the last level.
    """
    if isinstance(schedule, int):
        return (schedule,) * depth
    if isinstance(schedule, tuple):
        if len(schedule) != depth:
            raise ValueError(f"has {len(schedule)} values for {depth} levels (depth: {depth})")
        return schedule
    if isinstance(schedule, ChangePoints):
        return _changes(schedule.start, schedule.at, depth)
    if isinstance(schedule, Geometric):
        steps = (
            schedule.start * schedule.times ** (level // schedule.every) for level in range(depth)
        )
        return tuple(max(schedule.min, math.floor(value + 1e-9)) for value in steps)
    growth = schedule.growth
    if isinstance(growth, GrowthChanges):
        factors = _changes(growth.start, growth.at, depth - 1) if depth > 1 else ()
    else:
        factors = growth if isinstance(growth, tuple) else (growth,) * (depth - 1)
    if len(factors) != depth - 1:
        raise ValueError(f"growth has {len(factors)} steps; {depth} levels need {depth - 1}")
    values = [schedule.start]
    for factor in factors:
        grown = int(values[-1] * factor)
        values.append(max(1, math.ceil(grown / schedule.round_to) * schedule.round_to))
    return tuple(values)


def _changes(start: Number, at: Mapping[int, Number], count: int) -> tuple[Number, ...]:
    """The start until the first change point, and so on.

    Raises:
        ValueError: a change point beyond the last level.
    """
    late = [level for level in at if not 0 < level < count]
    if late:
        raise ValueError(f"changes at level {late[0]}, but levels run from 0 to {count - 1}")
    values = [start]
    for level in range(1, count):
        values.append(at.get(level, values[-1]))
    return tuple(values)


MOST_RESOLUTIONS = 7

MOST_LETTERS = 50
"""Of a source's name."""

NAME = re.compile(rf"(?![.\s-])[^/\\,:*?\"<>|\n\t]{{1,{MOST_LETTERS}}}(?<![.\s])")
"""Of a source, which files are called by on any system, and lists at a command line."""

Framing = Literal["half", "grid"]
Activation = Literal["gelu", "relu"]


class Resolution(Section):
    """One STFT setting; written as {n_fft, hop_length}, or as n_fft alone."""

    n_fft: int
    """Window length in samples, a power of two."""
    hop_length: int
    """Samples between frames, a power of two of at most n_fft / 2; n_fft / 4 when not given."""
    framing: Framing = "half"
    """half: frame n is centred at (n + ½) · hop_length, as the waveform branch's strides are;
    grid: at n · hop_length."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: object) -> object:
        if isinstance(data, int) and not isinstance(data, bool):
            data = {"n_fft": data}
        if isinstance(data, dict) and isinstance(data.get("n_fft"), int):
            longest = 1 << (max(4, data["n_fft"]).bit_length() - 1)
            return {"hop_length": longest // 4, **data}
        return data

    @field_validator("n_fft", "hop_length")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value < 1 or value & (value - 1):
            below = 1 << max(5, max(1, value).bit_length() - 1)
            message = "must be a power of two, found {value}; the nearest are {below} and {above}"
            context = {"value": value, "below": below, "above": 2 * below}
            raise PydanticCustomError("power_of_two", message, context)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not 32 <= self.n_fft <= 65536:
            message = "n_fft must lie between 32 and 65536, found {value}"
            raise PydanticCustomError("n_fft", message, {"value": self.n_fft})
        if self.hop_length > self.n_fft // 2:
            message = "hop_length must be at most n_fft / 2 = {most}, found {value}"
            context = {"most": self.n_fft // 2, "value": self.hop_length}
            raise PydanticCustomError("hop_length", message, context)
        return self


class FrequencyEmbedding(Section):
    """A learned offset a frequency row and channel, added after the first encoder level."""

    weight: float = 0.2
    """Share with which the table is added."""
    scale: Annotated[float, Field(gt=0)] = 10.0
    """Factor by which the table learns faster than other parameters."""
    smooth: bool = True
    """Initialise neighbouring rows alike."""


class Spectral(Section):
    """The spectral branches: one encoder and decoder a resolution."""

    resolutions: tuple[Resolution, ...] = (Resolution(n_fft=4096, hop_length=1024),)
    """From one to seven STFT settings, no two alike."""
    share: bool = False
    """One encoder and decoder for all resolutions; frequency embeddings stay their own."""
    frequency_embedding: FrequencyEmbedding | None = FrequencyEmbedding()
    """null: none."""

    @field_validator("resolutions")
    @classmethod
    def _distinct(cls, value: tuple[Resolution, ...]) -> tuple[Resolution, ...]:
        if not 1 <= len(value) <= MOST_RESOLUTIONS:
            message = "must list from 1 to {most} STFT settings, found {count}"
            context = {"most": MOST_RESOLUTIONS, "count": len(value)}
            raise PydanticCustomError("resolutions", message, context)
        for resolution in value:
            if value.count(resolution) > 1:
                message = "n_fft {n_fft} with hop_length {hop_length} is listed twice"
                raise PydanticCustomError("resolutions", message, resolution.model_dump())
        return value


class Waveform(Section):
    """The waveform branch; it uses the spec's channels."""

    kernel_size: Schedule | None = None
    """Taps of each level in this branch; null: the spec's."""
    stride: Schedule | None = None
    """Stride of each level in this branch; null: the spec's."""
    normalize: bool = True
    """Each mixture to zero mean and unit deviation before, and back after."""
    resample: Annotated[int, Field(ge=1, le=8)] = 1
    """Upsample the mixture by this before the first level, and downsample estimates after."""
    estimate: Literal["add", "discard"] = "add"
    """What becomes of its estimates: added to the spectral ones, or (as in htdemucs_dn) decoded
    and thrown away, so that the decoder never learns and the branch only feeds attention."""


class Rewrite(Section):
    """The convolution with GLU inside each level.

    Source: Défossez et al. 2019 (arXiv:1911.13254), section 4.1.
    """

    encoder: Annotated[int, Field(ge=1)] = 1
    """Taps in encoders, odd; along rows as well as frames where a branch has rows."""
    decoder: Annotated[int, Field(ge=1)] = 3
    """Taps in decoders, odd; likewise."""


class ResidualLstm(Section):
    """A bidirectional LSTM along frames inside residual branches."""

    starts: Annotated[int, Field(ge=0)] = 0
    """First level that has it."""
    layers: Annotated[int, Field(ge=1, le=4)] = 2
    """Layers, each in both directions."""
    span: Annotated[int, Field(ge=4, multiple_of=4)] | None = 200
    """Frames that it sees at once, in spans that overlap by half; null: all."""


class ResidualAttention(Section):
    """Attention along frames with learned decay by distance, inside residual branches."""

    starts: Annotated[int, Field(ge=0)] = 0
    """First level that has it."""
    heads: Annotated[int, Field(ge=1)] = 4
    """Heads; they must divide the channels inside the residual branch."""
    decays: Annotated[int, Field(ge=1)] = 4
    """Rates of decay that each head mixes."""


class Residual(Section):
    """Residual branches of dilated convolutions inside encoder or decoder levels (DConv).

    Source: Défossez 2021 (arXiv:2111.03600), section 3.2.
    """

    encoder: bool = True
    """In the encoders' levels."""
    decoder: bool = False
    """In the decoders' levels."""
    depth: Schedule = 2
    """Sub-layers of each level, dilated by 1, 2, 4 …"""
    compress: Annotated[float, Field(ge=1)] = 8.0
    """Channels divided by this inside a sub-layer, rounded down, at least 1."""
    init: Annotated[float, Field(gt=0)] = 1e-3
    """Initial gain of each sub-layer's output (LayerScale)."""
    lstm: ResidualLstm | None = None
    """null: none."""
    attention: ResidualAttention | None = None
    """null: none. Where both are, the LSTM comes first."""


class Norm(Section):
    """Group normalisation of the deeper levels."""

    starts: Annotated[int, Field(ge=0)] = 4
    """First level that is normalised."""
    groups: Schedule = 4
    """Groups of each level; they must divide its channels."""


class Lstm(Section):
    """A bidirectional LSTM over the deepest map, whose frames are one sequence."""

    layers: Annotated[int, Field(ge=1, le=8)] = 2
    """Layers, each in both directions and as wide as the map."""


class Init(Section):
    """How weights begin."""

    rescale: Annotated[float, Field(gt=0)] | None = 0.1
    """Standard deviation towards which convolutions' weights are scaled; null: leave them."""
    unused: Annotated[int, Field(ge=0)] = 0
    """Parameters that nothing reads; some originals have them, and counts include them."""


class Spec(Section):
    """A Demucs-style separator, as a person declares it."""

    name: Annotated[str, Field(min_length=1)]
    """What reports call the model; it changes nothing."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)] = ("drums", "bass", "other", "vocals")
    """Stems to estimate, in order."""
    sample_rate: Annotated[int, Field(ge=1)] = 44100
    """Hz."""
    audio_channels: Annotated[int, Field(ge=1, le=8)] = 2
    """1 for mono, 2 for stereo."""
    segment: Annotated[float, Field(gt=0)] = 10.0
    """Seconds of audio that the model is made for: costs are counted on it, no weight depends
    on it."""
    depth: Annotated[int, Field(ge=1, le=12)] = 4
    """Levels of every encoder and decoder."""
    channels: ChannelSchedule = Growth(start=48)
    """Features of each level."""
    kernel_size: Schedule = 8
    """Taps of each level's convolution, along rows (spectral) or samples (waveform)."""
    stride: Schedule = 4
    """Stride of each level's convolution, at most its kernel_size."""
    padding: Literal["same", "valid"] = "same"
    """same: a level with stride s makes of T frames T / s, rounded up (one fewer where kernel_size
    − stride is odd); valid: no zeros are added, the mixture is padded so that everything fits
    (waveform branch alone)."""
    activation: Activation = "gelu"
    """After each level's convolution."""
    rewrite: Rewrite | None = Rewrite()
    """null: none."""
    waveform: Waveform | None = Waveform()
    """null: no waveform branch."""
    spectral: Spectral | None = Spectral()
    """null: no spectral branch."""
    merge: Annotated[int, Field(ge=1)] | None = None
    """Level at which the waveform branch joins the one spectral branch: a kernel as high as the
    rows that are left makes one row of them, and this level and all deeper ones run along frames.
    null: the branches stay apart."""
    residual: Residual | None = Residual()
    """null: none."""
    norm: Norm | None = Norm()
    """null: none."""
    attention: tuple[Attention, ...] = ()
    """Blocks and where they are; at one place they follow each other in this order."""
    lstm: Lstm | None = None
    """At the bottleneck, before any attention; null: none."""
    decoder_start: Literal["bottleneck", "zeros"] = "bottleneck"
    """What the deepest decoder gets beside its skip."""
    fusion: Fusion = Fusion()
    """How several resolutions meet."""
    init: Init = Init()
    """How weights begin."""

    @field_validator("sources")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for source in value:
            if not NAME.fullmatch(source) or legible(source) != source:
                message = (
                    "“{name}” is no name, by which files are called: it may not begin with . or -, "
                    'nor end in ., nor hold control characters or any of / \\ , : * ? " < > |, '
                    "nor be longer than {most} letters"
                )
                context = {"name": legible(source)[:MOST_LETTERS], "most": MOST_LETTERS}
                raise PydanticCustomError("sources", message, context)
        twice = sorted({source for source in value if value.count(source) > 1})
        if twice:
            raise PydanticCustomError("sources", "“{name}” is listed twice", {"name": twice[0]})
        return value

    @property
    def n_samples(self) -> int:
        """Samples of one segment."""
        return max(1, round(self.segment * self.sample_rate))

    @property
    def resolutions(self) -> tuple[Resolution, ...]:
        """The STFT settings; none without a spectral branch."""
        return self.spectral.resolutions if self.spectral else ()

    def schedule(self, field: str) -> AnySchedule | None:
        """The schedule at one of SCHEDULES; None where it is null or lacks its section."""
        owner: object = self
        for name in field.split("."):
            owner = None if owner is None else getattr(owner, name)
        return cast(AnySchedule | None, owner)
