"""Trials' folders kept under a URL: whole or not there, and gone on with from anywhere."""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from msdemucs.errors import CheckpointError, UsageError
from msdemucs.study.execution.loop import begin_study, recorded_folder, run_study
from msdemucs.study.followups.judging import Chosen, TrackSet, judge
from msdemucs.study.records import RESCORE
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage import folders as depots
from msdemucs.study.storage.folders import ArtifactStore, at_hand
from msdemucs.study.storage.load import load_study, open_storage, open_study
from msdemucs.study.storage.removal import doomed, remove_study
from msdemucs.study.storage.urls import StudyLocation
from msdemucs.study.trial.bench import prepare
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent, TrialRecorder
from msdemucs.study.trial.workspace import Workspace, scratch
from tests.study.conftest import asking, toy
from tests.study.test_loop import Ears
from tests.study.test_trainings import is_equal, search, weights

__all__ = ["search"]


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, in_tmp: Path) -> Iterator[str]:
    """An empty folder of each kind."""
    yield f"memory://{in_tmp}/there" if request.param == "memory" else f"file://{in_tmp}/there"
    if request.param == "memory":
        ArtifactStore(f"memory://{in_tmp}").remove()


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depots, "PAUSE_S", 0.0)


def folder(root: Path, files: dict[str, str]) -> Path:
    """A trial's folder, 7, with files in it."""
    for name, text in files.items():
        path = root / "7" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "7"


def contents(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


STEP_1 = {"checkpoints/step-00000001/state.pt": "one", "log.csv": "1\n"}
STEP_2 = {"checkpoints/step-00000002/state.pt": "two", "log.csv": "1\n2\n"}


def test_what_is_stored_is_fetched_where_it_has_come_further(url: str, in_tmp: Path) -> None:
    depot, there = ArtifactStore(url, owner="toy"), in_tmp / "elsewhere" / "7"
    assert not depot.fetch(there)
    depot.store(folder(in_tmp / "a", STEP_1))
    assert depot.fetch(there)
    assert contents(there) == STEP_1
    depot.store(folder(in_tmp / "b", STEP_2))
    assert depot.fetch(there)
    assert contents(there) == STEP_2  # and nothing of the first
    assert not depot.fetch(there)
    later = folder(in_tmp / "c", {"checkpoints/step-00000003/state.pt": "three"})
    assert not depot.fetch(later)
    assert list(contents(later)) == ["checkpoints/step-00000003/state.pt"]


@pytest.mark.parametrize("broken", ["put_file", "pipe_file"])
def test_a_snapshot_that_is_cut_short_leaves_the_one_before(
    url: str, broken: str, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot = ArtifactStore(url, owner="toy")
    depot.store(folder(in_tmp / "a", STEP_1))

    def fail(*words: Any, **_: Any) -> None:
        raise ConnectionResetError("the network is down")

    with monkeypatch.context() as patched:
        patched.setattr(depot.files, broken, fail)
        with pytest.raises(CheckpointError, match=r"there/7: the network is down"):
            depot.store(folder(in_tmp / "b", STEP_2))
    depot.files.pipe_file(f"{depot.root}/7/manifest-000099.json", b'{"owner": "to')  # half
    assert depot.fetch(in_tmp / "elsewhere" / "7")
    assert contents(in_tmp / "elsewhere" / "7") == STEP_1


def test_a_store_that_fails_once_is_asked_again(
    url: str, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot, failures = ArtifactStore(url), [ConnectionResetError("for a moment")]
    put = depot.files.put_file

    def fail_once(*words: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        put(*words, **more)

    monkeypatch.setattr(depot.files, "put_file", fail_once)
    depot.store(folder(in_tmp / "a", STEP_1))
    assert not failures
    assert depot.fetch(in_tmp / "elsewhere" / "7")


def test_each_file_of_a_fetch_may_fail_once(
    url: str, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot, there = ArtifactStore(url), in_tmp / "elsewhere" / "7"
    files = {f"checkpoints/step-00000001/{number}.pt": str(number) for number in range(8)}
    depot.store(folder(in_tmp / "a", files))
    get, calls = depot.files.get_file, itertools.count(1)

    def fail_at_each_second(*words: Any, **more: Any) -> None:
        if next(calls) % 2:
            raise ConnectionResetError("for a moment")
        get(*words, **more)

    monkeypatch.setattr(depot.files, "get_file", fail_at_each_second)
    assert depot.fetch(there)
    assert contents(there) == files


def test_a_manifest_cannot_name_what_lies_outside_the_folder(url: str, in_tmp: Path) -> None:
    depot = ArtifactStore(url)
    depot.store(folder(in_tmp / "a", STEP_1))
    names = depot.files.ls(f"{depot.root}/7", detail=False)
    (manifest,) = [path for path in names if "/manifest-" in path]
    text = depot.files.cat_file(manifest).replace(b'"log.csv"', b'"../../log.csv"')
    depot.files.pipe_file(manifest, text)
    with pytest.raises(CheckpointError, match=r"/log\.csv leads out of its folder"):
        depot.fetch(in_tmp / "elsewhere" / "7")
    assert not (in_tmp / "log.csv").exists()


def test_what_was_damaged_there_is_not_taken(url: str, in_tmp: Path) -> None:
    depot = ArtifactStore(url)
    depot.store(folder(in_tmp / "a", STEP_1))
    (manifest,) = [
        path for path in depot.files.ls(f"{depot.root}/7", detail=False) if "mani" in path
    ]
    digest = json.loads(depot.files.cat_file(manifest))["files"]["log.csv"][0]
    depot.files.pipe_file(f"{depot.root}/7/objects/{digest}", b"9\n")
    with pytest.raises(CheckpointError, match=r"there/7: log\.csv is damaged there"):
        depot.fetch(in_tmp / "elsewhere" / "7")
    assert not (in_tmp / "elsewhere" / "7").exists()


def test_another_studys_trial_of_the_same_number_is_not_gone_on_with(
    url: str, in_tmp: Path
) -> None:
    ArtifactStore(url, owner="toy 2025").store(folder(in_tmp / "a", STEP_2))
    depot, there = ArtifactStore(url, owner="toy 2026"), in_tmp / "elsewhere" / "7"
    assert not depot.fetch(there)
    depot.store(folder(in_tmp / "b", STEP_1))
    assert depot.fetch(there)
    assert contents(there) == STEP_1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/toy", r"s3:// needs a package that is not here: Install s3fs"),
        ("cloud://bucket/toy", r"Protocol not known: cloud; known are, .* s3:// \(package s3fs\)"),
        ("sftp://me:secret@host/toy", r"sftp://me:…@host/toy has a secret in it"),
    ],
)
def test_a_url_that_cannot_be_opened_says_what_to_do(
    url: str, message: str, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UsageError, match=message):
        run_study(search, toy, storage=StudyLocation(folder=url))
    assert not Path("studies/tiny.db").exists()


def test_a_url_that_cannot_be_written_to_is_told_before_anything_runs(
    search: Search, in_tmp: Path
) -> None:
    (in_tmp / "file").write_text("no folder")
    url = f"file://{in_tmp}/file/there"
    with pytest.raises(UsageError, match=r"file/there: cannot be written to: .*Not a directory"):
        run_study(search, toy, storage=StudyLocation(folder=url))


def test_a_killed_process_leaves_no_scratch_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with scratch() as first:
        with scratch() as second:
            assert first.is_dir()  # in use
        assert not second.exists()
        left = first.with_name("left")
        left.mkdir()
        (left / ".alive").touch()  # nobody holds it
        with scratch():
            assert not left.exists()
            assert first.is_dir()


def test_a_trial_that_took_anothers_result_leaves_its_log_alone(url: str, in_tmp: Path) -> None:
    depot, own = ArtifactStore(url), folder(in_tmp / "own", {"log.txt": "taken over\n"})
    Workspace(in_tmp / "own", depot).leave(own)
    assert not own.exists()
    with at_hand(depot.address("7", "log.txt")) as path:
        assert path is not None
        assert path.read_text() == "taken over\n"
    assert not depot.files.exists(f"{depot.root}/7/objects")


def test_a_study_keeps_its_url_where_nobody_names_another(search: Search, url: str) -> None:
    storage = "sqlite:///studies/tiny.db"
    begin_study(search, StudyLocation(storage, url), {})[1].close()
    run_study(asking(search, trials=1), toy)
    study = open_study(open_storage(storage), "tiny")
    assert recorded_folder(study) == url
    assert not Path("studies/tiny/trials").exists()


@pytest.mark.slow
def test_an_interrupted_trial_goes_on_from_the_url_alone_bit_for_bit(
    search: Search, url: str, in_tmp: Path
) -> None:
    bench = prepare(search, say=Silent().said)
    alone = Path("alone/0")
    again: list[int] = []

    def interrupted(candidate: Candidate, log: TrialRecorder) -> None:
        run = bench.trainings(candidate)[0]
        run.go(3)
        raise KeyboardInterrupt

    def watched(candidate: Candidate, log: TrialRecorder) -> None:
        again.append(bench.trainings(candidate)[0].step)
        bench.evaluate(candidate, log)

    with pytest.raises(KeyboardInterrupt):
        run_study(search, interrupted, storage=StudyLocation(folder=url), attrs=bench.describe())
    run_study(search, watched, storage=StudyLocation(folder=url), attrs=bench.describe())
    assert again == [3]
    record = load_study("tiny")
    trial = record.trials[record.trials.state == "complete"].iloc[0]
    assert trial.weights == f"{url}/0/weights.safetensors"
    assert trial.log == f"{url}/0/log.txt"

    seed = int(trial.seed)
    chosen = search.spec(trial.params)
    spec = bench.trainings(Candidate(0, "x", chosen, seed, alone))[0]
    spec.go(6)
    spec.finish()
    with at_hand(trial.weights) as path:
        assert is_equal(weights(str(path)), weights("alone/0/weights.safetensors"))
    with at_hand(trial.log) as path:
        assert path is not None
        text = path.read_text()
    assert "failed: interrupted" in text
    assert text.rstrip().endswith(f"macs_per_second {trial.macs_per_second:.4g}")

    study = open_study(open_storage("sqlite:///studies/tiny.db"), "tiny")
    ears = Ears()
    tracks = TrackSet(lambda: bench.tracks.validation, "validation", RESCORE)
    judged = Chosen.of(record.trials)
    found = judge(study, judged, ["usdr_db"], tracks, device="cpu", listener=ears)
    assert found.usdr_db.iloc[0] == pytest.approx(trial.usdr_db, abs=1e-3)
    what = doomed("tiny")
    assert f"all under {url}" in str(what)
    remove_study(what)
    assert not ArtifactStore(url).files.exists(ArtifactStore(url).root)
