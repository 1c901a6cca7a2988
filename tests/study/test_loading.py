"""Search spaces from YAML: what is refused, where, and what the small setting replaces."""

from collections.abc import Callable
from pathlib import Path

import pytest

from msdemucs.errors import Problem, SpecError
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from tests.study.conftest import SPACE

Rewrite = Callable[[str, str], Search]
SHIPPED = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))


START = "vary.channels.start"
TWICE = "vary.fusion[output].kind"
N_STARTUP = "sampler.options.n_startup_trials"


def refusal(rewritten: Rewrite, old: str, new: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        rewritten(old, new)
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.first


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_search_space_is_valid(path: Path, small: bool) -> None:
    search = load_search_space(path, small=small)
    assert search.space.name == path.stem + ("-small" if small else "")
    assert search.setting == ("small" if small else "full")


def test_the_small_setting_scales_the_baselines_alike() -> None:
    (multires,) = (path for path in SHIPPED if path.stem == "multires")
    full, small = (load_search_space(multires, small=is_small) for is_small in (False, True))
    factors = {
        name: full.baselines[name].channels.start / small.baselines[name].channels.start  # type: ignore[union-attr]
        for name in ("htdemucs", "htdemucs_n", "htdemucs_nn")
    }
    assert set(factors.values()) == {6}


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ("  channels.start:\n", "  channels.strat:\n", 10, "vary.channels.strat", "channels.start"),
        ("fusion.output.kind", "fusion.outptu.kind", 8, "vary.fusion.outptu.kind", "output"),
        ("[sum, weighted]", "[sum, wieghted]", 9, "vary.fusion.output.kind", "weighted"),
        ("two: [2048, 4096]", "two: [2048, 4095]", 7, "vary.spectral.resolutions", "power of two"),
        ("int: [4, 16]", "int: [4]", 11, "vary.channels.start", "[low, high]"),
        ("int: [4, 16]", "int: [16, 4]", 11, "vary.channels.start", "low < high"),
        ("step: 4", "step: 40", 11, "vary.channels.start", "step"),
        ("step: 4", "step: 4\n    log: true", 11, "vary.channels.start", "either a step or log"),
        (
            "    int: [4, 16]\n    step: 4",
            "    choices: [4]",
            11,
            "vary.channels.start.choices",
            "choice",
        ),
        ("[sum, weighted]", "[]", 9, "vary.fusion.output.kind.choice", "at least one"),
        ("[sum, weighted]", "[sum, sum]", 9, "vary.fusion.output.kind.choice", "twice"),
        ("[sum, weighted]", "sum", 9, "vary.fusion.output.kind.choice", "list"),
        ("[htdemucs, htdemucs_nn]", "[htdemux]", 13, "baselines.htdemux", "htdemucs"),
        (
            "[htdemucs, htdemucs_nn]",
            "{htdemucs: {sources: [a]}}",
            13,
            "baselines.htdemucs",
            "compare",
        ),
        ("base: htdemucs_n", "base: htdemux_n", 3, "base", "htdemucs_n"),
        ("segment: 0.5", "sedgment: 0.5", 4, "set.sedgment", "segment"),
        (
            "[htdemucs, htdemucs_nn]",
            "{htdemucs: {recipe.lr: 1}}",
            13,
            "baselines.htdemucs.recipe.lr",
            "put it under set",
        ),
        ("trials: 5", "trials: 0", 14, "trials", "greater than or equal to 1"),
        ("trials: 5", "objectives: {sdr_db: maximize}", 14, "objectives", "usdr_db"),
        ("trials: 5", "sampler: {kind: cmaes}", 14, "sampler.kind", "nsga2"),
        ("trials: 5", "trails: 5", 14, "trails", "trials"),
        ("name: toy", "name: ../toy", 1, "name", "letters"),
        ("name: toy", "name: " + "a" * 101, 1, "name", "at most 100 letters; found 101"),
        ("name: toy", "name: toy.db", 1, "name", "as a file's name does"),
        ("trials: 5", "seed: 99999999999", 14, "seed", "less than or equal to"),
        ("trials: 5", "objectives: [usdr_db, usdr_db]", 14, "objectives", "given twice"),
        ("trials: 5", "objectives: usdr_db", 14, "objectives", "a list of names"),
        ("[htdemucs, htdemucs_nn]", "[htdemucs, htdemucs]", 13, "baselines", "given twice"),
        ("trials: 5", "data: {train: []}", 14, "data.train", "at least 1"),
        ("trials: 5", "fidelity: {rungs: []}", 14, "fidelity.rungs", "at least 1; found []"),
        ("trials: 5", "fidelity: {rungs: [0]}", 14, "fidelity.rungs.0", "or equal to 1; found 0"),
        ("trials: 5", "factors: {a: {b: {depth: 3}}}", 14, "factors", "no meaning"),
        ("step: 4", "step: 5", 11, "vary.channels.start", "up to 16 is 14"),
        ("step: 4", "step: '4'", 12, "vary.channels.start.step", 'must be a number; found "4"'),
        (
            "step: 4",
            "when: {fusion.output.kind: []}",
            12,
            f"{START}.when.fusion.output.kind",
            "value",
        ),
        (
            "step: 4",
            "when: {fusion.output.kind: null}",
            12,
            f"{START}.when.fusion.output.kind",
            "null",
        ),
        ("  channels.start:\n", "  channels..start:\n", 10, "vary.channels..start", "single dots"),
        ("  channels.start:\n", "  '':\n", 10, "vary.", "single dots"),
        ("[sum, weighted]", "[sum]\n  fusion[output].kind: {choice: [sum]}", 10, TWICE, "the same"),
        ("trials: 5", "sampler: {options: {n_startup_trials: x}}", 14, N_STARTUP, "whole number"),
        ("trials: 5", "sampler: {options: {gamma: 3}}", 14, "sampler.options.gamma", "no such"),
        (
            "  channels.start:\n    int: [4, 16]\n    step: 4\n",
            "  sources:\n    choice: [[a]]\n",
            10,
            "vary.sources",
            "task",
        ),
    ],
)
def test_a_fault_is_told_at_its_line_with_what_is_allowed(
    rewritten: Rewrite, old: str, new: str, line: int, field: str, words: str
) -> None:
    problem = refusal(rewritten, old, new)
    assert (problem.line, problem.field) == (line, field)
    assert words in problem.message + problem.hint
    assert problem.path is not None
    assert problem.path.endswith("toy.yaml")


def test_a_range_too_long_to_be_tried_out_is_refused_without_being_listed(space_file: Path) -> None:
    wide = SPACE.replace("int: [4, 16]\n    step: 4", "int: [4, 1000000000]")
    space_file.write_text(wide + "sampler: {kind: brute_force}\n")
    with pytest.raises(SpecError, match="would try more than 100,000 combinations"):
        load_search_space(space_file)


def test_a_field_of_set_is_at_fault_only_if_the_base_is_not(space_file: Path) -> None:
    space_file.write_text(SPACE.replace("segment: 0.5", "segment: long"))
    with pytest.raises(SpecError, match=r"toy.yaml:4:7: error: set.segment: must be a number"):
        load_search_space(space_file)
    space_file.write_text(SPACE.replace("base: htdemucs_n", "base: nothing_n"))
    with pytest.raises(SpecError, match=r"toy.yaml:3:1: error: base: there is no spec"):
        load_search_space(space_file)


def test_a_choice_that_only_some_combinations_allow_is_kept(rewritten: Rewrite) -> None:
    search = rewritten("base: htdemucs_n", "base: htdemucs")  # one resolution: nothing to weigh
    assert search.space.vary["fusion.output.kind"].corners() == ["sum", "weighted"]


def test_a_base_may_lie_beside_the_search_space(in_tmp: Path) -> None:
    (in_tmp / "sub").mkdir()
    (in_tmp / "sub" / "mine.yaml").write_text("extends: htdemucs_n\nname: mine\ndepth: 3\n")
    path = in_tmp / "sub" / "space.yaml"
    path.write_text(SPACE.replace("base: htdemucs_n", "base: mine.yaml"))
    search = load_search_space(path)
    assert (search.base.name, search.base.depth) == ("mine", 3)


def test_small_replaces_fields_and_single_entries_of_set_and_vary(space_file: Path) -> None:
    small = "small:\n  set: {segment: 0.25}\n  trials: 2\n  vary: {channels.start: {choice: [4]}}\n"
    space_file.write_text(SPACE + small)
    search = load_search_space(space_file, small=True)
    assert search.space.name == "toy-small"
    assert search.space.trials == 2
    assert search.space.set == {"segment": 0.25, "channels.start": 4, "attention.0.heads": 4}
    assert list(search.space.vary) == [
        "spectral.resolutions",
        "fusion.output.kind",
        "channels.start",
    ]
    assert search.space.vary["channels.start"].choice == [4]
    assert load_search_space(space_file).space.trials == 5


@pytest.mark.parametrize("line", ["small: {trials: many}", "small: {trails: 3}", "small: 3"])
def test_faults_of_the_small_setting_are_told_when_the_full_one_is_asked(
    space_file: Path, line: str
) -> None:
    space_file.write_text(SPACE + line + "\n")
    with pytest.raises(SpecError, match=r"toy\.yaml:15:\d+: error: "):
        load_search_space(space_file)


def test_data_may_be_one_folder_or_several(rewritten: Rewrite) -> None:
    search = rewritten("trials: 5", "data: {train: a, test: [a, b]}")
    assert (search.space.data.train, search.space.data.test) == (("a",), ("a", "b"))
    asked = search.asking(data=[Path("c")], trials=3, seed=4, name="other").space
    assert (asked.data.train, asked.data.test) == (("c",), ("c",))
    assert (asked.trials, asked.sampler.seed, asked.name) == (3, 4, "other")
    assert asked.vary == search.space.vary


def test_a_missing_small_setting_is_told(space_file: Path) -> None:
    with pytest.raises(SpecError, match="no small setting"):
        load_search_space(space_file, small=True)


def test_a_missing_file_names_its_neighbour(space_file: Path) -> None:
    with pytest.raises(SpecError, match="there is no such file") as caught:
        load_search_space(space_file.with_name("toi.yaml"))
    assert "toy.yaml" in caught.value.first.hint


CONDITIONS = """\
  depth: {choice: [3, 4]}
  kernel_size.3:
    choice: [4, 8]
    when:
      depth: 4
"""


def test_a_conditional_field_is_tried_where_its_condition_holds(rewritten: Rewrite) -> None:
    search = rewritten("  channels.start:\n", CONDITIONS + "  channels.start:\n")
    assert search.spec({"depth": 4, "kernel_size.3": 4}).kernel_size == (8, 8, 8, 4)
    with pytest.raises(SpecError, match="no level 3"):
        search.spec({"depth": 3, "kernel_size.3": 4})


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ("depth: 4", "dept: 4", 14, "vary.kernel_size.3.when.dept", "depth"),
        ("depth: 4", "depth: 5", 14, "vary.kernel_size.3.when.depth", "never is 5; it can be 3, 4"),
        ("depth: 4", "depth: [4, 5]", 14, "vary.kernel_size.3.when.depth", "never is 5"),
        ("depth: 4", "kernel_size.3: 4", 14, "vary.kernel_size.3.when.kernel_size.3", "circle"),
        (
            "{choice: [3, 4]}",
            "{choice: [3, 4], when: {kernel_size.3: 4}}",
            10,
            "vary.depth.when.kernel_size.3",
            "circle",
        ),
        ("[4, 8]", "[4, 9, 10]", 12, "vary.kernel_size.3", "must be even"),
        ("kernel_size.3", "kernel_size.7", 11, "vary.kernel_size.7", "no such field"),
    ],
)
def test_a_fault_in_a_condition_is_told_at_its_line(
    rewritten: Rewrite, old: str, new: str, line: int, field: str, words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        rewritten("  channels.start:\n", CONDITIONS.replace(old, new) + "  channels.start:\n")
    first = caught.value.first
    assert (first.line, first.field) == (line, field), str(first)
    assert words in first.message + first.hint


def test_rungs_forbid_recipes_of_several_lengths(rewritten: Rewrite) -> None:
    search = rewritten(
        "  channels.start:\n", "  recipe.epochs: {choice: [5, 10]}\n  channels.start:\n"
    )
    text = search.text.replace("trials: 5", "trials: 5\nfidelity: {rungs: [400]}")
    search.path.write_text(text)
    with pytest.raises(SpecError, match="rungs compare trials of one length") as caught:
        load_search_space(search.path)
    assert caught.value.first.line == 10
