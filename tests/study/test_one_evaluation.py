"""Is a track's score the same whoever asks for it: a trial, its validation, evaluate, rescore?"""

import csv
from pathlib import Path

import optuna
import pandas as pd
import pytest
import torch
from optuna.trial import TrialState
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.data import synthesise
from msdemucs.errors import DivergedError
from msdemucs.evaluate.saving import load_evaluation
from msdemucs.metrics import METRICS, Quality
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups.judging import Chosen, TrackSet, judge
from msdemucs.study.records import RESCORE
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage, open_study
from msdemucs.study.storage.results import BEGUN, DIVERGED_AT, rows_of
from msdemucs.study.trial.bench import Bench, prepare
from msdemucs.study.trial.recorder import Silent, TrialRecorder
from msdemucs.train.training import TrainingRun
from tests.study.test_trainings import RECIPE, SPACE, candidate

VALIDATED = "normalise: true\nvalidation: {every: 3}\nkeep: best\n"


@pytest.fixture
def search(in_tmp: Path) -> Search:
    """Four tracks to train on, of which two are held out."""
    synthesise(in_tmp / "band", n_tracks=5, seconds=1)
    (in_tmp / "tiny.yaml").write_text(RECIPE + VALIDATED)
    (in_tmp / "space.yaml").write_text(SPACE)
    return load_search_space(in_tmp / "space.yaml")


@pytest.fixture
def study() -> optuna.Study:
    created = optuna.create_study(directions=["maximize", "minimize"])
    created.set_user_attr(BEGUN, {})
    return created


def prepared(search: Search) -> Bench:
    return prepare(search, say=Silent().said)


@pytest.mark.slow
def test_a_trial_its_validation_evaluate_and_rescore_give_one_score(
    search: Search, study: optuna.Study
) -> None:
    bench, log = prepared(search), TrialRecorder(study.ask(), Silent())
    bench.evaluate(candidate(search, "trial"), log)
    of_trial = log.figures["usdr_db"]
    with Path("trial/validation.csv").open(newline="") as file:
        assert of_trial == max(float(row["usdr_db"]) for row in csv.DictReader(file))

    weights = "trial/weights.safetensors"
    tracks = TrackSet(lambda: bench.tracks.validation, "validation", RESCORE)
    chosen = [Chosen(0, "trial 0", 0, weights)]
    scored = judge(study, chosen, ["usdr_db"], tracks, device="cpu", listener=Silent())
    assert scored.usdr_db.tolist() == [of_trial]
    (row,) = rows_of(study)
    rescored = pd.DataFrame(row.detail["scores"]["rows"], columns=row.detail["scores"]["columns"])

    asked = ["evaluate", weights, "--data", "band", "--split", "train", "--out", "out"]
    done = CliRunner().invoke(app, [*asked, "--batch", "4"], catch_exceptions=False)
    assert done.exit_code == 0
    table = load_evaluation(Path("out")).tracks
    table = table[table.track.isin([track.name for track in bench.tracks.validation])]
    long = table.assign(metric="usdr_db", value=table.usdr_db, seed=0)
    assert Quality(METRICS["usdr_db"]).of(long) == of_trial
    for column in ("group", "track", "source", "value"):
        assert rescored[column].tolist() == long[column].tolist()


@pytest.mark.slow
def test_a_trial_whose_estimates_are_not_finite_is_a_result_with_its_step(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Bench.scores

    def scores(
        bench: Bench, run: TrainingRun, log: TrialRecorder, *, floors: bool = False
    ) -> object:
        for parameter in run.model.parameters():
            parameter.data.fill_(torch.nan)
        return original(bench, run, log, floors=floors)

    monkeypatch.setattr(Bench, "scores", scores)
    with pytest.raises(DivergedError, match=r"^step 6: the estimate of “drums” of .* diverged$"):
        prepared(search).evaluate(
            candidate(search, "x"), TrialRecorder(optuna.create_study().ask(), Silent())
        )
    run_study(search, prepared(search).evaluate)
    trials = load_study("tiny").trials
    assert set(trials.state) == {"failed"}
    assert trials.failure.str.startswith("DivergedError: step 6: the estimate of “drums”").all()
    stored = open_study(open_storage("sqlite:///studies/tiny.db"), "tiny").get_trials()
    assert {trial.user_attrs[DIVERGED_AT] for trial in stored} == {6}
    assert {trial.state for trial in stored} == {TrialState.PRUNED}  # of which samplers learn
