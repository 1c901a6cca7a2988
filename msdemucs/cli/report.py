"""`msdemucs report`: databases in, one HTML file out; or tables and pictures for a paper."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from msdemucs.cli.console import out, say
from msdemucs.errors import UsageError

if TYPE_CHECKING:
    from msdemucs.analysis.findings import Findings
    from msdemucs.study.records import StudyRecord

RUNNING = ("running", "waiting")

LONGEST_WATCH_S = 86400.0


Format = Literal["html", "md", "latex"]
"""What a report is written as."""


def report(  # noqa: PLR0913 (one option a thing that a user may decide)
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY…", help="Names of studies, or paths of their databases under studies/."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; reports/<study>.html if not given."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="URL of the database that holds the studies."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="All studies in one report, on shared axes.")
    ] = False,
    kind: Annotated[
        Format,
        typer.Option("--format", help="html, or tables with footnotes as Markdown or LaTeX."),
    ] = "html",
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Also write the figures as PNG and SVG to this folder."),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(
            "--audio",
            metavar="DATA",
            help="Players for the best trials: the first track under this folder that the study "
            "selected by, separated.",
        ),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch", help="Write again every so many seconds while a study runs; Ctrl-C ends."
        ),
    ] = None,
) -> None:
    """Write a study's report: one HTML file that works offline."""
    from msdemucs.analysis.combined import combine
    from msdemucs.analysis.findings import Findings
    from msdemucs.study import load_study

    _check(studies, Places(output, figures, audio), compare=compare, kind=kind, watch=watch)

    def write(*, live_seconds: float = 0.0) -> list["StudyRecord"]:
        records = [load_study(study, storage=storage) for study in studies]
        for record in [combine(records)] if compare and len(records) > 1 else records:
            places = Places(output, figures, None if live_seconds else audio)
            _write(Findings(record), places, kind, live_seconds)
        return records

    if watch is None:
        write()
        return
    try:
        while any(r.trials["state"].isin(RUNNING).any() for r in write(live_seconds=watch)):
            time.sleep(watch)
    except KeyboardInterrupt:
        out.print("stopped watching; the report is written once more", markup=False)
    write()


def _check(
    studies: list[str], places: "Places", *, compare: bool, kind: Format, watch: float | None
) -> None:
    """Raise UsageError for options that do not go together.

    Raises:
        UsageError: they do not.
    """
    if places.output is not None and len(studies) > 1 and not compare:
        raise UsageError(
            f"--output names one file, and {len(studies)} studies are given; "
            "--compare puts them into one report"
        )
    if watch is not None and not 0 < watch <= LONGEST_WATCH_S:
        raise UsageError(
            f"--watch must be above 0 and at most {LONGEST_WATCH_S:g} seconds, found {watch:g}"
        )
    if watch is not None and kind != "html":
        raise UsageError("--watch writes HTML alone; leave --format away")
    if places.audio is not None and (compare or kind != "html"):
        raise UsageError(
            "--audio is for the HTML of single studies; leave --compare or --format away"
        )


@dataclass(frozen=True)
class Places:
    """Where a report goes, its figures go, and its music comes from; each may be left open."""

    output: Path | None
    figures: Path | None
    audio: Path | None


def _write(findings: "Findings", places: Places, kind: Format, live: float) -> None:
    """One report in the format that was asked for, and its figures."""
    from msdemucs.report.audio import excerpts_of
    from msdemucs.report.page import default_path, file_stem, write_report, write_text
    from msdemucs.report.paper import SUFFIXES, paper
    from msdemucs.report.pictures import write_pictures
    from msdemucs.study.storage.urls import STUDIES

    output, name = places.output, findings.record.name
    folder = places.figures / file_stem(name) if places.figures else None
    if kind == "html":
        heard = None
        if places.audio:
            heard = excerpts_of(findings, places.audio, studies=STUDIES, say=say)
        path = output or default_path(name)
        write_report(findings, path, live_seconds=live, excerpts=heard)
        paths = write_pictures(findings, folder) if folder else []
    else:
        path = output or default_path(name, SUFFIXES[kind])
        folder = folder or path.parent / f"{file_stem(path.stem)}-figures"
        paths = write_pictures(findings, folder)
        folder = path.parent.resolve()  # the file names its pictures from here
        shown = [figure.resolve() for figure in paths if figure.suffix == ".png"]
        shown = [p.relative_to(folder) if p.is_relative_to(folder) else p for p in shown]
        write_text(paper(findings, kind, shown), path)
    out.print(str(path), soft_wrap=True, markup=False)
    if paths:
        out.print(f"{len(paths)} figures in {paths[0].parent}", soft_wrap=True, markup=False)
