"""A training run in a folder: begun once, killed and continued at will, finished once."""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import distributed

from msdemucs.data import Prefetch, SegmentSampler, Track, drop_short, find_all
from msdemucs.data.doctor import warn_of_far_sums
from msdemucs.data.splits import divide
from msdemucs.errors import CheckpointError, DataError, UsageError
from msdemucs.files import cause_of, sole_user, write_text
from msdemucs.measure import machine
from msdemucs.model import Separator, build, load_weights, save_weights
from msdemucs.model.weights import About, read_about
from msdemucs.spec import Spec, diff_specs, dump_spec, spec_hash
from msdemucs.train.checkpoints import Checkpoints
from msdemucs.train.devices import fabric_for, is_first_process
from msdemucs.train.examples import sampler
from msdemucs.train.logs import CsvLog, Log, TensorBoardLog
from msdemucs.train.loop import train
from msdemucs.train.losses import check_weights
from msdemucs.train.peers import together
from msdemucs.train.recipe import Metric, Recipe
from msdemucs.train.session import Session, StepReport, Training
from msdemucs.train.tracks import (
    LeftOut,
    Tracks,
    as_begun,
    keep_unusable,
    names_of,
    read_left_out,
)
from msdemucs.train.validation import judge

ASKED, RESULT, WEIGHTS = "run.json", "result.json", "weights.safetensors"

HARMLESS = ("checkpoint_every", "compile")
"""Fields of a recipe that may change while a run goes on: they do not change what is learnt."""


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
    data: tuple[Path, ...]
    seed: int = 0
    weights: Path | None = None


@dataclass(frozen=True)
class Means:
    """With what a run is done; none of it changes what is learnt, but for a GPU's rounding.

    Attributes:
        device: "cpu", "cuda" or "cuda:1".
        devices: processes that share each batch.
        auto_batch: whether a batch that does not fit goes through in more parts.
        logger: CSV files always; tensorboard writes its own beside them.
        on_step: is told of each step.
        on_validation: is told of each validation: its step and value.
        say: is told what else a user should know.
    """

    device: str = "cpu"
    devices: int = 1
    auto_batch: bool = False
    logger: Literal["csv", "tensorboard"] = "csv"
    on_step: Callable[[StepReport], None] = _nothing
    on_validation: Callable[[int, float], None] = _nothing
    say: Callable[[str], None] = _nothing


SILENT: dict[str, Any] = {"on_step": _nothing, "on_validation": _nothing, "say": _nothing}
"""What all processes but the first tell."""


@dataclass(frozen=True)
class Finished:
    """What a run has left in its folder.

    Attributes:
        weights: the file of the trained model.
        result: what result.json holds.
        was_done: whether it was finished before this call.
        is_main: whether this process is the one that speaks for all.
    """

    weights: Path
    result: dict[str, object] = field(default_factory=dict)
    was_done: bool = False
    is_main: bool = True


def run(asked: Asked, folder: Path, means: Means | None = None) -> Finished:
    """Train as asked; the same call continues a run that was interrupted, however it was.

    The folder gets `run.json` (what was asked), `log.csv`, `validation.csv`, `checkpoints/`, and in
    the end `weights.safetensors` and `result.json`.

    Args:
        asked: what to do.
        folder: of the run; made when it is not there.
        means: with what.

    Raises:
        UsageError: the folder holds a run that was asked otherwise, or no run; a device or a
            folder of tracks that is not there.
        DataError: no track that can be used.
        TrainingError: it cannot go on.
        MsdemucsError: another process of several has ended.
        CheckpointError: what it saved cannot be used.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on.
    """
    means = means or Means()
    try:
        with ExitStack() as at_end:
            return _run(asked, folder, means, at_end)
    except OSError as error:
        place = Path(error.filename) if isinstance(error.filename, str) else folder
        raise CheckpointError(f"{place}: cannot be written: {cause_of(error)}") from error


def _run(asked: Asked, folder: Path, means: Means, at_end: ExitStack) -> Finished:
    """Train in a folder that is this process's own until the stack unwinds.

    Raises:
        UsageError: as `run`.
    """
    found = gather(asked, folder, means.say)
    fabric = fabric_for(means.device, devices=means.devices, precision=asked.recipe.precision)
    if asked.recipe.batch_size % (means.devices * asked.recipe.accumulate):
        raise UsageError(
            f"a batch of {asked.recipe.batch_size} cannot be shared by {means.devices} devices in "
            f"{asked.recipe.accumulate} parts"
        )
    check_weights(asked.recipe.source_weights or {}, asked.spec.sources)
    torch.manual_seed(asked.seed)
    model, about = first_model(asked)
    drawn = sampler_of(asked, found.train, about)
    checkpoints = Checkpoints(folder / "checkpoints")
    step = (checkpoints.steps() or [0])[-1]
    is_done = (folder / RESULT).is_file() and (folder / WEIGHTS).is_file()
    if is_first_process():  # before there are others, which an error here would leave waiting
        begin(asked, folder, found, at_end)
        if not is_done:
            keep_unusable(folder, found.unusable, step)
    at_end.enter_context(together(fabric, means.say))
    if is_done:
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return Finished(folder / WEIGHTS, result, True, fabric.is_global_zero)
    means = means if fabric.is_global_zero else replace(means, **SILENT)
    names = {track: found.names[track] for track in found.train}
    left_out = LeftOut(
        folder, names, lambda why: means.say(f"left out: {why}"), is_main=fabric.is_global_zero
    )
    drawn.left_out = left_out.go_on()
    metric = asked.recipe.validation.metric if asked.recipe.validation else "usdr"
    logs = open_logs(folder, step, means, metric) if fabric.is_global_zero else []
    session = Session(
        device=means.device,
        fabric=fabric,
        checkpoints=checkpoints,
        validate=(
            partial(
                judge,
                tracks=found.held_out,
                recipe=asked.recipe,
                normalised=about.normalised,
                on_error=left_out.unscored,
            )
            if found.held_out
            else None
        ),
        auto_batch=means.auto_batch,
        normalised=about.normalised,
        on_step=partial(_tell, [*(log.step for log in logs), means.on_step]),
        on_validation=partial(_tell, [*(log.score for log in logs), means.on_validation]),
        on_left_out=left_out.add,
        say=means.say,
    )
    batches = Prefetch(drawn, last=asked.recipe.n_steps)
    try:
        done = train(model, batches, asked.recipe, session)
    finally:
        batches.close()
        for log in logs:
            log.close()
        if distributed.is_initialized():  # its threads must not outlive the interpreter
            distributed.destroy_process_group()
    if fabric.is_global_zero:
        return finish(model, done, folder, about)
    return Finished(folder / WEIGHTS, is_main=False)


def _tell(listeners: Sequence[Callable[..., None]], *what: object) -> None:
    for listener in listeners:
        listener(*what)


def gather(asked: Asked, folder: Path, say: Callable[[str], None]) -> Tracks:
    """The tracks of a run: those that are there, or those that it began with.

    Raises:
        UsageError: a folder that is not there; tracks gone, new or changed since the run began.
        DataError: too few tracks.
    """
    unusable: list[DataError] = []

    def left_out(error: DataError) -> None:
        unusable.append(error)
        say(f"left out: {error}")

    spec, recipe = asked.spec, asked.recipe
    roots = dict.fromkeys(("train", "validation") if recipe.validation else ("train",), asked.data)
    there = find_all(roots, spec, say=say, on_error=left_out)
    shortest = round(recipe.segment * spec.sample_rate)
    all_there = [track for tracks in there.values() for track in tracks]
    warn_of_far_sums(all_there, say)
    names = names_of(all_there, is_one_set=len(asked.data) == 1)
    if (folder / ASKED).is_file():
        begun = _begun(folder).get("tracks")
        if begun is None:
            raise UsageError(
                f"{folder} holds a run of an earlier version, which did not record its tracks: "
                "take another folder"
            )
        return as_begun(folder, begun, Tracks(all_there, [], names, unusable))
    train: Sequence[Track] = there["train"]
    held_out: Sequence[Track] = ()
    if recipe.validation:
        divided = divide(there, seed=asked.seed, n_tracks=recipe.validation.tracks)
        say(divided.sentence)
        train, held_out = divided.train, divided.validation
    train = drop_short(train, n_samples=shortest, on_error=left_out)
    if not train:
        where = ", ".join(map(str, asked.data))
        raise DataError(f"no training track can be used under {where}")
    return Tracks(train, held_out, names, unusable)


def sampler_of(asked: Asked, tracks: Sequence[Track], about: About) -> SegmentSampler:
    """Where the run's batches come from."""
    return sampler(asked.recipe, asked.spec, tracks, seed=asked.seed, normalised=about.normalised)


def first_model(asked: Asked) -> tuple[Separator, About]:
    """The model before its first step, and what its weights say of themselves.

    Raises:
        DataError: a file that holds no weights of ours.
        UsageError: no such file, or weights of another architecture.
    """
    normalise = asked.recipe.normalise
    if asked.weights is None:
        return build(asked.spec), About(asked.spec, normalised=normalise)
    if not asked.weights.is_file():
        raise UsageError(f"{asked.weights}: there is no such file of weights")
    about = read_about(asked.weights)
    if spec_hash(about.spec) != spec_hash(asked.spec):
        changes = ", ".join(diff_specs(about.spec, asked.spec))
        raise UsageError(
            f"{asked.weights}: holds weights of another spec, {about.spec.name}, which differs in "
            f"{changes}"
        )
    about = replace(about, normalised=about.normalised or normalise)
    return load_weights(asked.weights), about


def describe(asked: Asked) -> dict[str, object]:
    """What a run is known by, beside its tracks: two that agree here learn the same."""
    return {
        "spec": dump_spec(asked.spec),
        "recipe": asked.recipe.model_dump(mode="json", exclude=set(HARMLESS)),
        "seed": asked.seed,
        "weights": _digest(asked.weights) if asked.weights else None,
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def begin(asked: Asked, folder: Path, tracks: Tracks, at_end: ExitStack) -> None:
    """Make the folder, or see that it holds this very run, and keep it to this process.

    Raises:
        UsageError: it holds another one, or other files, or another process is at work in it.
        DataError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is there already and is no folder")
    at_end.enter_context(sole_user(folder, "a training"))
    wanted = describe(asked)
    path = folder / ASKED
    if path.is_file():
        changes = differences(_begun(folder)["asked"], wanted)
        if changes:
            raise UsageError(
                f"{folder} holds a run that was asked otherwise; take another folder, or ask the "
                "same:\n" + "\n".join(f"  {change}" for change in changes)
            )
        return
    if any(not name.name.startswith(".") for name in folder.iterdir()):
        raise UsageError(f"{folder} is there already and holds no run")
    data = [str(root) for root in asked.data]
    about = {"asked": wanted, "data": data, "tracks": tracks.describe(), "machine": machine()}
    write_text(path, json.dumps(about, indent=1))


def _begun(folder: Path) -> dict[str, Any]:
    """What a run's folder says of its beginning."""
    about: dict[str, Any] = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    return about


def differences(before: object, after: object, field: str = "") -> list[str]:
    """The fields in which two descriptions differ: `recipe.lr: 0.001 → 0.01`."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = dict.fromkeys((*before, *after))
        return [
            change
            for name in names
            for change in differences(
                before.get(name), after.get(name), f"{field}.{name}" if field else str(name)
            )
        ]
    return [] if before == after else [f"{field}: {json.dumps(before)} → {json.dumps(after)}"]


def open_logs(folder: Path, step: int, means: Means, metric: Metric) -> list[Log]:
    """The logs that were asked for, going on after a step."""
    logs: list[Log] = [CsvLog(folder, step, metric)]
    if means.logger == "tensorboard":
        logs.append(TensorBoardLog(folder, step, metric))
    return logs


def finish(model: Separator, done: Training, folder: Path, about: About) -> Finished:
    """Write the weights and the result.

    Raises:
        CheckpointError: they cannot be written.
    """
    if done.average:
        done.average.apply()
    path = folder / WEIGHTS
    try:
        save_weights(model, path, origin=about.origin, normalised=about.normalised)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be written: {cause_of(error)}") from None
    result: dict[str, object] = {
        "steps": done.step,
        "loss": done.loss,
        "best_validation": done.best,
        "accumulate": done.accumulate,
        "left_out": sorted(read_left_out(folder)),
        "seconds_of_last_call": done.seconds,
    }
    write_text(folder / RESULT, json.dumps(result, indent=1))
    return Finished(folder / WEIGHTS, result)
