"""How trials keep scores in a study's database, and how those of older studies are read.

Optuna's attributes hold JSON. A table is `{"columns": [...], "rows": [[...], ...]}`. Studies of
before knew one metric and scored on test tracks: their rows are lists of OLD_COLUMNS, perhaps
without the last.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from msdemucs.metrics import USUAL
from msdemucs.study.records import (
    FLOOR_COLUMNS,
    RUNG_COLUMNS,
    RUNG_SCORE_COLUMNS,
    SCORE_COLUMNS,
)

SCORES, FLOORS, RUNGS, RUNG_SCORES = "scores", "floors", "rungs", "rung_scores"
"""The attributes of a trial."""

RUNG = "rung:"
"""The attribute "rung:400" holds, for each quality, a trial's score after 400 steps, the mean over
its seeds."""

OLD_COLUMNS = ("group", "track", "source", "value", "floor", "seed")
OLD = {"metric": USUAL, "split": "test"}
"""What is to be said of rows in the old form."""

Attrs = Mapping[str, Any]


def as_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Return rows as an attribute holds them; null for NaN."""
    return {"columns": list(columns), "rows": [[_plain(value) for value in row] for row in rows]}


def frame_in(attrs: Attrs, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return one table of a trial's attributes; empty where it has none."""
    return _frame(_rows(attrs, name, columns), columns)


def scores_frame(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return the scores of trials as `StudyRecord.scores`."""
    return _together(trials, SCORES, SCORE_COLUMNS)


def rung_scores_frame(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return the scores of stopped trials as `StudyRecord.rung_scores`."""
    return _together(trials, RUNG_SCORES, RUNG_SCORE_COLUMNS)


def floors_frame(trials: Sequence[FrozenTrial], later: Iterable[Attrs] = ()) -> pd.DataFrame:
    """Return what the mixture scores as `StudyRecord.floors`, as the first trial has it.

    Args:
        trials: of the study.
        later: details of what was scored after they had ended.
    """
    kept = [*(trial.user_attrs for trial in trials), *(one for one in later if FLOORS in one)]
    rows = [row for attrs in kept for row in _rows(attrs, FLOORS, FLOOR_COLUMNS)]
    keys = [name for name in FLOOR_COLUMNS if name != "value"]
    return _frame(rows, FLOOR_COLUMNS).drop_duplicates(keys, ignore_index=True)


def rungs_frame(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return the scores at rungs as `StudyRecord.rungs`."""
    rows = [
        [trial.number, *(row if len(row) > 3 else (*row[:2], USUAL, row[2]))]
        for trial in trials
        for row in trial.user_attrs.get(RUNGS, ())
    ]
    return _frame(rows, RUNG_COLUMNS)


def at_rung(attrs: Attrs, step: int) -> Mapping[str, float]:
    """Return quality → score of a trial at a rung; none where it did not come to it."""
    scores = attrs.get(f"{RUNG}{step}", {})
    return scores if isinstance(scores, Mapping) else {USUAL: float(scores)}


def _together(trials: Sequence[FrozenTrial], name: str, columns: Sequence[str]) -> pd.DataFrame:
    rows = [
        [trial.number, *row]
        for trial in trials
        for row in _rows(trial.user_attrs, name, columns[1:])
    ]
    return _frame(rows, columns)


def _rows(attrs: Attrs, name: str, columns: Sequence[str]) -> Iterator[Sequence[object]]:
    """The rows of one table, each in the order of some columns."""
    if name == FLOORS and FLOORS not in attrs and isinstance(attrs.get(SCORES), list):
        for row in _old_rows(attrs, SCORES):
            yield [{**row, "value": row.get("floor")}.get(column) for column in columns]
        return
    kept = attrs.get(name, ())
    if not isinstance(kept, Mapping):
        for row in _old_rows(attrs, name):
            yield [row.get(column) for column in columns]
        return
    if kept["columns"] == list(columns):
        yield from kept["rows"]
        return
    for values in kept["rows"]:
        named = dict(zip(kept["columns"], values, strict=True))
        yield [named.get(column) for column in columns]


def _old_rows(attrs: Attrs, name: str) -> Iterator[dict[str, object]]:
    """Rows in the old form, by their columns."""
    columns = (*(("step",) if name == RUNG_SCORES else ()), *OLD_COLUMNS)
    for row in attrs.get(name, ()):
        yield {"seed": attrs.get("seed"), **OLD, **dict(zip(columns, row, strict=False))}


def _frame(
    rows: Sequence[Sequence[object]] | Iterator[Sequence[object]], columns: Sequence[str]
) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(columns))
    for name in {"seed", "value"} & {*columns}:
        frame[name] = pd.to_numeric(frame[name])
    return frame


def _plain(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
