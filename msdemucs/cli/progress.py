"""How a running study looks: bars on a terminal, dated lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from msdemucs.study.trial.candidate import Listener, Named

SECONDS_BETWEEN_LINES = 10.0
"""How often a log tells the steps of one phase."""


@contextmanager
def progress(console: Console, *, study: str, wanted: int) -> Iterator[Listener]:
    """A listener for one study, fit for where the console writes."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield Bars(bars, study=study, wanted=wanted)


def beside(listener: Listener) -> Listener:
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
            beside.study
            if beside
            else bars.add_task(escape(study), total=wanted or None, note="trials")
        )
        self.trial: TaskID = bars.add_task("", total=None, note="", visible=False)
        self.name = ""

    def said(self, message: str) -> None:
        """A line above the bars."""
        self.bars.console.print(message, markup=False)

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
        """The study's bar moves."""
        self.name = escape(candidate.name)
        self.bars.update(self.study, completed=complete, total=wanted)

    def phase(self, what: str, total: int) -> None:
        """The trial's bar begins anew."""
        self.bars.reset(
            self.trial, description=f"{self.name}: {what}", total=total, note="", visible=True
        )

    def advanced(self, done: int, note: str) -> None:
        """The trial's bar moves."""
        self.bars.update(self.trial, completed=done, note=escape(note))

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

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
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
