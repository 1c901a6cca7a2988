"""`msdemucs study`: what it prints, where, and how it exits."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from msdemucs.analysis.findings import Findings
from msdemucs.cli import study as commands
from msdemucs.cli.app import main
from msdemucs.cli.console import Bars, Lines, progress
from msdemucs.cli.study import run
from msdemucs.cli.study.run import ExecutionOptions
from msdemucs.errors import DataError, SpecError, UsageError
from msdemucs.study.execution.loop import Finished, run_study
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage, open_study
from msdemucs.study.storage.results import Later, add
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from msdemucs.units import format_db
from tests.study.conftest import SPACE, toy


class ToyBench:
    """Stands where the real bench stands, and trains nothing."""

    def __init__(
        self, search: Search, *, say: object, device: str = "auto", auto_batch: bool = False
    ) -> None:
        self.tracks = [Path(root).name for root in search.space.data.train]

    def describe(self) -> dict[str, object]:
        return {"recipe": {"steps": 2}, "data": {"hash": " ".join(self.tracks)}}

    def alone(self) -> "ToyBench":
        return self

    def for_longer(self, recipe: object, *, say: object) -> "ToyBench":
        return self

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 1 and Path("interrupt").exists():
            raise KeyboardInterrupt
        toy(candidate, log)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a toy search space, whose trials take milliseconds."""
    monkeypatch.chdir(tmp_path)
    bench = SimpleNamespace(prepare=ToyBench)
    monkeypatch.setitem(sys.modules, "msdemucs.study.trial.bench", bench)  # needs no torch
    small = "small:\n  trials: 3\n"
    (tmp_path / "toy.yaml").write_text(SPACE + small)
    return tmp_path


def test_run_prints_the_front_and_the_database_and_nothing_else_on_stdout(folder: Path) -> None:
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "study toy: 5 complete trials; the front:"
    assert lines[-1] == "sqlite:///studies/toy.db"
    assert "begins" not in done.stdout
    assert "trial 0 (htdemucs) begins; 0 of 5 complete" in done.stderr
    assert "loss 0.5" in done.stderr


def test_small_and_options_change_what_is_asked(folder: Path) -> None:
    words = ["run", "toy.yaml", "--small", "--name", "other", "--seed", "7"]
    done = CliRunner().invoke(commands.app, words, catch_exceptions=False)
    assert "study other: 3 complete trials" in done.stdout
    assert (folder / "studies" / "other.db").is_file()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--ray", "auto", "--workers", "2"], "--workers"),
        (["--ray", "auto", "--gpu-fraction", "0.5"], "--gpu-fraction"),
        (["--trial-cpus", "2"], "--ray ADDRESS"),
        (["--trial-gpus", "1"], "--ray ADDRESS"),
        (["--ray", "auto", "--device", "cpu"], "--trial-gpus"),
        (["--workers", "2", "--device", "cuda:1"], "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_options_of_processes_and_of_a_cluster_do_not_mix(
    folder: Path, words: list[str], named: str
) -> None:
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml", *words])
    assert isinstance(done.exception, UsageError)
    assert named in str(done.exception)
    assert not (folder / "studies").exists()


def test_a_finished_study_says_how_to_ask_for_more(folder: Path) -> None:
    CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    again = CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    assert "was finished already; for more trials: --trials 13" in again.stdout
    more = ["run", "toy.yaml", "--trials", "6"]
    done = CliRunner().invoke(commands.app, more, catch_exceptions=False)
    assert "6 complete trials" in done.stdout


def test_a_study_says_that_nothing_is_left_to_try(folder: Path) -> None:
    vary = "vary: {fusion.output.kind: {choice: [sum, weighted]}}\n"
    (folder / "toy.yaml").write_text(f"name: toy\nbase: htdemucs_n\n{vary}trials: 5\n")
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    left = "nothing else is left to try"
    assert f"study toy: 2 complete trials of 5, since {left}; the front:" in done.stdout
    again = CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    assert f"finished already; {left}: add values to vary, and take --extend" in again.stdout
    joined = CliRunner().invoke(commands.app, ["work", "toy"], catch_exceptions=False)
    assert joined.stdout == f"study toy: 2 trials done, 0 of them here; {left}\n"


def test_work_prints_the_name_of_a_study_as_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "[red]\x1b[2Jtoy"
    monkeypatch.setattr(run, "_alone", lambda *_: Finished(name, 1, 2, (), ""))
    done = CliRunner().invoke(
        commands.app, ["work", name, "--storage", "toy.db"], catch_exceptions=False
    )
    assert done.stdout == "study [red]\\x1b[2Jtoy: 2 trials done, 1 of them here\n"


def test_ctrl_c_exits_130_with_the_command_that_continues(folder: Path) -> None:
    (folder / "interrupt").touch()
    words = ["run", "toy.yaml", "--trials", "4"]
    done = CliRunner().invoke(commands.app, words)
    assert done.exit_code == 130
    assert "continue with\n  msdemucs study run toy.yaml --trials 4" in done.stderr
    (folder / "interrupt").unlink()
    assert "4 complete trials" in CliRunner().invoke(commands.app, words).stdout


def test_the_command_that_continues_leaves_out_what_the_environment_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSDEMUCS_STORAGE", "sqlite:///studies/shared.db")
    (folder / "interrupt").touch()
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml"])
    assert "continue with\n  msdemucs study run toy.yaml\n" in done.stderr
    (folder / "interrupt").unlink()
    given = ["run", "toy.yaml", "--name", "second", "--storage", "sqlite:///studies/other.db"]
    assert CliRunner().invoke(commands.app, given).exit_code == 0
    assert (folder / "studies" / "other.db").is_file()


def test_a_wrong_search_space_writes_nothing(folder: Path) -> None:
    (folder / "toy.yaml").write_text(SPACE.replace("[sum, weighted]", "[sum, wieghted]"))
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml"])
    assert isinstance(done.exception, SpecError)
    assert done.exception.first.line == 9
    assert not (folder / "studies").exists()


def test_a_name_that_is_no_file_name_is_refused(folder: Path) -> None:
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml", "--name", "../toy"])
    assert isinstance(done.exception, SpecError)
    assert "command line: error: name: must be letters" in str(done.exception)


def test_a_wrong_search_space_exits_with_2_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(SPACE.replace("trials: 5", "trails: 5"))
    done = subprocess.run(
        [sys.executable, "-m", "msdemucs", "study", "run", "toy.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "toy.yaml:14:1: error: trails: there is no such field" in done.stderr
    assert "did you mean “trials”?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_storage_that_is_none_is_refused_before_anything_is_made(folder: Path) -> None:
    words = ["run", "toy.yaml", "--storage", "postgres//me:secret@host/db"]
    done = CliRunner().invoke(commands.app, words)
    assert isinstance(done.exception, UsageError)
    assert "is not the URL of a database; for example sqlite:///" in str(done.exception)
    assert done.stderr == ""
    assert [path.name for path in folder.iterdir()] == ["toy.yaml"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["study", "show", "toyy"], "error: there is no study studies/toyy.db; none was run here"),
        (["report", "toyy"], "error: there is no study studies/toyy.db; none was run here"),
        (["study", "list", "--storage", "toy"], "error: “toy” is not the URL of a database"),
        (
            ["study", "show", "a", "--storage", "sqlite:///a.db"],
            "error: there is no study database",
        ),
        (["study", "run", "toyy.yaml"], "did you mean “toy.yaml”?"),
        (["data", "check", "nowhere"], "error: nowhere: is no folder; expected"),
        (
            ["spec", "schema", "-o", "no/where"],
            "error: no/where: cannot be written: there is no folder no",
        ),
    ],
)
def test_what_is_not_there_is_wrong_input(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["msdemucs", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_show_prints_a_row_for_each_trial(folder: Path) -> None:
    run_study(load_search_space(Path("toy.yaml")), toy)
    done = CliRunner().invoke(commands.app, ["show", "toy"], catch_exceptions=False)
    assert "toy: A toy" in done.stdout
    heading, *rows = done.stdout.splitlines()[1:]
    names = [
        "trial",
        "name",
        "state",
        "uSDR",
        "compute",
        "params",
        "latency",
        "time",
        "uSDR",
        "band",
    ]
    assert heading.split() == names
    assert rows[1].split()[:5] == ["1", "htdemucs_nn,", "4", "channels", "complete"]
    assert "3.0 ms" in rows[1]


def test_a_latency_of_a_busy_machine_is_marked_and_said_to_count_for_nothing(folder: Path) -> None:
    def beside_others(candidate: Candidate, log: TrialRecorder) -> None:
        log.record({"latency_busy": 0.86 if candidate.trial == 1 else 0.0})
        toy(candidate, log)

    run_study(load_search_space(Path("toy.yaml")), beside_others)
    done = CliRunner().invoke(commands.app, ["show", "toy"], catch_exceptions=False)
    rows = done.stdout.splitlines()[2:]
    assert ["3.0 ms, busy" in row for row in rows[:2]] == [False, True]
    (line,) = (row for row in rows if row.startswith("The latency of 1 of "))
    assert "others kept more than 10\N{NO-BREAK SPACE}% of the cores busy" in line
    best = ["best", "toy", "--max-latency-ms", "10", "--top", "9", "--json"]
    done = CliRunner().invoke(commands.app, best, catch_exceptions=False)
    assert 1 not in {trial["trial"] for trial in json.loads(done.stdout)["trials"]}


def test_show_tells_why_trials_have_no_score_or_fewer_tracks(folder: Path) -> None:
    def careless(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 0:
            log.left_out(DataError("is damaged", path=Path("drums.wav"), track="A - B"))
        if candidate.trial == 1:
            raise DataError("none of the 2 validation tracks can be read")
        toy(candidate, log)

    run_study(load_search_space(Path("toy.yaml")), careless)
    done = CliRunner().invoke(commands.app, ["show", "toy"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    assert "trial 0 without a validation track: drums.wav: is damaged (track “A - B”)" in lines
    assert any(
        line.startswith("trial 1 failed: ") and "none of the 2 validation tracks" in line
        for line in lines
    )


def test_show_of_a_misspelt_study_names_the_nearest(folder: Path) -> None:
    run_study(load_search_space(Path("toy.yaml")), toy)
    done = CliRunner().invoke(commands.app, ["show", "toyy"])
    assert isinstance(done.exception, UsageError)
    assert "did you mean “toy”?" in str(done.exception)


def test_list_prints_each_study_with_its_database(folder: Path) -> None:
    empty = CliRunner().invoke(commands.app, ["list"], catch_exceptions=False)
    assert "no study here yet" in empty.stderr
    run_study(load_search_space(Path("toy.yaml")), toy)
    done = CliRunner().invoke(commands.app, ["list"], catch_exceptions=False)
    assert "toy" in done.stdout
    assert "sqlite:///studies/toy.db" in done.stdout


def test_list_counts_copies_of_a_result_apart(folder: Path) -> None:
    def copying(candidate: Candidate, log: TrialRecorder) -> None:
        toy(candidate, log)
        if candidate.trial == 1:
            log.note("duplicate_of", "toy/0")

    run_study(load_search_space(Path("toy.yaml")), copying)
    complete = load_study("toy").trials.query("state == 'complete'")
    n_copies = int(complete.duplicate_of.notna().sum())
    done = CliRunner().invoke(commands.app, ["list"], catch_exceptions=False)
    noun = "copy" if n_copies == 1 else "copies"
    assert f"toy {len(complete) - n_copies}, {n_copies} {noun} " in " ".join(done.stdout.split())
    assert n_copies > 0


def test_a_database_that_cannot_be_opened_hides_no_other_study(folder: Path) -> None:
    CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    (folder / "studies" / "broken.db").write_text("no database at all")
    done = CliRunner().invoke(commands.app, ["list"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "sqlite:///studies/toy.db" in done.stdout
    assert "left out: cannot open sqlite:///studies/broken.db: file is not" in done.stderr


def test_what_was_computed_later_is_listed_and_shown_beside_the_trials_own(folder: Path) -> None:
    run_study(load_search_space(Path("toy.yaml")), toy)
    with closing(open_storage("sqlite:///studies/toy.db")) as opened:
        how = {"recipe": {"name": "long"}, "steps": 900, "start": "scratch"}
        median = {"n_tracks": 3, "tracks_joined_by": "median"}
        add(
            open_study(opened, "toy"),
            [
                Later(2, "promotion", "usdr_db", 7.25, 0, how),
                Later(2, "rescore", "sdr_bsseval_db", 6.5, 0, median),
                Later(-1, "noise", "usdr_db", 1.5, 4, {"steps": 40}),
            ],
        )
    listed = CliRunner().invoke(commands.app, ["list"], catch_exceptions=False).stdout
    assert "1 promotion, 1 rescore, 1 noise" in " ".join(listed.split())
    shown = CliRunner().invoke(commands.app, ["show", "toy"], catch_exceptions=False).stdout
    rows = {line.split()[0]: " ".join(line.split()) for line in shown.splitlines() if line.strip()}
    own = format_db(float(load_study("toy").trials.usdr_db[2]))
    scores = f"usdr_db 7.25 dB validation {own} 0"
    assert rows["promotion"] == f"promotion 2 trial 2 {scores} recipe long, 900 steps, from scratch"
    median_of = f"sdr_bsseval_db 6.50 dB validation {own} 0 3 tracks, median of tracks"
    assert rows["rescore"].endswith(median_of)
    assert rows["noise"] == "noise – htdemucs_n usdr_db 1.50 dB validation – 4 40 steps"


def test_a_terminal_gets_bars_and_a_log_gets_lines() -> None:
    with progress(Console(force_terminal=False), study="toy", wanted=1) as listener:
        assert isinstance(listener, Lines)
    with progress(Console(force_terminal=True, file=sys.stderr), study="toy", wanted=1) as bars:
        assert isinstance(bars, Bars)


def test_bars_show_the_study_and_the_phase(folder: Path) -> None:
    console = Console(force_terminal=True, width=120, record=True)
    with progress(console, study="toy", wanted=5) as listener:
        assert isinstance(listener, Bars)
        run_study(load_search_space(Path("toy.yaml")), toy, listener=listener)
        tasks = listener.bars.tasks
        assert (tasks[0].completed, tasks[0].total) == (5, 5)
        assert tasks[1].description.endswith(": train")
    assert "trial 0 (htdemucs)  complete: usdr_db" in console.export_text()


def test_names_with_markup_are_shown_as_they_are() -> None:
    console = Console(force_terminal=True, width=120, record=True)
    with progress(console, study="[bold]toy", wanted=1) as listener:
        listener.said("[red]x[/red]")
        assert isinstance(listener, Bars)
        assert "[bold]toy" in listener.bars.tasks[0].description
    assert "[red]x[/red]" in console.export_text()


def test_the_command_that_continues_is_quoted_for_a_shell() -> None:
    command = run._command(
        Path("my space.yaml"),
        True,
        {"trials": 3, "name": None, **ExecutionOptions(auto_batch=True).words()},
        [Path("a b")],
    )
    again = "msdemucs study run 'my space.yaml' --small --trials 3 --auto-batch --data 'a b'"
    assert command == again


def test_schema_prints_the_json_schema_of_search_spaces() -> None:
    schema = json.loads(CliRunner().invoke(commands.app, ["schema"]).stdout)
    assert {"vary", "constraints", "at_cost", "small"} <= set(schema["properties"])


@pytest.mark.parametrize(
    "words",
    [
        ["--storage", "nosuch://me:hu/sh@host/db"],
        ["--storage", "postgresql+psycopg://me:hush/db"],
        ["--storage", "postgresql+pg8000://host/db?user=me&password=hush"],
        ["--folder", "sftp://me:hu/sh@host/a"],
        ["--folder", "memory://a?token=hush"],
    ],
)
def test_a_refusal_does_not_print_the_secret_of_a_url(words: list[str], folder: Path) -> None:
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml", *words])
    assert isinstance(done.exception, UsageError)
    said = f"{done.output} {done.exception}"
    assert "…" in said
    assert "hu" not in said.replace("htdemucs", "")


def test_the_command_that_continues_has_no_secret(folder: Path) -> None:
    (folder / "interrupt").touch()
    words = ["run", "toy.yaml", "--storage", "sqlite:///a.db?password=hush"]
    with pytest.warns(match="not accepted by the pysqlite driver"):
        done = CliRunner().invoke(commands.app, words)
    assert "--storage 'sqlite:///a.db?password=…'" in done.stderr
    assert "hush" not in done.output


def test_a_baseline_beyond_a_constraint_is_named_under_the_front(folder: Path) -> None:
    (folder / "toy.yaml").write_text(SPACE + "constraints: {macs_per_second: 1.5e+8}\n")
    done = CliRunner().invoke(commands.app, ["run", "toy.yaml"], catch_exceptions=False)
    record = load_study("toy")
    names = list(Findings(record).references)
    assert names, "the toy's baselines are too cheap for this limit"
    for name in names:
        assert f"not in the front: {name}, beyond macs_per_second" in done.stdout
