"""Small specs for tests: by hand, and drawn by hypothesis over every field."""

from collections.abc import Mapping

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from msdemucs.errors import SpecError
from msdemucs.spec import Spec, load_spec, parse_spec

SMALL: dict[str, object] = {
    "channels.start": 4,
    "depth": 2,
    "segment": 0.25,
    "sample_rate": 8000,
    "attention.0.layers": 2,
    "attention.0.heads": 2,
    "attention.0.ffn": 1,
}


def small(name: str, overrides: Mapping[str, object] | None = None) -> Spec:
    """A zoo system with few channels, two levels and short segments."""
    resolutions = [512] if name == "htdemucs" else [256, 512]
    return load_spec(
        name, overrides={**SMALL, "spectral.resolutions": resolutions, **(overrides or {})}
    )


@st.composite
def spec_data(draw: DrawFn) -> dict[str, object]:
    """Plain data of a small spec over every field; most are valid, some cannot build."""
    depth = draw(st.integers(1, 3))
    strides = draw(st.lists(st.sampled_from([1, 2, 4]), min_size=depth, max_size=depth))
    extra = draw(st.lists(st.sampled_from([0, 2, 4]), min_size=depth, max_size=depth))
    resolutions = draw(
        st.lists(st.sampled_from([64, 128, 256]), min_size=1, max_size=3, unique=True)
    )
    hop_divisor = draw(st.sampled_from([2, 4, 8]))
    spectral = {
        "resolutions": [{"n_fft": n, "hop_length": n // hop_divisor} for n in resolutions],
        "frequency_embedding": draw(
            st.sampled_from([None, {"weight": 0.3, "smooth": False}, {"scale": 2.0}])
        ),
    }
    has_spectral, has_waveform = draw(
        st.sampled_from([(True, True), (True, True), (True, False), (False, True)])
    )
    output: list[dict[str, object]] = [{"kind": "sum"}, {"kind": "convolution", "width": 5}]
    if has_spectral and len(resolutions) > 1:
        smoothing = draw(st.sampled_from([None, 0.5]))
        output += [{"kind": kind, "smoothing": smoothing} for kind in ("weighted", "per_source")]
    return {
        "name": "drawn",
        "sources": draw(st.sampled_from([["vocals"], ["a", "b"], ["a", "b", "c", "d"]])),
        "sample_rate": 8000,
        "audio_channels": draw(st.sampled_from([1, 2])),
        "segment": 0.1,
        "depth": depth,
        "channels": draw(
            st.sampled_from([4, {"start": 4, "growth": 1.5, "round_to": 4}, {"start": 8}])
        ),
        "kernel_size": [stride + more for stride, more in zip(strides, extra, strict=True)],
        "stride": strides,
        "waveform": {} if has_waveform else None,
        "spectral": spectral if has_spectral else None,
        "residual": draw(
            st.sampled_from([None, {}, {"decoder": True, "compress": 2.0, "depth": 1}])
        ),
        "norm": draw(st.sampled_from([None, {"starts": 0, "groups": 2}, {"starts": 1}])),
        "attention": draw(st.lists(blocks(crosses=has_spectral and has_waveform), max_size=2)),
        "fusion": {
            "bottleneck": {"kind": "weighted", "smoothing": draw(st.sampled_from([None, 0.9]))},
            "output": draw(st.sampled_from(output)),
        },
        "init": {"rescale": draw(st.sampled_from([None, 0.1]))},
    }


@st.composite
def blocks(draw: DrawFn, crosses: bool) -> dict[str, object]:
    """Plain data of one attention block."""
    return {
        "kind": draw(st.sampled_from(["self", "alternating"] if crosses else ["self"])),
        "mechanism": draw(st.sampled_from(["softmax", "linear"])),
        "layers": draw(st.integers(1, 2)),
        "heads": draw(st.sampled_from([1, 2])),
        "ffn": draw(st.sampled_from([0.5, 2.0])),
    }


def build_or_none(data: dict[str, object]) -> Spec | None:
    """The spec, or None where validation refuses it."""
    try:
        return parse_spec(data)
    except SpecError:
        return None
