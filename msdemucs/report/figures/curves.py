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
    group_colour,
    selection_trace,
    tick_step,
)

MOST_CURVE_NAMES = 8

DASHES = ("dash", "dot", "dashdot", "longdash", "longdashdot")
"""By which baselines are told apart without colour; all others are solid."""

LEGEND_ROW_PX = 20


def paint_curves(
    curves: Sequence[Curve], *, best: int | None, height: int, is_one_study: bool = True
) -> go.Figure:
    """Loss against step: one line a trial; baselines, failed ones and the best have a key below.

    A step's loss is that of its few segments, so that lines of single steps hide each other:
    running means are drawn.

    Args:
        curves: at least one.
        best: the trial drawn in the accent colour.
        height: pixels without the key.
        is_one_study: colours are free to tell baselines apart; those of several studies differ by
            their dashes alone.
    """
    window = mean_window(curves)
    curves = [smoothed(curve, window) for curve in curves]
    y = axis_over([loss for c in curves for loss in c.losses], may_be_log=True, margin=0.06)
    ranked = sorted(curves, key=lambda curve: -emphasis(curve, best))
    baselines = dict.fromkeys(curve.name for curve in ranked if is_like_baseline(curve, best))
    named = [curve for curve in ranked if emphasis(curve, best)]
    keyed = list({curve.name: curve.trial for curve in named[::-1]}.values())[::-1]
    keyed = keyed[:MOST_CURVE_NAMES]
    layout = base_layout(height + LEGEND_ROW_PX * len(keyed))
    figure = go.Figure(layout=layout)
    for curve in ranked[::-1]:
        index = list(baselines).index(curve.name) if is_like_baseline(curve, best) else None
        colour = curve_colour(curve, best, index if is_one_study else None)
        dash = "solid" if index is None else DASHES[index % len(DASHES)]
        trace = curve_trace(curve, is_named=curve in named, colour=colour, dash=dash)
        rank = {"legendrank": 1 + keyed.index(curve.trial)} if curve.trial in keyed else {}
        figure.add_trace(trace.update(showlegend=bool(rank), **rank))
    figure.add_trace(selection_trace("lines").update(showlegend=False))
    steps = {"dtick": max(1, tick_step(max(curve.steps[-1] for curve in curves)))}
    figure.update_xaxes(
        title={"text": "training step"}, rangemode="tozero", **grid_style(), **steps
    )
    figure.update_yaxes(**axis_style(y))
    mean = f", mean of {window} logged steps" if window > 1 else ""
    add_axis_name(figure, f"training loss{mean}" + (", log scale" if y.is_log else ""))
    key = {"x": 0, "y": 0, "xanchor": "left", "yanchor": "bottom", "yref": "container"}
    key |= {"itemclick": False, "itemdoubleclick": False, "font": {"color": INK}}
    bottom = layout["margin"]["b"] + LEGEND_ROW_PX * len(keyed)  # type: ignore[index]
    figure.update_layout(showlegend=bool(keyed), legend=key, margin={"b": bottom})
    return figure


def is_like_baseline(curve: Curve, best: int | None) -> bool:
    """Whether a curve is drawn as a baseline's: one that failed, or is the best, is not."""
    return curve.is_baseline and emphasis(curve, best) == BASELINE


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


BEST, BASELINE, FAILED, OTHER = 3, 2, 1, 0
"""How far in front a curve is drawn."""


def emphasis(curve: Curve, best: int | None) -> int:
    """How far in front a curve is drawn; OTHER for a curve without a name."""
    if curve.trial == best:
        return BEST
    if curve.state == "failed":
        return FAILED
    return BASELINE if curve.is_baseline else OTHER


def curve_colour(curve: Curve, best: int | None, index: int | None) -> str:
    """Accent for the best trial, warning for a failed one, a baseline's by its place, or muted."""
    level = emphasis(curve, best)
    if level == BASELINE:
        return INK if index is None else group_colour(index + 1)  # the first is like the accent
    return {BEST: ACCENT, FAILED: WARNING, OTHER: MUTED}[level]


def curve_trace(curve: Curve, *, is_named: bool, colour: str, dash: str) -> go.Scatter:
    """A trial's line; that of a failed trial ends in a cross."""
    has_failed = curve.state == "failed"
    n_steps = len(curve.steps)
    return go.Scatter(
        x=list(curve.steps),
        y=list(curve.losses),
        customdata=[curve.trial] * n_steps,
        mode="lines+markers" if has_failed or n_steps == 1 else "lines",
        line={"color": colour, "width": 2 if is_named else 1, "dash": dash},
        opacity=1 if is_named else 0.6,
        marker={"symbol": "x" if has_failed else "circle", "size": [0] * (n_steps - 1) + [8]},
        name=escape(curve.name, quote=False),
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
