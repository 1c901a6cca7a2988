"""Real trials, as small as they get: everything is built, trained, judged and recorded."""

import math
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
import torch

from msdemucs.analysis.findings import Findings
from msdemucs.columns import MOST_BUSY
from msdemucs.data import synthesise
from msdemucs.errors import SpecError
from msdemucs.measure import HostLock, Latency, device_name
from msdemucs.model import build, load_weights
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import describe_question, statements
from msdemucs.spec import dump_spec
from msdemucs.study.execution.loop import run_study
from msdemucs.study.records import StudyRecord
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study
from msdemucs.study.trial.bench import prepare, timed
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import InfeasibleError, Silent, StoppedError, TrialRecorder
from msdemucs.units import count

SPACE = """\
name: tiny
base: htdemucs_n
set: {segment: 0.5, depth: 2, channels.start: 4, attention.0.heads: 4, attention.0.layers: 2}
vary:
  spectral.resolutions: {choice: {one: [1024], two: [1024, 2048]}}
  attention.0.mechanism: {choice: [softmax, linear]}
baselines: [htdemucs_nn]
trials: 2
recipe: tiny.yaml
data: {train: band, test: band}
"""

RECIPE = "name: tiny\nsteps: 2\nbatch_size: 1\nsegment: 0.5\n"


@pytest.fixture
def search(in_tmp: Path) -> Search:
    synthesise(in_tmp / "band", n_tracks=2, seconds=1)
    (in_tmp / "tiny.yaml").write_text(RECIPE)
    (in_tmp / "space.yaml").write_text(SPACE)
    return load_search_space(in_tmp / "space.yaml")


def study(search: Search) -> None:
    bench = prepare(search, say=Silent().said)
    run_study(search, bench.evaluate, attrs=bench.describe())


@pytest.mark.slow
def test_a_real_study_records_everything_that_a_report_needs(search: Search) -> None:
    study(search)
    record = load_study("tiny")
    trials = record.trials
    assert list(trials.state) == ["complete", "complete"], list(trials.failure)
    for column in ("usdr_db", "usdr_db/band", "rtf", "train_seconds", "seconds"):
        assert trials[column].map(math.isfinite).all()
    assert (trials.latency_ms_p50 > 0).all()
    assert set(trials.device) == {device_name("cuda" if torch.cuda.is_available() else "cpu")}
    assert (trials.latency_ms_p95 >= trials.latency_ms_p50).all()
    assert (trials.latency_ms_p50 >= trials.latency_ms_p05).all()
    assert trials.latency_busy.between(0, 1).all()
    assert (trials.peak_memory_bytes > 1e6).all()
    assert len(record.scores) == 2 * 4  # trials × sources, one track
    assert list(record.curves.groupby("trial").step.max()) == [2, 2]
    assert {"recipe", "data", "machine"} <= set(record.attrs)
    model = load_weights(Path("studies/tiny/trials/1/weights.safetensors"))
    assert dump_spec(model.spec) == trials.spec[1]


@pytest.mark.slow
def test_the_same_study_gives_the_same_scores(search: Search) -> None:
    study(search)
    first = load_study("tiny")
    Path("studies/tiny.db").unlink()
    study(search)
    again = load_study("tiny")
    assert list(again.trials.usdr_db) == list(first.trials.usdr_db)
    assert again.curves.equals(first.curves)


@pytest.mark.slow
def test_a_validation_track_that_becomes_unreadable_is_left_out_and_named(in_tmp: Path) -> None:
    synthesise(in_tmp / "band", n_tracks=8, seconds=1)
    (in_tmp / "tiny.yaml").write_text(RECIPE)
    (in_tmp / "space.yaml").write_text(SPACE.replace("trials: 2", "trials: 1"))
    search = load_search_space(in_tmp / "space.yaml")
    bench = prepare(search, say=Silent().said)
    assert len(bench.tracks.validation) > 1, "one track must remain"
    broken = bench.tracks.validation[0]
    drums = broken.recording.path / "drums.wav"
    drums.write_bytes(drums.read_bytes()[:2000])
    run_study(search, bench.evaluate, attrs=bench.describe())
    record = load_study("tiny")
    assert list(record.trials.state) == ["complete"], list(record.trials.failure)
    assert broken.name not in set(record.scores.track)
    assert "drums.wav" in record.trials.left_out[0][0]
    assert set(record.scores.track) == {track.name for track in bench.tracks.validation[1:]}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_a_study_of_another_quality_is_steered_by_it(search: Search) -> None:
    """Through rungs, by a surrogate; every record of it is of the same quality."""
    (search.path.parent / "tiny.yaml").write_text(RECIPE.replace("steps: 2", "steps: 4"))
    search.path.write_text(
        SPACE.replace("baselines: [htdemucs_nn]\n", "").replace("trials: 2", "trials: 3")
        + "objectives: [si_sdr_db/vocals, macs_per_second]\n"
        "fidelity: {rungs: [2]}\n"
        "sampler: {kind: surrogate, control: 0, options: {n_startup_trials: 2}}\n"
    )
    study(load_search_space(search.path))
    record, name = load_study("tiny"), "si_sdr_db/vocals"
    assert set(record.trials.state) <= {"complete", "stopped"}, list(record.trials.failure)
    complete = record.trials[record.trials.state == "complete"]
    assert len(complete) > 0
    quality = record.qualities[name]
    for _, trial in complete.iterrows():
        scores = record.scores[record.scores.trial == trial.trial]
        assert trial[name] == pytest.approx(quality.of(scores))
        assert set(scores.metric) == {"usdr_db", "si_sdr_db"}
    assert {"usdr_db", "usdr_db/band", name} == {*record.qualities} == {*record.rungs.quality}
    floors = record.floors[record.floors.metric == "usdr_db"]
    assert len(floors) == len(floors.drop_duplicates(["track", "source"])) > 0
    assert_report_is_of_vocals(record)


def assert_report_is_of_vocals(record: StudyRecord) -> None:
    """Its sentences name the quality and the side that is better, and know its floor."""
    name, complete = "si_sdr_db/vocals", record.trials[record.trials.state == "complete"]
    findings = Findings(record)
    told = [describe_question(findings), *statements(findings)]
    plain = {ord("\N{NO-BREAK SPACE}"): " ", ord("−"): "-"}
    question, *sentences = [text_of(sentence).translate(plain) for sentence in told]
    best = complete.sort_values(name).iloc[-1]
    title = findings.rows[int(best["trial"])]["name"]
    assert question.startswith(
        "Asked: maximise SI-SDR of vocals (dB); minimise MACs per second of audio over "
    )
    assert sentences[0].startswith("Best SI-SDR of vocals (validation; the mixture ")
    assert f" dB): {title} with {best[name]:.2f} dB at " in (sentences[0])
    floors = record.floors[(record.floors.metric == "si_sdr_db")]
    floor = floors[floors.source == "vocals"].value.mean()
    n_better = sum(complete[name] > floor)
    assert (
        f"By SI-SDR of vocals, {n_better} of {count(len(complete), 'complete trial')} beat the "
        f"mixture itself as the estimate ({floor:.2f} dB)."
    ) in sentences
    assert any("on the front of SI-SDR of vocals against MACs/s" in text for text in sentences)
    assert not any("uSDR" in text for text in (question, *sentences))


def test_a_group_that_no_track_is_of_is_told_before_training(search: Search) -> None:
    text = "objectives: [usdr_db/band, si_sdr_db/vocals/bend]\n"
    search.path.write_text(SPACE + text)
    with pytest.raises(SpecError) as caught:
        prepare(load_search_space(search.path), say=Silent().said)
    problem = caught.value.first
    assert problem.line == len(SPACE.splitlines()) + 1
    assert problem.column > len("objectives: [usdr_db/band")
    assert "no group “bend”; did you mean “band”" in problem.message


def test_an_unknown_recipe_is_told_at_its_line(search: Search) -> None:
    search.path.write_text(SPACE.replace("recipe: tiny.yaml", "recipe: demmo"))
    with pytest.raises(SpecError) as caught:
        prepare(load_search_space(search.path), say=Silent().said)
    assert (caught.value.first.line, caught.value.first.field) == (9, "recipe")
    assert "demo" in caught.value.first.message


@pytest.mark.slow
def test_a_latency_above_its_constraint_is_noticed_before_training(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msdemucs.measure.quiet.QUIET", 1.0)
    bench = prepare(search, say=Silent().said)
    trial = optuna.create_study(directions=["maximize", "minimize"]).ask()
    log = TrialRecorder(trial, Silent())
    log.hold_to({"latency_ms_p50": 1e-3})
    candidate = Candidate(0, "trial 0", search.base, 0, Path("folder"), search.recipe({}))
    with pytest.raises(InfeasibleError, match=r"latency_ms_p50 is .*, above 0\.001"):
        bench.evaluate(candidate, log)
    assert trial.constraints["latency_ms_p50"] > 0
    assert log.figures["latency_ms_p50"] > 1e-3
    assert "train_seconds" not in log.figures
    assert not Path("folder", "weights.safetensors").exists()


@pytest.fixture
def log() -> TrialRecorder:
    study = optuna.create_study(directions=["maximize", "minimize"])
    return TrialRecorder(study.ask(), Silent())


def measured_as(monkeypatch: pytest.MonkeyPatch, *busy: float) -> None:
    """Have latency found, one time after the other, while others kept so much of the cores busy."""
    monkeypatch.setattr("msdemucs.measure.quiet.QUIET", MOST_BUSY)
    results = [(Latency(90 * b, 100 * b, 110 * b, b, 5, 1, "cpu"), b) for b in busy]
    monkeypatch.setattr("msdemucs.study.trial.bench.quietly", lambda _, attempts: results.pop(0))


def run_trial(search: Search, log: TrialRecorder, *, stopped: bool = False) -> dict[str, float]:
    """What is recorded of a trial whose training takes no time.

    Raises:
        StoppedError: never; a trial that is stopped records its latency too.
    """
    with suppress(StoppedError), timed(build(search.base), log, HostLock(), "cpu"):
        if stopped:
            raise StoppedError(2, "behind")
    return log.figures


@pytest.mark.parametrize("stopped", [False, True])
def test_a_latency_of_a_busy_machine_is_measured_again_before_the_trial_ends(
    search: Search, log: TrialRecorder, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    measured_as(monkeypatch, 0.8, 0.05)
    figures = run_trial(search, log, stopped=stopped)
    assert figures["latency_busy"] == 0.05
    assert (figures["latency_ms_p50"], figures["rtf"]) == (5, 0.05)


def test_a_busier_second_measurement_is_not_kept(
    search: Search, log: TrialRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured_as(monkeypatch, 0.5, 0.8)
    assert run_trial(search, log)["latency_ms_p50"] == 50


def test_a_latency_of_a_busy_machine_refuses_no_trial_that_a_quiet_one_would_take(
    search: Search, log: TrialRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured_as(monkeypatch, 0.8, 0.05)
    log.hold_to({"latency_ms_p50": 20})
    assert run_trial(search, log)["latency_ms_p50"] == 5
    assert log.trial.constraints == {"latency_ms_p50": 5 / 20 - 1}


@pytest.mark.parametrize("busy", [0.8, 0.3])
def test_a_latency_that_both_measurements_find_too_long_refuses_a_trial_in_the_end(
    search: Search, log: TrialRecorder, monkeypatch: pytest.MonkeyPatch, busy: float
) -> None:
    measured_as(monkeypatch, 0.8, busy)
    log.hold_to({"latency_ms_p50": 20})
    with pytest.raises(InfeasibleError, match=r"latency_ms_p50 is \d+, above 20"):
        run_trial(search, log)
    assert log.figures["latency_ms_p50"] == 100 * busy


def test_a_latency_of_a_quiet_machine_is_measured_once(
    search: Search, log: TrialRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured_as(monkeypatch, MOST_BUSY)
    assert run_trial(search, log)["latency_ms_p50"] == 100 * MOST_BUSY


@pytest.mark.slow
def test_trainings_give_way_at_every_step_and_after_every_track(
    search: Search, log: TrialRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[str] = []
    monkeypatch.setattr(HostLock, "give_way", lambda _: pauses.append("pause"))
    bench = prepare(search, say=Silent().said)
    candidate = Candidate(0, "trial 0", search.base, 0, Path("folder"), search.recipe({}))
    bench.evaluate(candidate, log)
    n_steps, n_tracks = 2, len(bench.tracks.validation)
    assert len(pauses) == n_steps + n_tracks


@pytest.mark.slow
def test_a_trial_is_trained_by_its_own_recipe(search: Search) -> None:
    bench = prepare(search, say=Silent().said)
    trial = optuna.create_study(directions=["maximize", "minimize"]).ask()
    log = TrialRecorder(trial, Silent())
    recipe = search.recipe({"recipe.steps": 3})
    bench.evaluate(Candidate(0, "trial 0", search.base, 0, Path("folder"), recipe), log)
    log.close()
    assert [step for step, _ in trial.user_attrs["curve"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "column", "field", "words"),
    [
        ("recipe.stepz: 3", 7, "set.recipe.stepz", "did you mean “steps”?"),
        ("recipe.steps: many", 21, "set.recipe.steps", "a whole number"),
        ("recipe.loss: [{kind: l3}]", 28, "set.recipe.loss.0.kind", "allowed: l1"),
        ("recipe.warmup_steps: 9", 7, "set.recipe.warmup_steps", "found 9 of 2"),
    ],
)
def test_a_fault_in_a_recipes_field_is_told_where_the_user_wrote_it(
    search: Search, fields: str, column: int, field: str, words: str
) -> None:
    lines = SPACE.splitlines()
    lines[2] = f"set: {{{fields}}}"
    search.path.write_text("\n".join(lines))
    with pytest.raises(SpecError) as caught:
        prepare(load_search_space(search.path), say=Silent().said)
    problem = caught.value.first
    assert (problem.path, problem.line, problem.column) == (str(search.path), 3, column)
    assert problem.field == field
    assert words in problem.message + problem.hint


def test_a_fault_in_the_recipe_itself_is_told_in_its_own_file(search: Search) -> None:
    path = search.path.with_name("tiny.yaml")
    path.write_text(RECIPE.replace("batch_size: 1", "batch_size: none"))
    with pytest.raises(SpecError) as caught:
        prepare(search, say=Silent().said)
    problem = caught.value.first
    assert (problem.path, problem.line, problem.field) == (str(path), 3, "batch_size")
