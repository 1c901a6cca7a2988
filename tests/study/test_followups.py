"""Real trainings beside a study's trials, as small as they get."""

from pathlib import Path

import pytest

from msdemucs.errors import StudyError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups.judging import Chosen, TrackSet, judge
from msdemucs.study.followups.trainings import (
    Longer,
    Start,
    candidates,
    measure_noise,
    promote,
    train_beside,
)
from msdemucs.study.records import RESCORE
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage, open_study, read_record
from msdemucs.study.storage.results import rows_of
from msdemucs.study.trial.bench import prepare
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent
from msdemucs.train import load_recipe
from tests.study.test_bench import search

__all__ = ["search"]

STARTS: tuple[Start, ...] = ("weights", "scratch")


class Phases(Silent):
    """Remembers what trainings went through."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, what: str, total: int) -> None:
        self.phases.append(what)


@pytest.mark.slow
def test_noise_promotion_and_rescore_are_real(search: Search, in_tmp: Path) -> None:
    bench = prepare(search, say=Silent().said)
    run_study(search.asking(trials=1), bench.evaluate, attrs=bench.describe())
    study = open_study(open_storage("sqlite:///studies/tiny.db"), "tiny")
    trials, bench = candidates(load_study("tiny"), top=1), bench.alone()
    short = float(trials.usdr_db.iloc[0])

    still = load_recipe(in_tmp / "tiny.yaml", overrides={"lr": 1e-12, "steps": 1})
    gains = {}
    for start in STARTS:
        longer = Longer(still, start, "tiny")
        table = promote(study, trials, longer, bench.evaluate, listener=Silent())
        gains[start] = float(table.long_db.iloc[0]) - short
        assert Path(table.weights.iloc[0]).is_file()
    assert gains["weights"] == pytest.approx(0, abs=1e-4)  # nothing was learned beyond
    assert abs(gains["scratch"]) > 1e-3  # nor at all

    ears = Phases()
    floor = measure_noise(study, search, bench.evaluate, n_seeds=2, listener=ears)
    assert floor.sigma.value > 0
    assert ears.phases == ["training", "evaluation"] * 2  # and no latency, which is known

    tracks = TrackSet(lambda: bench.tracks.validation, "validation", RESCORE)
    found = judge(study, Chosen.of(trials), ["usdr_db"], tracks, device="cpu", listener=Silent())
    assert found.usdr_db.iloc[0] == short
    closed = TrackSet(lambda: pytest.fail("opened"), "validation", RESCORE)
    again = judge(study, Chosen.of(trials), ["usdr_db"], closed, device="cpu", listener=Silent())
    assert again.equals(found)
    kinds = [row.kind for row in rows_of(study)]
    assert kinds == ["promotion"] * 2 + ["noise"] * 2 + ["rescore"]
    assert len(read_record(study).later) == 5


def test_a_training_without_the_quality_that_was_asked_for_says_so(search: Search) -> None:
    candidate = Candidate(0, "bare", search.base, 0, Path("bare"))
    with pytest.raises(StudyError, match="bare has no si_sdr_db/vocals on any validation track"):
        train_beside(candidate, lambda *_: None, Silent(), "si_sdr_db/vocals")
