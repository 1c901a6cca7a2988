"""`msdemucs study judge`: what was chosen, scored once on the test tracks."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from msdemucs.cli.chunks import Device, choose_device
from msdemucs.cli.console import out, print_table
from msdemucs.cli.study import app
from msdemucs.cli.study_joined import Name, joined_study
from msdemucs.cli.work import DataHere, Storage
from msdemucs.errors import UsageError
from msdemucs.units import format_db

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.records import StudyRecord


@app.command()
def judge(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Name,
    top: Annotated[int | None, typer.Option(min=1, help="How many, best first.")] = None,
    front: Annotated[
        bool, typer.Option("--front", help="All of the front: what is judged if nothing is said.")
    ] = False,
    trials: Annotated[str | None, typer.Option(metavar="3,7", help="These, by number.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of `msdemucs metrics`, or a quality (si_sdr_db/vocals); may be given several "
            "times. uSDR and the study's own objectives if not given.",
        ),
    ] = None,
    data: DataHere = None,
    storage: Storage = None,
    device: Device = "auto",
) -> None:
    """Score chosen trials' weights on the test tracks, once, beside their validation scores.

    Nothing else reads them, but for `promote` at its end and `rescore --split test`.

    Raises:
        UsageError: several ways to choose.
    """
    from msdemucs.study.followups.judging import Chosen, TrackSet, qualities_to_judge
    from msdemucs.study.followups.judging import judge as score
    from msdemucs.study.records import looked
    from msdemucs.study.storage.load import read_record

    if sum((top is not None, front, trials is not None)) > 1:
        raise UsageError("--top, --front and --trials each choose what is judged: give one")
    numbers = None if trials is None else read_numbers(trials)
    with joined_study(study, storage, wanted=top or 1, data=data) as joined:
        record = read_record(joined.study)
        judged = score(
            joined.study,
            Chosen.of(_chosen(record, top, numbers)),
            qualities_to_judge(record, metric or (), search=joined.search),
            TrackSet(lambda: joined.test_tracks("judge")),
            device=choose_device(device),
            listener=joined.listener,
        )
        n_looks = read_record(joined.study).n_looks
    print_table(judged_table(judged, record))
    out.print(f"study {record.name}: {looked(n_looks)}", markup=False, soft_wrap=True)


def _chosen(record: "StudyRecord", top: int | None, numbers: list[int] | None) -> "pd.DataFrame":
    from msdemucs.study.followups.judging import numbered
    from msdemucs.study.followups.promotion import candidates

    return candidates(record, top=top) if numbers is None else numbered(record, numbers)


def read_numbers(text: str) -> list[int]:
    """Return the numbers of trials: "3,7".

    Raises:
        UsageError: something else.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--trials takes numbers with commas between (3,7); found “{text}”"
        ) from None


def judged_table(judged: "pd.DataFrame", record: "StudyRecord") -> Table:
    """One row for each of the weights that were judged, the study's own score beside its own."""
    from msdemucs.metrics import METRICS

    own = record.trials.set_index("trial")
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name", "trained by"):
        table.add_column(column)
    qualities = [str(column) for column in judged.columns[3:]]
    for text in qualities:
        metric, slash, rest = text.partition("/")
        table.add_column(f"{METRICS[metric].label}{slash}{rest}, test", justify="right")
        table.add_column(f"then, {record.split}", justify="right")
    for _, row in judged.iterrows():
        cells = []
        for text in qualities:
            before = own[text][row.trial] if text in own and not row.recipe else float("nan")
            cells += [score_text(row[text]), score_text(before)]
        table.add_row(str(row.trial), row["name"], row.recipe or "the study", *cells)
    return table


def score_text(value: float) -> str:
    """A score in dB; a dash where there is none."""
    return "–" if value != value else format_db(value)
