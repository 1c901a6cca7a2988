"""Where commands print: results to stdout, all else to stderr."""

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table

from msdemucs.errors import UsageError
from msdemucs.files import legible
from msdemucs.units import format_seconds

if TYPE_CHECKING:
    from msdemucs.study.trial.recorder import Listener, Named


WIDTH_IN_FILES = 240
"""Columns of a table where no terminal says how many there are."""


class SafeConsole(Console):
    """A console that text cannot steer: control characters in names are shown, not sent."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of what is printed, their text legible."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else legible(text), style, control)


out = SafeConsole(highlight=False)
errors = SafeConsole(stderr=True, highlight=False)


def allow_any_text() -> None:
    r"""Write what the output's encoding lacks as \u2192, in place of ending in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """A line beside the results, as it is, however long."""
    errors.print(message, markup=False, soft_wrap=True)


def refuse(message: str) -> NoReturn:
    """Refuse a command's arguments; in its own body the docstring, its help, would name the error.

    Raises:
        UsageError: always.
    """
    raise UsageError(message)


def print_table(table: Table) -> None:
    """A table as wide as the terminal, or as it needs where there is none."""
    console = out if out.is_terminal else SafeConsole(width=WIDTH_IN_FILES, highlight=False)
    console.print(table)


def print_json(data: object) -> None:
    """Plain data as JSON on stdout, in ASCII, which every output can write; NaN must be null."""
    out.print_json(json.dumps(data, allow_nan=False), ensure_ascii=True)


FEWEST_LETTERS = 24
"""Of a line of a column that may wrap."""


def fitted(
    table: Table, console: Console, *, optional: Sequence[str], wrapping: Sequence[str] = ()
) -> Table:
    """The table without those optional columns for which a terminal has no room.

    Its caption then names them. A file has room for all.

    Args:
        table: without a caption of its own.
        console: where it is printed.
        optional: headings, the least wanted first.
        wrapping: headings of columns of text that may take several lines.
    """
    if not console.is_terminal:
        return table
    left_out: list[str] = []
    for heading in optional:
        if _width(_without(table, left_out), console, wrapping) <= console.width:
            break
        if any(column.header == heading for column in table.columns):
            left_out.append(heading)
    slim = _without(table, left_out)
    if left_out:
        slim.caption = f"no room for {', '.join(left_out)}"
        slim.caption_justify = "left"
    return slim


def _width(table: Table, console: Console, wrapping: Sequence[str]) -> int:
    """The columns of a terminal that the table needs, wrapped as far as it may be."""
    unwrapped = console.measure(_without(table, wrapping)).maximum
    return unwrapped + sum(
        min(console.measure(_of(table, [heading])).maximum, FEWEST_LETTERS) for heading in wrapping
    )


def _without(table: Table, headings: Sequence[str]) -> Table:
    """A table's other columns."""
    every = (str(column.header) for column in table.columns)
    return _of(table, [heading for heading in every if heading not in headings])


def _of(table: Table, headings: Sequence[str]) -> Table:
    """Some of a table's columns."""
    kept = [column for column in table.columns if column.header in headings]
    slim = Table(box=table.box, header_style=table.header_style)
    for column in kept:
        slim.add_column(column.header, justify=column.justify)
    for row in zip(*(column.cells for column in kept), strict=True):
        slim.add_row(*row)
    return slim


SECONDS_BETWEEN_LINES = 10.0
"""How often a log tells the steps of one phase."""


def show_bars(console: Console, time_column: ProgressColumn) -> Progress:
    """Bars that are gone when they end, each with its count, a time and a note; none in a log."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        time_column,
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class Bar:
    """How far one piece of work is: a bar on a terminal, a line now and then in a log.

    Args:
        bars: all bars on the terminal.
        name: of the work.
        total: how much there is to do; None until it is known.

    Attributes:
        done_before: how much had been done before the bar began.
    """

    def __init__(self, bars: Progress, name: str, total: int | None) -> None:
        self.bars, self.total, self.done_before = bars, total, 0
        self._task = bars.add_task(name, total=total, note="")
        self._began = self._said_at = time.monotonic()

    def move(self, done: int, *, name: str | None = None, note: str = "") -> None:
        """Show how much is done."""
        self.bars.update(self._task, completed=done, total=self.total, description=name, note=note)

    def log(self, line: str) -> None:
        """Print a line where there is no bar."""
        if not self.bars.console.is_terminal:
            self._said_at = time.monotonic()
            self.say(line)

    def say(self, line: str) -> None:
        """Print a line, above the bar where there is one."""
        self.bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def is_line_due(self) -> bool:
        """Whether the last line is SECONDS_BETWEEN_LINES old."""
        return time.monotonic() - self._said_at >= SECONDS_BETWEEN_LINES

    def time_left(self, done: int) -> str:
        """How long what is left will take, at the pace so far: "3.2 min"."""
        assert self.total is not None
        pace = (time.monotonic() - self._began) / (done - self.done_before)
        return format_seconds(pace * (self.total - done))


@contextmanager
def bar(console: Console, name: str, total: int | None = None) -> Iterator[Bar]:
    """A block with one bar on a terminal."""
    with show_bars(console, TimeRemainingColumn()) as bars:
        yield Bar(bars, name, total)


@contextmanager
def progress(console: Console, *, study: str, wanted: int) -> Iterator["Listener"]:
    """A listener for one study, fit for where the console writes."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with show_bars(console, TimeElapsedColumn()) as bars:
        yield Bars(bars, study=study, wanted=wanted)


def beside(listener: "Listener") -> "Listener":
    """A listener for a further process of the same study, shown together with the first."""
    if isinstance(listener, Lines):
        return Lines(listener.console)
    if isinstance(listener, Bars):
        return Bars(listener.bars, study="", wanted=0, beside=listener)
    return listener


class Bars:
    """Two bars: the study's trials, and the phase of the trial that runs.

    Args:
        bars: all bars on the terminal.
        study: its name.
        wanted: how many trials it should have.
        beside: bars of another process of the study, whose first bar these share.
    """

    def __init__(
        self, bars: Progress, *, study: str, wanted: int, beside: "Bars | None" = None
    ) -> None:
        self.bars = bars
        self.study: TaskID = (
            beside.study if beside else bars.add_task(study, total=wanted or None, note="trials")
        )
        self.trial: TaskID = bars.add_task("", total=None, note="", visible=False)
        self.name = ""

    def said(self, message: str) -> None:
        """A line above the bars."""
        self.bars.console.print(message, markup=False)

    def began(self, candidate: "Named", *, complete: int, wanted: int) -> None:
        """The study's bar moves."""
        self.name = candidate.name
        self.bars.update(self.study, completed=complete, total=wanted)

    def phase(self, what: str, total: int) -> None:
        """The trial's bar begins anew."""
        self.bars.reset(
            self.trial, description=f"{self.name}: {what}", total=total, note="", visible=True
        )

    def advanced(self, done: int, note: str) -> None:
        """The trial's bar moves."""
        self.bars.update(self.trial, completed=done, note=note)

    def ended(self, trial: int, state: str, note: str) -> None:
        """A line for the trial stays above the bars."""
        self.bars.update(self.trial, visible=False)
        if state == "complete":
            self.bars.advance(self.study)
        self.said(_ending(trial, self.name, state, note))


class Lines:
    """One line an event: time, trial, what."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.trial = ""
        self.what, self.total = "", 0
        self.said_at = 0.0

    def said(self, message: str) -> None:
        """A dated line."""
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        line = f"{now}  {message}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def began(self, candidate: "Named", *, complete: int, wanted: int) -> None:
        """The trial and how far the study is."""
        self.trial = candidate.name
        number = f"trial {candidate.trial}"
        owner = "" if candidate.name == number else f" ({candidate.name})"
        self.said(f"{number}{owner} begins; {complete} of {wanted} complete")

    def phase(self, what: str, total: int) -> None:
        """What the trial does now."""
        self.what, self.total = what, total
        self.said_at = time.monotonic()
        self.said(f"{self.trial}  {what}" + (f", {total} steps" if total > 1 else ""))

    def advanced(self, done: int, note: str) -> None:
        """A step, every SECONDS_BETWEEN_LINES and at the end of a phase."""
        is_due = time.monotonic() - self.said_at >= SECONDS_BETWEEN_LINES
        if is_due or done == self.total:
            self.said_at = time.monotonic()
            self.said(f"{self.trial}  {self.what} {done}/{self.total}  {note}".rstrip())

    def ended(self, trial: int, state: str, note: str) -> None:
        """How the trial ended."""
        self.said(_ending(trial, self.trial, state, note))


def _ending(trial: int, name: str, state: str, note: str) -> str:
    """The line of a trial's end; a refused trial has no name yet."""
    is_named = state != "infeasible" and name != f"trial {trial}"
    return f"trial {trial}{f' ({name})' if is_named else ''}  {state}: {note}"
