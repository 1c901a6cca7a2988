"""`msdemucs evaluate`: what a file of weights is worth, and which of two is better."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from msdemucs.cli.chunks import (
    Batch,
    Device,
    Overlap,
    Segment,
    Shifts,
    Weighting,
    WeightingChoice,
    on_device,
)
from msdemucs.cli.console import errors, out, print_table
from msdemucs.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.data import Track
    from msdemucs.evaluate.conventions import Convention
    from msdemucs.evaluate.evaluation import Evaluation, Listener


class MetricChoice(Enum):
    """How estimates are scored."""

    USDR = "usdr"
    SISDR = "sisdr"
    CHUNKED = "chunked"
    BSSEVAL = "bsseval"


class EngineChoice(Enum):
    """Who computes BSSEval."""

    MSDEMUCS = "msdemucs"
    MUSEVAL = "museval"


def evaluate(  # noqa: PLR0913 (one option a thing that a user may decide)
    weights: Annotated[
        str | None,
        typer.Argument(metavar="[WEIGHTS]", help="A safetensors file, or a name of its folder."),
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="Tracks, as in MUSDB18-HQ.")
    ] = None,
    split: Annotated[str, typer.Option(help="test or train.")] = "test",
    metric: Annotated[
        list[MetricChoice] | None, typer.Option(help="Several are allowed; usdr otherwise.")
    ] = None,
    engine: Annotated[
        EngineChoice, typer.Option(help="Of bsseval; museval is the slow original.")
    ] = EngineChoice.MSDEMUCS,
    chunk: Annotated[float, typer.Option(min=0.01, help="Seconds of a chunk of chunked.")] = 1.0,
    segment: Segment = None,
    overlap: Overlap = 0.25,
    weighting: Weighting = WeightingChoice.TRIANGLE,
    shifts: Shifts = 1,
    batch: Batch = 1,
    device: Device = "cpu",
    output: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Gets tables and JSON.")
    ] = None,
    plots: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK", help="Spectrograms and players of a track, in --out."),
    ] = None,
    excerpt: Annotated[
        str, typer.Option(metavar="START-END", help="Seconds that --plots show.")
    ] = "0-10",
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Compare two folders that --out wrote; no WEIGHTS."),
    ] = None,
) -> None:
    """Separate tracks and score them under named conventions; or compare two evaluations."""
    if compare is not None:
        _compare(*compare, as_json=as_json)
        return
    first, last = _span(excerpt)
    if weights is None or not data or split not in ("test", "train"):
        raise_usage("give WEIGHTS, --data DIR and --split test or train; or --compare A B")
    if plots and output is None:
        raise_usage("--plots needs --out, for a place")
    from msdemucs.evaluate.conventions import Convention
    from msdemucs.evaluate.evaluation import check_folder

    if output is not None:
        check_folder(output)
    convention = Convention(
        metrics=tuple(dict.fromkeys(one.value for one in metric or [MetricChoice.USDR])),
        chunk=chunk,
        engine=engine.value,
        segment=segment or 0.0,
        overlap=overlap,
        weighting=weighting.value,
        shifts=shifts,
    )
    assert weights is not None
    found = _evaluate(
        Job(weights, data or [], split, device, batch, convention, output, plots or [], first, last)
    )
    if output is not None:
        found.save(output)
    _show(found, as_json=as_json)


def raise_usage(message: str) -> None:
    """Refuse the arguments.

    Raises:
        UsageError: always.
    """
    raise UsageError(message)


def _span(text: str) -> tuple[float, float]:
    """Start and end of an excerpt.

    Raises:
        UsageError: it is not START-END.
    """
    start, _, end = text.partition("-")
    try:
        span = float(start), float(end)
    except ValueError:
        span = (0.0, 0.0)
    if not 0 <= span[0] < span[1]:
        raise UsageError(f"--excerpt {text}: write it as START-END in seconds, as 30-40")
    return span


@dataclass(frozen=True)
class Job:
    """What an evaluation was asked for; `first` and `last` are seconds of the excerpt."""

    weights: str
    data: list[Path]
    split: str
    device: str
    batch: int
    convention: "Convention"
    output: Path | None
    plots: list[str]
    first: float
    last: float


def _evaluate(job: Job) -> "Evaluation":
    """The scores of all tracks, progress shown.

    Raises:
        UsageError: a track to plot that is not there.
    """
    from msdemucs.data import find_all
    from msdemucs.evaluate.evaluation import Evaluation, evaluate
    from msdemucs.model.pretrained import find_weights
    from msdemucs.model.weights import load_weights, read_about
    from msdemucs.spec import spec_hash

    path = find_weights(job.weights)
    about = read_about(path)
    spec = about.spec

    def left_out(error: Exception) -> None:
        _say(f"left out: {error}")

    roots = {job.split: tuple(job.data)}
    tracks = find_all(roots, spec, say=_say, on_error=left_out)[job.split]
    unknown = [name for name in job.plots if name not in {track.name for track in tracks}]
    if unknown:
        known = ", ".join(f"“{track.name}”" for track in tracks[:10])
        raise UsageError(f"--plots: there is no track “{unknown[0]}”; there is {known}")
    convention = replace(job.convention, normalised=about.normalised)
    if not convention.segment:
        convention = replace(convention, segment=spec.segment)
    model = on_device(load_weights(path), job.device)
    with _progress(len(tracks)) as advance:
        listener = _listener(job, left_out, advance)
        found = evaluate(model, tracks, convention, batch_size=job.batch, listener=listener)
    more = {"weights": str(path), "spec": spec.name, "spec_hash": spec_hash(spec)}
    return Evaluation({**found.about, **more}, found.tracks, found.frames)


def _listener(
    job: Job, left_out: Callable[[Exception], None], advance: Callable[["Track"], None]
) -> "Listener":
    from msdemucs.evaluate.evaluation import Listener
    from msdemucs.evaluate.excerpts import write_excerpt
    from msdemucs.evaluate.scoring import Separated

    def on_separated(found: Separated) -> None:
        if found.track.name in job.plots and job.output is not None:
            folder, seconds = job.output / "excerpts", job.last - job.first
            for path in write_excerpt(found, folder, start=job.first, seconds=seconds):
                errors.print(str(path), markup=False, highlight=False, soft_wrap=True)

    return Listener(lambda track, _: advance(track), left_out, on_separated, _say)


def _say(message: str) -> None:
    errors.print(message, markup=False, highlight=False, soft_wrap=True)


def _show(found: "Evaluation", *, as_json: bool) -> None:
    """The summary, as a table or JSON."""
    summary = found.summary()
    if as_json:
        rows = json.loads(summary.reset_index().to_json(orient="records"))
        out.print_json(json.dumps({**found.about, "summary": rows}))
        return
    print_table(_table(summary.T.reset_index(), "score (dB)"))
    count = len(found.tracks.drop_duplicates(["group", "track"]))
    out.print(
        f"{count} tracks; mean, median and std are over tracks (of frames' medians where a score "
        "has frames), frames_… over all frames of all tracks",
        soft_wrap=True,
    )


def _compare(first: Path, second: Path, *, as_json: bool) -> None:
    from msdemucs.evaluate.compare import FEWEST_FOR_WILCOXON, compare
    from msdemucs.evaluate.evaluation import load_evaluation

    found = compare(load_evaluation(first), load_evaluation(second))
    if as_json:
        rows = {
            name: json.loads(table.to_json(orient="records"))
            for name, table in (("summary", found.summary), ("tracks", found.differences))
        }
        out.print_json(json.dumps(rows))
        return
    out.print(f"{second} less {first}", markup=False, soft_wrap=True)
    print_table(_table(found.summary, ""))
    out.print(
        "low and high: 95 % bootstrap interval of the mean over tracks; wilcoxon_p: signed-rank "
        f"test, from {FEWEST_FOR_WILCOXON} tracks on",
        soft_wrap=True,
    )


def _table(rows: "pd.DataFrame", first: str) -> Table:
    """A rich table of a data frame."""
    table = Table(box=None, header_style="bold")
    for index, name in enumerate(rows.columns):
        heading = first if first and not index else str(name)
        table.add_column(escape(heading), justify="left" if not index else "right", no_wrap=True)
    for row in rows.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"
    return escape(str(value))


@contextmanager
def _progress(total: int) -> Iterator[Callable[["Track"], None]]:
    """A bar on a terminal, a line a track in a log."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    done = 0
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("tracks", total=total)

        def advance(track: "Track") -> None:
            nonlocal done
            done += 1
            bars.update(task, completed=done, description=track.name)
            if not errors.is_terminal:
                line = f"{done}/{total}  {track.name}"
                errors.print(line, markup=False, highlight=False, soft_wrap=True)

        yield advance
