"""A study as one tidy table: a row a trial and seed, every nested field a column of its own."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from msdemucs.study.records import GROUP_COLUMN_PREFIX, StudyRecord

SOURCE_COLUMN_PREFIX = "usdr_db."
"""One column a source: "usdr_db.drums", dB, the mean over test tracks."""

FLATTENED = ("params", "arm", "violations")
"""Mappings of a trial that become columns: "params.channels.start", "arm.fusion"."""

LEFT_OUT = ("spec", "recipe", "differences", "versions", "left_out", "trained_without")
"""What of a trial is too deep for a table; `export --format json` has it."""


def frame(study: StudyRecord | str, *, storage: str | None = None) -> pd.DataFrame:
    """A study's trials, one row a trial and seed.

    Args:
        study: a record, or what `load_study` takes.
        storage: URL of the database, for a study by name.

    Returns:
        `study`, the plain columns of StudyRecord.trials, of which `seed`, `usdr_db` and those of
        groups are the row's own; `usdr_db.SOURCE`, `params.FIELD`, `arm.FACTOR` and
        `violations.CONSTRAINT` for whatever the study has. A trial without scores has one row.

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
    return [{**plain, "seed": seed, **_scores(scores)} for seed, scores in own.groupby("seed")]


def _scores(scores: pd.DataFrame) -> Mapping[str, float]:
    """Means over tracks by source, of all groups and of each, then over sources."""
    by_source = scores.groupby("source", sort=False).usdr_db.mean()
    found = {"usdr_db": float(by_source.mean())}
    for group, own in scores.groupby("group"):
        mean = own.groupby("source").usdr_db.mean().mean()
        found[f"{GROUP_COLUMN_PREFIX}{group}"] = float(mean)
    return found | {f"{SOURCE_COLUMN_PREFIX}{name}": float(v) for name, v in by_source.items()}
