"""Learning curves: training loss against step, one line a trial."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from statistics import fmean

import plotly.graph_objects as go
from markupsafe import Markup

from msdemucs.analysis.trials import Curve
from msdemucs.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    WARNING,
    add_axis_name,
    axis_over,
    axis_style,
    base_layout,
    grid_style,
    selection_trace,
    tick_step,
)
from msdemucs.report.labels import spread

MOST_CURVE_NAMES = 8


def paint_curves(curves: Sequence[Curve], *, best: int | None, height: int) -> go.Figure:
    """Loss against step: one line a trial; baselines and the best trial named at its end.

    A step's loss is that of its few segments, so that lines of single steps hide each other:
    running means are drawn.

    Args:
        curves: at least one.
        best: the trial drawn in the accent colour.
        height: pixels.
    """
    window = mean_window(curves)
    curves = [smoothed(curve, window) for curve in curves]
    y = axis_over([loss for c in curves for loss in c.losses], may_be_log=True, margin=0.06)
    figure = go.Figure(layout=base_layout(height))
    for curve in sorted(curves, key=lambda curve: emphasis(curve, best)):
        figure.add_trace(curve_trace(curve, best))
    figure.add_trace(selection_trace("lines"))
    steps = {"dtick": max(1, tick_step(max(curve.steps[-1] for curve in curves)))}
    figure.update_xaxes(
        title={"text": "training step"}, rangemode="tozero", **grid_style(), **steps
    )
    figure.update_yaxes(**axis_style(y))
    mean = f", mean of {window} logged steps" if window > 1 else ""
    add_axis_name(figure, f"training loss{mean}" + (", log scale" if y.is_log else ""))

    named = sorted(curves, key=lambda curve: -emphasis(curve, best))[:MOST_CURVE_NAMES]
    named = [curve for curve in named if emphasis(curve, best)]
    ends = [y.place(curve.losses[-1]) for curve in named]
    for curve, end in zip(named, spread(ends, gap=16 / (height - 84)), strict=True):
        figure.add_annotation(
            text=escape(curve.name, quote=False),
            xref="paper",
            yref="paper",
            x=1.0,
            y=end,
            xanchor="left",
            yanchor="middle",
            xshift=6,
            showarrow=False,
            font={"size": 12, "color": curve_colour(curve, best)},
        )
    figure.update_layout(margin={"r": 104})
    return figure


def mean_window(curves: Sequence[Curve]) -> int:
    """How many logged steps a point is the mean of: odd, an eighth of the longest curve."""
    return max(len(curve.steps) for curve in curves) // 16 * 2 + 1


def smoothed(curve: Curve, window: int) -> Curve:
    """The curve of running means: of each step and its neighbours, as many as there are."""
    reach = window // 2
    means = (
        fmean(curve.losses[max(0, index - reach) : index + reach + 1])
        for index in range(len(curve.losses))
    )
    return replace(curve, losses=tuple(means))


def emphasis(curve: Curve, best: int | None) -> int:
    """How far in front a curve is drawn; 0 for a curve without a name at its end."""
    if curve.trial == best:
        return 3
    if curve.is_baseline:
        return 2
    return 1 if curve.state == "failed" else 0


def curve_colour(curve: Curve, best: int | None) -> str:
    """Accent for the best trial, warning for a failed one, ink for baselines, muted others."""
    if curve.trial == best:
        return ACCENT
    if curve.state == "failed":
        return WARNING
    return INK if curve.is_baseline else MUTED


def curve_trace(curve: Curve, best: int | None) -> go.Scatter:
    """A trial's line; that of a failed trial ends in a cross."""
    has_failed = curve.state == "failed"
    n_steps = len(curve.steps)
    return go.Scatter(
        x=list(curve.steps),
        y=list(curve.losses),
        customdata=[curve.trial] * n_steps,
        mode="lines+markers" if has_failed or n_steps == 1 else "lines",
        line={"color": curve_colour(curve, best), "width": 1 + 0.5 * bool(emphasis(curve, best))},
        opacity=1 if emphasis(curve, best) else 0.6,
        marker={"symbol": "x" if has_failed else "circle", "size": [0] * (n_steps - 1) + [8]},
        text=escape(curve.name, quote=False),
        hovertemplate="<b>%{text}</b><br>step %{x}<br>loss %{y:.4g}<extra></extra>",
        meta={"role": "curve", "trial": curve.trial},
    )


WIDTH_PX, HEIGHT_PX, LEFT_PX, BOTTOM_PX = 420, 150, 52, 22
"""Of one trial's own small picture, an SVG: plotly would weigh too much."""

MOST_SMALL_POINTS = 160


def draw_curve(curve: Curve) -> Markup:
    """The running mean of a trial's loss against its steps, as an SVG element."""
    window = mean_window([curve])
    mean = smoothed(curve, window)
    stride = max(1, len(mean.steps) // MOST_SMALL_POINTS)
    steps, losses = mean.steps[::stride], mean.losses[::stride]
    y = axis_over(losses, may_be_log=True, margin=0.06)
    first, last = curve.steps[0], max(curve.steps[-1], curve.steps[0] + 1)
    plot_width, plot_height = WIDTH_PX - LEFT_PX - 8, HEIGHT_PX - BOTTOM_PX - 14
    points = " ".join(
        f"{LEFT_PX + plot_width * (step - first) / (last - first):.1f},"
        f"{12 + plot_height * (1 - y.place(loss)):.1f}"
        for step, loss in zip(steps, losses, strict=True)
    )
    base = 12 + plot_height
    scale = ", log scale" if y.is_log else ""
    mean_note = f", mean of {window} logged steps" if window > 1 else ""
    label = escape(f"training loss of {curve.name}{mean_note}{scale}", quote=True)
    ends = (
        f'<text x="{LEFT_PX}" y="{HEIGHT_PX - 6}">{first}</text>'
        f'<text x="{WIDTH_PX - 8}" y="{HEIGHT_PX - 6}" class="end">step {last}</text>'
        f'<text x="{LEFT_PX - 6}" y="20" class="end">{max(losses):.3g}</text>'
        f'<text x="{LEFT_PX - 6}" y="{base}" class="end">{min(losses):.3g}</text>'
    )
    svg = (
        f'<svg class="curve" role="img" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<path class="axis" d="M{LEFT_PX} 8V{base}H{WIDTH_PX - 8}"/>'
        f'<polyline points="{points}"/>{ends}</svg>'
    )
    return Markup(svg)  # noqa: S704 (numbers, and an escaped label)
