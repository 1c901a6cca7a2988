"""A search space that grew: what is taken in, what is not, and what Optuna would have said."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from msdemucs.errors import UsageError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage
from msdemucs.study.storage.studies import only_adds
from tests.study.conftest import asking, toy

Rewrite = Callable[[str, str], Search]


def test_optuna_alone_refuses_a_new_choice(search: Search) -> None:
    """The rule that --extend works around, held to here in case it goes away."""
    run_study(search, toy)
    with closing(open_storage("sqlite:///studies/toy.db")) as opened:
        study = optuna.load_study(study_name="toy", storage=opened)
        with pytest.raises(ValueError, match="dynamic value space"):
            study.ask().suggest_categorical("fusion.output.kind", ["sum", "weighted", "per_source"])


@pytest.mark.parametrize("storage", [None, "postgresql"])
def test_new_choices_ranges_and_baselines_are_taken_in_and_drawn(
    search: Search, rewritten: Rewrite, storage: str | None, request: pytest.FixtureRequest
) -> None:
    if storage:
        storage = request.getfixturevalue("postgres").create_database("extended")
    run_study(asking(search, trials=4), toy, storage=storage)
    before = load_study("toy", storage=storage).trials
    text = Path("toy.yaml").read_text()
    grown = rewritten(
        text[text.index("  spectral.resolutions:") : text.index("trials: 5")],
        """\
  spectral.resolutions:
    choice: {one: [4096], two: [2048, 4096], three: [2048, 4096, 8192]}
  fusion.output.kind:
    choice: [sum, weighted, per_source]
  channels.start:
    int: [4, 32]
    step: 4
baselines: [htdemucs, htdemucs_nn, htdemucs_n]
""",
    )
    with pytest.raises(UsageError, match="--extend takes it in") as caught:
        run_study(asking(grown, trials=14), toy, storage=storage)
    assert '["sum", "weighted"] → ["sum", "weighted", "per_source"]' in str(caught.value)

    finished = run_study(asking(grown, trials=14), toy, storage=storage, extends=True)
    assert finished.complete == 14
    after = load_study("toy", storage=storage).trials
    assert list(after.params[: len(before)]) == list(before.params)
    assert list(after.usdr_db[: len(before)].dropna()) == list(before.usdr_db.dropna())
    assert "htdemucs_n" in set(after.baseline)
    drawn = [params.get("fusion.output.kind") for params in after.params[len(before) :]]
    assert "per_source" in drawn
    again = run_study(asking(grown, trials=14), toy, storage=storage)  # no more differences
    assert again.ran == 0
    with closing(open_storage(storage or "sqlite:///studies/toy.db")) as opened:
        study = optuna.load_study(study_name="toy", storage=opened)
        kinds = {
            trial.distributions[name]
            for trial in study.trials
            for name in ("fusion.output.kind",)
            if name in trial.distributions
        }
        assert kinds == {
            optuna.distributions.CategoricalDistribution(["sum", "weighted", "per_source"])
        }


def test_a_journal_says_that_it_cannot_take_in_choices(search: Search, rewritten: Rewrite) -> None:
    run_study(search, toy, storage="toy.journal")
    grown = rewritten("[sum, weighted]", "[sum, weighted, per_source]")
    with pytest.raises(UsageError, match="a journal file cannot take in"):
        run_study(grown, toy, storage="toy.journal", extends=True)
    more = rewritten("[htdemucs, htdemucs_nn]", "[htdemucs, htdemucs_nn, htdemucs_n]")
    finished = run_study(asking(more, trials=6), toy, storage="toy.journal", extends=True)
    assert finished.complete == 6


def test_a_study_is_not_extended_while_others_work_on_it(
    search: Search, rewritten: Rewrite
) -> None:
    run_study(asking(search, trials=3), toy)
    with closing(open_storage("sqlite:///studies/toy.db")) as opened:
        other = optuna.load_study(study_name="toy", storage=opened).ask()
        other.set_user_attr("owner", {"host": "elsewhere", "pid": 1, "since": 0.0})
    grown = rewritten("int: [4, 16]", "int: [4, 32]")
    with pytest.raises(UsageError, match="process 1 on elsewhere"):
        run_study(grown, toy, extends=True)


@pytest.mark.parametrize(
    ("before", "now", "adds"),
    [
        ({"choice": [1, 2]}, {"choice": [1, 2, 3]}, True),
        ({"choice": [1, 2]}, {"choice": [2, 1, 3]}, False),
        ({"choice": [1, 2]}, {"choice": [1]}, False),
        ({"choice": {"a": [1]}}, {"choice": {"a": [1], "b": [2]}}, True),
        ({"choice": {"a": [1]}}, {"choice": {"a": [2], "b": [2]}}, False),
        ({"int": [4, 8]}, {"int": [2, 16]}, True),
        ({"int": [4, 8]}, {"int": [5, 16]}, False),
        ({"int": [4, 8], "step": 4}, {"int": [2, 18], "step": 4}, False),  # 4 is no longer drawn
        ({"int": [4, 8], "step": 4}, {"int": [0, 16], "step": 4}, True),
        ({"int": [4, 8]}, {"int": [4, 8], "log": True}, False),
        ({"int": [4, 8]}, {"float": [4, 8]}, False),
        ({"float": [0.1, 0.2]}, {"float": [0.1, 0.5]}, True),
    ],
)
def test_what_adds_is_told_from_what_changes(
    before: dict[str, object], now: dict[str, object], adds: bool
) -> None:
    assert only_adds({"vary": {"x": before}}, {"vary": {"x": now}}) == ([] if adds else ["vary.x"])


def test_everything_else_is_no_addition() -> None:
    before = {"sampler": {"seed": 0}, "baselines": {"a": {}}, "vary": {"x": {"int": [1, 2]}}}
    assert only_adds(before, {**before, "sampler": {"seed": 1}}) == ["sampler"]
    assert only_adds(before, {**before, "baselines": {"b": {}}}) == ["baselines.a"]
    assert only_adds(before, {**before, "baselines": {"a": {}, "b": {}}}) == []
    more = {"x": {"int": [1, 2]}, "y": {"int": [1, 2]}}
    assert only_adds(before, {**before, "vary": more}) == []
    assert only_adds(before, {**before, "vary": {}}) == ["vary.x"]
