"""How a study and its trials came along: hypervolume, fronts at the rungs, learning curves."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from math import isfinite
from statistics import fmean

import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup

from msdemucs.analysis.fronts import HypervolumeTrace
from msdemucs.analysis.trades import RungFront, Trade
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
    spread,
    tick_step,
)

ARM_COLOURS = (ACCENT, WARNING)


def paint_hypervolumes(
    traces: Sequence[HypervolumeTrace], *, by_steps: bool, height: int
) -> go.Figure:
    """One line an arm, its name at its end.

    Args:
        traces: at least one.
        by_steps: against training steps, not trials.
        height: pixels.
    """
    figure = go.Figure(layout=base_layout(height))
    xs = [trace.steps if by_steps else trace.trials for trace in traces]
    x = axis_over([0, *(max(steps) for steps in xs)], may_be_log=False, margin=0.02)
    y = axis_over(
        [value for trace in traces for value in trace.volumes], may_be_log=False, margin=0.1
    )
    for trace, steps, colour in zip(traces, xs, ARM_COLOURS, strict=False):
        figure.add_trace(
            go.Scatter(
                x=list(steps),
                y=list(trace.volumes),
                mode="lines",
                line={"shape": "hv", "color": colour, "width": 2},
                text=escape(trace.name),
                hovertemplate="<b>%{text}</b><br>%{x}: %{y:.3f}<extra></extra>",
                meta={"role": "hypervolume", "arm": trace.name},
            )
        )
    name_ends(
        figure,
        [(trace.name, y.place(trace.volumes[-1])) for trace in traces],
        list(ARM_COLOURS[: len(traces)]),
        height=height,
    )
    figure.update_xaxes(
        **axis_style(x), title={"text": "training steps spent" if by_steps else "trials ended"}
    )
    figure.update_yaxes(**axis_style(y))
    add_axis_name(figure, "dominated share of the box (hypervolume)")
    return figure


def paint_rungs(fronts: Sequence[RungFront], trade: Trade, *, height: int) -> go.Figure:
    """The front at each rung as a step line, the last one in the accent colour."""
    figure = go.Figure(layout=base_layout(height))
    x = axis_over([v for front in fronts for v in front.x], may_be_log=True, margin=0.08)
    y = axis_over([v for front in fronts for v in front.y], may_be_log=False, margin=0.12)
    colours = [ACCENT if front is fronts[-1] else MUTED for front in fronts]
    for index, (front, colour) in enumerate(zip(fronts, colours, strict=True)):
        figure.add_trace(
            go.Scatter(
                x=list(front.x),
                y=list(front.y),
                customdata=list(front.trials),
                mode="lines+markers",
                line={
                    "shape": "hv" if trade.x.direction == "minimize" else "vh",
                    "color": colour,
                    "width": 1.5,
                    "dash": "solid" if index == len(fronts) - 1 else "dot",
                },
                marker={"size": 7, "color": colour},
                hoverinfo="text",
                meta={"role": "rung", "step": front.step},
            )
        )
    figure.add_trace(selection_trace("markers"))
    ends = [(f"step {front.step}", y.place(front.y[-1])) for front in fronts]
    name_ends(figure, ends, colours, height=height)
    scale = ", log scale" if x.is_log else ""
    figure.update_xaxes(**axis_style(x), title={"text": escape(trade.x.label) + scale})
    figure.update_yaxes(**axis_style(y))
    add_axis_name(figure, escape(f"{trade.y.header} at the rung ({trade.y.unit})"))
    return figure


def paint_fidelity(table: pd.DataFrame, *, height: int) -> go.Figure:
    """Rank correlation of each rung with the last step: over all pairs, and at like cost.

    Args:
        table: as `analysis.fidelity` gives it.
        height: pixels.
    """
    figure = go.Figure(layout=base_layout(height))
    steps = [float(step) for step in table["step"]]
    x = axis_over(steps, may_be_log=True, margin=0.1)
    ends = []
    for column, name, colour in (
        ("tau", "all trials", MUTED),
        ("tau_in_bands", "of like cost", ACCENT),
    ):
        values = [float(value) for value in table[column]]
        lows, highs = (table[f"{column}_{end}"].astype(float).tolist() for end in ("low", "high"))
        figure.add_trace(
            go.Scatter(
                x=steps,
                y=[value if isfinite(value) else None for value in values],
                mode="lines+markers",
                line={"color": colour, "width": 1.5},
                marker={"size": 8, "color": colour},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [_length(v, end) for v, end in zip(values, highs, strict=True)],
                    "arrayminus": [_length(end, v) for v, end in zip(values, lows, strict=True)],
                    "color": colour,
                    "thickness": 1,
                    "width": 0,
                },
                hovertemplate="step %{x}<br>τ-b %{y:.2f}<extra></extra>",
                meta={"role": "fidelity", "column": column},
            )
        )
        if values and isfinite(values[-1]):
            ends.append((name, (values[-1] + 1.05) / 2.1))
    colours = [MUTED, ACCENT][-len(ends) :] if ends else []
    name_ends(figure, ends, colours, height=height)
    scale = ", log scale" if x.is_log else ""
    figure.update_xaxes(**axis_style(x), title={"text": f"step of the rung{scale}"})
    figure.update_yaxes(**grid_style(), range=[-1.05, 1.05], dtick=0.5)
    add_axis_name(figure, "τ-b (Kendall) with the last step, 95 % interval")
    return figure


def _length(low: float, high: float) -> float:
    """The length of an error bar; none where an end is unknown."""
    return high - low if isfinite(high - low) else 0.0


def name_ends(
    figure: go.Figure, ends: Sequence[tuple[str, float]], colours: Sequence[str], *, height: int
) -> None:
    """Names of lines at the right edge, moved apart where they would overlap."""
    places = spread([place for _, place in ends], gap=16 / (height - 84))
    for (name, _), place, colour in zip(ends, places, colours, strict=True):
        figure.add_annotation(
            text=escape(name, quote=False),
            xref="paper",
            yref="paper",
            x=1.0,
            y=place,
            xanchor="left",
            yanchor="middle",
            xshift=6,
            showarrow=False,
            font={"size": 12, "color": INK if colour == ACCENT else colour},
        )
    figure.update_layout(margin={"r": 104})


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
    baselines = dict.fromkeys(c.name for c in ranked if emphasis(c, best) == BASELINE)
    named = [curve for curve in ranked if emphasis(curve, best)]
    keyed = list({curve.name: curve.trial for curve in named[::-1]}.values())[::-1]
    keyed = keyed[:MOST_CURVE_NAMES]
    layout = base_layout(height + LEGEND_ROW_PX * len(keyed))
    figure = go.Figure(layout=layout)
    for curve in ranked[::-1]:
        level, dash = emphasis(curve, best), "solid"
        colour = {BEST: ACCENT, FAILED: WARNING, BASELINE: INK, OTHER: MUTED}[level]
        if level == BASELINE:
            index = list(baselines).index(curve.name)
            dash = DASHES[index % len(DASHES)]
            # the first colour is like the accent
            colour = group_colour(index + 1) if is_one_study else colour
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
    """How far in front a curve is drawn; OTHER for a curve without a name.

    A baseline that failed, or is the best, is not drawn as one.
    """
    if curve.trial == best:
        return BEST
    if curve.state == "failed":
        return FAILED
    return BASELINE if curve.is_baseline else OTHER


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
