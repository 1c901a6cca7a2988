"""Frames painted with plotly: quality against a cost, and learning curves.

Colours are the names of the page's CSS variables; the page's script resolves them for the light
and the dark scheme. Names reach plotly as text: its mark-up characters are escaped here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from statistics import fmean

import plotly.graph_objects as go

from msdemucs.report.frames import Curve, Point, Trade
from msdemucs.report.labels import line_box, place_labels, spread, text_box

INK, MUTED, RULE, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
ACCENT, WARNING = "var(--accent)", "var(--warning)"

NARROW_PX = (290.0, 300.0)
"""The plot's size on a phone, for which names are placed; on wider screens they only gain room."""

LOG_FROM_RATIO = 3.0
"""A positive axis whose largest value is this many times its smallest is logarithmic."""

FLOOR_REACH = 1.5
"""The floor is inside the axis while it is no further below than this many times the spread."""

FLOOR_NOTE = "mixture as estimate"

MOST_NAMES = 12
"""Sampled trials of a front are named beside their points up to this many."""

MOST_CURVE_NAMES = 8

MOST_TICKS = 7
"""Steps between ticks on an axis that is not logarithmic, at most: a phone has room for these."""


@dataclass(frozen=True)
class Axis:
    """A range in data units and how it is drawn."""

    low: float
    high: float
    is_log: bool

    def place(self, value: float) -> float:
        """Where a value lies between the ends, 0 to 1."""
        low, high, at = (math.log10(v) if self.is_log else v for v in (self.low, self.high, value))
        return (at - low) / (high - low)

    @property
    def plotly_range(self) -> tuple[float, float]:
        """The ends as plotly wants them: exponents of ten on a logarithmic axis."""
        ends = (self.low, self.high)
        return (math.log10(ends[0]), math.log10(ends[1])) if self.is_log else ends


def axis_over(values: Sequence[float], *, may_be_log: bool, margin: float) -> Axis:
    """An axis that holds all values with a margin, given as a fraction of their spread."""
    low, high = min(values), max(values)
    if may_be_log and low > 0 and high / low >= LOG_FROM_RATIO:
        factor = (high / low) ** margin
        return Axis(low / factor, high * factor, is_log=True)
    pad = (high - low) * margin or abs(high) * margin or 1.0
    return Axis(low - pad, high + pad, is_log=False)


def trade_axes(trade: Trade) -> tuple[Axis, Axis]:
    """The axes of a trade with at least one point; see FLOOR_REACH for the floor."""
    x = axis_over([point.x for point in trade.points], may_be_log=True, margin=0.12)
    qualities = [point.y for point in trade.points]
    reach = FLOOR_REACH * max(max(qualities) - min(qualities), 0.5)
    floor = trade.floor
    if floor is not None and min(qualities) - reach <= floor <= max(qualities) + reach:
        qualities.append(floor)
    return x, axis_over(qualities, may_be_log=False, margin=0.14)


def paint_trade(trade: Trade, hovers: Mapping[int, Sequence[str]], *, height: int) -> go.Figure:
    """Points, the front as a step line, names of baselines and of the front, and the floor.

    Args:
        trade: with at least one point.
        hovers: lines shown over a trial's point, by trial.
        height: pixels.
    """
    x, y = trade_axes(trade)
    names = named_trials(trade)
    position = name_positions(trade, names, x, y)

    figure = go.Figure(layout=base_layout(height))
    figure.add_trace(front_line(trade))
    for is_front in (False, True):
        points = [point for point in trade.points if point.is_front == is_front]
        figure.add_trace(
            go.Scatter(
                x=[point.x for point in points],
                y=[point.y for point in points],
                customdata=[point.trial for point in points],
                mode="markers+text",
                text=[escape(p.name, quote=False) if p.trial in names else "" for p in points],
                textposition=[position[point.trial] for point in points],
                textfont={"color": INK if is_front else MUTED, "size": 12},
                marker=marker_style(points, is_front=is_front),
                hovertext=[hover_text(hovers.get(point.trial, (point.name,))) for point in points],
                hoverinfo="text",
                cliponaxis=False,
                meta={"role": "front" if is_front else "dominated"},
            )
        )
    figure.add_trace(selection_trace("markers"))
    scale = ", log scale" if x.is_log else ""
    figure.update_xaxes(**axis_style(x), title={"text": escape(trade.x.label) + scale})
    figure.update_yaxes(**axis_style(y))
    add_axis_name(figure, escape(trade.y.label))
    if trade.floor is not None:
        add_floor(figure, trade.floor, y, trade.y.text(trade.floor))
    return figure


def named_trials(trade: Trade) -> frozenset[int]:
    """Trials whose name stands beside their point: baselines, and a front that is not crowded."""
    baselines = [point.trial for point in trade.points if point.is_baseline]
    front = [point.trial for point in trade.front]
    return frozenset(baselines + (front if len(front) <= MOST_NAMES else []))


def name_positions(trade: Trade, names: frozenset[int], x: Axis, y: Axis) -> dict[int, str]:
    """Where each trial's name stands: off other points, the front's steps and the floor's note."""
    width, height = NARROW_PX

    def pixel(at_x: float, at_y: float) -> tuple[float, float]:
        return x.place(at_x) * width, y.place(at_y) * height

    lines = []
    for left, right in pairwise(trade.front):
        is_level_first = trade.x.direction == "minimize"
        corner = pixel(right.x, left.y) if is_level_first else pixel(left.x, right.y)
        lines += [
            line_box(pixel(left.x, left.y), corner),
            line_box(corner, pixel(right.x, right.y)),
        ]
    if trade.floor is not None:
        at = min(max(y.place(trade.floor), 0.0), 1.0) * height
        note = f"↓ {FLOOR_NOTE} {trade.y.text(trade.floor)}"
        lines.append(text_box(width, at, note, (-1, 1)))
    places = place_labels(
        [pixel(point.x, point.y) for point in trade.points],
        [point.name if point.trial in names else "" for point in trade.points],
        width=width,
        height=height,
        lines=lines,
    )
    return {point.trial: place for point, place in zip(trade.points, places, strict=True)}


def front_line(trade: Trade) -> go.Scatter:
    """The front joined as steps: what is reachable at each cost."""
    front = trade.front
    return go.Scatter(
        x=[point.x for point in front],
        y=[point.y for point in front],
        mode="lines",
        line={
            "shape": "hv" if trade.x.direction == "minimize" else "vh",
            "color": ACCENT,
            "width": 1.5,
        },
        hoverinfo="skip",
        meta={"role": "front-line"},
    )


def marker_style(points: Sequence[Point], *, is_front: bool) -> dict[str, object]:
    """Filled on the front, open elsewhere; diamonds are baselines, circles sampled trials."""
    return {
        "symbol": ["diamond" if point.is_baseline else "circle" for point in points],
        "size": [11 if point.is_baseline else 9 for point in points],
        "color": ACCENT if is_front else PAPER,
        "line": {"color": ACCENT if is_front else MUTED, "width": 1.5},
        "opacity": 1,
    }


def selection_trace(mode: str) -> go.Scatter:
    """An empty trace that the page's script moves to the selected trial."""
    return go.Scatter(
        x=[],
        y=[],
        mode=mode,
        marker={"symbol": "circle-open", "size": 20, "color": INK, "line": {"width": 2}},
        line={"color": INK, "width": 3},
        hoverinfo="skip",
        meta={"role": "selection"},
    )


def hover_text(lines: Sequence[str]) -> str:
    """Lines as plotly shows them, the first one in bold."""
    head, *rest = (escape(line, quote=False) for line in lines)
    return "<br>".join([f"<b>{head}</b>", *rest])


def add_floor(figure: go.Figure, floor: float, y: Axis, text: str) -> None:
    """The floor as a dashed line; outside the axis, a note at its edge says where it is."""
    is_inside = y.low <= floor <= y.high
    edge = y.low if floor < y.low else y.high
    arrow = "" if is_inside else ("↓ " if floor < y.low else "↑ ")
    figure.add_shape(
        type="line",
        xref="paper",
        x0=0,
        x1=1,
        y0=floor,
        y1=floor,
        layer="below",
        line={"color": MUTED, "width": 1, "dash": "dash"},
        name="floor",
    )
    figure.add_annotation(
        text=f"{arrow}{FLOOR_NOTE} {text}",
        xref="paper",
        x=1,
        xanchor="right",
        y=floor if is_inside else edge,
        yanchor="bottom",
        showarrow=False,
        font={"size": 11, "color": MUTED},
    )


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


def base_layout(height: int) -> dict[str, object]:
    """What all figures share; the template is emptied, so that nothing of plotly's look stays."""
    return {
        "template": {},
        "height": height,
        "margin": {"l": 46, "r": 14, "t": 34, "b": 50},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "hovermode": "closest",
        "font": {"family": "var(--sans)", "size": 12, "color": MUTED},
        "hoverlabel": {
            "bgcolor": PAPER,
            "bordercolor": MUTED,
            "align": "left",
            "font": {"family": "var(--sans)", "size": 12, "color": INK},
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
        "uirevision": "keep",
    }


def grid_style() -> dict[str, object]:
    """Hair lines, no frame, no zero line."""
    return {
        "gridcolor": RULE,
        "gridwidth": 1,
        "zeroline": False,
        "linecolor": MUTED,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": MUTED,
        "automargin": False,
    }


def axis_style(axis: Axis) -> dict[str, object]:
    """An axis with its range; large numbers carry SI prefixes, others as many decimals as all."""
    low, high = axis.plotly_range
    is_large = max(abs(axis.low), abs(axis.high)) >= 1000
    style = grid_style() | {"range": [low, high], "tickformat": "~s" if is_large else "~f"}
    if axis.is_log:
        return style | {"type": "log", "dtick": "D1" if high - low < 0.6 else "D2"}
    step = tick_step(high - low)
    if not is_large:
        style["tickformat"] = f".{max(0, -math.floor(math.log10(step)))}f"
    return style | {"dtick": step, "tick0": 0}


def tick_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, such that at most MOST_TICKS steps fill the span."""
    smallest = span / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(smallest))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= smallest)


def add_axis_name(figure: go.Figure, text: str) -> None:
    """The vertical axis' name, level above the axis, where it can be read."""
    figure.add_annotation(
        text=text,
        xref="paper",
        yref="paper",
        x=0,
        y=1,
        xanchor="left",
        yanchor="bottom",
        xshift=-40,
        yshift=10,
        showarrow=False,
        font={"size": 12, "color": MUTED},
    )
