"""Test tracks: closed to all that decides, read once for what was chosen, every look counted."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import optuna
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from msdemucs.cli.app import app as everything
from msdemucs.cli.study import app
from msdemucs.data import synthesise
from msdemucs.errors import UsageError
from msdemucs.model import build, save_weights
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups import judging as judging
from msdemucs.study.followups.judging import (
    Chosen,
    TrackSet,
    judge,
    numbered,
    open_test_tracks,
    qualities_to_judge,
)
from msdemucs.study.records import JUDGE, looked
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage, open_study
from msdemucs.study.storage.results import TEST_TRACKS, rows_of
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent, TrialRecorder
from tests.study.conftest import closed_tests

SPACE = """\
name: tiny
base: htdemucs
set: {segment: 0.5, depth: 2, channels.start: 4, spectral.resolutions: [1024], attention: []}
vary:
  channels.start: {int: [4, 12], step: 2}
fidelity: {rungs: [1]}
objectives: [usdr_db, macs_per_second]
trials: 3
recipe: tiny.yaml
data: {train: band, test: band}
"""

RECIPE = "name: tiny\nsteps: 2\nbatch_size: 1\nsegment: 0.5\n"


@pytest.fixture
def search(in_tmp: Path) -> Search:
    """Six tracks to train on, of which two are held out; two test tracks."""
    synthesise(in_tmp / "band", n_tracks=8, seconds=0.5)
    (in_tmp / "tiny.yaml").write_text(RECIPE)
    (in_tmp / "space.yaml").write_text(SPACE)
    return load_search_space(in_tmp / "space.yaml")


def untrained(candidate: Candidate, log: TrialRecorder) -> None:
    """A trial with weights whose score says nothing."""
    candidate.folder.mkdir(parents=True, exist_ok=True)
    path = candidate.folder / "weights.safetensors"
    save_weights(build(candidate.spec), path)
    log.note("weights", str(path))
    log.record({"usdr_db": float(candidate.trial)})


@pytest.fixture
def study(search: Search) -> optuna.Study:
    run_study(search, untrained)
    return open_study(open_storage("sqlite:///studies/tiny.db"), "tiny")


class Ears(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, message: str) -> None:
        self.lines.append(message)


def judged(
    study: optuna.Study, search: Search, numbers: Sequence[int], qualities: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    ears = Ears()
    table = judge(
        study,
        Chosen.of(numbered(load_study("tiny"), numbers)),
        qualities,
        TrackSet(lambda: open_test_tracks(study, search, why="judge", say=ears.said)),
        device="cpu",
        listener=ears,
    )
    return table, ears.lines


@pytest.mark.slow
def test_a_whole_study_leaves_its_test_tracks_closed_until_it_is_judged(search: Search) -> None:
    def ask(*words: str) -> str:
        done = CliRunner().invoke(app, [*words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    with closed_tests() as opened:
        ask("run", "space.yaml", "--device", "cpu", "--trials", "5")
        ask("noise", "tiny", "--seeds", "2")
        ask("fidelity", "tiny")
        ask("promote", "tiny", "--top", "1", "--recipe", "tiny.yaml", "--no-test")
        ask("rescore", "tiny", "--top", "1", "--metric", "sisdr")
        shown = ask("show", "tiny")
        report = CliRunner().invoke(everything, ["report", "tiny"], catch_exceptions=False)
        assert report.exit_code == 0
        assert opened == []
    assert "scores are of validation tracks: drawn from the training tracks with seed 0" in shown
    assert "the test tracks were never looked at" in shown
    record = load_study("tiny")
    assert set(record.later.split) == {"validation"}
    assert record.scores.track.nunique() == 2
    once = ask("judge", "tiny", "--top", "1", "--device", "cpu")
    assert "uSDR, test" in once
    assert "the test tracks were looked at once" in once
    shown = ask("show", "tiny")
    assert [line.split()[0] for line in shown.splitlines() if " dB  test " in line] == ["judge"]
    ask("promote", "tiny", "--top", "1", "--recipe", "tiny.yaml", "--start", "weights")
    assert load_study("tiny").n_looks == 2


def test_what_was_judged_is_kept_and_not_judged_again(search: Search, study: optuna.Study) -> None:
    with pytest.raises(UsageError, match="has no complete trial 9"):
        judged(study, search, [9], ["usdr_db"])
    first, said = judged(study, search, [2, 0], ["usdr_db"])
    assert list(first.trial) == [2, 0]
    assert said[0] == "the test tracks were looked at once"
    assert said[1] == "trial 2 (trial 2): uSDR of 2 test tracks"
    with closed_tests():
        again, said = judged(study, search, [2, 0], ["usdr_db"])
    assert again.equals(first)
    assert said == []
    more, said = judged(
        study, search, [2], ["usdr_db", "usdr_db/vocals", "usdr_db/band", "si_sdr_db"]
    )
    assert said[1].startswith("trial 2 (trial 2): SI-SDR of")
    assert more.usdr_db[0] == more["usdr_db/band"][0] == first.usdr_db[0]
    assert load_study("tiny").n_looks == 2
    (row, _) = [row for row in rows_of(study) if row.trial == 2]
    assert (row.kind, row.split, row.convention) == ("judge", "test", "usdr_db")
    kept = pd.DataFrame(row.detail["scores"]["rows"], columns=row.detail["scores"]["columns"])
    assert set(kept["split"]) == {"test"}
    assert len(kept) == 2 * len(search.base.sources)
    by_source = kept.groupby("source")["value"].mean()
    assert by_source.mean() == pytest.approx(row.value)
    assert more["usdr_db/vocals"][0] == pytest.approx(by_source["vocals"])


def test_weights_that_are_gone_and_data_sets_without_test_tracks_are_said(
    search: Search, study: optuna.Study
) -> None:
    (row,) = numbered(load_study("tiny"), [0]).weights
    Path(row).unlink()
    table, said = judged(study, search, [0, 1], ["usdr_db/bend"])
    assert list(table.trial) == []
    assert said[0].startswith("trial 0 left out: its weights are not there")
    assert "no source or group “bend”; did you mean “band”" in said[-1]


def test_what_has_no_score_on_any_track_is_not_judged_again(
    search: Search, study: optuna.Study
) -> None:
    for file in Path("band/test").glob("*/bass.wav"):
        samples, rate = soundfile.read(file)
        soundfile.write(file, 0 * samples, rate)
    table, said = judged(study, search, [2], ["csdr_db"])
    assert table.csdr_db.isna().all()
    assert said[2] == (
        "no cSDR of drums, bass, other, vocals on 2 tracks: the reference of “bass” is silent "
        "throughout"
    )
    with closed_tests():
        again, said = judged(study, search, [2], ["csdr_db"])
    assert again.equals(table)
    assert said == []
    (row,) = rows_of(study)
    assert math.isnan(row.value)
    assert row.detail["unscored"]["csdr_db"]["drums"] == {
        "the reference of “bass” is silent throughout": 2
    }
    shown = CliRunner().invoke(app, ["show", "tiny"], catch_exceptions=False).stdout
    (line,) = [line for line in shown.splitlines() if line.split()[:1] == ["judge"]]
    assert "csdr_db  " in line
    assert "– " in line


def test_what_the_mixture_scores_on_test_tracks_is_kept_once(
    search: Search, study: optuna.Study
) -> None:
    judged(study, search, [2, 0], ["usdr_db"])
    first, second = rows_of(study)
    assert "floors" in first.detail
    assert "floors" not in second.detail
    floors = load_study("tiny").floors
    assert set(floors.split) == {"test"}
    assert len(floors) == 2 * len(search.base.sources)
    assert floors.value.notna().all()


def test_an_unknown_source_is_told_before_any_test_track_is_opened(
    study: optuna.Study,
) -> None:
    with closed_tests(), pytest.raises(UsageError, match="“vocal”; did you mean “vocals”"):
        CliRunner().invoke(
            app, ["judge", "tiny", "--metric", "usdr_db/vocal"], catch_exceptions=False
        )
    assert load_study("tiny").n_looks == 0


def test_a_second_rescore_by_test_tracks_is_no_look(search: Search, study: optuna.Study) -> None:
    for _ in range(2):
        asked = ["rescore", "tiny", "--top", "1", "--metric", "usdr", "--split", "test"]
        done = CliRunner().invoke(app, asked, catch_exceptions=False)
        assert done.exit_code == 0
        assert re.search(r"trial \d +-?\d+\.\d\d dB", done.stdout)
    record = load_study("tiny")
    assert record.n_looks == 1
    assert record.later[["kind", "split"]].to_numpy().tolist() == [["rescore", "test"]]


def test_other_test_tracks_than_at_the_first_look_are_refused_by_name(
    search: Search, study: optuna.Study
) -> None:
    open_test_tracks(study, search, why="judge", say=lambda _: None)
    gone = min(Path("band/test").iterdir())
    gone.rename(Path("band") / "elsewhere")
    with pytest.raises(UsageError, match=rf"band/{re.escape(gone.name)}: .* → nothing"):
        open_test_tracks(study, search, why="judge", say=lambda _: None)
    assert load_study("tiny").n_looks == 1  # what was refused was not looked at
    assert TEST_TRACKS not in load_study("tiny").attrs


def test_the_test_tracks_of_a_study_that_selected_on_them_are_those_it_had(
    search: Search, study: optuna.Study
) -> None:
    study.set_user_attr("tracks", {"train": {}, "test": {"band/A - B": "1.0 s, content 12345678"}})
    with pytest.raises(UsageError, match=r"band/A - B: 1\.0 s, content 12345678 → nothing"):
        open_test_tracks(study, search, why="judge", say=lambda _: None)


@pytest.mark.parametrize(
    ("metric", "refusal"),
    [
        ("usdr_db/vocls", "no source or group “vocls”; did you mean “vocals”?"),
        ("sisdr/vocals/bend", "no group “bend”; did you mean “band”?"),
        ("sisdrr/vocals", "no metric “sisdrr”; did you mean “sisdr”?"),
    ],
)
def test_a_quality_that_no_test_track_has_is_refused_before_they_are_looked_at(
    study: optuna.Study, metric: str, refusal: str
) -> None:
    words = ["judge", "tiny", "--trials", "0", "--metric", metric]
    with closed_tests() as opened, pytest.raises(UsageError, match=re.escape(refusal)):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert opened == []
    assert load_study("tiny").n_looks == 0


def test_what_is_judged_is_chosen_in_one_way(study: optuna.Study) -> None:
    record = load_study("tiny")
    assert qualities_to_judge(record) == ["usdr_db"]
    assert qualities_to_judge(record, ["sisdr/vocals"]) == ["si_sdr_db/vocals"]
    with pytest.raises(UsageError, match="no metric “sisdrr”"):
        qualities_to_judge(record, ["sisdrr"])
    for words in (["--top", "1", "--front"], ["--trials", "1", "--front"], ["--trials", "x"]):
        with pytest.raises(UsageError, match="--trials"):
            CliRunner().invoke(app, ["judge", "tiny", *words], catch_exceptions=False)
    assert looked(3).startswith("the test tracks were looked at 3 times")
    assert JUDGE == "judge"


def test_show_says_that_a_study_selected_on_its_test_tracks(study: optuna.Study) -> None:
    study.set_user_attr("data", json.loads('{"train": ["band"], "test": ["band"]}'))
    shown = CliRunner().invoke(app, ["show", "tiny"], catch_exceptions=False).stdout
    assert "this study chose its trials by their scores on its test tracks" in shown
