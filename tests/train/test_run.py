"""Does a run in a folder survive whatever kills it, and refuse to become another one?"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest
import torch
import yaml
from safetensors.torch import load_file

import msdemucs
from msdemucs.data import Batch, Track, find_tracks
from msdemucs.errors import CheckpointError, DataError, UsageError
from msdemucs.model import build, load_weights, save_weights
from msdemucs.model.weights import read_about
from msdemucs.spec import Spec, dump_spec, spec_hash
from msdemucs.train.optimisers import Constant
from msdemucs.train.recipe import Validation
from msdemucs.train.run import run
from msdemucs.train.session import Checkpoints, CsvLog, StepReport, open_logs, read_log
from msdemucs.train.tracks import Tracks, names_of
from msdemucs.train.training import Asked, Means, TrainingRun
from tests.study.postgres import free_port
from tests.test_files import files_of_at_most

N_KILLS = 10
PACKAGE = str(Path(msdemucs.__file__).parent)

BY_LOSS = Validation(every=5, metric="loss")

NOTES: dict[str, object] = {
    "shift": 0.1,
    "grid": 0.25,
    "normalise": True,
    "joint": True,
    "keep": "best",
    "validation": BY_LOSS,
}
"""What the field notes' recipe adds."""


def drawn_by(asked: Asked, tracks: list[Track], folder: Path) -> Batch:
    """The first batch of a training on some tracks."""
    names = names_of(tracks, is_one_set=True)
    return TrainingRun(asked, Tracks(tracks, [], names), folder).sampler.batch(1)


def change(asked: Asked, **fields: object) -> Asked:
    return replace(asked, recipe=asked.recipe.model_copy(update=fields))


def test_a_run_leaves_weights_logs_and_a_result(asked: Asked, tmp_path: Path) -> None:
    steps: list[int] = []
    done = run(asked, tmp_path / "run", Means(on_step=lambda report: steps.append(report.step)))
    assert steps == list(range(1, 13))
    assert load_weights(done.weights).spec == asked.spec
    assert [int(row[0]) for row in read_log(tmp_path / "run" / "log.csv")] == steps
    scores = read_log(tmp_path / "run" / "validation.csv")
    assert [int(step) for step, _ in scores] == [5, 10, 12]
    best = max(scores, key=lambda row: float(row[1]))
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["steps"] == 12
    assert result["best_validation"] == [int(best[0]), float(best[1])]


def test_the_weights_are_the_moving_average(asked: Asked, tmp_path: Path) -> None:
    averaged = load_weights(run(asked, tmp_path / "a").weights)
    plain = load_weights(run(change(asked, ema=None), tmp_path / "b").weights)
    pairs = zip(averaged.parameters(), plain.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_a_finished_run_is_left_alone(asked: Asked, tmp_path: Path) -> None:
    first = run(asked, tmp_path / "run")
    written = first.weights.stat().st_mtime_ns
    again = run(asked, tmp_path / "run")
    assert (first.was_done, again.was_done) == (False, True)
    assert again.weights.stat().st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("fields", [{"steps": 30, "validation": None}, {"steps": 20, **NOTES}])
def test_a_run_killed_at_ten_random_moments_ends_bit_for_bit_as_one_that_was_not(
    asked: Asked, tmp_path: Path, fields: dict[str, object]
) -> None:
    # a checkpoint every step, so that many of the kills fall into writing one
    asked = change(asked, checkpoint_every=1, **fields)
    calls = CountedCalls()
    calls_at_step: list[int] = []
    means = Means(on_step=lambda _: calls_at_step.append(calls.made))
    with calls:
        whole = run(asked, tmp_path / "whole", means)
    start_up = calls_at_step[0]
    share = (calls.made - start_up) // N_KILLS
    moments = random.Random(0)
    folder = tmp_path / "killed"
    for _ in range(N_KILLS):
        kill_at_call(start_up + moments.randrange(share), asked, folder)
    assert not (folder / "result.json").exists()
    last = run(asked, folder)
    ended, wanted = load_file(last.weights), load_file(whole.weights)  # headers have no order
    assert ended.keys() == wanted.keys()
    assert all(torch.equal(ended[name], wanted[name]) for name in wanted)
    logs = [read_log(place / "log.csv") for place in (tmp_path / "whole", folder)]
    # all but the speed of a step
    assert [row[:-1] for row in logs[0]] == [row[:-1] for row in logs[1]]
    scores = [read_log(place / "validation.csv") for place in (tmp_path / "whole", folder)]
    assert scores[0] == scores[1]
    assert last.result["best_validation"] == whole.result["best_validation"]


class CountedCalls:
    """Counts the calls to and from functions of msdemucs: a clock that no machine slows down."""

    def __init__(self, last: int | None = None) -> None:
        self.made = 0
        self._last = last

    def __enter__(self) -> None:
        sys.setprofile(self._note)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event in {"call", "c_call"} and PACKAGE in frame.f_code.co_filename:
            if self.made == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
            self.made += 1


def kill_at_call(number: int, asked: Asked, folder: Path) -> None:
    """Run in a process of its own, which is killed as it makes a call of that number."""
    child = os.fork()
    if child == 0:
        try:
            with CountedCalls(last=number):
                run(asked, folder)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"lr": 0.5}, "recipe.lr: 0.001 → 0.5"),
        ({"steps": 13}, "recipe.steps: 12 → 13"),
    ],
)
def test_a_folder_of_a_run_that_was_asked_otherwise_is_refused_with_the_difference(
    asked: Asked, tmp_path: Path, other: dict[str, object], difference: str
) -> None:
    run(asked, tmp_path / "run")
    with pytest.raises(UsageError, match="asked otherwise") as caught:
        run(change(asked, **other), tmp_path / "run")
    assert difference in str(caught.value)


def test_another_seed_or_spec_is_another_run(asked: Asked, tmp_path: Path) -> None:
    run(asked, tmp_path / "run")
    with pytest.raises(UsageError, match="seed: 3 → 4"):
        run(replace(asked, seed=4), tmp_path / "run")
    wider = asked.spec.model_copy(update={"segment": 0.5})
    with pytest.raises(UsageError, match=r"spec.segment: 0.25 → 0.5"):
        run(replace(asked, spec=wider), tmp_path / "run")


def test_how_often_a_run_is_saved_may_change(asked: Asked, tmp_path: Path) -> None:
    run(asked, tmp_path / "run")
    assert run(change(asked, checkpoint_every=None), tmp_path / "run").was_done


def test_a_folder_of_other_things_is_not_written_to(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is there already and holds no run"):
        run(asked, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_weights_to_begin_with_are_begun_with(asked: Asked, tmp_path: Path) -> None:
    first = run(asked, tmp_path / "first")
    still = replace(change(asked, lr=1e-12, ema=None), weights=first.weights)
    second = run(still, tmp_path / "second")
    before, after = (load_weights(done.weights) for done in (first, second))
    for a, b in zip(before.parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_weights_of_another_spec_are_refused_and_claim_no_folder(
    asked: Asked, tmp_path: Path
) -> None:
    first = run(asked, tmp_path / "first")
    wider = replace(asked, spec=asked.spec.model_copy(update={"segment": 0.5}))
    with pytest.raises(UsageError, match=r"another spec, .*, which differs in segment"):
        run(replace(wider, weights=first.weights), tmp_path / "second")
    with pytest.raises(UsageError, match=r"gone.safetensors: there is no such file of weights"):
        run(replace(asked, weights=tmp_path / "gone.safetensors"), tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_weights_that_saw_normalised_tracks_go_on_seeing_them(asked: Asked, tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = tmp_path / "first.safetensors"
    save_weights(build(asked.spec), first, origin="theirs", normalised=True)
    tracks = find_tracks(asked.data[0], split="train", sample_rate=asked.spec.sample_rate)
    own = replace(asked, weights=first)
    batch = drawn_by(own, tracks, tmp_path)
    assert float(batch.mixture.mean(1).std()) == pytest.approx(1, abs=0.1)
    plain = drawn_by(replace(own, weights=run(asked, tmp_path / "plain").weights), tracks, tmp_path)
    assert float(plain.mixture.mean(1).std()) < 0.3
    done = read_about(run(own, tmp_path / "run").weights)
    assert (done.origin, done.normalised) == ("theirs", True)
    saved = read_about(max((tmp_path / "run" / "checkpoints").iterdir()) / "weights.safetensors")
    assert saved.normalised


def test_a_recipe_that_normalises_says_so_in_the_weights(asked: Asked, tmp_path: Path) -> None:
    done = run(change(asked, normalise=True, steps=2), tmp_path / "run")
    assert read_about(done.weights).normalised
    saved = max((tmp_path / "run" / "checkpoints").iterdir()) / "weights.safetensors"
    assert read_about(saved).normalised


def test_the_weights_are_those_of_the_least_validation_loss(asked: Asked, tmp_path: Path) -> None:
    """A rate that is far too high at the end makes sure that it is not the last."""
    wild = change(asked, lr=0.3, final_lr=0.3, ema=None, **{**NOTES, "schedule": Constant()})
    done = run(wild, tmp_path / "run")
    header, *rows = (tmp_path / "run" / "validation.csv").read_text().splitlines()
    assert header == "step,loss"
    losses = {int(step): float(loss) for step, loss in (row.split(",") for row in rows)}
    assert list(losses) == [5, 10, 12]
    best = min(losses, key=lambda step: losses[step])
    assert list(done.result["best_validation"]) == [best, losses[best]]  # type: ignore[call-overload]
    kept = load_file(tmp_path / "run" / "checkpoints" / f"step-{best:08d}" / "weights.safetensors")
    ended = load_file(done.weights)
    assert all(torch.equal(ended[name], kept[name]) for name in kept)


def test_the_weights_of_a_checkpoint_are_weights_like_any_others(
    asked: Asked, tmp_path: Path
) -> None:
    run(asked, tmp_path / "first")
    last = max((tmp_path / "first" / "checkpoints").iterdir()) / "weights.safetensors"
    assert spec_hash(load_weights(last).spec) == spec_hash(asked.spec)
    gentler = change(asked, lr=1e-4)
    assert run(replace(gentler, weights=last), tmp_path / "second").weights.is_file()


def test_a_run_killed_while_it_wrote_its_first_file_begins_anew(
    asked: Asked, tmp_path: Path
) -> None:
    (tmp_path / ".run.json.1.partial").write_text("{")
    (tmp_path / ".lock").write_text("{}")  # its holder was killed
    assert run(asked, tmp_path).weights.is_file()


def test_a_second_training_in_a_folder_is_refused_while_the_first_goes_on(
    asked: Asked, tmp_path: Path
) -> None:
    refused: list[str] = []

    def again(report: StepReport) -> None:
        if report.step == 1:
            with pytest.raises(UsageError, match="is in use for a training by process") as caught:
                run(asked, tmp_path)
            refused.append(str(caught.value))

    assert run(asked, tmp_path, Means(on_step=again)).result["steps"] == 12
    assert len(refused) == 1


def test_a_place_that_cannot_be_written_is_named_with_the_reason(
    asked: Asked, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/run: cannot be written: not a directory"):
        run(asked, tmp_path / "file" / "run")
    with pytest.raises(UsageError, match="file is there already and is no folder"):
        run(asked, tmp_path / "file")


def test_a_disk_that_fills_up_is_named_with_the_file_and_the_run_goes_on_later(
    asked: Asked, tmp_path: Path
) -> None:
    with (
        files_of_at_most(20_000),
        pytest.raises(CheckpointError, match="step-00000002: cannot be written: file too large"),
    ):
        run(asked, tmp_path)
    assert run(asked, tmp_path).result["steps"] == 12


def test_a_run_whose_end_is_missing_makes_it_again_to_the_byte(
    asked: Asked, tmp_path: Path
) -> None:
    first = run(asked, tmp_path)
    written = first.weights.read_bytes()
    for missing in (["weights.safetensors"], ["weights.safetensors", "result.json"]):
        for name in missing:
            (tmp_path / name).unlink()
        again = run(asked, tmp_path)
        assert not again.was_done
        assert again.weights.read_bytes() == written
        assert again.result["loss"] == first.result["loss"]


def test_a_weight_of_what_is_no_source_is_refused(asked: Asked, tmp_path: Path) -> None:
    wrong = change(asked, source_weights={"vocal": 2.0})
    with pytest.raises(UsageError, match="no source “vocal”; did you mean “vocals”"):
        run(wrong, tmp_path / "run")


def test_a_segment_without_a_sample_is_refused(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 1 sample"):
        run(change(asked, segment=1e-6), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_weights_may_be_read_by_whom_other_files_may(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    wanted = (tmp_path / "plain").stat().st_mode
    assert run(asked, tmp_path / "run").weights.stat().st_mode == wanted


def test_one_track_is_left_to_train_on_however_many_are_to_be_held_out(
    asked: Asked, tmp_path: Path
) -> None:
    many = asked.recipe.validation.model_copy(update={"tracks": 3})  # type: ignore[union-attr]
    said: list[str] = []
    run(change(asked, validation=many), tmp_path / "run", Means(say=said.append))
    assert said == ["2 validation tracks: drawn from the training tracks with seed 3"]
    begun = json.loads((tmp_path / "run" / "run.json").read_text())["tracks"]
    assert (len(begun["train"]), len(begun["validation"])) == (1, 2)


def test_too_few_tracks_to_hold_any_out_are_told(asked: Asked, tmp_path: Path) -> None:
    official = asked.recipe.validation.model_copy(update={"tracks": None})  # type: ignore[union-attr]
    said: list[str] = []
    run(change(asked, validation=official), tmp_path / "run", Means(say=said.append))
    (line,) = said
    assert line == (
        "warning: no track could be held out of 3 training songs: validation is on the tracks of "
        "training"
    )


def test_a_validation_folder_is_validated_on_and_its_songs_are_not_trained_on(
    asked: Asked, tmp_path: Path
) -> None:
    shutil.copytree(asked.data[0], tmp_path / "noise")
    shutil.copytree(tmp_path / "noise/train/Bob - Two", tmp_path / "noise/validation/Bob - Two")
    there = replace(asked, data=(tmp_path / "noise",))
    begun = []
    for _ in range(2):
        run(there, tmp_path / "run")
        begun.append(json.loads((tmp_path / "run" / "run.json").read_text())["tracks"])
    assert begun[0] == begun[1]
    assert list(begun[0]["train"]) == ["Ann - One", "Cem - Three"]
    assert list(begun[0]["validation"]) == ["validation/Bob - Two"]
    assert list(begun[0]["same songs"]) == ["Bob - Two"], "or it would be new when the run goes on"


def test_a_batch_that_devices_cannot_share_is_refused(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a batch of 2 cannot be shared by 3 devices"):
        run(asked, tmp_path / "run", Means(devices=3))


def test_tensorboard_has_a_log_of_its_own(asked: Asked, tmp_path: Path) -> None:
    run(asked, tmp_path / "run", Means(logger="tensorboard"))
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert b"validation/usdr_db" in events.read_bytes()


def test_without_tensorboard_its_log_is_refused_and_no_folder_claimed(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="--logger tensorboard needs the package: pip install"):
        run(asked, tmp_path / "run", Means(logger="tensorboard"))
    assert not (tmp_path / "run").exists()


def test_a_log_that_cannot_be_opened_leaves_no_other_one_open(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[CsvLog] = []
    close = CsvLog.close

    def noting(log: CsvLog) -> None:
        closed.append(log)
        close(log)

    monkeypatch.setattr(CsvLog, "close", noting)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with (
        pytest.raises(UsageError, match="tensorboard"),
        open_logs(tmp_path, 0, asked.recipe, "tensorboard"),
    ):
        pass
    assert len(closed) == 1


def prefetching() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("prefetch")]


def test_a_run_learns_the_same_whether_batches_are_read_ahead_or_when_they_are_due(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []
    for ahead in (0, 2):
        monkeypatch.setattr("msdemucs.train.training.AHEAD", ahead)
        n_threads: list[int] = []
        means = Means(on_step=lambda _, n=n_threads: n.append(len(prefetching())))  # type: ignore[misc]
        ended.append(load_file(run(asked, tmp_path / f"{ahead}", means).weights))
        assert set(n_threads) == {min(ahead, 1)}
    assert all(torch.equal(ended[0][name], ended[1][name]) for name in ended[0])


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_run_that_is_cut_short_leaves_no_thread_that_reads(
    asked: Asked, tmp_path: Path, fault: type[BaseException]
) -> None:
    def on_step(report: StepReport) -> None:
        assert prefetching()
        if report.step == 3:
            raise fault

    with pytest.raises(fault):
        run(asked, tmp_path / "run", Means(on_step=on_step))
    assert not prefetching()


def command(spec: Spec, noise: Path, folder: Path, *more: str) -> list[str]:
    """`msdemucs train` on the toy spec, its files beside the folder."""
    (folder.parent / "spec.yaml").write_text(yaml.safe_dump(dump_spec(spec)))
    recipe = {"name": "toy", "steps": 5, "batch_size": 4, "segment": 0.25}
    (folder.parent / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    files = [str(folder.parent / "spec.yaml"), "--recipe", str(folder.parent / "recipe.yaml")]
    options = ["--data", str(noise), "--out", str(folder), "--threads", "1", *more]
    return [str(Path(sys.executable).with_name("msdemucs")), "train", *files, *options]


def gloo() -> dict[str, str]:
    """An environment for processes that talk over the loopback."""
    own = {"GLOO_SOCKET_IFNAME": "lo", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return {**os.environ, **own}


@pytest.mark.slow
@pytest.mark.timeout(180)  # three starts of Python and torch
def test_two_processes_learn_what_one_does_with_the_whole_batch(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    env = gloo()
    curves = []
    for devices in ("1", "2"):
        asked = command(spec, noise, tmp_path / devices, "--devices", devices)
        done = subprocess.run(asked, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [str(tmp_path / devices / "weights.safetensors")]
        curves.append([float(row[1]) for row in read_log(tmp_path / devices / "log.csv")])
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)
    assert len(curves[0]) == 5


def begun_by_two(
    spec: Spec, noise: Path, folder: Path, *, beyond: int = 2
) -> "subprocess.Popen[str]":
    """Two processes at work on a long run, which have come beyond a step."""
    asked = command(spec, noise, folder, "--devices", "2")
    long = {"name": "toy", "steps": 100_000, "batch_size": 4, "segment": 0.25}
    (folder.parent / "recipe.yaml").write_text(yaml.safe_dump({**long, "checkpoint_every": 2}))
    process = subprocess.Popen(asked, env=gloo(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and last_step(folder) <= beyond:
        time.sleep(0.1)
    return process


def last_step(folder: Path) -> int:
    """The last step in a run's log; 0 for none."""
    log = folder / "log.csv"
    return int((read_log(log) or [["0"]])[-1][0]) if log.is_file() else 0


def said_by(process: "subprocess.Popen[str]") -> str:
    """What it says until it ends."""
    try:
        return process.communicate(timeout=60)[1]
    finally:
        process.kill()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_killed_process_ends_the_run_with_one_line_and_the_same_command_goes_on(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    process = begun_by_two(spec, noise, tmp_path / "run")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    line = error_of(said_by(process))
    assert process.returncode == 1
    assert "process 2 of 2 was ended by SIGKILL; the same command goes on" in line
    saved = Checkpoints(tmp_path / "run" / "checkpoints").steps()[-1]
    again = begun_by_two(spec, noise, tmp_path / "run", beyond=last_step(tmp_path / "run"))
    again.terminate()
    assert f"going on after step {saved}" in said_by(again)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_where_the_first_process_is_killed_the_second_says_so(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    process = begun_by_two(spec, noise, tmp_path / "run")
    process.kill()
    line = error_of(said_by(process))
    assert "the first process has ended; the same command goes on" in line


def error_of(said: str) -> str:
    """The only line that tells of an error."""
    assert "Traceback" not in said
    (line,) = (line for line in said.splitlines() if line.startswith("error:"))
    return line


STUCK = """\
import os, signal, sys
from pathlib import Path
from msdemucs.spec import load_spec
from msdemucs.train import Recipe, devices
from msdemucs.train.run import run
from msdemucs.train.training import Asked, Means

devices.SECONDS_TO_NOTICE = 0.1


def get_stuck(report):
    own = os.getpid()
    (child,) = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    signal.pause()


recipe = Recipe(name="toy", steps=5, batch_size=4, segment=0.25)
asked = Asked(load_spec(sys.argv[1]), recipe, (Path(sys.argv[2]),))
means = Means(devices=2, on_step=get_stuck, say=lambda line: print(line, flush=True))
run(asked, Path(sys.argv[3]), means)
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_process_that_does_not_notice_that_the_other_is_gone_is_ended_with_the_line(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(dump_spec(spec)))
    files = [str(tmp_path / "stuck.py"), str(tmp_path / "spec.yaml"), str(noise)]
    asked = [sys.executable, *files, str(tmp_path / "run")]
    done = subprocess.run(asked, env=gloo(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("error: process 2 of 2 was ended by SIGKILL;")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_processes_that_share_batches_stop_together(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    """SIGTERM to the first alone, as schedulers send it; the same command goes on."""
    process = begun_by_two(spec, noise, tmp_path / "run")
    process.terminate()
    said = said_by(process)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped; the same command goes on" in said
    saved = Checkpoints(tmp_path / "run" / "checkpoints").steps()[-1]
    assert saved >= last_step(tmp_path / "run") - 1
