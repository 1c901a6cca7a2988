"""A training run in a folder: begun once, killed and continued at will, finished once."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import distributed

from msdemucs.data import Track, drop_short, find_all
from msdemucs.data.doctor import warn_of_far_sums
from msdemucs.data.splits import divide
from msdemucs.errors import CheckpointError, DataError, MsdemucsError, UsageError
from msdemucs.files import cause_of, differences, legible, sole_user, write_text
from msdemucs.measure import machine
from msdemucs.spec import dump_spec
from msdemucs.train.devices import fabric_for, is_first_process, together
from msdemucs.train.losses import check_weights
from msdemucs.train.session import Training, summary_writer, writing
from msdemucs.train.tracks import (
    UNSCORED,
    Tracks,
    as_begun,
    keep_unusable,
    name_of,
    names_of,
    read_left_out,
)
from msdemucs.train.training import WEIGHTS, Asked, Means, TrainingRun

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ASKED, RESULT = "run.json", "result.json"

HARMLESS = ("checkpoint_every", "compile")
"""Fields of a recipe that may change while a run goes on: they do not change what is learnt."""


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
        DataError: no track that can be used; processes that share batches read unlike ones.
        TrainingError: it cannot go on.
        MsdemucsError: another process of several has ended; a file that the system keeps from us.
        CheckpointError: what it saved cannot be used, or a file of its folder not written.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on.
    """
    try:
        with ExitStack() as at_end:
            return _run(asked, folder, means or Means(), at_end)
    except OSError as error:
        raise MsdemucsError(f"{error.filename or folder}: {cause_of(error)}") from error


def _run(asked: Asked, folder: Path, means: Means, at_end: ExitStack) -> Finished:
    """Train in a folder that is this process's own until the stack unwinds."""
    fabric = fabric_for(means.device, devices=means.devices, precision=asked.recipe.precision)
    _check(asked, means)
    is_first = is_first_process()
    training = None
    if is_first:  # before there are others, which an error here would leave waiting
        training = begin(asked, folder, means, fabric, at_end)
    if is_done(folder):
        result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return Finished(folder / WEIGHTS, result, True, is_first)
    at_end.enter_context(together(fabric, means.say))
    if training is None:  # what the first one has recorded
        means = means.silent()
        training = TrainingRun(asked, gather(asked, folder, means), folder, means, fabric=fabric)
    if training.step:
        means.say(f"going on after step {training.step}")
    try:
        done = training.go()
    finally:
        if distributed.is_initialized():  # its threads must not outlive the interpreter
            distributed.destroy_process_group()
    if fabric.is_global_zero:
        return finish(training, done)
    return Finished(folder / WEIGHTS, is_main=False)


def _check(asked: Asked, means: Means) -> None:
    """Refuse what can be told to be wrong before a folder is opened.

    Raises:
        UsageError: a batch that devices cannot share, a weight of no source, no file of weights, no
            TensorBoard for its logs.
    """
    recipe = asked.recipe
    if recipe.batch_size % (means.devices * recipe.accumulate):
        raise UsageError(
            f"a batch of {recipe.batch_size} cannot be shared by {means.devices} devices in "
            f"{recipe.accumulate} parts"
        )
    if means.logger == "tensorboard":
        summary_writer()
    check_weights(recipe.source_weights or {}, asked.spec.sources)
    if asked.weights is not None and not asked.weights.is_file():
        raise UsageError(f"{asked.weights}: there is no such file of weights")


def is_done(folder: Path) -> bool:
    """Whether a folder's run is finished."""
    return (folder / RESULT).is_file() and (folder / WEIGHTS).is_file()


def begin(
    asked: Asked, folder: Path, means: Means, fabric: "Fabric", at_end: ExitStack
) -> TrainingRun:
    """Make the folder, or see that it holds this very run, and keep it to this process.

    Raises:
        UsageError: it holds another one, or other files, or another process is at work in it.
        DataError: it cannot be written; no track that can be used.
    """
    at_end.enter_context(_claimed(folder))
    path = folder / ASKED
    is_new = not path.is_file()
    if not is_new:
        _refuse_other(folder, describe(asked))
    elif any(not name.name.startswith(".") for name in folder.iterdir()):
        raise UsageError(f"{folder} is there already and holds no run")
    tracks = gather(asked, folder, means)
    training = TrainingRun(asked, tracks, folder, means, fabric=fabric)
    if is_new:
        data = [str(root) for root in asked.data]
        about = {"asked": describe(asked), "data": data, "tracks": tracks.describe()}
        with writing(path):
            write_text(path, json.dumps({**about, "machine": machine()}, indent=1))
    if not is_done(folder):
        begun = _begun(folder)["tracks"]
        lost = {name: why for name, why in tracks.unusable.items() if name in begun["validation"]}
        untaught = {
            name: why
            for name, why in tracks.unusable.items()
            if name not in lost or name in begun["train"]  # a track may be of both
        }
        keep_unusable(folder, untaught, training.step)
        keep_unusable(folder, lost, training.step + 1, UNSCORED)
    return training


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Give a block in which the folder is this process's; one in which nothing begins is not left.

    Raises:
        UsageError: it is no folder, or another process is at work in it.
        DataError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is there already and is no folder")
    was_there = folder.exists()
    try:
        with sole_user(folder, "a training"):
            yield
    finally:
        if not was_there:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _refuse_other(folder: Path, description: dict[str, object]) -> None:
    """Raise UsageError where a folder's run was asked otherwise.

    Raises:
        UsageError: in which fields.
    """
    changes = [
        f"{field}: {json.dumps(before)} → {json.dumps(now)}"
        for field, before, now in differences(_begun(folder)["asked"], description)
    ]
    if changes:
        raise UsageError(
            f"{folder} holds a run that was asked otherwise; take another folder, or ask the "
            "same:\n" + "\n".join(f"  {change}" for change in changes)
        )


def _begun(folder: Path) -> dict[str, Any]:
    """What a run's folder says of its beginning.

    Raises:
        CheckpointError: it cannot be read.
    """
    path = folder / ASKED
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: cannot be read: {cause_of(error)}; take another folder"
        ) from None
    return about


def gather(asked: Asked, folder: Path, means: Means) -> Tracks:
    """Returns the tracks of a run: those that are there, or those that it began with.

    Raises:
        UsageError: a folder that is not there; tracks gone, new or changed since the run began.
        DataError: too few tracks.
    """
    unusable: dict[str, str] = {}
    is_one_set = len(asked.data) == 1

    def left_out(error: DataError) -> None:
        assert error.group is not None
        assert error.split is not None
        assert error.track is not None
        message = legible(str(error))
        name = name_of(error.group, error.split, error.track, is_one_set=is_one_set)
        unusable[name] = message
        means.left_out(message)

    spec, recipe = asked.spec, asked.recipe
    roots = dict.fromkeys(("train", "validation") if recipe.validation else ("train",), asked.data)
    tracks_by_split = find_all(roots, spec, say=means.say, on_error=left_out)
    all_tracks = [track for tracks in tracks_by_split.values() for track in tracks]
    warn_of_far_sums(all_tracks, means.say)
    names = names_of(all_tracks, is_one_set=is_one_set)
    shortest = round(recipe.segment * spec.sample_rate)
    if (folder / ASKED).is_file():
        begun = _begun(folder).get("tracks")
        if begun is None:
            raise UsageError(
                f"{folder} holds a run of an earlier version, which did not record its tracks: "
                "take another folder"
            )
        known = {name for of_part in begun.values() for name in of_part}
        unknown = [track for track in all_tracks if names[track] not in known]
        drop_short(unknown, n_samples=shortest, on_error=left_out)  # it was when the run began
        return as_begun(folder, begun, Tracks(all_tracks, [], names, unusable))
    train: Sequence[Track] = tracks_by_split["train"]
    held_out: Sequence[Track] = ()
    same_songs: Sequence[Track] = ()
    if recipe.validation:
        divided = divide(tracks_by_split, seed=asked.seed, n_tracks=recipe.validation.tracks)
        means.say(divided.sentence)
        train, held_out = divided.train, divided.validation
        same_songs = [
            track for track in tracks_by_split["train"] if track not in {*train, *held_out}
        ]
    train = drop_short(train, n_samples=shortest, on_error=left_out)
    if not train:
        where = ", ".join(map(str, asked.data))
        raise DataError(f"no training track can be used under {where}")
    return Tracks(train, held_out, names, unusable, same_songs)


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


def finish(training: TrainingRun, done: Training) -> Finished:
    """Write the weights and the result.

    Raises:
        CheckpointError: they cannot be written.
    """
    weights, folder = training.finish(), training.folder
    result: dict[str, object] = {
        "steps": done.step,
        "loss": done.loss,
        "best_validation": done.best,
        "accumulate": done.accumulate,
        "left_out": sorted(read_left_out(folder)),
        "left_out_of_validation": sorted(read_left_out(folder, UNSCORED)),
        "seconds_of_last_call": done.seconds,
    }
    with writing(folder / RESULT):
        write_text(folder / RESULT, json.dumps(result, indent=1))
    return Finished(weights, result)
