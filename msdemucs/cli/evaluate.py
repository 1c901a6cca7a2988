"""`msdemucs evaluate`: what a file of weights is worth, and which of two is better."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import bar, errors, out, print_json, print_table, refuse, say
from msdemucs.cli.options import (
    Batch,
    Device,
    Overlap,
    Segment,
    Shifts,
    Weighting,
    choose_device,
    finite,
)
from msdemucs.errors import DataError, MsdemucsError, UsageError
from msdemucs.units import count

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.data import Track
    from msdemucs.evaluate.evaluation import Evaluation, Listener
    from msdemucs.evaluate.scoring import Convention
    from msdemucs.spec import Spec


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
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of `msdemucs metrics`, or usdr, sisdr, chunked, bsseval; several are allowed; "
            "usdr otherwise.",
        ),
    ] = None,
    engine: Annotated[
        Literal["msdemucs", "museval"],
        typer.Option(help="Of bsseval; museval is the slow original."),
    ] = "msdemucs",
    chunk: Annotated[
        float, typer.Option(min=0.01, callback=finite, help="Seconds of a chunk of chunk_sdr_db.")
    ] = 1.0,
    segment: Segment = None,
    overlap: Overlap = 0.25,
    weighting: Weighting = "triangle",
    shifts: Shifts = 1,
    batch: Batch = 1,
    device: Device = "auto",
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
        show_compared(*compare, as_json=as_json)
        return
    first, last = _span(excerpt)
    if weights is None or not data or split not in ("test", "train"):
        refuse("give WEIGHTS, --data DIR and --split test or train; or --compare A B")
    if plots and output is None:
        refuse("--plots needs --out, for a place")
    from msdemucs.evaluate.scoring import Convention

    convention = Convention(
        metrics=tuple(metric or ["usdr"]),
        chunk=chunk,
        engine=engine,
        segment=segment or 0.0,
        overlap=overlap,
        weighting=weighting,
        shifts=shifts,
    )
    job = Job(weights, data, split, device, batch, convention, output, plots or [], first, last)
    faults: list[str] = []
    evaluation = _evaluate(job, faults)
    show(evaluation, as_json=as_json)
    _sum_up(evaluation, faults)


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


def _evaluate(job: Job, faults: list[str]) -> "Evaluation":
    """The scores of all tracks, progress shown; faults grow by what went wrong beside them.

    Raises:
        KeyboardInterrupt: Ctrl-C; what was scored is saved.
        UsageError: a track to plot that is not there.
    """
    from msdemucs.evaluate.evaluation import evaluate, left_out_entry
    from msdemucs.evaluate.saving import begun, reserved, save
    from msdemucs.model.weights import find_weights, load_weights, read_about

    path = find_weights(job.weights)
    trained = read_about(path)
    left_out: list[DataError] = []
    tracks = _tracks(job, trained.spec, left_out.append)
    convention = replace(job.convention, normalised=trained.normalised)
    if not convention.segment:
        convention = replace(convention, segment=trained.spec.segment)
    known_by = {f"{track.group}/{track.name}": _digest(track) for track in tracks}
    about = {**_about(job, path, trained.spec, convention), "tracks": known_by}
    about["left_out"] = [left_out_entry(error) for error in left_out]
    with reserved(job.output) if job.output is not None else nullcontext():
        before = begun(job.output, about).without(job.plots)  # what is drawn is separated again
        if n_kept := len(before.scored()):
            say(f"{job.output} holds scores of {count(n_kept, 'track')}: they are kept")
        model = load_weights(path).to(choose_device(job.device))
        with _progress(len(tracks) - n_kept) as advance, _saying_how_to_go_on(job.output):
            listener = _listener(job, advance, faults)
            evaluated = evaluate(
                model, tracks, convention, batch_size=job.batch, listener=listener, before=before
            )
        if job.output is not None:
            save(evaluated, job.output)
        return evaluated


@contextmanager
def _saying_how_to_go_on(output: Path | None) -> Iterator[None]:
    """A block that Ctrl-C may stop, after which the same command goes on where there is a folder.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        if output is not None:
            say(f"stopped; the same command goes on ({output})")
        raise


def _tracks(job: Job, spec: "Spec", left_out: Callable[[DataError], None]) -> list["Track"]:
    """The tracks of all folders.

    Raises:
        UsageError: a track to plot that is not there.
    """
    from msdemucs.data import find_all

    def on_error(error: DataError) -> None:
        say(f"left out: {error}")
        left_out(error)

    roots = {job.split: tuple(job.data)}
    tracks = find_all(roots, spec, say=say, on_error=on_error)[job.split]
    unknown = [name for name in job.plots if name not in {track.name for track in tracks}]
    if unknown:
        known = ", ".join(f"“{track.name}”" for track in tracks[:10])
        raise UsageError(f"--plots: there is no track “{unknown[0]}”; there is {known}")
    return tracks


def _digest(track: "Track") -> str:
    """What tells a track, as its files are now, from another state of them."""
    import hashlib

    place = track.recording.path
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(ascii(facts).encode()).hexdigest()[:16]


def _about(job: Job, path: Path, spec: "Spec", convention: "Convention") -> dict[str, Any]:
    """What is evaluated, and how: two evaluations that say it alike give the same scores."""
    import hashlib

    import msdemucs
    from msdemucs.spec import spec_hash

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return {
        "version": msdemucs.__version__,
        "weights": str(path),
        "weights_digest": digest,
        "spec": spec.name,
        "spec_hash": spec_hash(spec),
        "sources": spec.sources,
        "convention": asdict(convention),
        "data": [str(folder.resolve()) for folder in job.data],
        "split": job.split,
    }


def _listener(job: Job, advance: Callable[["Track"], None], faults: list[str]) -> "Listener":
    from msdemucs.evaluate.evaluation import Evaluation, Listener
    from msdemucs.evaluate.excerpts import write_excerpt
    from msdemucs.evaluate.saving import EXCERPTS, save
    from msdemucs.evaluate.scoring import Separated

    def on_scored(so_far: Evaluation) -> None:
        if job.output is not None:
            save(so_far, job.output)

    def on_separated(separated: Separated) -> None:
        if separated.track.name not in job.plots or job.output is None:
            return
        folder, seconds = job.output / EXCERPTS, job.last - job.first
        try:
            paths = write_excerpt(separated, folder, start=job.first, seconds=seconds)
        except MsdemucsError as error:
            say(f"error: {error}")
            faults.append(f"“{separated.track.name}” has no pictures")
        else:
            for path in paths:
                say(str(path))

    return Listener(
        on_track=lambda track, _: advance(track),
        on_error=lambda error: say(f"left out: {error}"),
        on_scored=on_scored,
        on_separated=on_separated,
        say=say,
    )


def _sum_up(evaluation: "Evaluation", faults: list[str]) -> None:
    """Say at the end what is not in the scores.

    Raises:
        DataError: tracks were left out, or pictures could not be made.
    """
    left_out = len(evaluation.about["left_out"])
    if left_out:
        faults.append(f"{count(left_out, 'track')} could not be evaluated")
    if faults:
        raise DataError("; ".join(faults))


@contextmanager
def _progress(total: int) -> Iterator[Callable[["Track"], None]]:
    """A bar on a terminal, a line a track in a log."""
    done = 0
    with bar(errors, "tracks", total) as shown:

        def advance(track: "Track") -> None:
            nonlocal done
            done += 1
            shown.move(done, name=track.name)
            shown.log(f"{done}/{total}  {track.name}")

        yield advance


def show(evaluation: "Evaluation", *, as_json: bool) -> None:
    """The summary, as a table or JSON."""
    from msdemucs.metrics.quality import describe_unscored

    summary = evaluation.summary()
    if as_json:
        rows = json.loads(summary.reset_index().to_json(orient="records"))
        print_json({**evaluation.about, "summary": rows})
        return
    print_table(_table(summary.astype(object).T.reset_index(), "score (dB)"))
    out.print(
        f"{count(len(evaluation.scored()), 'track')}; mean, median and std are over the count of "
        "tracks that have a score (of frames' medians where a score has frames), frames_… over all "
        "frames of all tracks",
        soft_wrap=True,
    )
    for line in describe_unscored(evaluation.about["unscored"]):
        out.print(line, markup=False, soft_wrap=True)


def show_compared(first: Path, second: Path, *, as_json: bool) -> None:
    """The second of two saved evaluations less the first, as a table or JSON."""
    from msdemucs.evaluate.evaluation import compare
    from msdemucs.evaluate.saving import load_evaluation
    from msdemucs.metrics.quality import FEWEST_FOR_WILCOXON

    comparison = compare(load_evaluation(first), load_evaluation(second))
    if as_json:
        rows = {
            name: json.loads(table.to_json(orient="records"))
            for name, table in (("summary", comparison.summary), ("tracks", comparison.differences))
        }
        print_json(rows)
        return
    out.print(f"{second} less {first}", markup=False, soft_wrap=True)
    print_table(_table(comparison.summary, ""))
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
