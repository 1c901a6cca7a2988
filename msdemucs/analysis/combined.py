"""Several studies as one record, so that one report shows them on shared axes."""

from collections.abc import Mapping, Sequence

import pandas as pd

from msdemucs.analysis.trials import named_by_choices
from msdemucs.errors import UsageError
from msdemucs.study.records import STUDY_COLUMN, Direction, StudyRecord

MUST_MATCH = ("data", "recipe")
"""What studies must have in common for their scores to compare."""


def combine(records: Sequence[StudyRecord]) -> StudyRecord:
    """One record of all trials, numbered anew, each named by its study and by what it is there.

    Objectives that not all studies have are dropped.

    Args:
        records: two or more, of different names.

    Raises:
        UsageError: a name twice, no objective in common, or scores of different splits.
    """
    names = [record.name for record in records]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"study “{twice[0]}” is given twice; a report compares different studies")
    _check_splits(records)
    offsets = _offsets(records)
    return StudyRecord(
        name="-".join(names),
        title=" and ".join(record.title for record in records),
        directions=_shared_directions(records),
        attrs=_attrs(records),
        trials=_stacked([_trials(r, offset) for r, offset in zip(records, offsets, strict=True)]),
        scores=_stacked([_moved(r.scores, o) for r, o in zip(records, offsets, strict=True)]),
        curves=_stacked([_moved(r.curves, o) for r, o in zip(records, offsets, strict=True)]),
        rungs=_stacked([_moved(r.rungs, o) for r, o in zip(records, offsets, strict=True)]),
        rung_scores=_stacked(
            [_moved(r.rung_scores, o) for r, o in zip(records, offsets, strict=True)]
        ),
        floors=_stacked([r.floors for r in records]).drop_duplicates(),
        later=_stacked([_later(r, o) for r, o in zip(records, offsets, strict=True)]),
    )


def _offsets(records: Sequence[StudyRecord]) -> list[int]:
    """What is added to each study's trial numbers."""
    offsets, next_free = [], 0
    for record in records:
        offsets.append(next_free)
        next_free += int(record.trials["trial"].max()) + 1 if len(record.trials) else 0
    return offsets


def _trials(record: StudyRecord, offset: int) -> pd.DataFrame:
    trials = _moved(named_by_choices(record).trials, offset)
    named = [f"{record.name}: {name}" for name in trials["name"]]
    return trials.assign(name=named, **{STUDY_COLUMN: record.name})


def _later(record: StudyRecord, offset: int) -> pd.DataFrame:
    """A study's later rows; those of its base are of no trial, and stay so."""
    later = record.later
    numbers = later["trial"].where(later["trial"] < 0, later["trial"] + offset)
    return later.assign(trial=numbers, **{STUDY_COLUMN: record.name})


def _moved(frame: pd.DataFrame, offset: int) -> pd.DataFrame:
    return frame.assign(trial=frame["trial"] + offset) if len(frame) else frame


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The frames below each other; empty ones would spoil the others' types."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


def _shared_directions(records: Sequence[StudyRecord]) -> dict[str, Direction]:
    shared = {
        column: direction
        for column, direction in records[0].directions.items()
        if all(record.directions.get(column) == direction for record in records)
    }
    if not shared:
        named = "; ".join(f"{r.name}: {', '.join(r.directions) or 'none'}" for r in records)
        raise UsageError(f"the studies have no objective in common ({named})")
    return shared


def _check_splits(records: Sequence[StudyRecord]) -> None:
    """Raise UsageError for studies that selected on different splits.

    Raises:
        UsageError: some did on test tracks, some not: their scores are of other tracks.
    """
    scored = [record for record in records if len(record.scores)]
    if len({record.split for record in scored}) > 1:
        named = "; ".join(f"{record.name}: {record.split} tracks" for record in scored)
        raise UsageError(f"the studies did not select on the same split ({named})")


def _attrs(records: Sequence[StudyRecord]) -> Mapping[str, object]:
    """What is the same for all, and each study's own part under its name."""
    common = {
        key: value
        for key, value in records[0].attrs.items()
        if key not in ("ablation", "noise") and all(r.attrs.get(key) == value for r in records)
    }
    unlike = [
        key for key in MUST_MATCH if key not in common and any(key in r.attrs for r in records)
    ]
    parts = {
        f"study {record.name}": {k: v for k, v in record.attrs.items() if k not in common}
        for record in records
    }
    compared = {"studies": [record.name for record in records], "unlike": unlike}
    return {**common, "compared": compared, **parts}
