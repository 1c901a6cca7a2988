"""What commands print: text that no encoding and no name can break, tables that fit, progress."""

import io
import json
import os
import subprocess
import sys
import time
from io import StringIO

import pytest
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from msdemucs.cli import console
from msdemucs.cli.app import app
from msdemucs.cli.console import SECONDS_BETWEEN_LINES, bar, fitted
from tests.cli.test_spec import msdemucs

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \r\x9b2J"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal gets."""
    text = io.StringIO()
    terminal = console.SafeConsole(file=text, force_terminal=True, color_system=None, width=200)
    monkeypatch.setattr(console, "out", terminal)
    return text


def test_control_characters_do_not_reach_a_terminal(printed: io.StringIO) -> None:
    table = Table(HOSTILE, title=escape(HOSTILE))
    table.add_row(escape(HOSTILE))
    console.print_table(table)
    console.out.print(HOSTILE, markup=False, soft_wrap=True)
    console.out.print(f"[bold]{escape(HOSTILE)}[/bold]")
    assert not {*printed.getvalue()} & {*HOSTILE[:1], "\x07", "\r", "\x9b"}
    assert printed.getvalue().count(r"\x1b[31mred") == 5


def test_json_holds_any_name(printed: io.StringIO) -> None:
    names = [HOSTILE, os.fsdecode(b"caf\xe9"), "日本 😀", "\u202e"]
    console.print_json(names)
    assert printed.getvalue().isascii()
    assert json.loads(printed.getvalue()) == names


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
@pytest.mark.parametrize("words", [("spec", "build"), ("spec", "explain")])
def test_no_encoding_of_the_output_ends_a_command(words: tuple[str, str], encoding: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "msdemucs", *words, "htdemucs_n"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    run.stdout.decode(encoding)


def test_a_name_that_is_not_utf_8_is_named_in_an_error() -> None:
    run = msdemucs("spec", "check", os.fsdecode(b"caf\xe9.yaml"))
    assert run.returncode == 2
    assert r"caf\udce9.yaml" in run.stderr


def test_help_is_for_users_and_names_no_exception() -> None:
    commands, helps = [typer.main.get_command(app)], []
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        helps.append(command.help or "")
    assert len(helps) > 30
    assert not [text for text in helps if "Raises" in text or "Error:" in text]


def shown(width: int, *, is_terminal: bool = True) -> str:
    table = Table("trial", "name", "uSDR", "latency", "time", "chosen", box=None)
    table.add_row("0", "htdemucs_nn", "-10.04 dB", "159.8 ms", "20.7 s", "spectral.resolutions one")
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=is_terminal, no_color=True)
    optional = ["time", "latency", "nothing"]
    console.print(fitted(table, console, optional=optional, wrapping=["chosen"]))
    return written.getvalue()


def test_a_wide_terminal_and_a_file_show_every_column() -> None:
    for text in (shown(120), shown(60, is_terminal=False)):
        assert "time" in text
        assert "no room" not in text


def test_a_narrow_terminal_goes_without_the_least_wanted_and_says_so() -> None:
    text = shown(70)
    assert "no room for time" in text
    assert "159.8 ms" in text
    text = shown(60)
    assert "no room for time, latency" in text
    assert "159.8" not in text
    assert "htdemucs_nn" in text
    assert "-10.04 dB" in text
    assert "…" not in text


def test_a_terminal_shows_name_count_and_note_as_they_are() -> None:
    console = Console(force_terminal=True, width=120, file=StringIO(), record=True)
    with bar(console, "[red]A - B", 4) as shown:
        shown.move(3, note="[loss] 0.5")
        shown.bars.refresh()
        shown.log("a line for logs alone")
    text = console.export_text()
    for part in ("[red]A - B", "3/4", "[loss] 0.5"):
        assert part in text
    assert "logs alone" not in text


def test_a_log_has_no_bar_and_its_next_line_is_due_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    console = Console(force_terminal=False, width=120, file=StringIO(), record=True)
    with bar(console, "training", 40) as shown:
        assert not shown.is_line_due
        now += SECONDS_BETWEEN_LINES
        assert shown.is_line_due
        shown.move(10)
        shown.log(f"10 of 40, {shown.time_left(10)} left")
        assert not shown.is_line_due
    assert console.export_text() == "10 of 40, 30.0 s left\n"


def test_work_that_was_done_before_says_nothing_of_the_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with bar(Console(force_terminal=False, file=StringIO()), "training", 40) as shown:
        shown.done_before = 30
        now += 5
        assert shown.time_left(35) == "5.0 s"
