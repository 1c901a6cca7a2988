"""`msdemucs data`: make embedded data, look at what lies in a folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import errors, out, print_table, refuse, say
from msdemucs.cli.spec import Set, Sources, overrides
from msdemucs.spec import load_spec
from msdemucs.units import format_db, format_seconds

if TYPE_CHECKING:
    from msdemucs.data.doctor import Finding
    from msdemucs.data.tracks import Track

app = typer.Typer(no_args_is_help=True, help="Make embedded data, look at folders of tracks.")

Root = Annotated[Path, typer.Argument(metavar="DIR", help="A folder with train/ and test/.")]
NewRoot = Annotated[Path, typer.Argument(metavar="DIR", help="Made where it is not there yet.")]


@app.command()
def synth(
    root: NewRoot,
    tracks: Annotated[int, typer.Option(min=2, help="How many; one in four is for testing.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each track.")] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another band.")] = 0,
) -> None:
    """Compose and play a small band in MUSDB18-HQ's layout: same seed, same bytes."""
    from msdemucs.data.synthetic import synthesise

    with errors.status("composing") as status:
        written = synthesise(
            root,
            n_tracks=tracks,
            seconds=seconds,
            seed=seed,
            on_track=lambda name: status.update(f"playing {escape(name)}"),
        )
    _tell(root, f"{tracks} tracks of {format_seconds(seconds)}", written=written)


@app.command()
def sample(root: NewRoot) -> None:
    """Unpack the excerpt of real music that stempeg carries, as one test track."""
    from msdemucs.data.made import unpack_sample

    written = unpack_sample(root)
    _tell(root, "one test track; its mixture is the sum of its stems (README.txt)", written=written)


@app.command()
def check(
    root: Root,
    source: Annotated[
        str,
        typer.Argument(metavar="[SPEC]", help="What will be trained: a zoo name or a YAML file."),
    ] = "htdemucs",
    set_: Set = None,
    sources: Sources = None,
) -> None:
    """List a folder's tracks and what is wrong with them for a spec; reads all of it once."""
    from msdemucs.data.doctor import examine, far_sum
    from msdemucs.data.find import find_all, no_tracks
    from msdemucs.data.tracks import SPLITS
    from msdemucs.errors import DataError

    spec = load_spec(source, overrides=overrides(set_, sources))
    faults: list[DataError] = []
    roots = dict.fromkeys(SPLITS, (root,))
    tracks_by_split = find_all(roots, spec, say=say, on_error=faults.append)
    table = _table()
    tracks = [track for split in SPLITS for track in tracks_by_split[split]]
    n_tracks = len(tracks) + len(faults)
    if not n_tracks:
        refuse(no_tracks(root))
    for track in tracks:
        try:
            finding = examine(track)
        except DataError as error:
            faults.append(error)
            continue
        table.add_row(*_row(track, finding))
        if far := far_sum(track, finding.sum_db):
            faults.append(far)
    print_table(table)
    for fault in faults:
        say(f"error: {fault}")
    state = f"{len(faults)} of them not sound" if faults else "sound"
    out.print(f"{n_tracks} track{'' if n_tracks == 1 else 's'}, {state}")
    if faults:
        sys.exit(1)


def _table() -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("split", "track"):
        table.add_column(heading, overflow="fold")
    for heading in ("length", "peak", "clipped", "mixture over (mixture − sum)"):
        table.add_column(heading, justify="right")
    table.add_column("silent stems")
    return table


def _row(track: "Track", finding: "Finding") -> list[str]:
    is_sum = finding.sum_db == float("inf")
    return [
        track.split,
        escape(track.name),
        format_seconds(finding.seconds),
        f"{finding.peak:.3f}",
        str(finding.clipped),
        "equal" if is_sum else format_db(finding.sum_db),
        ", ".join(finding.silent) or "–",
    ]


def _tell(root: Path, what: str, *, written: bool) -> None:
    """One line on stdout: where the data is, and whether it was made just now."""
    state = "made" if written else "already there"
    out.print(f"{root}: {what}; {state}", markup=False, soft_wrap=True)
