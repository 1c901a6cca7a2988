"""Output that no encoding and no name can break."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich.markup import escape
from rich.table import Table

from msdemucs.cli import console
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
