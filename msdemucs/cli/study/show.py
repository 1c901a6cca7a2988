"""`msdemucs study show`, `best` and `schema`: what is printed of a study and of search spaces."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from msdemucs.cli.console import out, print_json, print_table
from msdemucs.cli.study.options import AsJson, Name, Storage
from msdemucs.cli.study.tables import followup_table, trial_table
from msdemucs.errors import UsageError
from msdemucs.units import count

if TYPE_CHECKING:
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
    from msdemucs.metrics.unscored import describe_trials

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
