"""How an ablation's effects read in a terminal and as JSON."""

import math
from typing import TYPE_CHECKING

from rich.table import Table

from msdemucs.cli.console import out, print_table
from msdemucs.cli.fitting import fitted

if TYPE_CHECKING:
    from msdemucs.analysis.effects import Effects


LEAST_WANTED = ("p", "against", "kind", "params", "seeds × tracks", "MAC/s", "beyond noise")
"""Columns that a narrow terminal goes without."""


def print_effects(found: "Effects") -> None:
    """The table of effects, the noise that they are read against, and what to know."""
    is_high = found.quality.direction == "maximize"
    better = "the higher the better" if is_high else "the lower the better"
    out.print(f"effects on {found.quality.label}, {better}", markup=False, soft_wrap=True)
    print_table(effects_table(found))
    if found.noise:
        low, high = found.noise.sigma.low, found.noise.sigma.high
        out.print(
            f"noise: σ of one training {found.noise.sigma.value:.3f} dB "
            f"[{low:.3f}, {high:.3f}], from {found.noise.source}",
            markup=False,
            soft_wrap=True,
        )
    for note in found.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)


def effects_table(found: "Effects") -> Table:
    """One row an effect."""
    table = Table(box=None, header_style="bold")
    for column in ("factor", "alternative", "against", "kind"):
        table.add_column(column)
    for column in ("effect", "95 % interval", "beyond noise", "p", "Holm p", "MAC/s", "params"):
        table.add_column(column, justify="right")
    table.add_column("seeds × tracks", justify="right")
    table.add_column("verdict")
    for _, row in found.table.iterrows():
        confused = f" (or {', '.join(row.confused_with)})" if row.confused_with else ""
        table.add_row(
            f"{row.factor}{confused}",
            row.alternative,
            row.against,
            row.kind,
            _db(row.effect_db),
            "–" if _is_none(row.low_db) else f"{row.low_db:+.2f} to {row.high_db:+.2f}",
            "–" if _is_none(row.least_db) else f"±{row.least_db:.2f} dB",
            _p(row.wilcoxon_p),
            _p(row.holm_p),
            _percent(row.macs_per_second_change),
            _percent(row.parameters_change),
            f"{row.n_seeds} × {row.n_tracks}",
            row.verdict,
        )
    return fitted(table, out, optional=LEAST_WANTED, wrapping=("factor", "alternative"))


def effects_json(found: "Effects") -> dict[str, object]:
    """The same as plain data; what is not known is null."""
    rows = found.table.astype(object).where(found.table.notna(), None).to_dict("records")
    noise = found.noise and {
        "sigma_db": found.noise.sigma.value,
        "low_db": found.noise.sigma.low,
        "high_db": found.noise.sigma.high,
        "degrees": found.noise.degrees,
        "source": found.noise.source,
    }
    quality = str(found.quality)
    return {"quality": quality, "effects": rows, "noise": noise, "notes": list(found.notes)}


def _is_none(value: float) -> bool:
    return value is None or math.isnan(value)


def _db(value: float) -> str:
    return "–" if _is_none(value) else f"{value:+.2f} dB"


def _p(value: float) -> str:
    return "–" if _is_none(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "–" if _is_none(value) else f"{value:+.0%}"
