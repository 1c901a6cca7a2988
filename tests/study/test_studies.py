"""Studies begun and gone on with: when one that exists is refused, and what it takes in."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from msdemucs.errors import StudyError, UsageError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.databases import Database
from msdemucs.study.storage.load import load_study, open_storage
from msdemucs.study.storage.studies import create_or_continue, only_adds
from tests.study.conftest import asking, toy

Rewrite = Callable[[str, str], Search]


def test_plain_optuna_reads_the_database(search: Search) -> None:
    finished = run_study(search, toy)
    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    assert study.metric_names == ["usdr_db", "macs_per_second"]
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.number for trial in study.best_trials] == list(finished.front)
    assert study.trials[0].user_attrs["spec"]["name"] == "htdemucs"


def test_another_storage_takes_several_studies(search: Search) -> None:
    url = "sqlite:///elsewhere/all.db"
    first = run_study(asking(search, trials=1), toy, storage=url)
    run_study(asking(search, trials=1, name="second"), toy, storage=url)
    assert first.url == url
    assert not Path("studies/toy.db").exists()
    assert load_study("second", storage=url).name == "second"
    with pytest.raises(UsageError, match=r"holds 2 studies \(toy, second\)"):
        load_study("elsewhere/all.db")


def test_a_changed_search_space_is_refused_with_the_difference(
    search: Search, rewritten: Rewrite
) -> None:
    run_study(asking(search, trials=1), toy)
    changed = rewritten("[sum, weighted]", "[sum, weighted, per_source]")
    with pytest.raises(UsageError) as caught:
        run_study(changed, toy)
    assert (
        'vary.fusion.output.kind.choice: ["sum", "weighted"] → ["sum", "weighted", "per_source"]'
        in str(caught.value)
    )
    assert "--name" in str(caught.value)
    assert len(load_study("toy").trials.query("state == 'complete'")) == 1


def test_more_trials_or_another_title_are_no_change(search: Search) -> None:
    run_study(asking(search, trials=1), toy)
    assert run_study(asking(search, trials=2, title="renamed"), toy).complete == 2


def test_other_data_or_another_recipe_is_a_change(search: Search) -> None:
    one = asking(search, trials=1)
    run_study(one, toy, attrs={"recipe": {"steps": 10}, "data": {"train": ["a"]}})
    with pytest.raises(UsageError, match=r"recipe.steps: 10 → 20"):
        run_study(one, toy, attrs={"recipe": {"steps": 20}, "data": {"train": ["a"]}})


def test_a_study_that_chose_by_test_tracks_is_read_and_not_continued(search: Search) -> None:
    old = {"data": {"train": ["band: 3 tracks, 1.5 s"], "test": ["band: 1 track, 500.0 ms"]}}
    new = {"data": {"train": ["band: 1 track"], "validation": ["band: 2 tracks"]}}
    one = asking(search, trials=1)
    run_study(one, toy, attrs=old)
    for attrs in (old, new):
        with pytest.raises(UsageError, match="no validation tracks in its data"):
            run_study(asking(search, trials=2), toy, attrs=attrs)
    assert load_study("toy").split == "test"
    assert len(load_study("toy").trials.query("state == 'complete'")) == 1
    run_study(asking(search, name="new", trials=1), toy, attrs=new)
    assert load_study("new").split == "validation"


def test_a_study_whose_creation_was_cut_short_is_created_anew(search: Search) -> None:
    storage = open_storage("sqlite:///studies/toy.db", create=True)
    half = optuna.create_study(study_name="toy", storage=storage, directions=["maximize"])
    half.enqueue_trial({"channels.start": 4})
    study = create_or_continue(search, storage, {})
    assert len(study.directions) == 2
    assert [trial.user_attrs["baseline"] for trial in study.trials] == ["htdemucs", "htdemucs_nn"]


def test_a_foreign_study_of_the_name_is_left_alone(search: Search) -> None:
    storage = open_storage("sqlite:///studies/toy.db", create=True)
    foreign = optuna.create_study(study_name="toy", storage=storage)
    foreign.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(UsageError, match="was not begun by msdemucs"):
        run_study(search, toy)


@pytest.mark.parametrize("url", ["studies", "nosuch://x/y", "sqlite://"])
def test_a_url_that_is_none_is_told(search: Search, url: str) -> None:
    with pytest.raises(UsageError):
        run_study(asking(search, trials=1), toy, storage=url)


def test_a_file_that_is_no_database_is_told(search: Search) -> None:
    Path("studies").mkdir()
    Path("studies/toy.db").write_text("hello " * 1000)
    with pytest.raises(StudyError, match="not a database"):
        run_study(search, toy)


def test_a_changed_default_is_shown_with_both_values(search: Search) -> None:
    run_study(asking(search, trials=1), toy)
    with pytest.raises(UsageError, match=r"  sampler.seed: 0 → 3\n"):
        run_study(search.asking(seed=3), toy)


def test_attributes_set_together_are_one_transaction_and_none_is_lost(in_tmp: Path) -> None:
    storage = open_storage("sqlite:///studies/toy.db", create=True)
    assert isinstance(storage, Database)
    trial = optuna.create_study(study_name="toy", storage=storage).ask()
    commits: list[object] = []
    sqlalchemy.event.listen(storage.engine, "commit", commits.append)

    def fails_halfway() -> None:
        with storage.together():
            for number in range(20):
                trial.set_user_attr(f"a{number}", number)
                with storage.together():  # a part of the same
                    trial.set_user_attr(f"b{number}", number)
            assert trial.user_attrs["a7"] == 7
            assert commits == []
            raise KeyError("a constraint is exceeded")

    with pytest.raises(KeyError):
        fails_halfway()
    assert len(commits) == 1
    stored = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    assert len(stored.trials[0].user_attrs) == 40
    trial.set_user_attr("later", 1)
    assert len(commits) == 2


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
