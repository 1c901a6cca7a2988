"""`msdemucs report`: a study's database in, one HTML file out."""

from pathlib import Path
from typing import Annotated

import typer

from msdemucs.cli.console import out


def report(
    study: Annotated[
        str, typer.Argument(help="A study's name, or the path of its database under studies/.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; reports/<study>.html if not given."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="URL of the database that holds the study."),
    ] = None,
) -> None:
    """Write a study's report: one HTML file that works offline."""
    from msdemucs.report.page import default_path, write_report
    from msdemucs.study import load_study

    record = load_study(study, storage=storage)
    path = write_report(record, output or default_path(record))
    out.print(str(path), soft_wrap=True, markup=False)
