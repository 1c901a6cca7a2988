"""Tracks separated and scored under named conventions: tables that can be saved and compared."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from msdemucs.data.tracks import Track
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.conventions import Convention
from msdemucs.evaluate.scoring import Separated, scored, separated
from msdemucs.evaluate.separation import LESS_MEMORY
from msdemucs.files import LOCK, cause_of, sole_user
from msdemucs.measure.inference import memory_explained
from msdemucs.metrics import METRICS
from msdemucs.model import Separator
from msdemucs.outside import within

ABOUT, TRACKS, FRAME_TABLE = "about.json", "tracks", "frames"
TABLES = tuple(f"{name}.{kind}" for name in (TRACKS, FRAME_TABLE) for kind in ("parquet", "csv"))
SAVED = (*TABLES, "museval", ABOUT)
"""What an evaluation leaves in its folder."""

MUSEVAL = {kind: f"{kind.lower()}_bsseval_db" for kind in ("SDR", "ISR", "SIR", "SAR")}
"""The columns of what museval's JSON holds."""
EXCERPTS = "excerpts"
"""Likewise, of pictures and players."""

UNFINISHED = ".partial"
"""Likewise, while it is saved."""

STATISTICS = ("mean", "median", "std", "count")
"""Over the values that are there; the count says how many: silent stems have no score."""

SAME = ("version", "weights_digest", "spec_hash", "sources", "convention", "data", "split")
"""What about.json must say alike for an evaluation to go on where another stopped."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on tracks.

    Attributes:
        about: the convention, what was evaluated, the tracks that were left out and why, whether
            all others were scored, and whatever the caller adds.
        tracks: a row a track and source: group, track, source, the scores, seconds.
        frames: a row a track, source, metric and frame, where a metric has frames: its number, the
            seconds at which it starts, its scores.
    """

    about: dict[str, Any]
    tracks: pd.DataFrame
    frames: pd.DataFrame = field(default_factory=pd.DataFrame)

    def summary(self) -> pd.DataFrame:
        """A row a source, and "all": statistics over tracks, and over frames, by their names.

        `si_sdr_db.mean` is a mean over tracks; `csdr_db.median` the median over tracks of the
        medians over frames (museval's); `….frames_mean`, `….frames_median` and `….frames_std` are
        over all frames of all tracks. "all" takes the mean over sources of every track first.
        """
        rows = [_statistics(source, *self._of(source)) for source in self._sources()]
        if len(rows) > 1:
            names = scores_in(self.tracks)
            over = self.tracks.groupby(["group", "track"], sort=False)[names].mean()
            keys = ["group", "track", "metric", "frame"]
            by_frame = pd.DataFrame()
            if len(self.frames):
                by_frame = self.frames.groupby(keys, sort=False)[scores_in(self.frames)].mean()
            rows.append(_statistics("all", over, by_frame))
        return pd.DataFrame(rows).set_index("source")

    def scored(self) -> set[tuple[str, str]]:
        """Return group and name of the tracks that have rows."""
        return {(str(row.group), str(row.track)) for row in self.tracks.itertuples()}

    def without(self, names: Sequence[str]) -> "Evaluation":
        """Return it without the rows of some tracks."""
        tables = (
            table[~table.track.isin(names)] if len(table) else table
            for table in (self.tracks, self.frames)
        )
        return Evaluation(self.about, *tables)

    def _sources(self) -> list[str]:
        return list(dict.fromkeys(self.tracks.source))

    def _of(self, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        frames = self.frames[self.frames.source == source] if len(self.frames) else self.frames
        return self.tracks[self.tracks.source == source], frames

    def save(self, folder: Path) -> None:
        """Write about.json, and both tables as parquet and CSV.

        Of a finished one with BSSEval, museval's JSON too. An evaluation that is there already is
        replaced; see `reserved`.

        Raises:
            DataError: it cannot be written.
        """
        draft = folder / UNFINISHED
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            self._write(draft)
            for name in reversed(SAVED):
                _remove(folder / name)
            for name in SAVED:  # about.json, which tells that all are there, comes last
                if (draft / name).exists():
                    (draft / name).rename(folder / name)
            draft.rmdir()
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise DataError(f"cannot be written: {cause_of(error)}", path=folder) from None

    def _write(self, folder: Path) -> None:
        for name, table in ((TRACKS, self.tracks), (FRAME_TABLE, self.frames)):
            if len(table):
                table.to_parquet(folder / f"{name}.parquet", index=False)
                table.to_csv(folder / f"{name}.csv", index=False)
        for path, text in self.museval_json() if self.about.get("finished", True) else ():
            (folder / "museval" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "museval" / path).write_text(text, encoding="utf-8")
        (folder / ABOUT).write_text(json.dumps(self.about, indent=1), encoding="utf-8")

    def museval_json(self) -> Iterator[tuple[Path, str]]:
        """Museval's own files: split/TRACK.json and its text."""
        if not set(MUSEVAL.values()) <= set(self.frames):
            return
        from museval import TrackStore

        window = float(self.about["convention"]["window"])
        frames = self.frames[self.frames.metric == "bsseval"]
        names = frames[["group", "track"]].drop_duplicates().track.tolist()
        for (group, track), own in frames.groupby(["group", "track"], sort=False):
            store = TrackStore(str(track), win=window, hop=window)
            for source, rows in own.groupby("source", sort=False):
                values = {key: rows[column].tolist() for key, column in MUSEVAL.items()}
                store.add_target(str(source), values)
            name = str(track) if names.count(track) == 1 else f"{group} - {track}"
            yield within(Path("test"), name, ".json"), store.json


def _remove(path: Path) -> None:
    """A file or a folder that may not be there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keeps a folder, which is made, for the evaluation that is saved in it.

    Raises:
        DataError: it cannot be written.
        UsageError: it holds something else, or another process evaluates into it.
    """
    is_ours = (folder / ABOUT).is_file() or not folder.exists()
    if not is_ours and folder.is_dir():  # empty, or left by a process that was killed
        is_ours = {path.name for path in folder.iterdir()} <= {*SAVED, EXCERPTS, UNFINISHED, LOCK}
    if not is_ours:
        raise UsageError(f"{folder} is there already and holds no evaluation")
    with sole_user(folder, "an evaluation"):
        yield


def load_evaluation(folder: Path) -> Evaluation:
    """An evaluation that was saved.

    Raises:
        DataError: it is damaged.
        UsageError: the folder holds none.
    """
    if not (folder / ABOUT).is_file():
        raise UsageError(f"{folder} holds no evaluation: there is no {ABOUT}")
    frames = folder / f"{FRAME_TABLE}.parquet"
    try:
        return Evaluation(
            json.loads((folder / ABOUT).read_text(encoding="utf-8")),
            pd.read_parquet(folder / f"{TRACKS}.parquet"),
            pd.read_parquet(frames) if frames.is_file() else pd.DataFrame(),
        )
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        message = f"the evaluation is damaged: {str(error).splitlines()[0]}; make it again"
        raise DataError(message, path=folder) from None


def begun(folder: Path | None, about: dict[str, Any]) -> Evaluation:
    """Return what a folder holds of an evaluation; no rows, where it holds none or another one.

    Args:
        folder: as for `Evaluation.save`; None holds nothing.
        about: of the evaluation that is to be made, with all of SAME; with `tracks` (GROUP/NAME →
            what its files are known by) the rows of other tracks, and of changed ones, are dropped.
    """
    about = json.loads(json.dumps(about))
    with suppress(DataError, UsageError):
        saved = load_evaluation(folder) if folder else Evaluation({}, pd.DataFrame())
        if all(saved.about.get(key) == about[key] for key in SAME):
            before, now = saved.about.get("tracks", {}), about.get("tracks", {})
            changed = {name for name in {**before, **now} if before.get(name) != now.get(name)}
            tables = (_without(table, changed) for table in (saved.tracks, saved.frames))
            return Evaluation(about, *tables)
    return Evaluation(about, pd.DataFrame())


def _without(table: pd.DataFrame, tracks: set[str]) -> pd.DataFrame:
    """A table without the rows of some tracks, each GROUP/NAME."""
    return table[~(table.group + "/" + table.track).isin(tracks)] if len(table) else table


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Listener:
    """Who is told.

    Attributes:
        on_track: of each track that is done, with its rows.
        on_error: of each track that cannot be used, which is then left out; None raises.
        on_scored: of all that was scored so far, after each track.
        on_separated: of each track's estimates, after that, before they are forgotten.
        say: of what else a user should know.
    """

    on_track: Callable[[Track, list[dict[str, object]]], None] = _nothing
    on_error: Callable[[DataError], None] | None = None
    on_scored: Callable[[Evaluation], None] = _nothing
    on_separated: Callable[[Separated], None] = _nothing
    say: Callable[[str], None] = _nothing


def evaluate(
    model: Separator,
    tracks: Iterable[Track],
    convention: Convention | None = None,
    *,
    batch_size: int = 1,
    listener: Listener | None = None,
    before: Evaluation | None = None,
) -> Evaluation:
    """Separate every track and score every source of the model's spec.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: of the spec's sample rate and channels, with its sources; the audio of one is held
            at a time.
        convention: None scores uSDR over chunks of the spec's segment.
        batch_size: chunks at a time.
        listener: who is told.
        before: what was scored before, under the same convention; its tracks are not separated
            again, what it says of itself is kept, and left_out grows.

    Raises:
        DataError: a track that cannot be read or held in memory, without on_error; or none that
            can.
        MsdemucsError: an estimate that is not finite.
        UsageError: two tracks of one name in one data set.
    """
    convention = convention or Convention()
    listener = listener or Listener()
    tracks = list(tracks)
    _check_distinct(tracks)
    before = before or Evaluation({}, pd.DataFrame())
    about = {**before.about, "convention": asdict(convention), "sources": list(model.spec.sources)}
    left_out = about["left_out"] = [*about.get("left_out", ())]
    rows, frames = _rows(before.tracks), _rows(before.frames)
    done = before.scored()

    def so_far(*, finished: bool) -> Evaluation:
        # as JSON has it, so that what was saved and loaded compares equal
        told = json.loads(json.dumps({**about, "finished": finished}))
        return Evaluation(told, pd.DataFrame(rows), pd.DataFrame(frames))

    for track in tracks:
        if (track.group, track.name) in done:
            continue
        short = partial(DataError, path=track.recording.path, track=track.name)
        try:
            with memory_explained(LESS_MEMORY, short):
                estimates = separated(model, track, convention, batch_size)
                of_track, of_frames = scored(estimates, convention, listener.say)
        except DataError as error:
            if listener.on_error is None:
                raise
            listener.on_error(error)
            left_out.append({"group": track.group, "track": track.name, "reason": str(error)})
            continue
        rows += of_track
        frames += of_frames
        listener.on_scored(so_far(finished=False))
        listener.on_separated(estimates)
        listener.on_track(track, of_track)
    if not rows:
        raise DataError("no track could be evaluated")
    return so_far(finished=True)


def _rows(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _check_distinct(tracks: Iterable[Track]) -> None:
    """Refuse tracks that tables could not tell apart.

    Raises:
        UsageError: two of one name in one data set.
    """
    seen: set[tuple[str, str]] = set()
    for track in tracks:
        if (track.group, track.name) in seen:
            raise UsageError(f"“{track.name}” of {track.group} is given twice")
        seen.add((track.group, track.name))


def scores_in(table: pd.DataFrame) -> list[str]:
    """The columns that hold scores."""
    return [str(name) for name in table if name in METRICS]


def _statistics(source: str, tracks: pd.DataFrame, frames: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"source": source, "tracks": len(tracks)}
    for name in scores_in(tracks):
        values = tracks[name].replace([np.inf, -np.inf], np.nan)
        row |= {f"{name}.{kind}": getattr(values, kind)() for kind in STATISTICS}
        if name in frames:
            own = frames[name].replace([np.inf, -np.inf], np.nan)
            row |= {f"{name}.frames_{kind}": getattr(own, kind)() for kind in STATISTICS}
    return row
