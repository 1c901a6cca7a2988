"""`msdemucs metrics`: what scores are called, what they compute, and what is better."""

import json
import math
from typing import Annotated

import typer

from msdemucs.cli.console import out
from msdemucs.metrics import METRICS, Metric


def metrics(
    as_json: Annotated[bool, typer.Option("--json", help="All metrics as JSON on stdout.")] = False,
) -> None:
    """List the metrics: formula, what is better, and what doing nothing scores."""
    if as_json:
        rows = [_plain(metric) for metric in METRICS.values()]
        out.print_json(json.dumps(rows, ensure_ascii=False))
        return
    for metric in METRICS.values():
        better = "higher" if metric.direction == "maximize" else "lower"
        out.print(f"[bold]{metric.name}[/]  {metric.label}, {metric.unit}, {better} is better")
        for line in (
            metric.formula,
            f"{metric.convention}.",
            f"Joined: {metric.joined}.",
            f"{_floor('silence', metric.silence, metric.unit)}; "
            f"{_floor('the mixture', metric.mixture, metric.unit)}.",
            f"Source: {metric.source}.",
        ):
            out.print(f"  {line[0].upper()}{line[1:]}", markup=False, soft_wrap=True)
        out.print()


def _floor(estimate: str, value: float | None, unit: str) -> str:
    """What an estimate without any work is worth, in words."""
    if value is None:
        return f"what {estimate} scores depends on the track"
    if math.isnan(value):
        return f"{estimate} has no score"
    return f"{estimate} scores {value:g} {unit}".replace("inf", "∞").replace("-", "−")


def _plain(metric: Metric) -> dict[str, object]:
    """A metric for JSON, which has no infinity: such a floor is told as text."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in metric.describe().items()
    }
