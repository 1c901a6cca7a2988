"""Logs of a run that go on where its checkpoint was: no line twice, none lost."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any, Literal, Protocol

from msdemucs.errors import UsageError
from msdemucs.files import write_text
from msdemucs.metrics import USUAL
from msdemucs.train.checkpoints import writing
from msdemucs.train.recipe import Metric, Recipe
from msdemucs.train.session import StepReport

STEPS, SCORES = "log.csv", "validation.csv"
STEP_COLUMNS = ("step", "loss", "lr", "gradient_norm", "samples_per_second")
SCORE_COLUMN = {"usdr": USUAL, "loss": "loss"}
"""The column of each metric of a validation."""


class Log(Protocol):
    """Where steps and scores are written."""

    def step(self, report: StepReport) -> None:
        """After each step."""

    def score(self, step: int, value: float) -> None:
        """After each validation."""

    def close(self) -> None:
        """At the end."""


class CsvLog:
    """Two CSV files in the run's folder, a line a step and a line a validation.

    Args:
        folder: of the run.
        step: of the checkpoint that the run goes on from; later lines are dropped.
        metric: of the validations.

    Raises:
        CheckpointError: they cannot be written.
    """

    def __init__(self, folder: Path, step: int, metric: Metric = "usdr") -> None:
        self._steps = _Lines(folder / STEPS, STEP_COLUMNS, step)
        self._scores = _Lines(folder / SCORES, ("step", SCORE_COLUMN[metric]), step)

    def step(self, report: StepReport) -> None:
        """A line."""
        self._steps.add([getattr(report, column) for column in STEP_COLUMNS])

    def score(self, step: int, value: float) -> None:
        """A line."""
        self._scores.add([step, value])

    def close(self) -> None:
        """No more lines."""
        self._steps.close()
        self._scores.close()


class _Lines:
    """A CSV file that grows by whole lines, after those up to a step that it has already."""

    def __init__(self, path: Path, columns: Sequence[str], step: int) -> None:
        self.path = path
        with writing(path):
            cut(path, columns, step)
            self._file = path.open("a", newline="")

    def add(self, row: Sequence[object]) -> None:
        """A line, of which a kill leaves all or nothing that is read."""
        with writing(self.path):
            self._file.write(line(row))
            self._file.flush()

    def close(self) -> None:
        """No more; what a full disk did not take was told when it came."""
        with suppress(OSError):
            self._file.close()


class TensorBoardLog:
    """Scalars for TensorBoard, in the folder `tensorboard` of the run's.

    Args:
        folder: of the run.
        step: of the checkpoint that the run goes on from; later scalars are dropped.
        metric: of the validations.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int, metric: Metric = "usdr") -> None:
        self._writer = summary_writer()(str(folder / "tensorboard"), purge_step=step + 1)
        self._scalar = f"validation/{SCORE_COLUMN[metric]}"

    def step(self, report: StepReport) -> None:
        """Loss, learning rate, norm and speed."""
        for column in STEP_COLUMNS[1:]:
            self._writer.add_scalar(column, getattr(report, column), report.step)

    def score(self, step: int, value: float) -> None:
        """The value."""
        self._writer.add_scalar(self._scalar, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def summary_writer() -> Any:
    """Returns TensorBoard's class that writes a log.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        message = "--logger tensorboard needs the package: pip install 'msdemucs[tensorboard]'"
        raise UsageError(message) from None
    return SummaryWriter


@contextmanager
def open_logs(
    folder: Path, step: int, recipe: Recipe, logger: Literal["csv", "tensorboard"]
) -> Iterator[list[Log]]:
    """Gives the logs of a run that goes on after a step: CSV files, and others if asked for.

    Raises:
        CheckpointError: they cannot be written.
        UsageError: TensorBoard is not installed.
    """
    metric: Metric = recipe.validation.metric if recipe.validation else "usdr"
    kinds: list[type[CsvLog] | type[TensorBoardLog]] = [CsvLog]
    if logger == "tensorboard":
        kinds.append(TensorBoardLog)
    with ExitStack() as at_end:
        logs: list[Log] = []
        for kind in kinds:
            with writing(folder):
                logs.append(kind(folder, step, metric))
            at_end.callback(logs[-1].close)
        yield logs


def cut(path: Path, columns: Sequence[str], step: int) -> None:
    """Drop a log's lines of later steps, and one that a kill left half-written."""
    rows = read(path) if path.is_file() else []
    kept = [row for row in rows if int(row[0]) <= step]
    write_text(path, "".join([line(columns), *(line(row) for row in kept)]))


def read(path: Path) -> list[list[str]]:
    """The lines of a log that are whole."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    header, *rows = list(csv.reader(StringIO(whole))) or [[]]
    return [row for row in rows if len(row) == len(header)]


def line(values: Iterable[object]) -> str:
    """A line of CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(values))
    return text.getvalue()
