"""`msdemucs study effects` and `fidelity`: statistics of a study, as tables or JSON."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from msdemucs.cli.console import fitted, out, print_json, print_table
from msdemucs.cli.options import AsJson, Name, Storage
from msdemucs.units import format_db

if TYPE_CHECKING:
    from msdemucs.analysis.effects import Effects
    from msdemucs.analysis.fidelity import Control, Fidelity


def effects(study: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Print what an ablation found: each factor's effect, interval, p-value and cost."""
    from msdemucs.analysis.effects import effects as effects_of
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    ablation = effects_of(record)
    if as_json:
        print_json({"study": record.name, **effects_json(ablation)})
        return
    out.print(f"{record.name}: {record.title}", markup=False, soft_wrap=True)
    print_effects(ablation)


def fidelity(
    study: Name,
    top: Annotated[
        int | None, typer.Option(min=1, help="The best few; a fifth of the trials if not given.")
    ] = None,
    as_json: AsJson = False,
    storage: Storage = None,
) -> None:
    """Print how short a run may be: each rung's ranking against the last, within cost bands too."""
    from msdemucs.analysis.exports import plain_rows
    from msdemucs.analysis.fidelity import control as control_of
    from msdemucs.analysis.fidelity import fidelity as fidelity_of
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    rungs, control = fidelity_of(record, top=top), control_of(record)
    if as_json:
        print_json(
            {
                "study": record.name,
                "rungs": plain_rows(rungs.table),
                "cost_bands": rungs.bands,
                "recommended": rungs.recommended,
                "notes": rungs.notes,
                "control": control_json(control),
            }
        )
        return
    print_table(fidelity_table(rungs))
    if rungs.recommended is not None:
        out.print(f"the cheapest rung that can be trusted: step {rungs.recommended}")
    for line in (*(f"note: {note}" for note in rungs.notes), *control_lines(control)):
        out.print(line, markup=False, soft_wrap=True)


def effects_json(ablation: "Effects") -> dict[str, object]:
    """The same as plain data; what is not known is null."""
    rows = ablation.table.astype(object).where(ablation.table.notna(), None).to_dict("records")
    noise = ablation.noise and {
        "sigma_db": ablation.noise.sigma.value,
        "low_db": ablation.noise.sigma.low,
        "high_db": ablation.noise.sigma.high,
        "degrees": ablation.noise.degrees,
        "source": ablation.noise.source,
    }
    quality = str(ablation.quality)
    return {"quality": quality, "effects": rows, "noise": noise, "notes": list(ablation.notes)}


def control_json(control: "Control | None") -> dict[str, object] | None:
    """The same as plain data; what is not known is null."""
    if control is None:
        return None
    plain = asdict(control)
    if math.isnan(control.hypervolume[0]):
        plain |= {"hypervolume": None, "hypervolume_quartiles": None}
    return plain


def control_lines(control: "Control | None") -> Iterator[str]:
    """What the search gained over random draws."""
    if control is None:
        return
    low, middle, high = (format_db(value) for value in control.quartiles)
    yield (
        f"control: best of {control.n_control} random trials {format_db(control.best[0])}; as many "
        f"of the search's {control.n_search} reach {middle} (quartiles {low} to {high})"
    )
    if not math.isnan(control.hypervolume[0]):
        low, middle, high = (f"{value:.2f}" for value in control.hypervolume_quartiles)
        yield (
            f"control: hypervolume {control.hypervolume[0]:.2f} of all; as many of the search's "
            f"{middle} ({low} to {high})"
        )


LEAST_NEEDED = ("p", "against", "kind", "params", "seeds × tracks", "MAC/s", "beyond noise")
"""Columns that a narrow terminal goes without."""


def print_effects(ablation: "Effects") -> None:
    """The table of effects, the noise that they are read against, and what to know."""
    is_high = ablation.quality.direction == "maximize"
    better = "the higher the better" if is_high else "the lower the better"
    out.print(f"effects on {ablation.quality.label}, {better}", markup=False, soft_wrap=True)
    print_table(effects_table(ablation))
    if ablation.noise:
        low, high = ablation.noise.sigma.low, ablation.noise.sigma.high
        out.print(
            f"noise: σ of one training {ablation.noise.sigma.value:.3f} dB "
            f"[{low:.3f}, {high:.3f}], from {ablation.noise.source}",
            markup=False,
            soft_wrap=True,
        )
    for note in ablation.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)


def effects_table(ablation: "Effects") -> Table:
    """One row an effect."""
    table = Table(box=None, header_style="bold")
    for column in ("factor", "alternative", "against", "kind"):
        table.add_column(column)
    for column in ("effect", "95 % interval", "beyond noise", "p", "Holm p", "MAC/s", "params"):
        table.add_column(column, justify="right")
    table.add_column("seeds × tracks", justify="right")
    table.add_column("verdict")
    for _, row in ablation.table.iterrows():
        confused = f" (or {', '.join(row.confused_with)})" if row.confused_with else ""
        table.add_row(
            f"{row.factor}{confused}",
            row.alternative,
            row.against,
            row.kind,
            "–" if _is_none(row.effect_db) else f"{row.effect_db:+.2f} dB",
            "–" if _is_none(row.low_db) else f"{row.low_db:+.2f} to {row.high_db:+.2f}",
            "–" if _is_none(row.least_db) else f"±{row.least_db:.2f} dB",
            _p(row.wilcoxon_p),
            _p(row.holm_p),
            _percent(row.macs_per_second_change),
            _percent(row.parameters_change),
            f"{row.n_seeds} × {row.n_tracks}",
            row.verdict,
        )
    return fitted(table, out, optional=LEAST_NEEDED, wrapping=("factor", "alternative"))


def _is_none(value: float) -> bool:
    return value is None or math.isnan(value)


def _p(value: float) -> str:
    return "–" if _is_none(value) else f"{value:.3f}"


def _percent(value: float) -> str:
    return "–" if _is_none(value) else f"{value:+.0%}"


def fidelity_table(rungs: "Fidelity") -> Table:
    """One row a rung."""
    table = Table(box=None, header_style="bold")
    headings = ("step", "of last", "trials", "τ-b", "95 %", "τ-b in cost bands", "95 %", "best few")
    for heading in headings:
        table.add_column(heading, justify="right")
    for _, row in rungs.table.iterrows():
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


def _tau(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
