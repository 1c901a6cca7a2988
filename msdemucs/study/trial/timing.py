"""How long a trial's model takes, measured while the host is quiet."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import inf

from msdemucs.measure import HostLock, Timing, is_quiet, latency, quietly
from msdemucs.model import Separator
from msdemucs.study.trial.recorder import StoppedError, TrialRecorder

TIMING = Timing(repeats=5, passes=3)
"""The median of five rounds' fastest of three passes."""


@contextmanager
def timed(model: Separator, log: TrialRecorder, host: HostLock, device: str) -> Iterator[None]:
    """A block before which latency is measured, and again after it where the machine was busy.

    Args:
        model: the candidate.
        log: keeps the times of the quieter measurement.
        host: makes the trainings of other processes pause.
        device: where.

    Raises:
        StoppedError: by the block.
    """
    busy = measure(model, log, host, device)
    try:
        yield
    except StoppedError:
        measure(model, log, host, device, busy_before=busy)
        raise
    measure(model, log, host, device, busy_before=busy)


def measure(
    model: Separator,
    log: TrialRecorder,
    host: HostLock,
    device: str,
    *,
    busy_before: float = inf,
) -> float:
    """Record how long one segment takes, in the quietest of a few attempts.

    Args:
        model: the candidate.
        log: keeps the times unless an earlier measurement was quieter.
        host: makes the trainings of other processes pause.
        device: where.
        busy_before: the share of the cores that others kept busy during the earlier measurement;
            after a quiet one nothing is measured.

    Returns:
        That share during this measurement.
    """
    if is_quiet(busy_before):
        return busy_before
    log.progress.phase("latency", 1)
    spec = model.spec
    with host.measuring():
        times, busy = quietly(
            partial(
                latency,
                model,
                segment_samples=spec.n_samples,
                audio_channels=spec.audio_channels,
                device=device,
                timing=TIMING,
            ),
            attempts=2 if busy_before == inf else 1,  # what is busy now may not be so later
        )
    if busy < busy_before:
        log.record(
            {
                "latency_busy": busy,
                "latency_ms_p05": times.p05_ms,
                "latency_ms_p50": times.p50_ms,
                "latency_ms_p95": times.p95_ms,
                "rtf": times.realtime_factor,
            }
        )
    return busy
