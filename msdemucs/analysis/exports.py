"""A study as one tidy table, and written for other tools: CSV, Parquet, or all of it as JSON."""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from msdemucs.errors import UsageError
from msdemucs.files import cause_of, whole
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.study.records import StudyRecord

Format = Literal["csv", "parquet", "json"]
TABLES = ("trials", "scores", "floors", "rungs", "rung_scores", "curves", "later")

OF_SOURCE = "."
"""Between a metric and a source in the columns that each has: "si_sdr_db.drums", over tracks."""

FLATTENED = ("params", "arm", "violations")
"""Mappings of a trial that become columns: "params.channels.start", "arm.fusion"."""

LEFT_OUT = ("spec", "recipe", "differences", "versions", "left_out", "trained_without", "unscored")
"""What of a trial is too deep for a table; `export --format json` has it."""


def frame(study: StudyRecord | str, *, storage: str | None = None) -> pd.DataFrame:
    """A study's trials, one row a trial and seed.

    Args:
        study: a record, or what `load_study` takes.
        storage: URL of the database, for a study by name.

    Returns:
        `study`, the plain columns of StudyRecord.trials, of which `seed` and qualities are the
        row's own; `METRIC.SOURCE`, `params.FIELD`, `arm.FACTOR` and `violations.CONSTRAINT` for
        whatever the study has. A trial without scores has one row.

    Raises:
        UsageError: there is no such study or database.
        StudyError: the database cannot be opened.
    """
    if isinstance(study, str):
        from msdemucs.study.storage.load import load_study  # loads Optuna

        study = load_study(study, storage=storage)
    rows = [row for _, trial in study.trials.iterrows() for row in _rows(study, trial)]
    columns = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame(rows, columns=list(columns))


def _rows(record: StudyRecord, trial: "pd.Series[Any]") -> list[dict[str, Any]]:
    """A trial's rows, one a seed."""
    plain = {"study": record.name}
    plain |= {str(name): trial[name] for name in trial.index if name not in (*FLATTENED, *LEFT_OUT)}
    for section in FLATTENED:
        plain |= {f"{section}.{name}": value for name, value in trial[section].items()}
    own = record.scores[record.scores.trial == trial.trial]
    if own.empty:
        return [plain]
    qualities = record.qualities.values()
    return [
        {**plain, "seed": seed, **_scores(scores, qualities)}
        for seed, scores in own.groupby("seed", dropna=False)
    ]


def _scores(scores: pd.DataFrame, qualities: Collection[Quality]) -> Mapping[str, float]:
    """The wide form of one training's long scores: qualities, and each source's by every metric."""
    of_groups = [Quality(METRICS[USUAL], group=group) for group in scores["group"].unique()]
    of_sources = {
        f"{metric}{OF_SOURCE}{source}": Quality(METRICS[metric], source=source)
        for metric in scores["metric"].unique()
        if metric in METRICS
        for source in scores["source"].unique()
    }
    named = {**{str(quality): quality for quality in (*qualities, *of_groups)}, **of_sources}
    return {name: quality.of(scores) for name, quality in named.items()}


def table_of(record: StudyRecord, table: str) -> pd.DataFrame:
    """One table of a study: `trials` as `frame` gives it, the others as the record has them.

    Raises:
        UsageError: there is no such table.
    """
    if table not in TABLES:
        raise UsageError(f"there is no table “{table}”; a study has {', '.join(TABLES)}")
    data = frame(record) if table == "trials" else getattr(record, table).copy()
    for name in data.columns:
        if pd.api.types.is_object_dtype(data[name]):
            kinds = {type(cell) for cell in data[name].dropna()}
            if len(kinds) > 1 or kinds & {dict, list}:  # choices may be of several types
                data[name] = data[name].map(_cell)
    return data


def export(record: StudyRecord, path: Path, *, kind: Format, table: str = "trials") -> None:
    """Write a study to a file, whole or not at all.

    Args:
        record: the study.
        path: the file; replaced where it is there.
        kind: csv and parquet hold one table, json the whole record with every spec.
        table: for csv and parquet, one of TABLES.

    Raises:
        UsageError: there is no such table, or the file cannot be written.
    """
    try:
        with whole(path) as unfinished:
            if kind == "json":
                unfinished.write_text(as_json(record), encoding="utf-8")
            elif kind == "csv":
                table_of(record, table).to_csv(unfinished, index=False)
            else:
                table_of(record, table).to_parquet(unfinished, index=False)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {cause_of(error)}") from None


def as_json(record: StudyRecord) -> str:
    """The whole record as JSON, frames as lists of rows; what is not known is null."""
    frames = {name: plain_rows(getattr(record, name)) for name in TABLES}
    about = {"study": record.name, "title": record.title, "objectives": dict(record.directions)}
    whole = {**about, "attrs": _plain(record.attrs), **frames}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows as JSON holds them; what is not known is null."""
    rows = table.astype(object).to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """The value with null for every NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cell(value: Any) -> Any:
    """One cell as text: JSON for what is no text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
