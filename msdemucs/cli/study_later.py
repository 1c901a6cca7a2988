"""How a terminal shows what was computed after a study's trials had ended."""

from typing import TYPE_CHECKING, Any

from rich.table import Table

from msdemucs.metrics.unscored import describe_unscored
from msdemucs.units import format_db

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.records import StudyRecord


def later_counts(record: "StudyRecord") -> str:
    """The side table in a word or two: "2 promotion, 5 noise"; "–" for an empty one."""
    counts = record.later.kind.value_counts(sort=False)
    return ", ".join(f"{n} {kind}" for kind, n in counts.items()) or "–"


def later_table(record: "StudyRecord") -> Table:
    """One row for each score of the side table, beside the trial's own."""
    from msdemucs.study.records import ranked_by

    names = dict(zip(record.trials.trial, record.trials["name"], strict=True))
    quality = ranked_by(record.directions)[0]
    heading = record.qualities[quality].heading
    own = dict(zip(record.trials.trial, record.trials[quality], strict=True))
    table = Table(box=None, header_style="bold")
    for column in ("later", "trial", "name", "score of"):
        table.add_column(column)
    for column in ("later score", "of", f"{heading} then", "seed"):
        table.add_column(column, justify="left" if column == "of" else "right")
    table.add_column("how")
    for _, row in record.later.iterrows():
        is_base = row.trial not in names
        then = own.get(row.trial, float("nan"))
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
    said = [
        f"promoted by {detail['promoted']}" if detail.get("promoted") else "",
        f"recipe {recipe['name']}" if isinstance(recipe, dict) and recipe.get("name") else "",
        f"{detail['steps']} steps" if detail.get("steps") else "",
        f"from {detail['start']}" if detail.get("start") else "",
        _tracks(detail["n_tracks"]) if detail.get("n_tracks") else "",
        *describe_unscored(detail.get("unscored", {})),
        f"{detail['tracks_joined_by']} of tracks" if detail.get("tracks_joined_by") else "",
    ]
    return ", ".join(part for part in said if part)


def _tracks(number: int) -> str:
    return f"{number} track" + ("" if number == 1 else "s")
