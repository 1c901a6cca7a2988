"""What surrounds a training: who listens, and what it saves so that it can go on.

A checkpoint is a folder `step-00000400` of two files: the weights in safetensors, and everything
else (optimiser, random state, averages) in a file that is read without executing anything. Both are
written and flushed in a hidden folder first, which then gets its name in one step. Logs go on where
the checkpoint was: no line twice, none lost.
"""

import csv
import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn
from torch.optim.swa_utils import AveragedModel

from msdemucs.data import Batch, Track
from msdemucs.errors import CheckpointError, DataError, UsageError
from msdemucs.files import cause_of, whole, write_text
from msdemucs.metrics import USUAL
from msdemucs.model import Separator, save_weights
from msdemucs.train.recipe import Metric, Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric


NAME = re.compile(r"step-(\d{8})")
WEIGHTS, STATE = "weights.safetensors", "state.pt"

State = dict[str, Any]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Gives a block in which a run writes a file or folder.

    Raises:
        CheckpointError: it cannot be written; which, and why.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        named = getattr(error, "filename", None)
        place = named if isinstance(named, str) and path.is_dir() else path
        raise CheckpointError(f"{place}: cannot be written: {cause_of(error)}") from error


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: holds them; made when the first is saved.
        keep: how many of the newest stay, beside the best.
        on_saved: is called when one is complete and older ones are gone.
    """

    def __init__(
        self, folder: Path, *, keep: int = 2, on_saved: Callable[[], None] | None = None
    ) -> None:
        self.folder, self.keep, self.on_saved = folder, keep, on_saved

    def steps(self) -> list[int]:
        """The steps that were saved, oldest first; what a kill left half-made is no checkpoint."""
        if not self.folder.is_dir():
            return []
        matches = (NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def save(self, step: int, model: nn.Module, state: Mapping[str, object]) -> Path:
        """Write one checkpoint, then remove those that are no longer needed.

        Args:
            step: counted from 1; a checkpoint of the same step is replaced.
            model: whose weights and buffers are saved.
            state: tensors, numbers, texts, and lists and dictionaries of them; with "best", the
                step whose checkpoint stays whatever comes.

        Raises:
            CheckpointError: it cannot be written; those before it are untouched.
        """
        path = self.path(step)
        try:
            for stale in self.folder.glob(".step-*"):  # what a kill left
                shutil.rmtree(stale)
            with whole(path) as unfinished:
                unfinished.mkdir()
                if isinstance(model, Separator):  # a file like any other of ours
                    normalised = bool(state.get("normalised"))
                    save_weights(model, unfinished / WEIGHTS, normalised=normalised)
                else:
                    save_model(model, str(unfinished / WEIGHTS))
                with (unfinished / STATE).open("wb") as file:  # by name, torch hides a full disk
                    torch.save(dict(state), file)
        except (OSError, SafetensorError, RuntimeError) as error:  # torch's writer raises the last
            raise CheckpointError(f"{path}: cannot be written: {cause_of(error)}") from None
        for old in self.steps()[: -self.keep]:
            if old != state.get("best"):
                shutil.rmtree(self.path(old), ignore_errors=True)
        if self.on_saved:
            self.on_saved()
        return path

    def load(self, model: nn.Module) -> tuple[int, State] | None:
        """The newest checkpoint: its step and state, its weights now the model's.

        None where there is none.

        Raises:
            CheckpointError: it cannot be read; which, and what to do.
        """
        steps = self.steps()
        if not steps:
            return None
        remedy = "remove the folder to go on from " + (
            f"step {steps[-2]}" if steps[1:] else "the beginning"
        )
        return steps[-1], self.read(steps[-1], model, remedy=remedy)

    def read(self, step: int, model: nn.Module, *, remedy: str) -> State:
        """Return the state of a step's checkpoint, its weights now the model's.

        Raises:
            CheckpointError: it cannot be read; which, and the remedy.
        """
        path = self.path(step)
        try:
            load_model(model, path / WEIGHTS)
            state: State = torch.load(path / STATE, weights_only=True, map_location="cpu")
        except Exception as error:  # noqa: BLE001 (a damaged file may raise anything)
            first = (str(error).splitlines() or ["damaged"])[0]
            raise CheckpointError(f"{path}: cannot be read: {first}; {remedy}") from None
        return state


class Sampler(Protocol):
    """Where batches come from."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""


@dataclass(frozen=True)
class StepReport:
    """What a step did.

    Attributes:
        step: counted from 1.
        loss: of its batch, before the weights changed.
        lr: its learning rate.
        gradient_norm: before clipping.
        seconds: since the run began, or went on.
        samples_per_second: samples of audio (one a channel counts once) a second of this step,
            reading included.
    """

    step: int
    loss: float
    lr: float
    gradient_norm: float
    seconds: float
    samples_per_second: float


@dataclass(frozen=True)
class Training:
    """What a run leaves beside the model.

    Attributes:
        curve: (step, loss) of every step that this call made.
        seconds: wall time of this call.
        step: the last that was made.
        loss: of that step.
        best: (step, value) of the best validation, if there was one.
        accumulate: parts in which batches went through the model at the end.
        average: the moving average of the weights, where the recipe wants one.
    """

    curve: tuple[tuple[int, float], ...]
    seconds: float
    step: int
    loss: float = math.nan
    best: tuple[int, float] | None = None
    accumulate: int = 1
    average: AveragedModel | None = None


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Session:
    """What surrounds a run and does not change what it learns, but for auto_batch; see `Means`.

    Attributes:
        device: where the model is trained.
        fabric: for several devices, launched already; None makes one for the device.
        checkpoints: where the run saves and goes on from; None does neither.
        validate: measures the model after a step by the recipe's metric, called as its validation
            says: NaN where nothing sounds, None where no track can be read.
        is_comparable: whether the validations of two steps, the earlier first, are of equal tracks.
        until: the step after which to stop for now; None for the recipe's last.
        auto_batch: whether a batch that does not fit goes through in more parts.
        normalised: whether the sampler's tracks are normalised, which checkpoints then say.
        on_step: is told of each step.
        on_validation: is told of each validation: its step and value.
        on_left_out: is told of each track that a step found damaged: the step, the track and how.
        say: is told what else a user should know, a line at a time.
    """

    device: str = "cpu"
    fabric: "Fabric | None" = None
    checkpoints: Checkpoints | None = None
    validate: Callable[[nn.Module, int], float | None] | None = None
    is_comparable: Callable[[int, int], bool] = lambda *_: True
    until: int | None = None
    auto_batch: bool = False
    normalised: bool = False
    on_step: Callable[[StepReport], None] = _nothing
    on_validation: Callable[[int, float], None] = _nothing
    on_left_out: Callable[[int, Track, DataError], None] = _nothing
    say: Callable[[str], None] = _nothing


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
            rows = read_log(path) if path.is_file() else []
            kept = [csv_line(row) for row in rows if int(row[0]) <= step]
            write_text(path, "".join([csv_line(columns), *kept]))
            self._file = path.open("a", newline="")

    def add(self, row: Sequence[object]) -> None:
        """A line, of which a kill leaves all or nothing that is read."""
        with writing(self.path):
            self._file.write(csv_line(row))
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


def read_log(path: Path) -> list[list[str]]:
    """The lines of a log that are whole."""
    text = path.read_text(encoding="utf-8")
    lines = text[: text.rfind("\n") + 1]
    header, *rows = list(csv.reader(StringIO(lines))) or [[]]
    return [row for row in rows if len(row) == len(header)]


def csv_line(values: Iterable[object]) -> str:
    """A line of CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(values))
    return text.getvalue()
