"""What msdemucs raises when input or a run is at fault; bugs keep their own exceptions.

MsdemucsError
├── InputError          a file that a person wrote cannot be used (exit 2)
│   ├── SpecError       a spec, recipe or search space: file, line, column, field
│   │   └── PlanError   a valid spec that cannot build: a shape that does not work out
│   └── UsageError      a command's arguments: a name that does not exist, a path that is not there,
│                       a study that was begun otherwise
├── DataError           an audio file or a track
├── TrainingError       a run that cannot go on: the step and the reason
├── CheckpointError     what a run has saved cannot be used
├── StudyError          a study that cannot go on: its storage fails, its trials fail
└── ReportError         a report that cannot be written
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class MsdemucsError(Exception):
    """Anything that msdemucs can explain to its user without a traceback."""


class InputError(MsdemucsError):
    """Input that a person wrote and can mend."""


class UsageError(InputError):
    """An argument of a command or a function that names nothing usable."""


@dataclass(frozen=True)
class Problem:
    """One fault in a YAML file, with its place.

    Attributes:
        message: the rule in the user's words, the value found, the values allowed.
        field: dotted path of the field, "" for the whole document.
        path: the file that set the value; None for data that came from no file.
        line: counted from 1; 0 when unknown.
        column: counted from 1; 0 when unknown.
        hint: what to do; "" when the message says it all.
        source_line: the text of the line, shown with a caret.
    """

    message: str
    field: str = ""
    path: str | None = None
    line: int = 0
    column: int = 0
    hint: str = ""
    source_line: str = ""

    def __str__(self) -> str:
        """The compiler-style block: place, field, message, source line with caret, hint."""
        place = self.path or "spec"
        if self.line:
            place += f":{self.line}:{self.column}"
        field = f"{self.field}: " if self.field else ""
        lines = [f"{place}: error: {field}{self.message}"]
        if self.source_line:
            number = f"{self.line:>5} | "
            lines.append(number + self.source_line.rstrip())
            lines.append(" " * (len(number) - 2) + "| " + " " * (self.column - 1) + "^")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


MOST_PROBLEMS_SHOWN = 20


class SpecError(InputError):
    """A YAML document that is not a valid spec, recipe or search space.

    Attributes:
        problems: every fault found, in the order of their lines.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.path or "", p.line, p.column)))
        shown = [str(problem) for problem in self.problems[:MOST_PROBLEMS_SHOWN]]
        count = len(self.problems)
        if count > MOST_PROBLEMS_SHOWN:
            shown.append(f"… and {count - MOST_PROBLEMS_SHOWN} more")
        shown.append(f"{count} error{'s' if count != 1 else ''}. Nothing was written.")
        super().__init__("\n".join(shown))

    @property
    def first(self) -> Problem:
        """The fault that stands first in the file."""
        return self.problems[0]


class PlanError(SpecError):
    """A spec whose fields are valid one by one but whose shapes do not work out."""


class DataError(MsdemucsError):
    """A track or an audio file that cannot be used.

    Attributes:
        path: the file at fault, if one is.
        track: the track it belongs to, if any.
        group: the data set of that track, where it is known.
        split: likewise the folder in it: train, validation or test.
    """

    def __init__(self, message: str, *, path: Path | None = None, track: str | None = None) -> None:
        self.path, self.track = path, track
        self.group: str | None = None
        self.split: str | None = None
        place = f"{path}: " if path else ""
        owner = f" (track “{track}”)" if track else ""
        super().__init__(f"{place}{message}{owner}")


class TrainingError(MsdemucsError):
    """A training run that cannot go on.

    Attributes:
        message: what happened, without the step.
        step: the step at which it stopped, counted from 1; 0 where it is not known.
    """

    def __init__(self, message: str, *, step: int = 0) -> None:
        self.message, self.step = message, step
        super().__init__(f"step {step}: {message}" if step else message)


class DivergedError(TrainingError):
    """A training whose loss, gradient or estimate is NaN, infinite or too large.

    The same training will diverge again.
    """


@contextmanager
def diverged_at(step: int) -> Iterator[None]:
    """Adds the step to a divergence that a block finds, which scores weights without knowing it.

    Raises:
        DivergedError: the block raised it.
    """
    try:
        yield
    except DivergedError as error:
        raise DivergedError(error.message, step=error.step or step) from None


class CheckpointError(MsdemucsError):
    """What a run has saved cannot be used."""


class StudyError(MsdemucsError):
    """A study that cannot go on: its storage fails, or its trials again and again."""


class ReportError(MsdemucsError):
    """A report that cannot be written."""


def nearest(name: str, allowed: Sequence[str]) -> str:
    """“Did you mean …?” for a misspelt name, else the names allowed."""
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.6)
    if close:
        return f"did you mean “{close[0]}”?"
    return "allowed: " + ", ".join(allowed)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and those that led to it, the first of all last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
