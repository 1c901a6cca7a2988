"""Real trainings inside trials: from rung to rung, resumed, with several seeds."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import soundfile
import torch

from msdemucs.data import Batch, synthesise
from msdemucs.errors import SpecError, TrainingError
from msdemucs.model import build, load_weights, save_weights
from msdemucs.model.weights import read_about
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups.judging import Chosen, TrackSet, judge
from msdemucs.study.records import RESCORE, RUNG_SCORE_COLUMNS, SCORE_COLUMNS
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, read_record
from msdemucs.study.storage.results import BEGUN, frame_in, rows_of
from msdemucs.study.trial.bench import Bench, prepare
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent, StoppedError, TrialRecorder
from msdemucs.train.gradients import Gradients

SPACE = """\
name: tiny
base: htdemucs
set: {segment: 0.5, depth: 2, channels.start: 4, spectral.resolutions: [1024], attention: []}
vary:
  channels.start: {choice: [4, 8]}
trials: 1
recipe: tiny.yaml
data: {train: band, test: band}
"""

DROPOUT = "attention.0.layers: 1, attention.0.heads: 1, attention.0.dropout: 0.3"

RECIPE = "name: tiny\nsteps: 6\nbatch_size: 1\nsegment: 0.5\n"


@pytest.fixture
def search(in_tmp: Path) -> Search:
    synthesise(in_tmp / "band", n_tracks=2, seconds=1)
    (in_tmp / "tiny.yaml").write_text(RECIPE)
    (in_tmp / "space.yaml").write_text(SPACE)
    return load_search_space(in_tmp / "space.yaml")


@pytest.fixture
def study() -> optuna.Study:
    found = optuna.create_study(directions=["maximize", "minimize"])
    found.set_user_attr(BEGUN, {})
    return found


def bench(search: Search, more: str) -> Bench:
    search.path.write_text(SPACE + more)
    return prepare(load_search_space(search.path), say=Silent().said)


def candidate(search: Search, folder: str, *, seed: int = 0) -> Candidate:
    return Candidate(0, folder, search.base, seed, Path(folder))


def weights(path: str) -> dict[str, torch.Tensor]:
    return load_weights(Path(path)).state_dict()


def is_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_stopped_trial_resumes_bit_for_bit(search: Search, study: optuna.Study) -> None:
    plain, rungs = bench(search, ""), bench(search, "fidelity: {rungs: [2, 4]}\n")
    whole = TrialRecorder(study.ask(), Silent())
    plain.evaluate(candidate(search, "whole"), whole)
    whole.close()

    first = study.ask()
    stops = TrialRecorder(first, Silent(), lambda step: "enough" if step == 2 else "")
    with pytest.raises(StoppedError):
        rungs.evaluate(candidate(search, "parts"), stops)
    stops.close()
    assert first.user_attrs["stopped_at"] == 2
    assert first.user_attrs["steps"] == 2
    assert "usdr_db" not in first.user_attrs
    assert "scores" not in first.user_attrs
    parts = frame_in(first.user_attrs, "rung_scores", RUNG_SCORE_COLUMNS[1:])
    assert set(parts.step) == {2}
    assert set(parts.source) == set(search.base.sources)
    at_rung = first.user_attrs["rung:2"]["usdr_db"]
    assert parts["value"].mean() == pytest.approx(at_rung)  # one track: the mean of its sources

    again = study.ask()
    asked: list[int] = []
    log = TrialRecorder(again, Silent(), lambda step: asked.append(step) or "")  # type: ignore[func-returns-value]
    rungs.evaluate(candidate(search, "parts"), log)
    log.close()
    assert asked == [2, 4]
    assert again.user_attrs["steps"] == 4
    assert is_equal(weights("parts/weights.safetensors"), weights("whole/weights.safetensors"))
    assert log.figures["usdr_db"] == whole.figures["usdr_db"]
    for trial in study.get_trials():
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    record = read_record(study)
    both = [record.curves[record.curves.trial == number] for number in (0, 2)]
    assert list(both[0].step) == [1, 2, 3, 4, 5, 6]
    assert list(both[0].loss) == list(both[1].loss)
    rows = record.rungs[(record.rungs.trial == 2) & (record.rungs.quality == "usdr_db")]
    assert list(rows.step) == [2, 4, 6]
    assert rows["value"].iloc[0] == at_rung
    assert rows["value"].iloc[-1] == log.figures["usdr_db"]
    assert not Path("parts/checkpoints").exists()
    assert len(record.rung_scores) == len(parts)
    assert set(record.scores.trial) == {0, 2}  # scores after fewer steps are not among these


@pytest.mark.slow
def test_an_interrupted_trial_resumes_bit_for_bit(search: Search, study: optuna.Study) -> None:
    plain = bench(search, "")
    plain.evaluate(candidate(search, "whole"), TrialRecorder(study.ask(), Silent()))

    class Stopping(Silent):
        def advanced(self, done: int, note: str) -> None:
            if done == 3 and "loss" in note:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plain.evaluate(candidate(search, "parts"), TrialRecorder(study.ask(), Stopping()))
    log = TrialRecorder(study.ask(), Silent())
    plain.evaluate(candidate(search, "parts"), log)
    assert log.figures["steps"] == 3
    assert is_equal(weights("parts/weights.safetensors"), weights("whole/weights.safetensors"))


class Killing(Silent):
    """Ends a trial as a kill does: nothing is saved after it."""

    def advanced(self, done: int, note: str) -> None:
        if done == 5 and "loss" in note:
            raise KilledError


class KilledError(Exception):
    """Stands for a kill."""


@pytest.mark.slow
def test_a_trial_learns_the_same_whether_batches_are_read_ahead_or_when_they_are_due(
    notes: Search, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at a rung and killed before the next; its validations are what the study records."""
    Path("tiny.yaml").write_text(RECIPE + NOTES.replace("metric: loss", "metric: usdr"))
    rungs = bench(notes, "fidelity: {rungs: [2, 4]}\n")
    with pytest.raises(StoppedError):
        rungs.evaluate(
            candidate(notes, "ahead"), TrialRecorder(study.ask(), Silent(), lambda _: "enough")
        )
    with pytest.raises(KilledError):
        rungs.evaluate(candidate(notes, "ahead"), TrialRecorder(study.ask(), Killing()))
    figures = []
    for folder, batches in (("ahead", 2), ("due", 0)):
        monkeypatch.setattr("msdemucs.train.training.AHEAD", batches)
        log = TrialRecorder(study.ask(), Silent())
        rungs.evaluate(candidate(notes, folder), log)
        figures.append({name: log.figures[name] for name in rungs.qualities})
    assert is_equal(*(weights(f"{name}/weights.safetensors") for name in ("ahead", "due")))
    assert figures[0] == figures[1]
    files = [
        [Path(name, file).read_text() for name in ("ahead", "due")]
        for file in ("rungs.json", "rung-scores.json", "validation.csv")
    ]
    assert all(one == other for one, other in files)
    best = max(float(line.split(",")[1]) for line in files[2][0].split()[1:])
    assert best == pytest.approx(figures[0]["usdr_db"], abs=1e-6)


@pytest.mark.slow
def test_a_trial_whose_batch_does_not_fit_goes_on_in_parts_if_it_may(
    search: Search, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("tiny.yaml").write_text(RECIPE.replace("batch_size: 1", "batch_size: 2"))
    whole = Gradients._forward_and_back

    def hungry(gradients: Gradients, batch: Batch) -> float:
        if gradients.parts == 1:
            raise MemoryError
        return whole(gradients, batch)

    monkeypatch.setattr(Gradients, "_forward_and_back", hungry)
    said = Saying()
    asked = load_search_space(search.path)
    with pytest.raises(TrainingError, match="--auto-batch"):
        prepare(asked, say=said.said).evaluate(
            candidate(asked, "whole"), TrialRecorder(study.ask(), said)
        )
    said.lines.clear()
    parted = prepare(asked, say=Silent().said, auto_batch=True)
    trial = study.ask()
    parted.evaluate(candidate(asked, "parts"), TrialRecorder(trial, said))
    assert trial.user_attrs["accumulate"] == 2
    assert said.lines == ["step 1: out of memory; batches go through in 2 parts now"]
    assert Path("parts/weights.safetensors").is_file()


@pytest.mark.slow
def test_repeats_train_each_seed_and_take_the_mean(search: Search, study: optuna.Study) -> None:
    """With dropout: seeds that take turns draw what each would draw alone."""
    search.path.write_text(SPACE.replace("depth: 2", "depth: 4").replace("attention: []", DROPOUT))
    search = load_search_space(search.path)
    twice = bench(search, "repeats: 2\nfidelity: {rungs: [2]}\n")
    trial = study.ask()
    log = TrialRecorder(trial, Silent())
    twice.evaluate(candidate(search, "both", seed=5), log)
    alone = TrialRecorder(study.ask(), Silent())
    bench(search, "").evaluate(candidate(search, "alone", seed=6), alone)
    assert log.figures["steps"] == 12
    assert set(frame_in(trial.user_attrs, "scores", SCORE_COLUMNS[1:]).seed) == {5, 6}
    rungs = {
        (seed, step): value
        for seed, step, quality, value in trial.user_attrs["rungs"]
        if quality == "usdr_db"
    }
    assert [*rungs] == [(5, 2), (6, 2), (5, 6), (6, 6)]
    assert rungs[6, 6] == alone.figures["usdr_db"]
    assert log.figures["usdr_db"] == pytest.approx((rungs[5, 6] + rungs[6, 6]) / 2)
    assert trial.user_attrs["weights"] == "both/seed-5/weights.safetensors"
    assert is_equal(
        weights("both/seed-6/weights.safetensors"), weights("alone/weights.safetensors")
    )


@pytest.mark.slow
def test_a_study_with_rungs_records_what_each_trial_took(search: Search) -> None:
    search.path.write_text(
        SPACE.replace("trials: 1", "trials: 2") + "fidelity: {rungs: [2], survivors: 1}\n"
    )
    asked = load_search_space(search.path)
    run_study(asked, prepare(asked, say=Silent().said).evaluate)
    record = load_study("tiny")
    trials = record.trials
    assert set(trials.state) <= {"complete", "stopped"}, list(trials.failure)
    for column in ("steps", "cpu_seconds", "inference_bytes", "training_bytes"):
        assert (trials[column] > 0).all()
    assert trials.gpu_seconds.isna().all() or torch.cuda.is_available()
    assert set(record.rungs.step) == {2, 6}
    done = trials[trials.state == "complete"]
    assert all(Path(path).is_file() for path in done.weights)


NOTES = """\
shift: 0.25
grid: 0.5
normalise: true
joint: true
flip: true
steps_per_epoch: 2
schedule_by: epoch
validation: {every: 2, metric: loss}
keep: best
"""
"""What the field notes' recipe adds."""


@pytest.fixture
def notes(in_tmp: Path) -> Search:
    synthesise(in_tmp / "band", n_tracks=5, seconds=1)
    (in_tmp / "tiny.yaml").write_text(RECIPE + NOTES)
    (in_tmp / "space.yaml").write_text(SPACE)
    return load_search_space(in_tmp / "space.yaml")


@pytest.mark.slow
def test_a_trial_keeps_the_best_weights_by_the_studys_validation_tracks(
    notes: Search, study: optuna.Study
) -> None:
    """Stopped at a rung and interrupted or not; the weights say that tracks were normalised."""
    rungs = bench(notes, "fidelity: {rungs: [3]}\n")
    with pytest.raises(StoppedError):
        rungs.evaluate(
            candidate(notes, "parts"), TrialRecorder(study.ask(), Silent(), lambda _: "enough")
        )
    logs = []
    for folder in ("whole", "parts"):
        logs.append(TrialRecorder(study.ask(), Silent()))
        rungs.evaluate(candidate(notes, folder), logs[-1])
    paths = [Path(name) / "weights.safetensors" for name in ("whole", "parts")]
    assert is_equal(*(weights(str(path)) for path in paths))
    assert logs[0].figures["usdr_db"] == logs[1].figures["usdr_db"]
    assert all(read_about(path).normalised for path in paths)
    texts = [(path.parent / "validation.csv").read_text() for path in paths]
    assert texts[0] == texts[1]
    assert [line.split(",")[0] for line in texts[0].split()] == ["step", "2", "4", "6"]
    tracks = TrackSet(lambda: rungs.tracks.validation, "validation", RESCORE)
    chosen = [Chosen(0, "trial 0", 0, str(paths[0]))]
    judge(study, chosen, ["usdr_db"], tracks, device="cpu", listener=Silent())
    (row,) = rows_of(study)
    assert row.value == logs[0].figures["usdr_db"]
    assert row.detail["normalised"] is True
    (training,) = rungs.trainings(candidate(notes, "again"))
    drawn = {name for step in range(1, 7) for name in training.sampler.batch(step).tracks}
    assert training.tracks.held_out == rungs.tracks.validation
    assert not drawn & {track.name for track in training.tracks.held_out}


def test_weights_to_begin_with_that_saw_normalised_tracks_go_on_seeing_them(
    search: Search, in_tmp: Path
) -> None:
    save_weights(build(search.base), in_tmp / "first.safetensors", normalised=True)
    begun = replace(candidate(search, "x"), start=in_tmp / "first.safetensors")
    (training,) = bench(search, "").trainings(begun)
    assert training.normalised
    assert float(training.sampler.batch(1).mixture.mean(1).std()) == pytest.approx(1, abs=0.3)
    assert read_about(training.finish()).normalised


def test_a_study_without_a_track_to_hold_out_says_so_before_it_trains(search: Search) -> None:
    Path("tiny.yaml").write_text(RECIPE + NOTES)
    said: list[str] = []
    rule = "no track could be held out of 1 training song: validation is on the tracks of training"
    tracks = prepare(search, say=said.append).tracks
    assert said == [f"warning: {rule}"]
    assert tracks.describe()["data"]["validation_by"] == rule  # type: ignore[index]
    assert tracks.train == tracks.validation


def test_a_validation_that_chooses_nothing_takes_no_track_from_a_trial(search: Search) -> None:
    Path("tiny.yaml").write_text(RECIPE + "validation: {every: 2}\n")
    (training,) = bench(search, "").trainings(candidate(search, "x"))
    assert not training.tracks.held_out


def test_a_wrong_value_of_a_field_that_recipes_do_not_write_is_told_as_one(search: Search) -> None:
    search.path.write_text(SPACE.replace("vary:\n", "vary:\n  recipe.normalise: {choice: [3]}\n"))
    with pytest.raises(SpecError) as caught:
        load_search_space(search.path)
    assert "no such field" not in caught.value.first.message
    assert "true or false" in caught.value.first.message


@pytest.mark.slow
def test_a_damaged_training_track_is_left_out_and_the_trial_resumes_bit_for_bit(
    search: Search, study: optuna.Study
) -> None:
    synthesise(search.path.with_name("more") / "band", n_tracks=6, seconds=1)
    shutil.copytree(search.path.with_name("more") / "band", "band", dirs_exist_ok=True)
    damaged = bench(search, "").tracks.train[0].recording.path
    audio, rate = soundfile.read(damaged / "bass.wav")
    audio[rate // 2, 0] = np.nan
    soundfile.write(damaged / "bass.wav", audio, rate, subtype="FLOAT")
    recipe = search.path.with_name("tiny.yaml")
    recipe.write_text(RECIPE.replace("batch_size: 1", "batch_size: 4"))
    plain = bench(search, "")
    whole = study.ask()
    plain.evaluate(candidate(search, "whole"), TrialRecorder(whole, Silent()))
    (reason,) = whole.user_attrs["trained_without"]
    assert "“bass” has samples that are not finite, the first at 0.50 s; mend" in reason
    assert damaged.name in reason
    assert "left_out" not in whole.user_attrs  # that is of validation tracks

    rungs = bench(search, "fidelity: {rungs: [2, 4]}\n")
    again = study.ask()
    said = Saying()
    rungs.evaluate(candidate(search, "parts"), TrialRecorder(again, said))
    assert again.user_attrs["trained_without"] == [reason]
    assert said.lines == [f"left out: {reason}"]
    assert is_equal(weights("parts/weights.safetensors"), weights("whole/weights.safetensors"))


class Saying(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, message: str) -> None:
        self.lines.append(message)


def test_rungs_beyond_the_recipe_are_told_at_their_line(search: Search) -> None:
    with pytest.raises(SpecError) as caught:
        bench(search, "fidelity: {rungs: [2, 6]}\n")
    assert (caught.value.first.line, caught.value.first.field) == (9, "fidelity.rungs")
    assert "6" in caught.value.first.message
