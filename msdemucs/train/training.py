"""One training in a folder, for a command and for a study's trial: it goes on where it was left."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from msdemucs.data import Prefetch, Track
from msdemucs.errors import DataError, UsageError
from msdemucs.model import Separator, build, load_weights, save_weights
from msdemucs.model.weights import About, read_about
from msdemucs.spec import Spec, diff_specs, spec_hash
from msdemucs.train.devices import fabric_for
from msdemucs.train.loop import sampler, train
from msdemucs.train.optimisers import take_average
from msdemucs.train.recipe import Recipe
from msdemucs.train.session import (
    STEPS,
    Checkpoints,
    Log,
    Sampler,
    Session,
    StepReport,
    Training,
    open_logs,
    read_log,
    writing,
)
from msdemucs.train.tracks import LEFT_OUT, UNSCORED, LeftOut, Tracks, judge

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WEIGHTS = "weights.safetensors"
"""The file in a training's folder that holds what it learned."""

CHECKPOINTS = "checkpoints"
"""The folder in it of what it goes on from."""

AHEAD = 2
"""Batches that a thread reads while a step is computed; with 0 each is read when it is due."""


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Asked:
    """What a run is to do.

    Attributes:
        spec: what is trained.
        recipe: how.
        data: folders with train/ in them.
        seed: of the first weights, dropout and the examples.
        weights: a file of weights to begin with; None draws them.
    """

    spec: Spec
    recipe: Recipe
    data: tuple[Path, ...] = ()
    seed: int = 0
    weights: Path | None = None


@dataclass(frozen=True)
class Means:
    """With what a run is done.

    What is learnt is the same but for a GPU's rounding, and where auto_batch took more parts: the
    gradients of parts add up, but each part has its own draw of dropout, and moves the averages of
    fusions that smooth their weights (`smoothing`) once more.

    Attributes:
        device: "cpu", "cuda" or "cuda:1".
        devices: processes that share each batch.
        auto_batch: whether a batch that does not fit goes through in more parts.
        logger: CSV files always; tensorboard writes its own beside them.
        n_checkpoints: how many of the newest stay, beside the best.
        on_step: is told of each step.
        on_validation: is told of each validation: its step and value.
        on_left_out: is told why a track is left out; None has it said.
        on_saved: is called when a checkpoint is complete.
        say: is told what else a user should know.
    """

    device: str = "cpu"
    devices: int = 1
    auto_batch: bool = False
    logger: Literal["csv", "tensorboard"] = "csv"
    n_checkpoints: int = 2
    on_step: Callable[[StepReport], None] = _nothing
    on_validation: Callable[[int, float], None] = _nothing
    on_left_out: Callable[[str], None] | None = None
    on_saved: Callable[[], None] = _nothing
    say: Callable[[str], None] = _nothing

    def left_out(self, why: str) -> None:
        """Tell why a track is left out."""
        if self.on_left_out:
            self.on_left_out(why)
        else:
            self.say(f"left out: {why}")

    def silent(self) -> "Means":
        """Returns the same without anyone who is told."""
        listeners: dict[str, Any] = {
            name: _nothing for name in vars(self) if name.startswith("on_") or name == "say"
        }
        return replace(self, **listeners)


class TrainingRun:
    """One training: a model, the tracks that it learns from, and the folder of what it leaves.

    On the CPU the same folder goes on where it was left, bit for bit, whoever stopped it and how.

    Args:
        asked: what is trained, how, and from which weights or seed.
        tracks: to learn from, and held out for the recipe's validation; with none there is none.
        folder: of its checkpoints, logs and weights; made when it goes.
        means: with what.
        fabric: of the means' devices, where there are several.

    Raises:
        DataError: no track that can be used; a file that holds no weights of ours.
        UsageError: weights of another architecture; a device that is not there.
    """

    def __init__(
        self,
        asked: Asked,
        tracks: Tracks,
        folder: Path,
        means: Means | None = None,
        *,
        fabric: "Fabric | None" = None,
    ) -> None:
        self.asked, self.tracks, self.folder = asked, tracks, folder
        self.recipe, self.means = asked.recipe, means or Means()
        self.fabric = fabric or fabric_for(self.means.device, precision=self.recipe.precision)
        torch.manual_seed(asked.seed)
        self.model, self.about = first_model(asked)
        if fabric is None:
            self.model.to(self.fabric.device)
        self.sampler = sampler(
            self.recipe, asked.spec, tracks.train, seed=asked.seed, normalised=self.normalised
        )
        self.checkpoints = Checkpoints(
            folder / CHECKPOINTS, keep=self.means.n_checkpoints, on_saved=self.means.on_saved
        )

    @property
    def seed(self) -> int:
        """Of its first weights and of the order of its data."""
        return self.asked.seed

    @property
    def normalised(self) -> bool:
        """Whether it is trained on normalised tracks."""
        return self.about.normalised

    @property
    def step(self) -> int:
        """The last step that its newest checkpoint has; 0 for none."""
        return (self.checkpoints.steps() or [0])[-1]

    def curve(self) -> list[tuple[int, float]]:
        """(step, loss) of the steps up to its newest checkpoint."""
        path, step = self.folder / STEPS, self.step
        if not step or not path.is_file():
            return []
        return [(int(row[0]), float(row[1])) for row in read_log(path) if int(row[0]) <= step]

    def go(self, until: int | None = None) -> Training:
        """Train to a step, and leave the model with the weights that are judged and saved.

        Args:
            until: the step after which to stop for now; None for the recipe's last.

        Raises:
            TrainingError: it cannot go on.
            DataError: there is no track left that can be read.
            CheckpointError: a file of its folder cannot be read or written.
            KeyboardInterrupt: a signal, after a checkpoint was saved.
        """
        before = self.step
        if not before:
            torch.manual_seed(self.seed)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        last = min(until or self.recipe.n_steps, self.recipe.n_steps)
        with ExitStack() as at_end:
            logs: list[Log] = []
            if self.fabric.is_global_zero:
                logs = at_end.enter_context(
                    open_logs(self.folder, before, self.recipe, self.means.logger)
                )
            session = self._session(until, logs)
            batches: Sampler = self.sampler
            if AHEAD:
                batches = prefetch = Prefetch(self.sampler, ahead=AHEAD, last=last)
                at_end.callback(prefetch.close)
            done = train(self.model, batches, self.recipe, session)
        if done.average:
            take_average(done.average, self.model)
        return done

    def _session(self, until: int | None, logs: Sequence[Log]) -> Session:
        """What surrounds the steps to one; the sampler leaves out what was found damaged before."""
        means, tracks = self.means, self.tracks
        left_out, unscored = (
            LeftOut(
                self.folder,
                {track: tracks.names[track] for track in of_part},
                means.left_out,
                file=file,
                is_main=self.fabric.is_global_zero,
            )
            for of_part, file in ((tracks.train, LEFT_OUT), (tracks.held_out, UNSCORED))
        )
        self.sampler.left_out = left_out.go_on()
        return Session(
            fabric=self.fabric,
            checkpoints=self.checkpoints,
            validate=partial(self._validate, unscored) if tracks.held_out else None,
            is_comparable=unscored.is_same_between,
            until=until,
            auto_batch=means.auto_batch,
            normalised=self.normalised,
            on_step=partial(_tell, [*(log.step for log in logs), means.on_step]),
            on_validation=partial(_tell, [*(log.score for log in logs), means.on_validation]),
            on_left_out=left_out.add,
            say=means.say,
        )

    def _validate(self, unscored: LeftOut, model: nn.Module, step: int) -> float | None:
        """What the recipe's validation measures on the tracks held out that can be read."""
        since = unscored.go_on()
        tracks = [track for track in self.tracks.held_out if since.get(track, step + 1) > step]
        lost: list[Track] = []

        def on_error(error: DataError) -> None:
            for track in tracks:  # by its file: others may have its name
                path = track.recording.path
                if error.path is not None and (path == error.path or path in error.path.parents):
                    lost.append(track)
                    unscored.add(step, track, error)
                    return
            raise error

        if not tracks:
            return None
        value = judge(model, tracks, self.recipe, normalised=self.normalised, on_error=on_error)
        return value if len(lost) < len(tracks) else None

    def finish(self) -> Path:
        """Write the weights; their path.

        Raises:
            CheckpointError: they cannot be written.
        """
        path = self.folder / WEIGHTS
        with writing(path):
            save_weights(self.model, path, origin=self.about.origin, normalised=self.normalised)
        return path

    def forget(self) -> None:
        """Remove the checkpoints, when all is recorded."""
        shutil.rmtree(self.folder / CHECKPOINTS, ignore_errors=True)


def first_model(asked: Asked) -> tuple[Separator, About]:
    """Returns the model before its first step, and what its weights say of themselves.

    Raises:
        DataError: a file that holds no weights of ours.
        UsageError: weights of another architecture.
    """
    normalise = asked.recipe.normalise
    if asked.weights is None:
        return build(asked.spec), About(asked.spec, normalised=normalise)
    about = read_about(asked.weights)
    if spec_hash(about.spec) != spec_hash(asked.spec):
        changes = ", ".join(diff_specs(about.spec, asked.spec))
        raise UsageError(
            f"{asked.weights}: holds weights of another spec, {about.spec.name}, which differs in "
            f"{changes}"
        )
    about = replace(about, normalised=about.normalised or normalise)
    return load_weights(asked.weights), about


def _tell(listeners: Sequence[Callable[..., None]], *what: object) -> None:
    for listener in listeners:
        listener(*what)
