"""The tracks of a run: what it draws and is judged by, which it leaves out, as it goes on too."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from msdemucs.data import Track, statistics
from msdemucs.data.tracks import OnError
from msdemucs.errors import DataError, DivergedError, UsageError
from msdemucs.evaluate import Chunking, Score, evaluate_tracks, separate_mixture
from msdemucs.evaluate.scoring import Convention
from msdemucs.files import legible, write_text
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.model import Separator
from msdemucs.train.losses import Loss
from msdemucs.train.recipe import Recipe
from msdemucs.train.session import writing

LEFT_OUT = "left-out.json"
"""The file of a run that names the tracks that it does not learn from, since when and why."""

UNSCORED = "left-out-of-validation.json"
"""Likewise those held out that its validations are without."""

MOST_NAMED = 10
"""Tracks in one message."""


@dataclass(frozen=True)
class Tracks:
    """The tracks of a run.

    Attributes:
        train: that it learns from.
        held_out: that it is validated by.
        names: of both, and of what else lies beside them; a run knows tracks by them alone.
        unusable: the names of those that cannot be used, and what is wrong with each.
        same_songs: training tracks that are not trained on, since their songs are held out.
    """

    train: Sequence[Track]
    held_out: Sequence[Track]
    names: Mapping[Track, str]
    unusable: Mapping[str, str] = field(default_factory=dict)
    same_songs: Sequence[Track] = ()

    def describe(self) -> dict[str, dict[str, str]]:
        """Part → name → what a track is known by, to be told from others of its name."""
        parts = {"train": self.train, "validation": self.held_out}
        parts |= {"same songs": self.same_songs} if self.same_songs else {}
        return {
            part: {self.names[track]: _facts(track) for track in tracks}
            for part, tracks in parts.items()
        }


def names_of(tracks: Sequence[Track], *, is_one_set: bool) -> dict[Track, str]:
    """Returns a name for each track, as `name_of` gives it."""
    return {
        track: name_of(track.group, track.split, track.name, is_one_set=is_one_set)
        for track in tracks
    }


def name_of(group: str, split: str, name: str, *, is_one_set: bool) -> str:
    """Returns what a run calls a track: its data set's name before its own where there are several.

    A single data set may be moved, and have another name, while a run goes on. Tracks of another
    folder than train/ have the folder's name before theirs.
    """
    of_split = "" if split == "train" else f"{split}/"
    return f"{'' if is_one_set else f'{group}/'}{of_split}{name}"


def _facts(track: Track) -> str:
    return f"{track.n_samples} samples at {track.sample_rate} Hz"


@dataclass(frozen=True)
class Reason:
    """Why a run goes on without a track.

    Attributes:
        step: since when; later steps never drew it. 0 for one that the run began without.
        message: what is wrong with it.
    """

    step: int
    message: str


class LeftOut:
    """The damaged tracks of a run, on record in its folder from the moment that they are found.

    The record says at which step a track was found, so that a run that goes on from an earlier
    checkpoint draws it up to there, and one that goes on from a later one never does. Tracks held
    out have a record of their own: one that fails at a validation is scored in none from then on.

    Args:
        folder: of the run.
        names: of the tracks that it learns from, or is validated by.
        say: is told why each track is left out, once.
        file: of the folder, LEFT_OUT or UNSCORED.
        is_main: whether this process keeps the record.
    """

    def __init__(
        self,
        folder: Path,
        names: Mapping[Track, str],
        say: Callable[[str], None],
        *,
        file: str = LEFT_OUT,
        is_main: bool = True,
    ) -> None:
        self.folder, self.names, self.say, self.file = folder, names, say, file
        self.is_main = is_main
        self.reasons = read_left_out(folder, file)
        self._said: set[str] = set()

    def go_on(self) -> dict[Track, int]:
        """Returns the tracks that a run that goes on leaves out, and since when; says so, once."""
        reasons = {
            track: self.reasons[name] for track, name in self.names.items() if name in self.reasons
        }
        for reason in reasons.values():
            self._tell(reason)
        return {track: reason.step for track, reason in reasons.items()}

    def add(self, step: int, track: Track, error: DataError) -> None:
        """Record a track in which damage was found."""
        reason = self.reasons[self.names[track]] = Reason(step, legible(str(error)))
        self._tell(reason)
        if self.is_main:
            write_left_out(self.folder, self.reasons, self.file)

    def is_same_between(self, first: int, last: int) -> bool:
        """Whether no track was found damaged after one step and up to another."""
        return not any(first < reason.step <= last for reason in self.reasons.values())

    def _tell(self, reason: Reason) -> None:
        what = "training" if self.file == LEFT_OUT else "validation"
        message = f"{reason.message}; {what} goes on without it since step {reason.step}"
        if message not in self._said:
            self._said.add(message)
            self.say(message)


def read_left_out(folder: Path, file: str = LEFT_OUT) -> dict[str, Reason]:
    """Name → reason of the tracks that a run has left out so far."""
    path = folder / file
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {name: Reason(row["step"], row["message"]) for name, row in rows.items()}


def write_left_out(folder: Path, reasons: Mapping[str, Reason], file: str = LEFT_OUT) -> None:
    """Keep why a run leaves tracks out, in one step.

    Raises:
        CheckpointError: it cannot be written.
    """
    rows = {name: vars(reason) for name, reason in reasons.items()}
    with writing(folder / file):
        write_text(folder / file, json.dumps(rows, indent=1))


def keep_unusable(
    folder: Path, unusable: Mapping[str, str], step: int, file: str = LEFT_OUT
) -> None:
    """Have a run leave out for good, after a step, the tracks that cannot be used as it begins."""
    reasons = read_left_out(folder, file)
    fresh = {
        name: Reason(step, message)
        for name, message in unusable.items()
        if name not in reasons or reasons[name].step > step
    }
    if fresh:
        write_left_out(folder, {**reasons, **fresh}, file)


def as_begun(folder: Path, begun: Mapping[str, Mapping[str, str]], now: Tracks) -> Tracks:
    """The tracks of a run that goes on: those that it began with, but for damaged ones.

    Args:
        folder: of the run.
        begun: what `describe` said when it began.
        now: all that are there.

    Raises:
        UsageError: tracks that nobody knows to be damaged are gone, new or changed.
    """
    excused = {*read_left_out(folder), *read_left_out(folder, UNSCORED), *now.unusable}
    is_one_set = any("/" not in name for name in begun["train"])
    bare = set() if is_one_set else {name for name in excused if "/" not in name}  # as of before
    before = {name: facts for part in begun.values() for name, facts in part.items()}
    there = {name: track for track, name in now.names.items()}
    facts = {name: _facts(track) for name, track in there.items()}
    changes = [
        f"“{name}” {_change(before.get(name), facts.get(name))}"
        for name in dict.fromkeys((*before, *facts))
        if before.get(name) != facts.get(name)
        and name not in excused
        and name.rpartition("/")[2] not in bare
    ]
    if changes:
        shown = "\n".join(f"  {change}" for change in changes[:MOST_NAMED])
        more = f"\n  … and {len(changes) - MOST_NAMED} more" if changes[MOST_NAMED:] else ""
        raise UsageError(
            f"{folder} holds a run that began with other tracks; restore them, or take another "
            f"folder:\n{shown}{more}"
        )
    train, held_out = (
        [there[name] for name in begun[part] if facts.get(name) == before[name]]
        for part in ("train", "validation")
    )
    return replace(now, train=train, held_out=held_out)


def _change(before: str | None, now: str | None) -> str:
    if before is None:
        return "is new"
    return "is gone" if now is None else f"had {before}, and has {now}"


def judge(
    model: nn.Module,
    tracks: Sequence[Track],
    recipe: Recipe,
    *,
    normalised: bool,
    on_error: OnError | None = None,
) -> float:
    """Return what the recipe's validation measures on held-out tracks.

    uSDR is joined as studies join it: the mean over sources of the mean over tracks. The loss is
    the mean over tracks.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: held out.
        recipe: its metric and its loss.
        normalised: whether the model is trained on normalised tracks.
        on_error: is told of a track that cannot be read, which is then left out; None raises.

    Returns:
        NaN where no track has a value.

    Raises:
        DataError: a track that cannot be read, without on_error.
        DivergedError: an estimate, or the loss, that is not finite.
    """
    assert isinstance(model, Separator)
    assert recipe.validation is not None
    if recipe.validation.metric == "loss":
        losses = []
        for track in tracks:
            try:
                losses.append(_loss(model, track, recipe, normalised=normalised))
            except DataError as error:
                if on_error is None:
                    raise
                on_error(error)
        return sum(losses) / len(losses) if losses else float("nan")
    convention = Convention(normalised=normalised)
    scored = evaluate_tracks(model, tracks, convention, on_error=on_error)
    scores = [score for of_track in map(attrgetter("scores"), scored) for score in of_track]
    frame = pd.DataFrame(scores, columns=list(Score._fields)).assign(seed=0)
    return Quality(METRICS[USUAL]).of(frame)


def _loss(model: Separator, track: Track, recipe: Recipe, *, normalised: bool) -> float:
    """The loss of a whole track, as Demucs's training measures it, but for one thing.

    Chunks are as long as what is trained on and share nothing; a normalised track stays in its
    units. Demucs begins at a random shift; here equal weights have equal losses.

    Raises:
        DivergedError: it is not finite.

    Source: shared/systems/base.md, section 7.
    """
    spec = model.spec
    mixture = torch.from_numpy(track.read_mixture())
    mean, deviation = statistics([mixture]) if normalised else (0.0, 1.0)
    mixture = (mixture - mean) / deviation
    chunking = Chunking(round(recipe.model_segment * spec.sample_rate), overlap=0)
    estimates = separate_mixture(model, mixture, normalised=False, chunking=chunking)
    level = float(mixture.square().mean())
    shares = Loss(recipe.loss, spec.sources, recipe.source_weights).weights
    total = 0.0
    for source, share, estimate in zip(spec.sources, shares, estimates, strict=True):
        reference = (torch.from_numpy(track.read_sources([source])) - mean) / deviation
        loss = Loss(recipe.loss, [source])  # one at a time: spectra of a whole track are large
        total += float(share * loss(estimate[None, None], reference[None], level))
    if not torch.isfinite(torch.tensor(total)):
        raise DivergedError(
            f"the validation loss of “{track.name}” is {total}; the model's weights diverged"
        )
    return total
