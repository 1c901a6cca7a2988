"""Small specs for tests: by hand, and drawn by hypothesis over every field."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from msdemucs import build
from msdemucs.errors import SpecError
from msdemucs.spec import Spec, load_spec, parse_spec
from msdemucs.spec.attention import AttentionOptions
from msdemucs.spec.fusion import BottleneckOptions, OutputOptions
from msdemucs.spec.sections import Kind, kinds_of
from tests.kinds import choices, small_kinds

SMALL: dict[str, object] = {
    "channels.start": 4,
    "depth": 2,
    "segment": 0.25,
    "sample_rate": 8000,
    "attention.0.layers": 2,
    "attention.0.heads": 2,
    "attention.0.ffn": 1,
}

Data = dict[str, object]

DEVICES = ["cpu", *["cuda"] * torch.cuda.is_available()]


def small(name: str, overrides: Mapping[str, object] | None = None) -> Spec:
    """A zoo system with few channels, two levels and short segments."""
    resolutions = [512] if name == "htdemucs" else [256, 512]
    return load_spec(
        name, overrides={**SMALL, "spectral.resolutions": resolutions, **(overrides or {})}
    )


def one_of(*values: object) -> SearchStrategy[object]:
    """Any of the values."""
    return st.sampled_from(values)


@st.composite
def spec_data(draw: DrawFn) -> Data:
    """Plain data of a small spec over every field; most are valid, some cannot build."""
    flavour = draw(st.sampled_from(["apart", "apart", "merged", "waveform", "spectral"]))
    depth = draw(st.integers(2 if flavour == "merged" else 1, 3))
    merge = draw(st.integers(1, depth - 1)) if flavour == "merged" else None
    strides = draw(st.lists(st.sampled_from([1, 2, 4]), min_size=depth, max_size=depth))
    data: Data = {
        "name": "drawn",
        "sources": draw(one_of(["vocals"], ["a", "b"], ["a", "b", "c", "d"])),
        "sample_rate": draw(one_of(8000, 11025)),
        "audio_channels": draw(one_of(1, 2)),
        "segment": draw(one_of(0.1, 0.15)),
        "depth": depth,
        "channels": draw(channels(depth)),
        "kernel_size": [
            draw(kernels(stride, odd=merge is None or level > merge))
            for level, stride in enumerate(strides)
        ],
        "stride": strides,
        "activation": draw(one_of("gelu", "relu")),
        "rewrite": draw(one_of(None, {}, {"encoder": 3, "decoder": 1})),
        "merge": merge,
        "residual": draw(residuals()),
        "norm": draw(one_of(None, {"starts": 0, "groups": 1}, {"starts": 1, "groups": 2})),
        "fusion": draw(fusions(several=flavour in ("apart", "spectral"))),
        "init": {"rescale": draw(one_of(None, 0.1)), "unused": draw(one_of(0, 3))},
        "waveform": None,
        "spectral": None,
    }
    if flavour != "spectral":
        data["waveform"] = draw(waveforms(alone=flavour == "waveform"))
    if flavour != "waveform":
        data["spectral"] = draw(spectra(strides, merge))
    if flavour == "waveform":
        data["padding"] = draw(one_of("same", "valid"))
    if draw(st.integers(0, 3)) == 0:
        data["decoder_start"] = "zeros"
    else:
        if flavour in ("waveform", "merged") and draw(st.booleans()):
            data["lstm"] = {"layers": draw(one_of(1, 2))}
        places = _places(depth, merge, alone=flavour in ("waveform", "spectral"))
        data["attention"] = draw(st.lists(blocks(places), max_size=2))
    return data


def without_lstms(data: Data) -> Data:
    """The same plain data, no LSTM at the bottleneck or in residual branches."""
    residual = data["residual"]
    if isinstance(residual, dict):
        residual = {**residual, "lstm": None}
    return {**data, "lstm": None, "residual": residual}


def channels(depth: int) -> SearchStrategy[object]:
    """Channel schedules in every spelling."""
    spellings: list[object] = [4, 8, {"start": 8}, {"start": 4, "growth": 1.5, "round_to": 4}]
    if depth > 1:
        spellings += [[8] * depth, {"start": 4, "at": {"1": 8}}]
    if depth > 2:
        spellings += [{"start": 4, "growth": {"start": 2, "at": {"1": 1}}}]
    return st.sampled_from(spellings)


def kernels(stride: int, *, odd: bool) -> SearchStrategy[int]:
    """Kernels that fit a stride; now and then one that leaves an odd rest."""
    evens = [stride, stride, stride + 2, stride + 4]
    return st.sampled_from([*evens, 3 * stride - 1] if odd else evens)


@st.composite
def residuals(draw: DrawFn) -> Data | None:
    """Plain data of residual branches, with and without LSTMs and attention."""
    if draw(st.integers(0, 4)) == 0:
        return None
    return {
        "encoder": draw(st.booleans()),
        "decoder": draw(st.booleans()),
        "depth": draw(one_of(1, 2, {"start": 1, "times": 2.0, "min": 1})),
        "compress": draw(one_of(1.0, 2.0)),
        "init": draw(one_of(1e-3, 0.1)),
        "lstm": draw(one_of(None, None, {"starts": 1, "layers": 1, "span": 8}, {"span": None})),
        "attention": draw(one_of(None, None, {"heads": 2, "decays": 2}, {"starts": 1, "heads": 4})),
    }


@st.composite
def waveforms(draw: DrawFn, alone: bool) -> Data:
    """Plain data of a waveform branch."""
    data: Data = {"normalize": draw(st.booleans())}
    if alone:
        data["resample"] = draw(one_of(1, 2, 3))
    else:
        data["estimate"] = draw(one_of("add", "add", "add", "discard"))
    if draw(st.integers(0, 4)) == 0:
        data |= {"kernel_size": 4, "stride": 2}
    return data


@st.composite
def spectra(draw: DrawFn, strides: list[int], merge: int | None) -> Data:
    """Plain data of spectral branches; merged ones have the hop that the strides ask for."""
    if merge is None:
        sizes = draw(st.lists(st.sampled_from([64, 128, 256]), min_size=1, max_size=3, unique=True))
        sizes = sizes if len(sizes) > 1 or draw(st.booleans()) else [64, 128]
        divisor = draw(st.sampled_from([2, 4, 8]))
        resolutions = [{"n_fft": size, "hop_length": size // divisor} for size in sizes]
    else:
        hop = 1
        for stride in strides[: merge + 1]:
            hop *= stride
        resolutions = [{"n_fft": max(64, hop * draw(st.sampled_from([2, 4]))), "hop_length": hop}]
    framing = draw(one_of("half", "half", "grid"))
    return {
        "resolutions": [{**resolution, "framing": framing} for resolution in resolutions],
        "share": draw(st.booleans()),
        "frequency_embedding": draw(one_of(None, {"weight": 0.3, "smooth": False}, {"scale": 2.0})),
    }


@st.composite
def fusions(draw: DrawFn, several: bool) -> Data:
    """Plain data of both fusions, of every kind that makes sense."""
    outputs = [
        kind
        for kind in kinds_of(OutputOptions).values()
        if several or all(small.fewest == 1 for small in small_kinds(kind))
    ]
    bottlenecks = kinds_of(BottleneckOptions).values()
    return {
        "bottleneck": draw(st.one_of(*map(options, bottlenecks))),
        "output": draw(st.one_of(*map(options, outputs))),
    }


@cache
def options(kind: type[Kind]) -> SearchStrategy[Data]:
    """Plain data of a kind: any of the small values of every field."""
    fields = {name: st.sampled_from(values) for name, values in choices(kind).items()}
    return st.fixed_dictionaries({"kind": st.just(kind.model_fields["kind"].default), **fields})


def _places(depth: int, merge: int | None, *, alone: bool) -> list[tuple[list[str], bool]]:
    """Lists of places that can share a block, and whether two streams are there."""
    outer = depth if merge is None else merge
    two = [] if alone else [["bottleneck"]] * (merge is None)
    one = [["bottleneck"]] if alone or merge is not None else []
    for level in range(depth):
        places = [f"encoder {level}"]
        if level < depth - 1:
            places.append(f"decoder {depth - 2 - level}")
        for chosen in (places[:1], places[1:], places):
            if chosen:
                (one if alone or level >= outer else two).append(chosen)
    return [*((places, False) for places in one), *((places, True) for places in two)]


@st.composite
def blocks(draw: DrawFn, places: list[tuple[list[str], bool]]) -> Data:
    """Plain data of one attention block."""
    at, crosses = draw(st.sampled_from(places))
    kinds = [
        kind
        for kind in kinds_of(AttentionOptions).values()
        if crosses or not any(small.crosses for small in small_kinds(kind))
    ]
    return {**draw(st.one_of(*map(options, kinds))), "at": at}


@dataclass(frozen=True)
class Run:
    """How a spec is run once.

    Attributes:
        n_samples: of the mixture.
        training: the model's mode.
        batch: items; a lone one is what a user separates.
        dtype: of autocast; float32 for none.
        device: where.
    """

    n_samples: int
    training: bool
    batch: int = 1
    dtype: torch.dtype = torch.float32
    device: str = "cpu"


RUNS = st.builds(
    Run, st.integers(1, 9) | st.integers(1, 1200), st.booleans(), st.sampled_from([1, 2])
)


def run_once(spec: Spec, run: Run) -> None:
    """Forward and backward on noise: sizes as promised, every value and gradient finite."""
    model = build(spec).train(run.training).to(run.device)
    mixture = torch.randn(run.batch, spec.audio_channels, run.n_samples, device=run.device)
    with torch.autocast(run.device, run.dtype, enabled=run.dtype != torch.float32):
        estimates = model(mixture)
    assert estimates.shape == (run.batch, len(spec.sources), spec.audio_channels, run.n_samples)
    assert estimates.isfinite().all()
    estimates.float().square().mean().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def build_or_none(data: Data) -> Spec | None:
    """The spec, or None where validation refuses it."""
    try:
        return parse_spec(data)
    except SpecError:
        return None
