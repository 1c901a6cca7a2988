"""One look of progress: a bar on a terminal, lines in a log."""

import time
from io import StringIO

import pytest
from rich.console import Console

from msdemucs.cli.progress import SECONDS_BETWEEN_LINES, bar


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
