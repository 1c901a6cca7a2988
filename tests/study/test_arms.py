"""Ablations: what a file may ask, shipped ones too, which trials it makes, how they go on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from msdemucs.analysis.effects import effects
from msdemucs.cost import cost_of
from msdemucs.errors import SpecError, UsageError
from msdemucs.study.ablation.designs import beyond_adding
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from tests.study.conftest import toy

ABLATION = """\
name: parts
mode: ablation
base: htdemucs_n
set: {segment: 0.5, channels.start: 4, attention.0.heads: 4, fusion.output.width: 5}
factors:
  fusion:
    convolution: {}
    per_source: {fusion.output: {kind: per_source}}
    sum: {fusion.output: {kind: sum}}
  resolutions:
    three: {}
    one: {spectral.resolutions: [4096]}
repeats: 2
"""


WIDTHS = """own: {}
    flat: {channels: 8}
  start:
    own: {}
    wide: {channels.start: 8}"""

ATTENTION = """own: {}
    two: {attention: [{kind: alternating, layers: 1, heads: 4}]}
  mechanism:
    own: {}
    softmax: {attention.0.mechanism: softmax}"""

Read = Callable[..., Search]


@pytest.fixture
def read(in_tmp: Path) -> Read:
    def read(old: str = "", new: str = "", *, more: str = "") -> Search:
        assert old in ABLATION
        path = in_tmp / "parts.yaml"
        path.write_text(ABLATION.replace(old, new, 1) + more)
        return load_search_space(path)

    return read


def test_each_alternative_alone_by_default(read: Read) -> None:
    search = read()
    assert list(search.arms) == [
        "base",
        "fusion=per_source",
        "fusion=sum",
        "resolutions=one",
    ]
    assert search.space.trials == 8
    spec = search.arms["resolutions=one"].spec
    assert [r.n_fft for r in spec.spectral.resolutions] == [4096]  # type: ignore[union-attr]
    assert spec.name == "resolutions=one"


def test_full_designs_combine(read: Read) -> None:
    two = "two: {spectral.resolutions: [2048, 4096]}"
    search = read("one: {spectral.resolutions: [4096]}", two, more="design: full\n")
    assert len(search.arms) == 6
    arm = search.arms["fusion=sum, resolutions=two"]
    assert arm.levels == {"fusion": "sum", "resolutions": "two"}
    assert set(arm.fields) == {"fusion.output", "spectral.resolutions"}


def test_combinations_that_cannot_be_built_refuse_the_design(read: Read) -> None:
    with pytest.raises(SpecError) as caught:
        read(more="design: full\n")
    assert "fusion=per_source, resolutions=one makes no valid spec" in str(caught.value)
    assert caught.value.first.line == 14


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("kind: per_source", "kind: per_sorce", 8, "per_sorce"),
        ("one: {spectral.resolutions: [4096]}", "one: {segment: 0.5}", 12, "changes nothing"),
        (
            "one: {spectral.resolutions: [4096]}",
            "a: {recipe.lr: 0.5}\n    b: {recipe.lr: 0.5}",
            13,
            "changes nothing: a has these values",
        ),
        ("one: {spectral.resolutions: [4096]}", "'a=b': {depth: 3}", 12, "cannot be told"),
        ("repeats: 2", "sampler: {kind: gp}", 13, "has no meaning in a study of mode ablation"),
        ("one: {spectral.resolutions: [4096]}", "one: {sample_rate: 8000}", 12, "task"),
        ("one: {spectral.resolutions: [4096]}", "one: {}", 11, "three, one"),
        ("{spectral.resolutions: [4096]}", "{recipe.lr: -3}", 12, "one: lr: must be greater"),
        ("{spectral.resolutions: [4096]}", "{recipe.lrx: 3}", 12, "did you mean “lr”?"),
        ("repeats: 2", "repeats: 2\ntrials: 9", 14, "4 arms with 2 seeds each"),
        ("repeats: 2", "design: leave_one_out", 13, "fusion has 2"),
        ("repeats: 2", "design: {kind: full, resolution: 4}", 13, "belongs to fractional"),
        ("repeats: 2", "design: {kind: fractional, generators: [a]}", 13, "product"),
        ("repeats: 2", "baselines: [htdemucs]", 13, "has no meaning in a study of mode ablation"),
        (
            "mode: ablation\n",
            "baselines: [htdemucs]\n",
            5,
            "has no meaning in a study of mode search",
        ),
    ],
)
def test_faults_are_told_at_their_line(
    read: Read, old: str, new: str, line: int, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read(old, new)
    assert caught.value.first.line == line
    assert message in str(caught.value)


def test_two_factors_cannot_set_one_field(read: Read) -> None:
    with pytest.raises(SpecError) as caught:
        read("one: {spectral.resolutions: [4096]}", "one: {fusion.output: {kind: weighted}}")
    assert caught.value.first.line == 10
    assert "fusion.output is set by an earlier factor already" in str(caught.value)


def test_a_factor_inside_anothers_single_value_is_refused(read: Read) -> None:
    with pytest.raises(SpecError, match=r"channels\.start is set by an earlier factor already"):
        read("three: {}\n    one: {spectral.resolutions: [4096]}", WIDTHS)


def test_a_factor_inside_anothers_list_is_kept(read: Read) -> None:
    search = read("three: {}\n    one: {spectral.resolutions: [4096]}", ATTENTION)
    assert len(search.arms) == 5


def test_every_arm_is_trained_with_every_seed(read: Read) -> None:
    search = read()
    seen = []

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        seen.append((candidate.seed, candidate.name))
        toy(candidate, log)

    finished = run_study(search, evaluate)
    assert finished.complete == 8
    assert seen == [(seed, name) for seed in (0, 1) for name in search.arms]
    record = load_study("parts")
    assert record.attrs["ablation"] == {
        "levels": {
            "fusion": ["convolution", "per_source", "sum"],
            "resolutions": ["three", "one"],
        },
        "design": {"kind": "one_at_a_time", "resolution": None, "generators": []},
        "arms": 4,
    }
    assert record.trials.arm[3] == {"fusion": "convolution", "resolutions": "one"}
    assert record.trials.name[3] == "resolutions=one"
    assert record.trials.differences[3].keys() == {"spectral.resolutions"}


def test_it_goes_on_where_it_was_interrupted_and_ends_without_what_failed(read: Read) -> None:
    search = read()
    done: list[tuple[str, int]] = []

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if len(done) == 3 and not log.figures.get("again"):
            done.append(("", -1))
            raise KeyboardInterrupt
        if candidate.name == "fusion=sum" and candidate.seed == 1:
            raise UsageError("never")
        done.append((candidate.name, candidate.seed))
        toy(candidate, log)

    with pytest.raises(KeyboardInterrupt):
        run_study(search, evaluate)
    finished = run_study(search, evaluate)
    assert finished.complete == 7
    done.remove(("", -1))
    assert len(done) == len(set(done)) == 7
    again = run_study(search, evaluate)  # tries what failed once more, and ends
    assert (again.ran, again.complete) == (1, 7)
    assert run_study(search, evaluate).ran == 1
    assert run_study(search, evaluate).ran == 0  # it failed three times


def test_a_number_of_trials_is_refused(read: Read) -> None:
    with pytest.raises(UsageError, match="4 arms with 2 seeds each"):
        read().asking(trials=5)


def plain(search: Search) -> dict[str, Any]:
    return search.space.model_dump(mode="json")


TWO = "two: {spectral.resolutions: [2048, 4096]}"
NORM = "  norm:\n    later: {norm.starts: 3}\nrepeats: 2"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("repeats: 2", "repeats: 4", []),
        ("repeats: 2", "repeats: 1", ["repeats"]),
        ("one: {spec", f"{TWO}\n    one: {{spec", []),
        ("one: {spectral.resolutions: [4096]}", TWO, ["factors.resolutions"]),
        ("[4096]", "[8192]", ["factors.resolutions"]),
        ("three: {}\n    ", "", ["factors.resolutions"]),
        ("repeats: 2", NORM, []),
    ],
)
def test_more_seeds_alternatives_and_factors_are_told_from_changes(
    read: Read, old: str, new: str, found: list[str]
) -> None:
    assert beyond_adding(plain(read()), plain(read(old, new))) == found


def test_other_designs_are_others_with_more_factors(read: Read) -> None:
    per_source = "    per_source: {fusion.output: {kind: per_source}}\n"
    asked = plain(read(per_source, "", more="design: leave_one_out\n"))
    assert beyond_adding(asked, asked) == []
    norm = {"later": {"norm.starts": 3}}
    wider = {**asked, "factors": {**asked["factors"], "norm": norm}}
    assert beyond_adding(asked, wider) == ["factors"]


def test_seeds_and_alternatives_are_added_to_a_study_when_it_is_asked_to(read: Read) -> None:
    run_study(read(), toy)
    grown = read("one: {spec", f"{TWO}\n    one: {{spec", more="")
    grown = replace(grown, space=grown.space.model_copy(update={"repeats": 3, "trials": 15}))
    with pytest.raises(UsageError, match="--extend"):
        run_study(grown, toy)
    finished = run_study(grown, toy, extends=True)
    assert (finished.ran, finished.complete) == (7, 15)
    found = effects(load_study("parts")).table
    assert found.alternative.tolist() == ["per_source", "sum", "two", "one"]
    assert set(found.n_seeds) == {3}
    with pytest.raises(UsageError, match=r"factors\.resolutions"):
        run_study(read("[4096]", "[8192]"), toy, extends=True)


FOLDER = Path(__file__).parent.parent.parent / "search_spaces"

ARMS = {
    "ablate-resolutions": ["base", "resolutions=two", "resolutions=three", "resolutions=five"],
    "ablate-attention": [
        "base",
        "resolutions=one",
        "attention=softmax",
        "attention=softmax, resolutions=one",
        "attention=none",
        "attention=none, resolutions=one",
    ],
    "ablate-fusion": [
        "base",
        "output=convolution",
        "output=time_unet_2d",
        "output=weighted",
        "output=sum",
    ],
    "ablate-n": [
        "resolutions=three, attention=linear, embedding=stronger, output=convolution",
        "attention=linear, embedding=stronger, output=convolution",
        "resolutions=three, embedding=stronger, output=convolution",
        "resolutions=three, attention=linear, output=convolution",
        "resolutions=three, attention=linear, embedding=stronger",
    ],
    "ablate-branches": ["base", "branches=without_attention", "branches=spectral_alone"],
    "ablate-schedules": [
        "base",
        "mix=replace",
        "schedule=constant",
        "schedule=constant, mix=replace",
    ],
}


def test_every_shipped_ablation_is_known_here() -> None:
    assert {path.stem for path in FOLDER.glob("ablate-*.yaml")} == set(ARMS)


@pytest.mark.parametrize("name", ARMS)
def test_the_arms_are_those_that_answer_the_claim_at_equal_cost(name: str) -> None:
    search = load_search_space(FOLDER / f"{name}.yaml")
    assert list(search.arms) == ARMS[name]
    assert search.space.repeats >= 3
    for arm in search.arms.values():
        assert 7.2e9 < cost_of(arm.spec).macs_per_second <= 8e9


@pytest.mark.parametrize("name", ARMS)
def test_the_small_setting_is_a_matter_of_minutes(name: str) -> None:
    search = load_search_space(FOLDER / f"{name}.yaml", small=True)
    assert set(search.arms) <= set(ARMS[name])
    assert search.space.trials <= 10
    assert search.space.recipe == "demo"
    for arm in search.arms.values():
        assert cost_of(arm.spec).macs_per_second < 0.5e9
