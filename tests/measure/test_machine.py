"""What a figure is from, and does a block's peak of memory show what it needed?"""

import json
import mmap
import platform
import time
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from msdemucs.errors import UsageError
from msdemucs.measure import choose_device, device_name, machine
from msdemucs.measure.machine import SECONDS_BETWEEN_SAMPLES, peak_memory

MODULE = import_module("msdemucs.measure.machine")
"""Not the function, which has its name."""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty /proc."""
    monkeypatch.setattr(MODULE, "PROC", tmp_path)
    return tmp_path


def test_versions_are_those_installed() -> None:
    found = machine()
    names = ("msdemucs", "torch", "optuna", "numpy")
    assert found["versions"] == {name: version(name) for name in names}
    assert found["python"] == platform.python_version()


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "PACKAGES", ("numpy", "no-such-package"))
    assert machine()["versions"] == {"numpy": version("numpy"), "no-such-package": None}


def test_it_is_plain_data() -> None:
    found = machine()
    assert json.loads(json.dumps(found)) == found
    assert isinstance(found["memory_bytes"], int)
    assert found["memory_bytes"] > 2**28
    assert isinstance(found["cores"], int)
    assert found["cores"] >= 1


def test_the_processor_is_the_model_that_linux_names(proc: Path) -> None:
    (proc / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 9000\nmodel name\t: b\n")
    assert machine()["cpu"] == "Abacus 9000"


def test_without_linux_s_files_the_processor_still_has_a_name(proc: Path) -> None:
    assert machine()["cpu"]
    assert machine()["gpus"] == []


def test_a_device_is_named_with_its_model(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (proc / "cpuinfo").write_text("model name\t: Abacus 9000\n")
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"Toy {device[-1]}")
    assert device_name("cpu") == "cpu: Abacus 9000"
    assert device_name("cuda:1") == "cuda:1: Toy 1"


@pytest.mark.parametrize(
    ("n_gpus", "device", "chosen"),
    [
        (0, "auto", "cpu"),
        (2, "auto", "cuda"),
        (2, "cpu", "cpu"),
        (2, "cuda", "cuda"),
        (2, "cuda:1", "cuda:1"),
    ],
)
def test_the_device_is_the_gpu_where_there_is_one_or_what_is_named(
    monkeypatch: pytest.MonkeyPatch, n_gpus: int, device: str, chosen: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: n_gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    assert choose_device(device) == chosen


@pytest.mark.parametrize(
    ("n_gpus", "device", "reason"),
    [
        (0, "cuda", "torch sees no GPU here"),
        (1, "cuda:1", "torch sees one GPU here"),
        (2, "cuda:2", "torch sees 2 GPUs here"),
        (2, "abacus", "take auto, cpu, cuda or cuda:1"),
        (2, "meta", "take auto, cpu, cuda or cuda:1"),
    ],
)
def test_a_device_that_is_not_there_is_named_with_what_is(
    monkeypatch: pytest.MonkeyPatch, n_gpus: int, device: str, reason: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: n_gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    with pytest.raises(UsageError, match=f"--device {device} cannot be used: {reason}"):
        choose_device(device)


def test_gpus_are_those_of_the_driver(proc: Path) -> None:
    folder = proc / "driver/nvidia/gpus/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t NVIDIA Toy\nIRQ: 1\n")
    assert machine()["gpus"] == ["NVIDIA Toy"]


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
        monkeypatch.setattr(MODULE, "PROCESS", tmp_path)
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
