"""A study as one tidy table: a row a trial and seed, every nested field a column of its own."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.study.records import StudyRecord

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
