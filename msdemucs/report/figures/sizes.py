"""Sizes of a study's best beside those of the published notes' systems, counted as those count.

The notes give sizes and a speed, no SDR: there is no quality to compare, and none is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

import plotly.graph_objects as go
import yaml

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trials import mapping_of, trial_number
from msdemucs.columns import FORMATS
from msdemucs.cost.dialects import thop_count
from msdemucs.errors import MsdemucsError
from msdemucs.report.figures.style import (
    ACCENT,
    MUTED,
    PAPER,
    ROW_PX,
    Axis,
    add_title,
    axis_over,
    axis_style,
    base_layout,
    label_room,
    row_axis,
)
from msdemucs.spec import parse_spec
from msdemucs.units import typeset

MOST_SIZED = 12
"""Trials of a study beside the notes' systems, at most: baselines, then the front's by cost."""


@dataclass(frozen=True)
class Sized:
    """A system as the notes' profiler sizes it.

    Attributes:
        name: of the system, or of the trial.
        trial: its number; None for a published system.
        macs_per_second: multiply-accumulates for a second of audio.
        parameters: those that the profiler knows.
        note: what else is known of it; "" for nothing.
    """

    name: str
    trial: int | None
    macs_per_second: float
    parameters: float
    note: str = ""


@cache
def published() -> tuple[Sized, ...]:
    """The notes' systems, the fewest MACs first."""
    text = (files("msdemucs.report") / "published.yaml").read_text(encoding="utf-8")
    systems = [
        Sized(
            str(name),
            None,
            1e9 * facts["gmacs"] / facts["segment_s"],
            1e6 * facts["mparameters"],
            f"{facts['seconds_per_180_s']:.2f} s for 180 s of audio on a GPU of theirs",
        )
        for name, facts in yaml.safe_load(text).items()
    ]
    return tuple(sorted(systems, key=lambda system: system.macs_per_second))


def sized_trials(findings: Findings) -> tuple[Sized, ...]:
    """The baselines and the main front, the fewest MACs first; unreadable specs left out."""
    points = findings.main_trade.points
    shown = [point for point in points if point.is_baseline]
    shown += [point for point in points if point.is_front and not point.is_baseline]
    specs = {trial_number(row): mapping_of(row, "spec") for row in findings.rows}
    sizes = (_sized(point.name, point.trial, specs[point.trial]) for point in shown[:MOST_SIZED])
    known = [size for size in sizes if size is not None]
    return tuple(sorted(known, key=lambda size: size.macs_per_second))


def _sized(name: str, trial: int, spec: Mapping[str, object]) -> Sized | None:
    try:
        parsed = parse_spec(spec)
        count = thop_count(parsed)
    except MsdemucsError:
        return None
    return Sized(name, trial, count.macs / float(parsed.segment), count.parameters)


GAP = 0.05
"""Between the panels, as a share of the width."""

PANELS: tuple[tuple[str, str, Callable[[Sized], float]], ...] = (
    ("MACs per second of audio", "MAC/s", lambda system: system.macs_per_second),
    ("Parameters", "count", lambda system: system.parameters),
)


def paint_sizes(own: Sequence[Sized], others: Sequence[Sized]) -> go.Figure:
    """A study's trials as filled points above published systems as open ones.

    Args:
        own: at least one.
        others: published ones.
    """
    rows = [*own, *others]
    names = [system.name for system in rows]
    figure = go.Figure(layout=base_layout(92 + ROW_PX * len(rows)))
    figure.update_yaxes(**row_axis(names), domain=[0, 1])
    for index, (title, unit, size) in enumerate(PANELS):
        axis = "" if index == 0 else str(index + 1)
        x = axis_over([size(system) for system in rows], may_be_log=True, margin=0.12)
        left = index * (1 + GAP) / len(PANELS)
        domain = [left, left + (1 - GAP) / len(PANELS)]
        figure.update_layout({f"xaxis{axis}": _style(x) | {"domain": domain, "anchor": "y"}})
        for start, systems in ((0, own), (len(own), others)):
            figure.add_trace(_trace(systems, start, size, f"x{axis}", unit))
        add_title(figure, title + (", log scale" if x.is_log else ""), left=domain[0])
    figure.add_shape(
        type="line",
        xref="paper",
        x0=0,
        x1=1,
        y0=len(own) - 0.5,
        y1=len(own) - 0.5,
        line={"color": MUTED, "width": 1, "dash": "dot"},
    )
    for text, y, anchor in (
        ("this study", len(own) - 0.5, "bottom"),
        ("published", len(own) - 0.5, "top"),
    ):
        figure.add_annotation(
            text=text,
            xref="paper",
            x=1,
            xanchor="right",
            y=y,
            yanchor=anchor,
            showarrow=False,
            font={"size": 11, "color": MUTED},
        )
    figure.update_layout(margin={"l": label_room(names), "t": 36, "b": 40})
    return figure


def _style(x: Axis) -> dict[str, object]:
    """An axis with a tick a power of ten: panels are narrow on a phone."""
    return axis_style(x) | {"tickangle": 0} | ({"dtick": 1} if x.high / x.low > 10 else {})


def _trace(
    systems: Sequence[Sized], start: int, size: Callable[[Sized], float], axis: str, unit: str
) -> go.Scatter:
    is_own = any(system.trial is not None for system in systems)
    texts = [
        f"<b>{escape(system.name, quote=False)}</b><br>{typeset(FORMATS[unit](size(system)))}"
        + (f"<br>{escape(system.note, quote=False)}" if system.note else "")
        for system in systems
    ]
    return go.Scatter(
        x=[size(system) for system in systems],
        y=[start + index for index in range(len(systems))],
        xaxis=axis,
        customdata=[system.trial for system in systems] if is_own else None,
        mode="markers",
        marker={
            "size": 10,
            "symbol": "circle" if is_own else "diamond",
            "color": ACCENT if is_own else PAPER,
            "line": {"color": ACCENT if is_own else MUTED, "width": 1.5},
        },
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
        meta={"role": "own" if is_own else "published"},
    )
