"""Evaluations in folders: saved whole, kept to one process, read again, gone on with."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd

from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.evaluation import Evaluation
from msdemucs.files import cause_of, sole_user, whole_folder, within

ABOUT, TRACKS, FRAME_TABLE = "about.json", "tracks", "frames"
TABLES = tuple(f"{name}.{kind}" for name in (TRACKS, FRAME_TABLE) for kind in ("parquet", "csv"))
SAVED = (*TABLES, "museval", ABOUT)
"""What an evaluation leaves in its folder."""

EXCERPTS = "excerpts"
"""Likewise, of pictures and players."""

FILES = "files"
"""In about.json: which of SAVED lie beside it."""

NEXT = ".next"
"""A whole evaluation, in the folder of the one whose place it takes.

A process that was killed while it moved the files leaves it; readers read it, and the next save
goes on."""

UNFINISHED = ".partial"
"""What earlier versions left where they were killed."""

MUSEVAL = {kind: f"{kind.lower()}_bsseval_db" for kind in ("SDR", "ISR", "SIR", "SAR")}
"""The columns of what museval's JSON holds."""

SAME = ("version", "weights_digest", "spec_hash", "sources", "convention", "data", "split")
"""What about.json must say alike for an evaluation to go on where another stopped."""


def save(evaluation: Evaluation, folder: Path) -> None:
    """Write about.json, and both tables as parquet and CSV.

    Of a finished one with BSSEval, museval's JSON too. An evaluation that is there already is
    replaced as a whole, whenever the process is killed; see `reserved`.

    Raises:
        DataError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _settle(folder)
        with whole_folder(folder / NEXT) as draft:
            _write(evaluation, draft)
        _settle(folder)
    except OSError as error:
        raise DataError(f"cannot be written: {cause_of(error)}", path=folder) from None


def _write(evaluation: Evaluation, folder: Path) -> None:
    for name, table in ((TRACKS, evaluation.tracks), (FRAME_TABLE, evaluation.frames)):
        if len(table):
            table.to_parquet(folder / f"{name}.parquet", index=False)
            table.to_csv(folder / f"{name}.csv", index=False)
    for path, text in _museval_json(evaluation) if evaluation.about.get("finished", True) else ():
        (folder / "museval" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "museval" / path).write_text(text, encoding="utf-8")
    files = sorted(path.name for path in folder.iterdir())
    about = {**evaluation.about, FILES: files}
    (folder / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")


def _museval_json(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Museval's own files: split/TRACK.json and its text."""
    if not set(MUSEVAL.values()) <= set(evaluation.frames):
        return
    from museval import TrackStore

    window = float(evaluation.about["convention"]["window"])
    frames = evaluation.frames[evaluation.frames.metric == "bsseval"]
    names = frames[["group", "track"]].drop_duplicates().track.tolist()
    for (group, track), of_track in frames.groupby(["group", "track"], sort=False):
        store = TrackStore(str(track), win=window, hop=window)
        for source, rows in of_track.groupby("source", sort=False):
            values = {key: rows[column].tolist() for key, column in MUSEVAL.items()}
            store.add_target(str(source), values)
        name = str(track) if names.count(track) == 1 else f"{group} - {track}"
        yield within(Path("test"), name, ".json"), store.json


def _settle(folder: Path) -> None:
    """Give the files of a folder's NEXT their places, in place of all that was saved before.

    Raises:
        OSError: they cannot be moved.
    """
    draft = folder / NEXT
    for killed in folder.glob(f".{NEXT}.*"):
        shutil.rmtree(killed, ignore_errors=True)
    if (draft / ABOUT).is_file():  # which comes last
        files = json.loads((draft / ABOUT).read_text(encoding="utf-8"))[FILES]
        for name in (*SAVED[:-1], UNFINISHED):
            is_moved = name in files and not (draft / name).exists()
            if not is_moved:
                _remove(folder / name)
            if (draft / name).exists():
                (draft / name).rename(folder / name)
        (draft / ABOUT).replace(folder / ABOUT)
    shutil.rmtree(draft, ignore_errors=True)


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
        shown = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        is_ours = shown <= {*SAVED, EXCERPTS}
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
    about = _saved(folder, ABOUT)
    if not about.is_file():
        raise UsageError(f"{folder} holds no evaluation: there is no {ABOUT}")
    frames = _saved(folder, f"{FRAME_TABLE}.parquet")
    try:
        read = json.loads(about.read_text(encoding="utf-8"))
        has_frames = frames.name in read.pop(FILES, [frames.name]) and frames.is_file()
        return Evaluation(
            read,
            pd.read_parquet(_saved(folder, f"{TRACKS}.parquet")),
            pd.read_parquet(frames) if has_frames else pd.DataFrame(),
        )
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        message = f"the evaluation is damaged: {str(error).splitlines()[0]}; make it again"
        raise DataError(message, path=folder) from None


def _saved(folder: Path, name: str) -> Path:
    """Where a file lies: in NEXT where a process was killed before it was moved."""
    drafted = folder / NEXT / name
    return drafted if (folder / NEXT / ABOUT).is_file() and drafted.exists() else folder / name


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
