"""`msdemucs spec` as a user types it."""

import json
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

import pytest
import yaml

from msdemucs.cli import console
from msdemucs.cli.app import main
from msdemucs.cost import cost_of
from msdemucs.spec import load_spec, parse_spec
from msdemucs.spec.interchange import ZOO

FORK = multiprocessing.get_context("fork")  # a new Python would import all of it again


def msdemucs(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:

        def run() -> None:
            sys.argv, sys.stdout, sys.stderr = ["msdemucs", *arguments], output, errors
            os.chdir(cwd or Path.cwd())
            main()

        process = FORK.Process(target=run)
        process.start()
        process.join()
        for file in (output, errors):
            file.seek(0)
        code = process.exitcode
        assert code is not None
        return subprocess.CompletedProcess(arguments, code, output.read(), errors.read())


def test_build_json_is_one_object_with_exact_integers() -> None:
    run = msdemucs("spec", "build", "htdemucs", "--json")
    assert run.returncode == 0
    found = json.loads(run.stdout)
    assert (found["name"], found["params"], found["macs"]) == ("htdemucs", 26899536, 171264653952)


def test_build_for_the_accompaniment_alone() -> None:
    run = msdemucs("spec", "build", "htdemucs_nn", "--sources", "1", "--json")
    found = json.loads(run.stdout)
    assert (found["sources"], found["params"]) == (["accompaniment"], 9658508)


def test_build_prints_every_level_with_kernel_and_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "width", 160)
    run = msdemucs("spec", "build", "htdemucs")
    rows = {line.split()[0]: line.split() for line in run.stdout.splitlines() if line.strip()}
    assert rows["spectral.0.encoder.3"][1:5] == ["192→384", "8×1", "/", "4×1"]
    assert rows["waveform.decoder.0"][1:5] == ["384→192", "1×8", "/", "1×4"]
    assert rows["spectral.0.encoder.3"][5:8] == ["48·2", "384×8×431", "1,075,872"]
    assert rows["parameters"] == ["parameters", "26,899,536"]


def test_build_shows_where_branches_merge_and_blocks_are_shared() -> None:
    run = msdemucs("spec", "build", "htdemucs_p")
    lines = [" ".join(line.split()) for line in run.stdout.splitlines()]
    assert any(line.startswith("trunk.encoder.0 320→640 8×1, 1×8 / 8×1, 1×4") for line in lines)
    assert any(line.startswith("attention.0 at decoder 0 shared 5.544 G") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-parameters", "26899535"], "26.9 M parameters, the limit is 26.9 M"),
        (["--max-memory", "2"], "GiB for a training step of one segment, the limit is 2.00 GiB"),
        (["--set", "channels.start=9999999"], "parameters, the limit is 2 G"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_built(
    arguments: list[str], message: str
) -> None:
    run = msdemucs("spec", "build", "htdemucs", *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stdout == ""


def test_limits_can_be_raised() -> None:
    huge = ["spec", "build", "htdemucs", "--set", "channels.start=4800", "--json"]
    assert msdemucs(*huge).returncode == 2
    run = msdemucs(*huge, "--max-parameters", "0", "--max-memory", "0")
    assert json.loads(run.stdout)["params"] > 200e9


def test_set_overrides_a_field() -> None:
    run = msdemucs(
        "spec", "build", "htdemucs_n", "--set", "fusion.output.kind=per_source", "--json"
    )
    assert json.loads(run.stdout)["params"] == 9666623


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["spec", "build", "htdemus"], "did you mean “htdemucs”?"),
        (["spec", "check", "missing.yaml"], "there is no file missing.yaml"),
        (["spec", "check", "htdemucs", "--set", "depth"], "write it as field=value"),
        (["spec", "check", "htdemucs", "--set", "dept=3"], "did you mean “depth”?"),
        (["spec", "check", "bad.yaml"], "bad.yaml:2:8: error: depth: must be a whole number"),
        (["spec", "explode"], "No such command"),
    ],
)
def test_wrong_input_exits_with_2_and_no_traceback(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\ndepth: four\n")
    run = msdemucs(*arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_explain_says_what_the_bottleneck_sees_and_the_latency() -> None:
    run = msdemucs("spec", "explain", "htdemucs")
    assert run.returncode == 0
    assert "spectral.0: a frame every 23.2 ms, a row 2756.2 Hz" in run.stdout
    assert "latency     10.0 s, a segment" in run.stdout


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("kernel_size=7", "kernel_size: 7 → 8"),
        ("attention.0.heads=7", "attention.0.heads: 7 → 8"),
        ("attention.0.width=6", "attention.0.width: 6 → 8"),
        ("norm={starts: 0, groups: 5}", "norm.groups: 5 → 4"),
    ],
)
def test_explain_names_the_smallest_change_that_mends(setting: str, change: str) -> None:
    run = msdemucs("spec", "explain", "htdemucs_n", "--set", setting)
    assert run.returncode == 2
    assert change in run.stderr
    field, _, new = change.partition(": ")
    value = new.split("→")[1].strip()
    mended = ["--set", setting, "--set", f"{field}={value}"]
    assert msdemucs("spec", "check", "htdemucs_n", *mended).returncode == 0


def test_show_reads_back_as_the_same_spec() -> None:
    run = msdemucs("spec", "show", "htdemucs_n")
    assert parse_spec(yaml.safe_load(run.stdout)) == load_spec("htdemucs_n")


def test_show_expanded_spells_schedules_out() -> None:
    run = msdemucs("spec", "show", "htdemucs", "--expanded")
    data = yaml.safe_load(run.stdout)
    assert data["channels"] == [48, 96, 192, 384]
    assert data["stride"] == [4, 4, 4, 4]


def test_diff_prints_the_differing_fields_only() -> None:
    run = msdemucs("spec", "diff", "htdemucs_n", "htdemucs_nn", "--json")
    assert list(json.loads(run.stdout)) == ["fusion.output"]


def test_list_names_the_zoo() -> None:
    run = msdemucs("spec", "list")
    names = [line.split()[0] for line in run.stdout.splitlines()[1:-1]]
    assert names == sorted(path.stem for path in ZOO.glob("*.yaml"))
    assert {"demucs", "hdemucs_high", "htdemucs", "htdemucs_dnf"} <= set(names)


def test_list_puts_figures_of_one_unit_side_by_side_ours_before_the_profilers() -> None:
    heading, *lines = [
        re.split(" {2,}", line.strip()) for line in msdemucs("spec", "list").stdout.splitlines()
    ]
    assert heading == [
        *("name", "segment", "M params", "thop M params"),
        *("GMAC / s of audio", "GMAC / segment", "thop GMAC / segment"),
    ]
    rows = {name: figures for name, *figures in lines}
    costs = cost_of(load_spec("htdemucs"))
    ours = [figure / 1e9 for figure in (costs.macs_per_second, costs.macs)]
    assert rows["htdemucs"] == [
        *("10 s", "26.90", "20.93"),  # by thop as the published notes have it
        *(f"{ours[0]:.2f}", f"{ours[1]:.2f}", "137.52"),
    ]
    assert float(rows["htdemucs_p"][4]) / float(rows["htdemucs_p"][3]) == pytest.approx(8, rel=1e-3)


def test_schema_describes_every_field() -> None:
    run = msdemucs("spec", "schema")
    schema = json.loads(run.stdout)
    assert set(schema["properties"]) >= {"channels", "spectral", "attention", "fusion"}
    assert schema["properties"]["sample_rate"]["description"] == "Hz."


def test_spec_commands_do_not_import_torch() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['msdemucs', 'spec', 'check', 'htdemucs']\n"
        "from msdemucs.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' not in sys.modules and 'optuna' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
