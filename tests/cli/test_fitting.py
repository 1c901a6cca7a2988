"""Tables in narrow terminals: whole columns go, and nothing is cut off."""

import io

from rich.console import Console
from rich.table import Table

from msdemucs.cli.fitting import fitted


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
