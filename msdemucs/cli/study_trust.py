"""How the worth of short runs, and of a search over random draws, reads in a terminal."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from msdemucs.units import format_db

if TYPE_CHECKING:
    from msdemucs.analysis.fidelity import Control, Fidelity


def fidelity_table(found: "Fidelity") -> Table:
    """One row a rung."""
    table = Table(box=None, header_style="bold")
    headings = ("step", "of last", "trials", "τ-b", "95 %", "τ-b in cost bands", "95 %", "best few")
    for heading in headings:
        table.add_column(heading, justify="right")
    for _, row in found.table.iterrows():
        table.add_row(
            f"{row.step:.0f}",
            f"{row.share:.0%}",
            f"{row.n_trials:.0f}",
            _tau(row.tau),
            f"{_tau(row.tau_low)} to {_tau(row.tau_high)}",
            _tau(row.tau_in_bands),
            f"{_tau(row.tau_in_bands_low)} to {_tau(row.tau_in_bands_high)}",
            f"{row.overlap * row.top:.0f} of {row.top:.0f}",
        )
    return table


def control_lines(found: "Control | None") -> Iterator[str]:
    """What the search gained over random draws."""
    if found is None:
        return
    low, middle, high = (format_db(value) for value in found.quartiles)
    yield (
        f"control: best of {found.n_control} random trials {format_db(found.best[0])}; as many of "
        f"the search's {found.n_search} reach {middle} (quartiles {low} to {high})"
    )
    if not math.isnan(found.hypervolume[0]):
        low, middle, high = (f"{value:.2f}" for value in found.hypervolume_quartiles)
        yield (
            f"control: hypervolume {found.hypervolume[0]:.2f} of all; as many of the search's "
            f"{middle} ({low} to {high})"
        )


def control_json(found: "Control | None") -> dict[str, object] | None:
    """The same as plain data; what is not known is null."""
    if found is None:
        return None
    plain = asdict(found)
    if math.isnan(found.hypervolume[0]):
        plain |= {"hypervolume": None, "hypervolume_quartiles": None}
    return plain


def _tau(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
