"""A model as it is used rather than trained, and how long it takes for a segment."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from msdemucs.errors import MsdemucsError, UsageError
from msdemucs.model import Separator


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every submodule's own mode is restored after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, is_training in modes:
            module.training = is_training


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters lie; the CPU for a model without any."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def wait_for(device: torch.device) -> None:
    """Return once all that was asked of a GPU is done; at once on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python's, the CPU's or the GPU's allocator had no more."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


@contextmanager
def memory_explained(
    advice: str, kind: Callable[[str], MsdemucsError] = MsdemucsError
) -> Iterator[None]:
    """Turn an allocator's refusal in the block into an error that says what to do.

    Args:
        advice: what needs less.
        kind: makes the error of its message.

    Raises:
        MsdemucsError: there is not enough memory.
        RuntimeError: another fault of torch's.
        MemoryError: never; it is told as the error above.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or "no more memory"
        raise kind(f"out of memory ({reason}); {advice}") from None


Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Timing:
    """How a latency is measured.

    Attributes:
        warmup: runs before the first that counts; at least 0.
        repeats: rounds that count; at least 1.
        threads: of torch while it is measured; None leaves them as they are.
        batch: segments at a time; at least 1.
        precision: bfloat16 runs under torch's autocast.
        passes: of each round, of which the fastest counts; at least 1. What a machine does beside
            makes a pass slower and none faster.
    """

    warmup: int = 2
    repeats: int = 7
    threads: int | None = None
    batch: int = 1
    precision: Precision = "float32"
    passes: int = 1

    def __post_init__(self) -> None:
        threads = 1 if self.threads is None else self.threads
        if self.warmup < 0 or min(self.repeats, self.passes, threads, self.batch) < 1:
            raise UsageError(
                "latency needs 0 or more warm-ups and at least 1 repeat, pass, thread and segment; "
                f"found {self}"
            )


@dataclass(frozen=True)
class Latency:
    """How long a batch of segments takes.

    Attributes:
        p05_ms: the 5th percentile.
        p50_ms: the median.
        p95_ms: the 95th percentile, interpolated between repeats.
        realtime_factor: median seconds of compute for a second of audio, over the batch; below 1
            keeps up.
        repeats: how many rounds the percentiles are of.
        threads: torch's threads on the CPU.
        device: "cpu" or "cuda:0", …
    """

    p05_ms: float
    p50_ms: float
    p95_ms: float
    realtime_factor: float
    repeats: int
    threads: int
    device: str


def latency(
    model: Separator,
    *,
    segment_samples: int,
    audio_channels: int,
    device: str = "cpu",
    timing: Timing | None = None,
) -> Latency:
    """Time the forward pass on noise, in evaluation mode; the model's modes are restored.

    The noise comes from a generator of its own: measuring changes no later random draw.

    Args:
        model: lies on the device.
        segment_samples: length of the mixture.
        audio_channels: 1 or 2.
        device: where the model lies.
        timing: warm-ups, repeats and threads; None takes Timing's own.

    Raises:
        UsageError: a segment without samples or channels.
    """
    if segment_samples < 1 or audio_channels < 1:
        raise UsageError(
            f"latency needs at least 1 sample and 1 channel; found {segment_samples} and "
            f"{audio_channels}"
        )
    timing = timing or Timing()
    shape = (timing.batch, audio_channels, segment_samples)
    mixture = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    place = torch.device(device)
    with inference(model), _threads(timing.threads), autocast(place, timing.precision):
        seconds = _seconds(model, mixture.to(place), place, timing)
        threads = torch.get_num_threads()
    p05, p50, p95 = (float(value) for value in np.percentile(seconds, (5, 50, 95)))
    return Latency(
        p05_ms=1e3 * p05,
        p50_ms=1e3 * p50,
        p95_ms=1e3 * p95,
        realtime_factor=p50 * model.spec.sample_rate / segment_samples / timing.batch,
        repeats=timing.repeats,
        threads=threads,
        device=device,
    )


def _seconds(
    model: Separator, mixture: Tensor, device: torch.device, timing: Timing
) -> list[float]:
    """Seconds of the fastest pass of each round; a GPU is waited for before and after a pass."""

    def seconds_of_pass() -> float:
        wait_for(device)
        start = time.perf_counter()
        model(mixture)
        wait_for(device)
        return time.perf_counter() - start

    for _ in range(timing.warmup):
        seconds_of_pass()
    return [min(seconds_of_pass() for _ in range(timing.passes)) for _ in range(timing.repeats)]


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Torch's own mixed precision, or nothing."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


@contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Torch's threads as wanted, and as they were after."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
