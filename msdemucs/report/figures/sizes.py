"""Sizes of a study's best beside those of published systems: a row a system, a panel a number."""

from collections.abc import Callable, Sequence
from html import escape

import plotly.graph_objects as go

from msdemucs.columns import FORMATS
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
from msdemucs.report.published import Sized
from msdemucs.units import typeset

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
