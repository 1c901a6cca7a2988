"""How a terminal shows evaluations: one summed up, or two compared."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import out, print_json, print_table
from msdemucs.units import count

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.evaluate.evaluation import Evaluation


def show(evaluation: "Evaluation", *, as_json: bool) -> None:
    """The summary, as a table or JSON."""
    from msdemucs.metrics.unscored import describe_unscored

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
    from msdemucs.metrics.signed_rank import FEWEST_FOR_WILCOXON

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
