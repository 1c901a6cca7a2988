"""`msdemucs bench`: how fast a spec is on this machine."""

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from msdemucs.cli.console import errors, out, print_json
from msdemucs.cli.options import Device, choose_device
from msdemucs.cli.spec import AsJson, Set, Source, Sources, overrides
from msdemucs.spec import load_spec
from msdemucs.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from msdemucs.measure import Precision, Timing
    from msdemucs.model import Separator

TRACK_SECONDS, OVERLAP = 180, 0.25
"""Of the track whose separation the field times, and of its chunks."""


def bench(  # noqa: PLR0913 (one option a thing that a user may decide)
    source: Source,
    set_: Set = None,
    sources: Sources = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch on the CPU.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Segments at a time.")] = 1,
    precision: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="bfloat16: torch's autocast.")
    ] = "float32",
    warmup: Annotated[int, typer.Option(min=0, help="Runs before the first that counts.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Runs that count.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Time a spec with random weights: a segment, and a track of 180 s in overlapping chunks."""
    spec = load_spec(source, overrides=overrides(set_, sources))
    from msdemucs.measure import Timing, device_name, machine
    from msdemucs.measure.inference import memory_explained
    from msdemucs.model import build

    timing = Timing(warmup, repeats, threads, batch, precision)
    device = choose_device(device)
    with memory_explained("a smaller --batch, or --set segment=…, needs less"):
        model = build(spec).to(device)
        figures = _measure(model, timing, device)
    if as_json:
        print_json({"name": spec.name, **figures, "machine": machine()})
        return
    for line in _lines(figures, spec.segment):
        out.print(line, soft_wrap=True)
    out.print(f"on          {device_name(device)}, {precision}", soft_wrap=True)


def _measure(model: "Separator", timing: "Timing", device: str) -> dict[str, float]:
    """Seconds and bytes, by the names of a study's columns."""
    from msdemucs.measure import latency, peak_memory

    spec = model.spec
    first = _first_seconds(model, timing, device)
    n_batches = math.ceil(TRACK_SECONDS / (spec.segment * (1 - OVERLAP)) / timing.batch)
    seconds = first * (timing.warmup + timing.repeats + n_batches)
    errors.print(
        f"about {format_seconds(seconds)} by the first run: {timing.warmup} more to warm up, "
        f"{timing.repeats} that count, and a track of {TRACK_SECONDS} s",
        soft_wrap=True,
    )
    with peak_memory(device) as memory:
        times = latency(
            model,
            segment_samples=spec.n_samples,
            audio_channels=spec.audio_channels,
            device=device,
            timing=timing,
        )
    seconds = _track_seconds(model, timing.batch, timing.precision)
    return {
        "latency_ms_p50": times.p50_ms,
        "latency_ms_p95": times.p95_ms,
        "rtf": times.realtime_factor,
        "track_seconds": seconds,
        "track_rtf": seconds / TRACK_SECONDS,
        "peak_memory_increase_bytes": memory.increase_bytes,
        "batch": timing.batch,
        "threads": times.threads,
    }


def _first_seconds(model: "Separator", timing: "Timing", device: str) -> float:
    """Seconds of one run, which tells how long all will take."""
    from msdemucs.measure import latency

    once = latency(
        model,
        segment_samples=model.spec.n_samples,
        audio_channels=model.spec.audio_channels,
        device=device,
        timing=replace(timing, warmup=0, repeats=1),
    )
    return once.p50_ms / 1000


def _track_seconds(model: "Separator", batch: int, precision: "Precision") -> float:
    """Seconds to separate a track in chunks of a segment that overlap by a quarter."""
    import torch

    from msdemucs.evaluate import separate_waveform
    from msdemucs.measure import autocast
    from msdemucs.measure.inference import device_of, wait_for

    spec, device = model.spec, device_of(model)
    generator = torch.Generator().manual_seed(0)
    shape = (spec.audio_channels, TRACK_SECONDS * spec.sample_rate)
    mixture = 0.1 * torch.randn(shape, generator=generator)
    start = time.perf_counter()
    with autocast(device, precision):
        separate_waveform(
            model, mixture, segment_samples=spec.n_samples, overlap=OVERLAP, batch_size=batch
        )
    wait_for(device)
    return time.perf_counter() - start


def _lines(figures: dict[str, float], segment: float) -> list[str]:
    p50, p95 = (figures[f"latency_ms_{name}"] / 1000 for name in ("p50", "p95"))
    memory = format_bytes(figures["peak_memory_increase_bytes"])
    batch = f"{figures['batch']:g} segments" if figures["batch"] > 1 else "a segment"
    return [
        f"latency     {format_seconds(p50)} median, {format_seconds(p95)} 95th percentile, for "
        f"{batch} of {segment:g} s; {figures['threads']:g} threads",
        f"real time   {figures['rtf']:.3f} seconds of compute for a second of audio, by the "
        "segment",
        f"            {figures['track_rtf']:.3f} for a track of {TRACK_SECONDS} s "
        f"({format_seconds(figures['track_seconds'])}), chunks overlapping by a quarter",
        f"memory      {memory} more than the model itself",
    ]
