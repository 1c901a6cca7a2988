"""Tables of trials: as they ended, and with what was computed afterwards."""

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import out
from msdemucs.cli.fitting import fitted
from msdemucs.columns import COLUMNS, FORMATS, MOST_BUSY, TIMED
from msdemucs.metrics import USUAL
from msdemucs.metrics.unscored import describe_unscored
from msdemucs.units import format_count, format_db

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.records import StudyRecord

SHOWN = ("macs_per_second", "parameters", "latency_ms_p50", "seconds")
"""Columns that the tables show beside objectives and qualities."""


LEAST_NEEDED = ("seconds", "latency_ms_p50", "parameters")
"""Columns that a narrow terminal goes without, unless they are objectives."""


def trial_table(record: "StudyRecord", trials: "pd.DataFrame") -> Table:
    """One row a trial, named by what it is, objectives first."""
    from msdemucs.analysis.trials import named_by_choices

    named = named_by_choices(record).trials
    names = dict(zip(named["trial"], named["name"], strict=True))
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name", "state"):
        table.add_column(column)
    shown = list(dict.fromkeys([*record.directions, USUAL, *SHOWN, *record.qualities]))
    for column in shown:
        table.add_column(_heading(record, column), justify="right")
    for _, trial in trials.iterrows():
        figures = [_figure(record, column, trial) for column in shown]
        is_copy = isinstance(trial.duplicate_of, str)
        state = f"{trial.state}, as {trial.duplicate_of}" if is_copy else trial.state
        table.add_row(str(trial.trial), escape(names[trial.trial]), state, *figures)
    qualities = [name for name in record.qualities if name != USUAL]
    least_needed = [name for name in (*qualities, *LEAST_NEEDED) if name not in record.directions]
    optional = [_heading(record, column) for column in least_needed]
    return fitted(table, out, optional=optional, wrapping=["name"])


def _heading(record: "StudyRecord", column: str) -> str:
    if column in record.qualities:
        return record.qualities[column].heading
    return COLUMNS[column].short or COLUMNS[column].heading if column in COLUMNS else column


def _figure(record: "StudyRecord", column: str, trial: "pd.Series[Any]") -> str:
    """A trial's figure with its unit; "–" where it was not measured, "busy" for a time of load."""
    value = trial[column]
    if column in TIMED and trial.get("latency_busy", 0) > MOST_BUSY:
        return "busy" if value != value else f"{COLUMNS[column].text(value)}, busy"
    if value != value:
        return "–"
    if column in record.qualities:
        return FORMATS[record.qualities[column].unit](value)
    return COLUMNS[column].text(value) if column in COLUMNS else f"{value:.4g}"


def followup_table(record: "StudyRecord") -> Table:
    """One row for each score of the side table, beside the trial's own."""
    from msdemucs.study.records import ranked_by

    names = dict(zip(record.trials.trial, record.trials["name"], strict=True))
    quality = ranked_by(record.directions)[0]
    heading = record.qualities[quality].heading
    first_scores = dict(zip(record.trials.trial, record.trials[quality], strict=True))
    table = Table(box=None, header_style="bold")
    for column in ("later", "trial", "name", "score of"):
        table.add_column(column)
    for column in ("later score", "of", f"{heading} then", "seed"):
        table.add_column(column, justify="left" if column == "of" else "right")
    table.add_column("how")
    for _, row in record.later.iterrows():
        is_base = row.trial not in names
        then = first_scores.get(row.trial, float("nan"))
        table.add_row(
            row.kind,
            "–" if is_base else str(row.trial),
            str(record.attrs.get("base", "base")) if is_base else names[row.trial],
            row.convention,
            "–" if row.value != row.value else format_db(row.value),
            row.split,
            "–" if then != then else format_db(then),
            str(row.seed),
            _how(row),
        )
    return table


def _how(row: "pd.Series[Any]") -> str:
    """By what recipe, from where, on how many tracks: as far as the row tells."""
    detail = row.detail
    recipe = detail.get("recipe")
    parts = [
        f"promoted by {detail['promoted']}" if detail.get("promoted") else "",
        f"recipe {recipe['name']}" if isinstance(recipe, dict) and recipe.get("name") else "",
        f"{detail['steps']} steps" if detail.get("steps") else "",
        f"from {detail['start']}" if detail.get("start") else "",
        _tracks(detail["n_tracks"]) if detail.get("n_tracks") else "",
        *describe_unscored(detail.get("unscored", {})),
        f"{detail['tracks_joined_by']} of tracks" if detail.get("tracks_joined_by") else "",
    ]
    return ", ".join(part for part in parts if part)


def _tracks(number: int) -> str:
    return f"{number} track" + ("" if number == 1 else "s")


def promoted_table(promoted: "pd.DataFrame", quality: str, how: str) -> Table:
    """One row a promoted trial, with a quality before and after."""
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name"):
        table.add_column(column)
    for column in ("MAC/s", f"{quality} short", f"{quality} long ({how})", "gain"):
        table.add_column(column, justify="right")
    table.add_column("weights")
    for _, row in promoted.iterrows():
        table.add_row(
            str(row.trial),
            row["name"],
            format_count(row.macs_per_second),
            format_db(row.short_db),
            format_db(row.long_db),
            f"{row.long_db - row.short_db:+.2f} dB",
            row.weights or "–",
        )
    return table


def judged_table(judged: "pd.DataFrame", record: "StudyRecord") -> Table:
    """One row for each of the weights that were judged, the study's own score beside its own."""
    from msdemucs.metrics import METRICS

    trials = record.trials.set_index("trial")
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name", "trained by"):
        table.add_column(column)
    qualities = [str(column) for column in judged.columns[3:]]
    for text in qualities:
        metric, slash, source = text.partition("/")
        table.add_column(f"{METRICS[metric].label}{slash}{source}, test", justify="right")
        table.add_column(f"then, {record.split}", justify="right")
    for _, row in judged.iterrows():
        cells = []
        for text in qualities:
            before = trials[text][row.trial] if text in trials and not row.recipe else float("nan")
            cells += [score_text(row[text]), score_text(before)]
        table.add_row(str(row.trial), row["name"], row.recipe or "the study", *cells)
    return table


def score_text(value: float) -> str:
    """A score in dB; a dash where there is none."""
    return "–" if value != value else format_db(value)
