"""`msdemucs study show`, `best` and `schema`: what is printed of a study and of search spaces."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import fitted, out, print_json, print_table
from msdemucs.cli.options import AsJson, Name, Storage
from msdemucs.columns import COLUMNS, FORMATS, MOST_BUSY, TIMED
from msdemucs.errors import UsageError
from msdemucs.metrics import USUAL
from msdemucs.metrics.quality import describe_unscored
from msdemucs.units import count, format_count, format_db

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.records import StudyRecord


def show(
    study: Annotated[str, typer.Argument(help="A study's name, or the path of its database.")],
    storage: Storage = None,
) -> None:
    """Print the table of a study's trials, and what was computed after they had ended."""
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    out.print(f"{record.name}: {record.title}", markup=False, soft_wrap=True)
    print_table(trial_table(record, record.trials))
    if not record.later.empty:
        print_table(followup_table(record))
    for line in _remarks(record):
        out.print(line, markup=False, soft_wrap=True)


def _remarks(record: "StudyRecord") -> Iterator[str]:
    """What scores are of, why trials failed, whose results they took, what scores are without."""
    from msdemucs.analysis.trials import busy_times_text
    from msdemucs.metrics.quality import describe_trials

    yield from _about_tracks(record)
    lacking = dict(zip(record.trials.trial, record.trials.unscored, strict=True))
    for line, trials in describe_trials(lacking).items():
        yield f"{record.split} tracks: {line} ({count(len(trials), 'trial')})"
    if busy := busy_times_text(record.trials):
        yield busy
    for _, trial in record.trials.iterrows():
        if isinstance(trial.failure, str):
            yield f"trial {trial.trial} {trial.state}: {trial.failure}"
        elif isinstance(trial.duplicate_of, str):
            yield f"trial {trial.trial} has the result of {trial.duplicate_of}: it trained the same"
        for reason in trial.left_out:
            yield f"trial {trial.trial} without a {record.split} track: {reason}"
        for reason in trial.trained_without:
            yield f"trial {trial.trial} trained without a track: {reason}"


def _about_tracks(record: "StudyRecord") -> Iterator[str]:
    """Which tracks the scores are of, and how often the test tracks were looked at."""
    from msdemucs.study.records import looked

    data = record.attrs.get("data")
    if record.split == "test":
        yield (
            "this study chose its trials by their scores on its test tracks: the best of them is "
            "optimistic, and no figure of its is of tracks that were not chosen by"
        )
    elif isinstance(data, Mapping) and "validation_by" in data:
        yield f"scores are of validation tracks: {data['validation_by']}"
        yield looked(record.n_looks)


def schema() -> None:
    """Print the JSON Schema of search spaces, for editors."""
    import json

    from msdemucs.study.search_space.json_schema import search_space_schema

    out.print(json.dumps(search_space_schema(), indent=2), markup=False, soft_wrap=True)


def best(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Name,
    max_macs: Annotated[
        str | None,
        typer.Option(help="Multiply-accumulates for a second of audio at most: 8G, 500M."),
    ] = None,
    max_parameters: Annotated[str | None, typer.Option(help="Parameters at most: 10M.")] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Median latency at most, in ms.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many, best first.")] = 1,
    by: Annotated[
        str | None,
        typer.Option(
            help="The quality that counts: si_sdr_db/vocals is metric/source; the study's first "
            "otherwise."
        ),
    ] = None,
    as_json: AsJson = False,
    storage: Storage = None,
) -> None:
    """Print the best complete trials within limits, and where their weights are."""
    from msdemucs.analysis.exports import plain_rows
    from msdemucs.analysis.fronts import best_trials, by_quality
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    limits = {
        "macs_per_second": None if max_macs is None else read_count(max_macs),
        "parameters": None if max_parameters is None else read_count(max_parameters),
        "latency_ms_p50": max_latency_ms,
    }
    given_limits = {name: value for name, value in limits.items() if value is not None}
    record = record if by is None else by_quality(record, by)
    trials = best_trials(record, limits=given_limits, top=top)
    if as_json:
        print_json({"study": record.name, "trials": plain_rows(trials)})
        return
    print_table(trial_table(record, trials))
    for _, trial in trials.iterrows():
        if isinstance(trial.weights, str):
            out.print(f"weights of trial {trial.trial}: {trial.weights}", soft_wrap=True)


def read_count(text: str) -> float:
    """A count with an SI prefix: "8G" is 8e9.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d+)?) ?([kMGT]?)", text.strip())
    if match is None:
        raise UsageError(f"“{text}” is no count: 8G, 500M, 1.5e9")
    return float(match[1]) * {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[match[2]]


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
