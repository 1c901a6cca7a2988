"""One training of a trial, with one seed: from rung to rung, resumable from its folder."""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from msdemucs.data import Track
from msdemucs.data.find import OnError
from msdemucs.files import write_text
from msdemucs.model import Separator, build, load_weights, save_weights
from msdemucs.model.weights import read_about
from msdemucs.spec import Spec
from msdemucs.study.storage.scores import as_table
from msdemucs.study.trial.recorder import Row, TrialRecorder
from msdemucs.train import Recipe, Session, StepReport, sampler, train
from msdemucs.train.checkpoints import Checkpoints
from msdemucs.train.logs import STEPS, CsvLog
from msdemucs.train.tracks import LeftOut, names_of
from msdemucs.train.validation import judge

WEIGHTS = "weights.safetensors"
"""The file in a training's folder."""

CHECKPOINTS = "checkpoints"

RUNGS = "rungs.json"
"""The file in a trial's folder that says how it scored at the rungs that it came to."""

RUNG_SCORES = "rung-scores.json"
"""The file that has the scores of every validation track and source at the last of them."""


@dataclass(frozen=True)
class Progressed:
    """What one stretch of a training took.

    Attributes:
        steps: that were made.
        seconds: of wall time.
    """

    steps: int
    seconds: float


class SeedTraining:
    """One training of a trial.

    The same folder goes on where it was left, bit for bit on the CPU.

    Args:
        spec: what is trained.
        recipe: how.
        tracks: on what.
        validation: by what the best weights are chosen, where the recipe keeps them; with
            `keep: last` a validation would choose nothing, and is left out of trials.
        seed: of weights and of the order of data.
        folder: of its checkpoints, log and weights.
        device: where.
        start: a file of weights to begin with, in place of those that the seed draws.
        on_saved: is called after each checkpoint.

    Raises:
        DataError: the file cannot be read, or is of another spec.
    """

    def __init__(  # noqa: PLR0913 (a training is of all these)
        self,
        spec: Spec,
        recipe: Recipe,
        *,
        tracks: tuple[Track, ...],
        validation: tuple[Track, ...] = (),
        seed: int,
        folder: Path,
        device: str,
        start: Path | None = None,
        on_saved: Callable[[], None] | None = None,
    ) -> None:
        self.recipe, self.seed, self.folder, self.device = recipe, seed, folder, device
        torch.manual_seed(seed)
        self.model: Separator = (load_weights(start) if start else build(spec)).to(device)
        self.normalised = recipe.normalise or (start is not None and read_about(start).normalised)
        chooses = recipe.validation and recipe.keep == "best"
        self.held_out = validation if chooses else ()
        self.checkpoints = Checkpoints(folder / CHECKPOINTS, keep=1, on_saved=on_saved)
        self.sampler = sampler(recipe, spec, tracks, seed=seed, normalised=self.normalised)

    @property
    def step(self) -> int:
        """The last step that its newest checkpoint has; 0 for none."""
        return (self.checkpoints.steps() or [0])[-1]

    def curve(self) -> list[tuple[int, float]]:
        """(step, loss) of the steps up to its newest checkpoint."""
        path, step = self.folder / STEPS, self.step
        if not step or not path.is_file():
            return []
        with path.open(newline="") as file:
            rows = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
        return [row for row in rows if row[0] <= step]

    def go(self, until: int, log: TrialRecorder | None, *, shows: bool = True) -> Progressed:
        """Train to a step, and leave the model with the weights that are judged.

        Args:
            until: the step.
            log: is told of each step, and of tracks that are damaged; None for none.
            shows: whether it is told of steps.

        Raises:
            TrainingError: it cannot go on.
            KeyboardInterrupt: a signal, after a checkpoint was saved.
        """
        before = self.step
        if not before:
            torch.manual_seed(self.seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        validation = self.recipe.validation
        lines = CsvLog(self.folder, before, validation.metric if validation else "usdr")

        def on_step(report: StepReport) -> None:
            lines.step(report)
            if log and shows:
                log.loss(report.step, report.loss)

        names = names_of(self.sampler.tracks, is_one_set=False)
        left_out = LeftOut(self.folder, names, log.trained_without if log else lambda _: None)
        self.sampler.left_out = left_out.go_on()
        session = Session(
            device=self.device,
            checkpoints=self.checkpoints,
            validate=partial(self.validate, on_error=left_out.unscored) if self.held_out else None,
            until=until,
            normalised=self.normalised,
            on_step=on_step,
            on_validation=lines.score,
            on_left_out=left_out.add,
        )
        try:
            done = train(self.model, self.sampler, self.recipe, session)
        finally:
            lines.close()
        if done.average:
            done.average.apply()
        return Progressed(len(done.curve), done.seconds)

    def validate(self, model: nn.Module, on_error: OnError | None = None) -> float:
        """What the recipe's validation measures on the tracks held out."""
        return judge(
            model, self.held_out, self.recipe, normalised=self.normalised, on_error=on_error
        )

    def finish(self) -> Path:
        """Write the weights; their path."""
        path = self.folder / WEIGHTS
        save_weights(self.model, path, normalised=self.normalised)
        return path

    def forget(self) -> None:
        """Remove the checkpoints, when all is recorded."""
        shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)


Rungs = dict[int, dict[str, dict[int, float]]]
"""Step → quality → seed → score."""


def read_rungs(folder: Path) -> Rungs:
    """How the trial of a folder scored at the rungs that it came to."""
    path = folder / RUNGS
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        int(step): {
            quality: {int(seed): float(value) for seed, value in by_seed.items()}
            for quality, by_seed in scores.items()
        }
        for step, scores in found.items()
        if all(isinstance(by_seed, dict) for by_seed in scores.values())  # else of a version before
    }


def write_rungs(folder: Path, rungs: Rungs) -> None:
    """Keep how a trial scored at its rungs, in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUNGS, json.dumps(rungs))


def read_rung_scores(folder: Path, step: int) -> list[Row]:
    """The scores of every track, source and metric at a rung, if it is the last that was scored."""
    path = folder / RUNG_SCORES
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    is_it = found["step"] == step and found.get("columns") == list(Row._fields)
    return [Row(*row) for row in found["rows"]] if is_it else []


def write_rung_scores(folder: Path, step: int, rows: Sequence[Row]) -> None:
    """Keep the scores of every track, source and metric at a rung, in place of an earlier one's."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUNG_SCORES, json.dumps({"step": step, **as_table(Row._fields, rows)}))
