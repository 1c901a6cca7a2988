"""Worker processes of one machine: shared out, listened to, stopped together."""

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from msdemucs.cli.console import Bars, Lines, beside, progress
from msdemucs.cli.study.run import ExecutionOptions, environments
from msdemucs.errors import StudyError, UsageError
from msdemucs.study.execution import worker_pool
from msdemucs.study.execution.worker_pool import EventWriter, Name, WorkerPool, pass_on, shares
from msdemucs.study.trial.recorder import Silent

PRELUDE = """\
import json, os, signal, sys, time
def tell(**event):
    print(json.dumps(event), flush=True)
def leave(number, frame):
    tell(event="said", message="leaving")
    sys.exit(130)
signal.signal(signal.SIGTERM, leave)
"""


class Ears(Silent):
    """Remembers all that it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, message: str) -> None:
        self.lines.append(message)

    def ended(self, trial: int, state: str, note: str) -> None:
        self.lines.append(f"{trial} {state} {note}")


def pool_of(script: str, in_tmp: Path, *, workers: int = 2) -> tuple[WorkerPool, list[Ears]]:
    ears = [Ears() for _ in range(workers)]
    environments = [{"NUMBER": str(number)} for number in range(workers)]
    command = [sys.executable, "-c", PRELUDE + script]
    return WorkerPool(command, environments, ears, in_tmp / "workers"), ears


@pytest.fixture
def in_tmp(tmp_path: Path) -> Path:
    return tmp_path


def test_workers_tell_what_they_do_and_their_trials_are_added_up(in_tmp: Path) -> None:
    script = """
number = int(os.environ["NUMBER"])
tell(event="ended", trial=number, state="complete", note="usdr_db 1")
print("no event", file=sys.stderr)
print("no event either")
tell(event="finished", ran=number + 1)
"""
    started, ears = pool_of(script, in_tmp)
    with started:
        assert started.run() == 3
    assert [ear.lines for ear in ears] == [["0 complete usdr_db 1"], ["1 complete usdr_db 1"]]
    assert (in_tmp / "workers/worker-1.log").read_text() == "no event\n"


def test_a_killed_worker_is_started_again(in_tmp: Path) -> None:
    script = """
from pathlib import Path
if os.environ["NUMBER"] == "1" and not Path("died").exists():
    Path("died").touch()
    os.kill(os.getpid(), signal.SIGKILL)
tell(event="finished", ran=1)
"""
    before = Path.cwd()
    os.chdir(in_tmp)
    try:
        started, ears = pool_of(script, in_tmp)
        with started:
            assert started.run() == 2
    finally:
        os.chdir(before)
    assert ears[1].lines == ["worker 2 was killed by signal 9; it is started again"]


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        ('tell(event="failed", message="no tracks"); sys.exit(1)', "worker 1: no tracks"),
        ("sys.exit(3)", r"worker 1 ended with exit code 3; see .*worker-1.log"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "worker 1 was killed by signal 9; see"),
    ],
)
def test_one_that_cannot_go_on_stops_all(in_tmp: Path, failing: str, message: str) -> None:
    script = f"""
if os.environ["NUMBER"] == "0":
    {failing}
time.sleep(60)
"""
    started, _ = pool_of(script, in_tmp)
    with pytest.raises(StudyError, match=message), started:
        started.run()
    assert all(worker.process.poll() is not None for worker in started.workers)
    assert started.workers[1].process.returncode in (130, -signal.SIGTERM)


def test_ctrl_c_has_all_save_and_leave_and_kills_who_does_not(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
if os.environ["NUMBER"] == "1":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
tell(event="said", message="ready")
time.sleep(60)
"""
    started, ears = pool_of(script, in_tmp)
    while not all(ear.lines for ear in ears):
        time.sleep(0.01)
    # looked at when they are told to leave, and before each is waited for
    clock = iter([0.0, 0.0, worker_pool.GRACE_S])
    monkeypatch.setattr(worker_pool, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    started.stop()
    assert [worker.process.returncode for worker in started.workers] == [130, -signal.SIGKILL]


def test_a_worker_leaves_when_the_process_that_began_it_is_gone(in_tmp: Path) -> None:
    script = """
from msdemucs.study.execution.worker_pool import leave_with_parent
leave_with_parent()
tell(event="said", message="ready")
time.sleep(60)
"""
    started, ears = pool_of(script, in_tmp, workers=1)
    while not ears[0].lines:
        time.sleep(0.01)
    worker = started.workers[0].process
    assert worker.stdin is not None
    worker.stdin.close()  # as the end of this process would
    assert worker.wait(30) == 130
    started.stop()


def test_events_reach_a_listener_as_they_were_told(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[object, ...]] = []

    class Writes(Silent):
        def said(self, message: str) -> None:
            calls.append(("said", message))

        def began(self, candidate: object, *, complete: int, wanted: int) -> None:
            calls.append(("began", candidate, complete, wanted))

        def phase(self, what: str, total: int) -> None:
            calls.append(("phase", what, total))

        def advanced(self, done: int, note: str) -> None:
            calls.append(("advanced", done, note))

        def ended(self, trial: int, state: str, note: str) -> None:
            calls.append(("ended", trial, state, note))

    writer = EventWriter(sys.stdout)
    writer.said("hello")
    writer.began(Name(3, "htdemucs", 7), complete=2, wanted=5)
    writer.phase("training", 10)
    writer.advanced(4, "loss 0.5")
    writer.ended(3, "complete", "usdr_db 1")
    for line in capsys.readouterr().out.splitlines():
        pass_on(json.loads(line), Writes())
    assert calls == [
        ("said", "hello"),
        ("began", Name(3, "htdemucs", 7), 2, 5),
        ("phase", "training", 10),
        ("advanced", 4, "loss 0.5"),
        ("ended", 3, "complete", "usdr_db 1"),
    ]


def test_cores_and_gpus_are_shared_out() -> None:
    two = shares(2, cores=8, gpus=[])
    assert two == [{"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}] * 2
    assert shares(3, cores=2, gpus=[])[0]["OMP_NUM_THREADS"] == "1"
    each = shares(2, cores=8, gpus=["0", "3"])
    assert [share["CUDA_VISIBLE_DEVICES"] for share in each] == ["0", "3"]
    four = shares(4, cores=8, gpus=["0", "1"], gpu_fraction=0.5)
    assert [share["CUDA_VISIBLE_DEVICES"] for share in four] == ["0", "1", "0", "1"]
    uneven = shares(4, cores=8, gpus=["0", "1"], gpu_fraction=0.3)  # not three on one
    assert sorted(share["CUDA_VISIBLE_DEVICES"] for share in uneven) == ["0", "0", "1", "1"]
    assert {share["MSDEMUCS_GPU_FRACTION"] for share in four} == {"0.5"}
    with pytest.raises(UsageError, match=r"1 GPU with --gpu-fraction 0.5 has room for 2 workers"):
        shares(3, cores=8, gpus=["0"], gpu_fraction=0.5)


def test_a_fraction_of_no_gpu_is_said_to_change_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert len(environments(2, 0.5)) == 2
    assert "there is no GPU here: --gpu-fraction changes nothing" in capsys.readouterr().err
    environments(2, 1.0)
    assert capsys.readouterr().err == ""


def test_workers_on_the_cpu_take_no_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert {share["CUDA_VISIBLE_DEVICES"] for share in environments(1, 1.0)} == {"0"}
    assert not any("CUDA_VISIBLE_DEVICES" in share for share in environments(3, 1.0, device="cpu"))
    environments(3, 0.5, device="cpu")
    assert "on the CPU: --gpu-fraction changes nothing" in capsys.readouterr().err


def test_workers_are_given_what_was_asked_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(
        "msdemucs.study.execution.worker_pool.run_on_pool",
        lambda *_, **options: given.append(options["options"]),
    )
    data = [Path("elsewhere")]
    ExecutionOptions(2, device="cpu").run("toy", "sqlite:///a.db", None, Silent(), data=data)
    ExecutionOptions(2).run("toy", "sqlite:///a.db", None, Silent())
    ExecutionOptions(2, auto_batch=True).run("toy", "sqlite:///a.db", None, Silent())
    assert given == [["--data", "elsewhere", "--device", "cpu"], [], ["--auto-batch"]]
    assert ExecutionOptions(2, device="cpu").words() == {"workers": 2, "device": "cpu"}


def test_processes_share_the_studys_bar_or_write_lines_of_their_own() -> None:
    with progress(Console(force_terminal=True, file=StringIO()), study="a", wanted=3) as one:
        assert isinstance(one, Bars)
        other = beside(one)
        assert isinstance(other, Bars)
        assert other.study == one.study
        assert other.trial != one.trial
    lines = Lines(Console(file=StringIO()))
    assert beside(lines) is not lines


LEAVES = """
from msdemucs.study.execution.worker_pool import leave_with_parent
leave_with_parent()
print("ready", flush=True)
{wait}
"""


def test_a_worker_that_is_done_ends_well_although_its_parent_lives() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEAVES.format(wait="None")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.wait(60) == 0  # its standard input is open still
        assert child.stderr is not None
        assert child.stderr.read() == b""


def test_a_worker_is_interrupted_when_its_parent_is_gone() -> None:
    wait = "__import__('signal').pause()"
    with subprocess.Popen(
        [sys.executable, "-c", LEAVES.format(wait=wait)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"ready\n"
        child.stdin.close()
        assert child.wait(60) == -signal.SIGTERM
