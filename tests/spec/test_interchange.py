"""Names, files, extends, overrides; canonical data and hashes; how wrong specs are explained."""

from pathlib import Path

import pytest
from hypothesis import given

from msdemucs.errors import PlanError, SpecError, UsageError
from msdemucs.spec import (
    diff_specs,
    dump_spec,
    get_field,
    load_spec,
    parse_spec,
    spec_hash,
    zoo_names,
)
from msdemucs.spec.interchange import ZOO
from tests.specs import build_or_none, spec_data

BASE = """\
extends: htdemucs_n
name: mine
"""


def write(tmp_path: Path, text: str, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", zoo_names())
def test_every_zoo_file_is_short(name: str) -> None:
    assert len((ZOO / f"{name}.yaml").read_text().splitlines()) <= 40


@pytest.mark.parametrize("name", zoo_names())
def test_every_zoo_file_is_named_after_its_system(name: str) -> None:
    assert load_spec(name).name == name


def test_a_delta_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, BASE + "channels: {start: 16}\n"))
    base = load_spec("htdemucs_n")
    assert get_field(spec, "channels") == {"start": 16, "growth": 2.0, "round_to": 1}
    assert spec.spectral == base.spectral
    assert spec.attention == base.attention


def test_another_kind_drops_the_old_kinds_options(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, BASE + "fusion: {output: {kind: sum}}\n"))
    assert get_field(spec, "fusion.output") == {"kind": "sum"}
    assert get_field(spec, "fusion.bottleneck.smoothing") == 0.9


def test_an_override_of_kind_drops_the_old_kinds_options() -> None:
    spec = load_spec("htdemucs_n", overrides={"fusion.output.kind": "per_source"})
    assert spec == load_spec("htdemucs_nn", overrides={"name": "htdemucs_n"})


def test_an_override_reaches_into_lists_by_number() -> None:
    overrides = {"attention[0].heads": 4, "kernel_size": [8, 8, 8, 8]}
    spec = load_spec("htdemucs", overrides=overrides)
    assert (spec.attention[0].heads, spec.attention[0].layers) == (4, 5)


def test_extends_takes_a_path_beside_the_file(tmp_path: Path) -> None:
    write(tmp_path, BASE + "segment: 4\n", "parent.yaml")
    spec = load_spec(write(tmp_path, "extends: parent.yaml\nname: child\n"))
    assert (spec.name, spec.segment) == ("child", 4.0)


def test_extends_in_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "extends: b.yaml\n", "a.yaml")
    write(tmp_path, "extends: a.yaml\n", "b.yaml")
    with pytest.raises(SpecError, match=r"circle: a\.yaml → b\.yaml → a\.yaml"):
        load_spec(tmp_path / "a.yaml")


def test_an_unknown_zoo_name_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="did you mean “htdemucs_nn”"):
        load_spec("htdemucs_nnn")


@pytest.mark.parametrize(
    ("lines", "line", "field", "message", "hint"),
    [
        ("chanels: 8", 3, "chanels", "there is no such field", "did you mean “channels”?"),
        (
            "attention:\n  - {kind: alternating, heds: 8}",
            4,
            "attention.0.heds",
            "there is no such field",
            "did you mean “heads”?",
        ),
        ("depth: four", 3, "depth", 'must be a whole number; found "four" (text)', ""),
        ("depth: true", 3, "depth", "must be a whole number; found true", ""),
        ("depth: 0", 3, "depth", "must be greater than or equal to 1; found 0", ""),
        (
            "fusion:\n  output:\n    kind: persource",
            5,
            "fusion.output.kind",
            "there is no kind “persource”",
            "did you mean “per_source”?",
        ),
        (
            "attention: [{kind: alternating, mechanism: sofmax}]",
            3,
            "attention.0.mechanism",
            'must be one of softmax, linear; found "sofmax" (text)',
            "did you mean “softmax”?",
        ),
        ("attention: [{layers: 2}]", 3, "attention.0", "needs 'kind', which says the kind", ""),
        (
            "kernel_size: {start: many}",
            3,
            "kernel_size",
            "must be a whole number of at least 1, a list of them, or "
            "{start, at: {level: value}} or {start, times, every, min}; "
            'found {"start": "many"} (fields)',
            "",
        ),
        (
            "kernel_size: {strat: 8}",
            3,
            "kernel_size.strat",
            "there is no such field",
            "did you mean “start”?",
        ),
        (
            "attention: [{kind: self, at: [encodr 1]}]",
            3,
            "attention.0.at",
            "“encodr 1” is no place; write bottleneck, encoder 2 or decoder 0",
            "",
        ),
        (
            "spectral: {resolutions: []}",
            3,
            "spectral.resolutions",
            "must list from 1 to 7 STFT settings, found 0",
            "",
        ),
        (
            "spectral: {resolutions: [2048, 3000]}",
            3,
            "spectral.resolutions.1.n_fft",
            "must be a power of two, found 3000; the nearest are 2048 and 4096",
            "",
        ),
        (
            "spectral: {resolutions: [2048, 2048]}",
            3,
            "spectral.resolutions",
            "n_fft 2048 with hop_length 512 is listed twice",
            "",
        ),
        ("sources: [drums, drums]", 3, "sources", "“drums” is listed twice", ""),
        ("sources: [/x/ABS]", 3, "sources", "“/x/ABS” is no name, by which files are called", ""),
        ("sources: [..]", 3, "sources", "“..” is no name", ""),
        ('sources: ["a, b"]', 3, "sources", "“a, b” is no name", ""),
        ('sources: ["a\\tb"]', 3, "sources", "“a\tb” is no name", ""),
        ('sources: ["\\e[31m"]', 3, "sources", "“\\x1b[31m” is no name", ""),
        ('sources: [""]', 3, "sources", "“” is no name", ""),
    ],
)
def test_a_wrong_field_is_explained_at_its_line(
    tmp_path: Path, lines: str, line: int, field: str, message: str, hint: str
) -> None:
    path = write(tmp_path, BASE + lines + "\n")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field, problem.hint) == (line, field, hint)
    assert problem.message.startswith(message)
    assert str(caught.value).startswith(f"{path}:{line}:")


@pytest.mark.parametrize(
    ("lines", "line", "field", "message"),
    [
        (
            "kernel_size: [8, 8, 8]",
            3,
            "kernel_size",
            "has 3 values for 4 levels (depth: 4)",
        ),
        ("stride: {start: 4, at: {4: 2}}", 3, "stride", "changes at level 4, but levels run"),
        ("kernel_size: 3", 3, "kernel_size", "is smaller than the stride at level 0: 3, stride 4"),
        ("kernel_size: 7", 3, "kernel_size", "kernel_size − stride must be even, or"),
        (
            "attention: [{kind: alternating, heads: 7}]",
            3,
            "attention.0.heads",
            "heads 7 do not divide width 192",
        ),
        (
            "segment: 0.1",
            4,
            "spectral.resolutions.2",
            "n_fft 8192 is longer than the segment: 0.1 s × 44100 Hz = 4410 samples",
        ),
        (
            "spectral: {resolutions: [256]}",
            3,
            "spectral.resolutions.0",
            "frequency bins are not divisible by the stride at level 3: 2 % 4",
        ),
        (
            "waveform: null",
            3,
            "attention.0.kind",
            "crosses between a spectral and a waveform branch",
        ),
        (
            "waveform: null\nspectral: null\nattention: []",
            3,
            "waveform",
            "there is neither a waveform nor a spectral branch",
        ),
        ("norm: {starts: 2, groups: 5}", 3, "norm.groups", "5 does not divide"),
        ("padding: valid", 3, "padding", "valid is for the waveform branch alone"),
        ("waveform: {resample: 2}", 3, "waveform.resample", "frames of the spectral branch would"),
        (
            "waveform: {estimate: discard}\nspectral: null\nattention: []",
            3,
            "waveform.estimate",
            "discards the only branch's estimates",
        ),
        ("rewrite: {decoder: 2}", 3, "rewrite.decoder", "must be odd, found 2"),
        ("residual: {depth: 11}", 3, "residual.depth", "must be at most 10, found 11"),
        (
            "residual: {attention: {heads: 5}}",
            3,
            "residual.attention.heads",
            "5 heads do not divide the 3 channels inside the residual branch of level 0",
        ),
        ("merge: 4", 3, "merge", "level 4 is beyond the last, 3"),
        ("merge: 2", 3, "merge", "needs one resolution"),
        (
            "merge: 2\nspectral: {resolutions: [4096]}",
            3,
            "merge",
            "strides through level 2 to equal hop_length: 64 ≠ 1024",
        ),
        ("merge: 2\nwaveform: null", 3, "merge", "needs a waveform and a spectral branch"),
        ("lstm: {layers: 2}", 3, "lstm", "needs one sequence at the bottleneck"),
        ("decoder_start: zeros", 9, "attention.0.at", "decoder_start: zeros would throw"),
        (
            "attention: [{kind: self, at: [decoder 3]}]",
            3,
            "attention.0.at",
            "there is no decoder 3: with 4 levels the last decoder that can attend is 2",
        ),
        (
            "attention: [{kind: self, at: [encoder 1, decoder 0]}]",
            3,
            "attention.0.at",
            "encoder 1 has 48 channels and decoder 0 96",
        ),
        (
            "attention: [{kind: self, heads: 1, width: 6}]",
            3,
            "attention.0.width",
            "position tables need a width that 4 divides, found 6",
        ),
    ],
)
def test_what_cannot_build_is_refused_before_torch(
    tmp_path: Path, lines: str, line: int, field: str, message: str
) -> None:
    with pytest.raises(PlanError) as caught:
        load_spec(write(tmp_path, BASE + lines + "\n"))
    problems = {problem.field: problem for problem in caught.value.problems}
    assert message in problems[field].message
    if problems[field].path == str(tmp_path / "mine.yaml"):
        assert problems[field].line == line


def test_weighing_a_single_resolution_is_refused_with_the_way_out() -> None:
    overrides = {"spectral.resolutions": [4096]}
    with pytest.raises(PlanError, match="use kind: sum"):
        load_spec("htdemucs_nn", overrides=overrides)


def test_a_fault_in_the_base_names_the_bases_file(tmp_path: Path) -> None:
    write(tmp_path, BASE + "kernel_size: 9\n", "parent.yaml")
    with pytest.raises(PlanError) as caught:
        load_spec(write(tmp_path, "extends: parent.yaml\nname: child\n"))
    assert caught.value.first.path is not None
    assert (Path(caught.value.first.path).name, caught.value.first.line) == ("parent.yaml", 3)


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, BASE + "stride: x\ndepth: four\nchanels: 8\n")
    with pytest.raises(SpecError, match=r"3 errors\. Nothing was written\.") as caught:
        load_spec(path)
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5]


def test_the_message_shows_the_line_with_a_caret(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, BASE + "depth: four\n"))
    assert "    3 | depth: four\n      |        ^" in str(caught.value)


def test_plain_data_is_explained_by_its_field() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({"name": "x", "depth": 2.5})
    assert caught.value.first.field == "depth"


def test_a_kind_that_is_no_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("extends: htdemucs_n\nname: odd\nfusion: {output: {kind: [sum]}}\n")
    with pytest.raises(SpecError, match=r"odd\.yaml:3:25: error: fusion\.output\.kind: .*no kind"):
        load_spec(path)


@given(spec_data())
def test_a_dumped_spec_reads_back_equal(data: dict[str, object]) -> None:
    spec = build_or_none(data)
    if spec is not None:
        assert parse_spec(dump_spec(spec)) == spec
        assert spec_hash(parse_spec(dump_spec(spec))) == spec_hash(spec)


def test_the_hash_does_not_depend_on_name_or_spelling() -> None:
    spelled = load_spec("htdemucs", overrides={"channels": [48, 96, 192, 384], "name": "other"})
    assert spec_hash(spelled) == spec_hash(load_spec("htdemucs"))


def test_the_hash_leaves_out_what_has_no_effect() -> None:
    bottleneck = {"kind": "weighted", "smoothing": None}
    other = load_spec("htdemucs", overrides={"fusion.bottleneck": bottleneck})
    assert spec_hash(other) == spec_hash(load_spec("htdemucs"))
    several = load_spec("htdemucs_n", overrides={"fusion.bottleneck.smoothing": None})
    assert spec_hash(several) != spec_hash(load_spec("htdemucs_n"))


def test_the_zoos_hashes_differ() -> None:
    hashes = {spec_hash(load_spec(name)) for name in zoo_names()}
    assert len(hashes) == len(zoo_names()) == 22


def test_differences_name_only_the_fields_that_differ() -> None:
    other = load_spec("htdemucs_n", overrides={"attention.0.heads": 4, "segment": 4})
    assert diff_specs(load_spec("htdemucs_n"), other) == {
        "segment": (10.0, 4.0),
        "attention.0.heads": (8, 4),
    }


def test_another_kind_is_one_difference() -> None:
    differences = diff_specs(load_spec("htdemucs_n"), load_spec("htdemucs_nn"))
    assert list(differences) == ["fusion.output"]
    assert differences["fusion.output"][1] == {"kind": "per_source", "smoothing": 0.9}


def test_a_field_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match=r"attention\.3\.heads"):
        get_field(load_spec("htdemucs"), "attention.3.heads")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("htdemucs", {"kernel_size": [8, 8, 8, 8], "stride": {"start": 4}}),
        ("htdemucs", {"kernel_size": {"start": 8, "at": {}}, "channels": {"start": 48}}),
        ("htdemucs", {"waveform.kernel_size": 8, "waveform.stride": [4, 4, 4, 4]}),
        ("htdemucs", {"attention.0.width": 384, "spectral.share": True}),
        ("htdemucs", {"norm": None}),  # it starts at level 4 of 4
        ("htdemucs", {"norm.starts": 9, "residual.lstm": {"starts": 4}}),
        ("htdemucs_p", {"attention.0.at": ["decoder 0", "encoder 4"]}),
        ("htdemucs_nf", {"residual": {"encoder": False, "depth": 7}}),
    ],
)
def test_two_spellings_of_a_model_have_one_hash(name: str, fields: dict[str, object]) -> None:
    respelled = load_spec(name, overrides=fields)
    assert diff_specs(load_spec(name), respelled)
    assert spec_hash(respelled) == spec_hash(load_spec(name))


@pytest.mark.parametrize(
    "fields",
    [
        {"waveform.kernel_size": 6},
        {"norm.starts": 3},
        {"attention.0.width": 192},
        {"residual.lstm": {"starts": 3}},
        {"spectral.resolutions": [2048]},
    ],
)
def test_another_model_has_another_hash(fields: dict[str, object]) -> None:
    assert spec_hash(load_spec("htdemucs", overrides=fields)) != spec_hash(load_spec("htdemucs"))
