"""Does a with-block's peak show what it needed, whichever way the system allows to measure it?"""

import mmap
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from msdemucs.measure import memory
from msdemucs.measure.memory import SECONDS_BETWEEN_SAMPLES, peak_memory

MIB = 2**20
SLACK = 8 * MIB
"""Allocators round up, and Python goes on living meanwhile."""

KERNEL = pytest.param(
    "kernel high-water mark",
    marks=pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="only Linux keeps this mark"
    ),
)


@pytest.fixture(params=[KERNEL, "sampled resident set"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Each way in turn; without Linux's files there is only sampling."""
    if request.param == "sampled resident set":
        monkeypatch.setattr(memory, "PROCESS", tmp_path)
    return str(request.param)


def touch(n_bytes: int) -> None:
    """Need so much memory for several samples, since a shorter peak may be missed; give it back.

    The pages are the system's: an allocator may have kept some that earlier tests had touched.
    """
    with mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held[:: mmap.PAGESIZE] = b"1" * len(range(0, n_bytes, mmap.PAGESIZE))
        time.sleep(10 * SECONDS_BETWEEN_SAMPLES)


def test_what_was_needed_and_given_back_counts(method: str) -> None:
    with peak_memory() as found:
        touch(64 * MIB)
    assert found.method == method
    assert found.increase_bytes == pytest.approx(64 * MIB, abs=SLACK)
    assert found.bytes >= found.increase_bytes + 10 * MIB  # Python itself


def test_a_block_that_needs_nothing_stands_at_what_the_process_holds(method: str) -> None:
    with peak_memory() as found:
        pass
    # Within a hundredth: kibibytes are not kilobytes.
    assert found.bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.01)
    assert found.increase_bytes < SLACK


def test_an_earlier_peak_does_not_count(method: str) -> None:
    touch(256 * MIB)
    with peak_memory() as found:
        touch(32 * MIB)
    assert found.increase_bytes == pytest.approx(32 * MIB, abs=SLACK)


def test_a_block_that_fails_is_measured_too(method: str) -> None:
    with suppress(ZeroDivisionError), peak_memory() as found:
        touch(32 * MIB)
        raise ZeroDivisionError
    assert found.increase_bytes > 16 * MIB
