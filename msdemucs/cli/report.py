"""`msdemucs report`: databases in, one HTML file out; or tables and pictures for a paper."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from msdemucs.cli.console import errors, out
from msdemucs.errors import UsageError

if TYPE_CHECKING:
    from msdemucs.analysis.findings import Findings
    from msdemucs.report.audio import Excerpt
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

    _check(studies, output, compare=compare, kind=kind, watch=watch)
    _check_audio(audio, compare=compare, kind=kind)

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
        while any(_is_running(record) for record in write(live_seconds=watch)):
            time.sleep(watch)
    except KeyboardInterrupt:
        out.print("stopped watching; the report is written once more", markup=False)
    write()


def _check(
    studies: list[str], output: Path | None, *, compare: bool, kind: Format, watch: float | None
) -> None:
    """Raise UsageError for options that do not go together.

    Raises:
        UsageError: they do not.
    """
    if output is not None and len(studies) > 1 and not compare:
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


def _check_audio(audio: Path | None, *, compare: bool, kind: Format) -> None:
    """Raise UsageError where players cannot be shown.

    Raises:
        UsageError: they cannot.
    """
    if audio is not None and (compare or kind != "html"):
        raise UsageError(
            "--audio is for the HTML of single studies; leave --compare or --format away"
        )


def _is_running(record: "StudyRecord") -> bool:
    """Whether any trial is still to end."""
    return bool(record.trials["state"].isin(RUNNING).any())


@dataclass(frozen=True)
class Places:
    """Where a report goes, its figures go, and its music comes from; each may be left open."""

    output: Path | None
    figures: Path | None
    audio: Path | None


def _write(findings: "Findings", places: Places, kind: Format, live: float) -> None:
    """One report in the format that was asked for, and its figures."""
    from msdemucs.report.page import default_path, file_stem, write_report, write_text
    from msdemucs.report.paper import SUFFIXES, paper
    from msdemucs.report.pictures import write_pictures

    output, name = places.output, findings.record.name
    folder = places.figures / file_stem(name) if places.figures else None
    if kind == "html":
        heard = _heard(findings, places.audio) if places.audio else None
        path = output or default_path(name)
        write_report(findings, path, live_seconds=live, excerpts=heard)
        paths = write_pictures(findings, folder) if folder else []
    else:
        path = output or default_path(name, SUFFIXES[kind])
        folder = folder or path.parent / f"{file_stem(path.stem)}-figures"
        paths = write_pictures(findings, folder)
        shown = [_seen_from(figure, path.parent) for figure in paths if figure.suffix == ".png"]
        write_text(paper(findings, kind, shown), path)
    out.print(str(path), soft_wrap=True, markup=False)
    if paths:
        out.print(f"{len(paths)} figures in {paths[0].parent}", soft_wrap=True, markup=False)


def _heard(findings: "Findings", data: Path) -> "Mapping[int, Excerpt]":
    """What the best trials sound like."""
    from msdemucs.report.audio import excerpts_of
    from msdemucs.study.storage.urls import STUDIES

    def say(message: str) -> None:
        errors.print(message, markup=False, highlight=False, soft_wrap=True)

    return excerpts_of(findings, data, studies=STUDIES, say=say)


def _seen_from(path: Path, folder: Path) -> Path:
    """A path as a file in a folder is to write it."""
    whole, start = path.resolve(), folder.resolve()
    return whole.relative_to(start) if whole.is_relative_to(start) else whole
