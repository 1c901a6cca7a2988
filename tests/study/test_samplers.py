"""Samplers by name: each proposes, options are the sampler's own, a control arm is drawn apart."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from pydantic import JsonValue

from msdemucs.errors import SpecError
from msdemucs.study.samplers.study_sampler import in_control, make_sampler
from msdemucs.study.search_space.fields import propose
from msdemucs.study.search_space.loading import load_search_space, parse_search_space
from msdemucs.study.search_space.sampling import OPTIONS, Sampler
from msdemucs.study.search_space.space import Search, SearchSpace
from msdemucs.study.search_space.variations import combinations, in_order, required

Rewrite = Callable[[str, str], Search]

VARY: dict[str, JsonValue] = {
    "depth": {"choice": [3, 4]},
    "kernel_size.3": {"choice": [4, 8, 16], "when": {"depth": 4}},
    "spectral.resolutions": {"subset": [1024, 2048, 4096], "most": 2},
    "attention": {"choice": {"none": [], "one": [{"kind": "self"}]}},
    "attention.0.heads": {"choice": [2, 4], "when": {"attention": "one"}},
}


def space_of(vary: object = VARY, **sampler: object) -> SearchSpace:
    asked = {"name": "a", "base": "htdemucs_n", "vary": vary, "sampler": sampler}
    return SearchSpace.model_validate_json(json.dumps(asked))


def trials_of(space: SearchSpace, count: int, *, drawn: int = 0) -> list[optuna.trial.FrozenTrial]:
    """Trials of a study in memory: the third of them infeasible, the rest judged."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search = parse_search_space(
        "{name: a, base: htdemucs_n, vary: {depth: {choice: [3, 4]}}}", Path("a.yaml")
    ).as_asked(space)
    sampler = make_sampler(search, drawn=drawn)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    while len(study.trials) < count and not space.is_used_up(study.trials):
        trial = study.ask()
        fields = propose(trial, space.vary)
        size = len(str(fields))
        if trial.number % 3 == 2:
            trial.set_constraint("macs", 0.5)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_constraint("macs", -0.5)
            study.tell(trial, (size % 17, size))
    return study.trials


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_every_sampler_proposes_without_a_warning(kind: str) -> None:
    conditional = {k: v for k, v in VARY.items() if kind != "grid" or "when" not in str(v)}
    options = {"n_startup_trials": 4} if kind in ("tpe", "gp") else {}
    width: JsonValue = {"int": [8, 32], "step": 8}
    space = space_of({**conditional, "channels.start": width}, kind=kind)
    asked = space.sampler.model_copy(update={"options": options})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trials = trials_of(space.model_copy(update={"sampler": asked}), 14)
    assert len(trials) == 14
    for trial in trials:
        assert set(trial.params) >= {"spectral.resolutions", "attention", "depth", "channels.start"}
    assert len({str(trial.params) for trial in trials}) > 7


def test_a_conditional_field_is_drawn_only_when_its_condition_holds() -> None:
    for trial in trials_of(space_of(kind="tpe"), 30):
        assert ("kernel_size.3" in trial.params) == (trial.params["depth"] == 4)
        assert ("attention.0.heads" in trial.params) == (trial.params["attention"] == "one")


@pytest.mark.parametrize("kind", ["brute_force", "grid"])
def test_an_exhaustive_sampler_tries_everything_once_and_ends(kind: str) -> None:
    vary = {k: v for k, v in VARY.items() if kind == "brute_force" or "when" not in str(v)}
    space = space_of(vary, kind=kind)
    wanted = list(combinations(space.vary))
    trials = trials_of(space, 1000)
    assert len(wanted) == ((1 + 3) * 6 * (1 + 2) if kind == "brute_force" else 2 * 6 * 2)
    assert len(trials) == len(wanted)
    assert {str(sorted(t.params.items())) for t in trials} == {
        str(sorted(one.items())) for one in wanted
    }


def test_a_continued_study_goes_on_with_other_draws_but_for_sequences() -> None:
    for kind, same in (("random", False), ("tpe", False), ("qmc", True)):
        space = space_of(kind=kind, control=0)
        first, second = (trials_of(space, 6, drawn=drawn) for drawn in (0, 6))
        assert ([t.params for t in first] == [t.params for t in second]) == same


def test_the_control_arm_depends_on_seed_and_number_alone() -> None:
    asked = Sampler(control=0.1)
    members = [number for number in range(2000) if in_control(asked, number)]
    assert 150 < len(members) < 250
    assert members == [number for number in range(2000) if in_control(asked, number)]
    assert members != [n for n in range(2000) if in_control(Sampler(control=0.1, seed=1), n)]
    assert not any(in_control(Sampler(kind="random", control=1.0), n) for n in range(100))


def test_the_control_arms_draws_do_not_depend_on_what_was_found() -> None:
    space = space_of(kind="tpe", control=0.5)
    other = space_of(kind="nsga2", control=0.5)
    one, two = trials_of(space, 40), trials_of(other, 40)
    control = [number for number in range(40) if in_control(space.sampler, number)]
    assert len(control) > 10
    assert all(one[number].params == two[number].params for number in control)
    assert [t.params for t in one] != [t.params for t in two]


def test_no_generation_of_nsga2_holds_a_trial_of_the_control_arm() -> None:
    space = space_of(kind="nsga2", control=0.5, options={"population_size": 4})
    for trial in trials_of(space, 30):
        has_generation = any("generation" in name for name in trial.system_attrs)
        assert has_generation != in_control(space.sampler, trial.number)


def test_fields_are_drawn_after_those_that_their_condition_names() -> None:
    vary = space_of(
        {
            "c": {"choice": [1], "when": {"b": 2}},
            "b": {"choice": [1, 2], "when": {"a": True}},
            "a": {"choice": [True, False]},
        }
    ).vary
    assert in_order(vary) == ["a", "b", "c"]
    assert required(vary, "c") == {"a": True, "b": 2}


def refusal(rewritten: Rewrite, text: str) -> tuple[int, str, str]:
    with pytest.raises(SpecError) as caught:
        rewritten("trials: 5\n", text)
    first = caught.value.first
    return first.line, first.field, first.message + first.hint


def test_an_unknown_option_is_told_at_its_line_with_the_samplers_own(rewritten: Rewrite) -> None:
    text = "sampler:\n  kind: tpe\n  options:\n    n_startup: 5\n"
    line, field, words = refusal(rewritten, text)
    assert (line, field) == (17, "sampler.options.n_startup")
    assert "n_startup_trials" in words


@pytest.mark.parametrize("name", ["seed", "search_space", "self"])
def test_what_the_study_gives_is_no_option(rewritten: Rewrite, name: str) -> None:
    text = f"sampler: {{kind: random, options: {{{name}: 5}}}}\n"
    assert refusal(rewritten, text)[1] == f"sampler.options.{name}"


def test_a_value_that_the_sampler_refuses_is_told(rewritten: Rewrite) -> None:
    text = "sampler: {kind: nsga2, options: {population_size: 1}}\n"
    line, field, words = refusal(rewritten, text)
    assert (line, field) == (14, "sampler.options")
    assert "nsga2 refuses them" in words


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("{float: [0, 1]}", "needs a step"),
        ("{int: [1, 64], log: true}", "in place of log"),
        ("{choice: [4], when: {fusion.output.kind: sum}}", "knows no conditions"),
    ],
)
def test_a_grid_refuses_what_it_cannot_go_through(rewritten: Rewrite, way: str, words: str) -> None:
    text = f"small: {{sampler: {{kind: grid}}, vary: {{attention.0.ffn: {way}}}}}\n"
    search = rewritten("trials: 5\n", text)
    with pytest.raises(SpecError, match=words) as caught:
        load_search_space(search.path, small=True)
    assert caught.value.first.field.startswith("vary.attention.0.ffn")


def test_more_combinations_than_anyone_trains_are_refused(rewritten: Rewrite) -> None:
    text = "small: {sampler: {kind: grid}, vary: {attention.0.ffn: {int: [1, 100000]}}}\n"
    search = rewritten("trials: 5\n", text)
    with pytest.raises(SpecError, match="more than 100,000 combinations"):
        load_search_space(search.path, small=True)
