"""A model as it is used: memory that is refused, and times."""

import time

import pytest
import torch
from torch import Tensor

from msdemucs.errors import MsdemucsError, UsageError
from msdemucs.measure import Timing, latency
from msdemucs.measure.inference import memory_explained
from tests.toys import SAMPLE_RATE, Scale


@pytest.mark.parametrize("ask", [lambda: torch.empty(1 << 60), lambda: bytearray(1 << 62)])
def test_an_allocator_that_refuses_is_explained(ask: object) -> None:
    refused = pytest.raises(MsdemucsError, match=r"^out of memory .*; use less$")
    with refused, memory_explained("use less"):
        ask()  # type: ignore[operator]


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_explained("use less"):
        torch.zeros(3).reshape(2, 2)


class Clock:
    """A clock that a model moves on; it replaces the real one."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Timed(Scale):
    """A model whose runs take the seconds given, in order."""

    def __init__(self, clock: Clock, seconds: list[float]) -> None:
        super().__init__()
        self.clock, self.seconds = clock, list(seconds)

    def forward(self, mixture: Tensor) -> Tensor:
        """The mixture."""
        self.clock.now += self.seconds.pop(0)
        return super().forward(mixture)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "perf_counter", found)
    return found


def test_percentiles_leave_the_warm_ups_out(clock: Clock) -> None:
    model = Timed(clock, [9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    timing = Timing(warmup=2, repeats=5)
    found = latency(model, segment_samples=SAMPLE_RATE * 2, audio_channels=2, timing=timing)
    assert found.p50_ms == pytest.approx(3000)
    assert found.p95_ms == pytest.approx(4800)  # between 4 s and 5 s
    assert found.realtime_factor == pytest.approx(1.5)  # 3 s of compute for 2 s of audio
    assert (found.repeats, found.device) == (5, "cpu")


def test_one_segment_at_a_time_in_evaluation_mode_and_modes_are_restored() -> None:
    model = Scale().train()
    model.inner.eval()
    latency(model, segment_samples=64, audio_channels=2, timing=Timing(warmup=1, repeats=2))
    assert model.calls == [((1, 2, 64), False, True)] * 3
    assert (model.training, model.inner.training) == (True, False)


def test_threads_are_as_asked_while_it_measures_and_as_before_after() -> None:
    torch.set_num_threads(1)
    found = latency(Scale(), segment_samples=64, audio_channels=2, timing=Timing(threads=2))
    assert found.threads == 2
    assert torch.get_num_threads() == 1


def test_measuring_changes_no_later_random_draw() -> None:
    torch.manual_seed(7)
    expected = torch.randn(3)
    torch.manual_seed(7)
    latency(Scale(), segment_samples=64, audio_channels=2)
    assert torch.equal(torch.randn(3), expected)


def test_a_batch_shares_its_time(clock: Clock) -> None:
    model = Timed(clock, [4.0, 4.0])
    timing = Timing(warmup=1, repeats=1, batch=4)
    found = latency(model, segment_samples=SAMPLE_RATE * 2, audio_channels=2, timing=timing)
    assert found.realtime_factor == pytest.approx(0.5)  # 4 s of compute for 8 s of audio
    assert model.calls[0][0] == (4, 2, SAMPLE_RATE * 2)


def test_bfloat16_runs_under_autocast() -> None:
    seen = []

    class Watching(Scale):
        def forward(self, mixture: Tensor) -> Tensor:
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().forward(mixture)

    timing = Timing(warmup=0, repeats=1, precision="bfloat16")
    latency(Watching(), segment_samples=64, audio_channels=2, timing=timing)
    assert seen == [True]
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("field", ["repeats", "passes", "threads", "batch"])
def test_a_timing_that_measures_nothing_is_refused(field: str) -> None:
    with pytest.raises(UsageError, match=f"{field}=0"):
        Timing(**{field: 0})  # type: ignore[arg-type]


def test_a_segment_without_samples_is_refused() -> None:
    with pytest.raises(UsageError, match="found 0 and 2"):
        latency(Scale(), segment_samples=0, audio_channels=2)


def test_a_round_is_as_fast_as_its_fastest_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine does beside makes a pass slower and none faster."""
    seconds = [9, 4, 2, 6, 8, 5, 7, 3, 3, 1]  # a warm-up, then three rounds of three passes
    clock = [time for end in seconds for time in (0, end)]
    monkeypatch.setattr("time.perf_counter", lambda: clock.pop(0))
    timing = Timing(warmup=1, repeats=3, passes=3)
    times = latency(Scale(), segment_samples=64, audio_channels=2, timing=timing)
    assert not clock
    assert times.p50_ms == 2000  # of 2, 5 and 1 seconds
    assert times.p95_ms == pytest.approx(4700)
