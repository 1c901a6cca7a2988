"""Quality against a cost: points, the front as a step line, names that cover nothing."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from msdemucs.analysis.followups import PromotedTrial
from msdemucs.analysis.trades import Band, Trade, TradePoint
from msdemucs.report.figures.style import (
    ACCENT,
    BAND,
    INK,
    MUTED,
    PAPER,
    SHADE,
    STRONG_RULE,
    Axis,
    Box,
    Label,
    add_axis_name,
    axis_over,
    axis_style,
    base_layout,
    group_colour,
    line_box,
    place_labels,
    selection_trace,
    text_box,
)

WIDTHS_PX = (260, 320, 420, 560, 800, 1020)
"""Widths of the plot for which names are placed: on the page those of the widest that fits are
shown, and then only gain room."""

PICTURE_PX = 560
"""The width among them that pictures have."""

FLOOR_NOTE = "mixture as estimate"

MOST_BARS = 300
"""Points of one role that show their interval, at most; above that only named ones do, and the
others are drawn alike and small."""

MOST_NAMES = 12
"""Sampled trials of a front are named beside their points up to this many."""


Labels = Mapping[int, Mapping[int, Label]]
"""Width of the plot → trial → its label."""


def named_trials(trade: Trade) -> frozenset[int]:
    """Who has a name beside the point: baselines, a front that is not crowded, an ablation's arms.

    Of trials with one name, one is named.
    """
    first = {point.name: point for point in reversed(trade.points)}
    first |= {point.name: point for point in reversed(trade.front)}
    baselines = [p.trial for p in first.values() if p.is_baseline][:MOST_NAMES]
    is_named = trade.noun == "arm"
    front = [p.trial for p in first.values() if p.is_front or (is_named and not p.is_baseline)]
    return frozenset(baselines + (front if len(front) <= MOST_NAMES else []))


def plot_height(layout: Mapping[str, Any]) -> float:
    """The pixels between a figure's margins."""
    return float(layout["height"] - layout["margin"]["t"] - layout["margin"]["b"])


def name_labels(
    trade: Trade,
    names: frozenset[int],
    axes: tuple[Axis, Axis],
    height: float,
    spans: Sequence[tuple[float, float, float]] = (),
) -> dict[int, dict[int, Label]]:
    """For each of WIDTHS_PX, trial → its label: off points, the front's steps, the floor's note.

    Args:
        trade: with the points.
        names: trials that have one.
        axes: of cost and quality.
        height: of the plot, pixels.
        spans: upright lines, each its cost and the qualities at its ends.
    """
    x, y = axes
    shown = [p for p in trade.points if p.trial in names or len(trade.points) <= MOST_BARS]
    shown.sort(key=lambda point: (not point.is_front, point.trial not in names))
    texts = [(point.name, point.short) if point.trial in names else () for point in shown]
    labels = {}
    for width in WIDTHS_PX:
        placed = place_labels(
            [(x.place(point.x) * width, y.place(point.y) * height) for point in shown],
            texts,
            width=width,
            height=height,
            lines=drawn_lines(trade, axes, (width, height), spans),
        )
        labels[width] = {p.trial: label for p, label in zip(shown, placed, strict=True)}
    return labels


def drawn_lines(
    trade: Trade,
    axes: tuple[Axis, Axis],
    size: tuple[float, float],
    spans: Sequence[tuple[float, float, float]],
) -> list[Box]:
    """The front's steps, the upright lines and the floor's note, in a plot of so many pixels."""
    (x, y), (width, height) = axes, size

    def pixel(at_x: float, at_y: float) -> tuple[float, float]:
        return x.place(at_x) * width, y.place(at_y) * height

    lines = [line_box(pixel(at, low), pixel(at, high)) for at, low, high in spans]
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
    return lines


def beside(label: Label) -> str:
    """A name, with a blank between it and the point at whose side it stands."""
    text = escape(label.text, quote=False)
    blank = "\N{NO-BREAK SPACE}" if text else ""
    sides = {"middle right": blank + text, "middle left": text + blank}
    return sides.get(label.position, text)


def labels_by_width(
    placed: Mapping[int, Sequence[Label]],
) -> list[tuple[int, list[str], list[str]]]:
    """Width, texts and places, for the page's script to choose from."""
    return [
        (width, [beside(label) for label in labels], [label.position for label in labels])
        for width, labels in placed.items()
    ]


FLOOR_REACH = 0.5
"""The floor is inside the axis while it is no further from the data than this many times their
spread; beyond, it would flatten them, and a note at the axis' end says where it is."""


def trade_axes(trade: Trade, promoted: Sequence[PromotedTrial] = ()) -> tuple[Axis, Axis]:
    """The axes of a trade with at least one point; see FLOOR_REACH for the floor."""
    x = axis_over([p.x for p in trade.points], may_be_log=trade.x.may_be_log, margin=0.12)
    qualities = [point.y for point in trade.points] + [trial.long for trial in promoted]
    bars = [point for point in trade.front if point.half_width == point.half_width]
    qualities += [p.y + side * p.half_width for p in bars for side in (-1, 1)]
    low, high = min(qualities), max(qualities)
    reach = FLOOR_REACH * (high - low)
    if trade.floor is not None and low - reach <= trade.floor <= high + reach:
        qualities.append(trade.floor)
    return x, axis_over(qualities, may_be_log=False, margin=0.14)


def shows_floor(trade: Trade, promoted: Sequence[PromotedTrial] = ()) -> bool:
    """Whether the floor is drawn as a line in a trade's figure."""
    _, y = trade_axes(trade, promoted)
    return trade.floor is not None and y.low <= trade.floor <= y.high


def paint_trade(
    trade: Trade,
    *,
    height: int,
    band: Band | None = None,
    fronts: Mapping[str, Sequence[TradePoint]] | None = None,
    promoted: Sequence[PromotedTrial] = (),
) -> go.Figure:
    """Points, the front as a step line, names of baselines and of the front, and the floor.

    What stands over a point is left to the page's script, which has every trial's numbers.

    Args:
        trade: with at least one point.
        height: pixels.
        band: what single seeds attain, drawn behind the points.
        fronts: of all studies that are compared, by name, in the order that gives each its colour
            everywhere on the page; drawn instead of the front of all.
        promoted: trials that were trained for longer, drawn above or below their points.
    """
    costs = {point.trial: point.x for point in trade.points}
    promoted = [trial for trial in promoted if trial.trial in costs]
    x, y = trade_axes(trade, promoted)
    names = named_trials(trade)
    layout = base_layout(height)
    spans = [(costs[trial.trial], trial.short, trial.long) for trial in promoted]
    labels = name_labels(trade, names, (x, y), plot_height(layout), spans)

    figure = go.Figure(layout=layout)
    if trade.front:
        figure.add_trace(dominated_region(trade, x, y))
    if band is not None:
        figure.add_trace(band_area(band))
    for index, (name, points) in enumerate((fronts or {}).items()):
        figure.add_trace(front_line(trade, points, group_colour(index), name))
    if not fronts:
        figure.add_trace(front_line(trade, trade.front))
    for role in ("dominated", "tied", "front"):
        points = [point for point in trade.points if role_of(point) == role]
        if len(points) > MOST_BARS:
            figure.add_trace(crowd_trace([p for p in points if p.trial not in names], role))
            points = [point for point in points if point.trial in names]
        if points or role != "tied":
            figure.add_trace(points_trace(points, role, labels))
    for trace in promotion_traces(promoted, costs):
        figure.add_trace(trace)
    figure.add_trace(selection_trace("markers"))
    scale = ", log scale" if x.is_log else ""
    figure.update_xaxes(**axis_style(x), title={"text": escape(trade.x.label) + scale})
    figure.update_yaxes(**axis_style(y))
    add_axis_name(figure, escape(trade.y.label))
    if trade.floor is not None:
        add_floor(figure, trade.floor, y, trade.y.text(trade.floor))
    return figure


def role_of(point: TradePoint) -> str:
    """On the front, tied with it, or dominated."""
    return "front" if point.is_front else "tied" if point.is_tied else "dominated"


def points_trace(points: Sequence[TradePoint], role: str, labels: Labels) -> go.Scatter:
    """The points of one role, with the names and the intervals that there is room for."""
    bars = [p.half_width if p.half_width == p.half_width else 0 for p in points]
    placed = {
        width: [of_width.get(point.trial, Label("", "top center")) for point in points]
        for width, of_width in labels.items()
    }
    shown = placed[PICTURE_PX]
    is_named = any(label.text for of_width in placed.values() for label in of_width)
    return go.Scatter(
        x=[point.x for point in points],
        y=[point.y for point in points],
        customdata=[point.trial for point in points],
        mode="markers+text" if is_named else "markers",
        text=[beside(label) for label in shown],
        textposition=[label.position for label in shown],
        textfont={"color": INK if role == "front" else MUTED, "size": 12},
        marker=marker_style(points, role),
        error_y={
            "array": bars,
            "color": STRONG_RULE,
            "thickness": 1,
            "width": 0,
            "visible": any(bars),
        },
        hoverinfo="text",
        cliponaxis=False,
        meta={"role": role} | ({"labels": labels_by_width(placed)} if is_named else {}),
    )


def promotion_traces(
    promoted: Sequence[PromotedTrial], costs: Mapping[int, float]
) -> list[go.Scatter]:
    """What trials attained when they were trained for longer, joined with their points.

    Args:
        promoted: with a cost each.
        costs: trial → its place.
    """
    if not promoted:
        return []
    x = [costs[trial.trial] for trial in promoted]
    symbols = {True: "triangle-up", False: "triangle-down"}
    ends = [end for at, trial in zip(x, promoted, strict=True) for end in (at, at, None)]
    heights = [end for trial in promoted for end in (trial.short, trial.long, None)]
    return [
        go.Scatter(
            x=ends,
            y=heights,
            mode="lines",
            line={"color": MUTED, "width": 1},
            hoverinfo="skip",
            meta={"role": "promotion-line"},
        ),
        go.Scatter(
            x=x,
            y=[trial.long for trial in promoted],
            customdata=[trial.trial for trial in promoted],
            mode="markers",
            marker={
                "symbol": [symbols[trial.long >= trial.short] for trial in promoted],
                "size": 10,
                "color": PAPER,
                "line": {"color": INK, "width": 1.5},
            },
            hoverinfo="text",
            cliponaxis=False,
            meta={"role": "promoted"},
        ),
    ]


def crowd_trace(points: Sequence[TradePoint], role: str) -> go.Scatter:
    """Very many points: alike, without names and intervals, so that they are quickly drawn."""
    return go.Scatter(
        x=[point.x for point in points],
        y=[point.y for point in points],
        customdata=[point.trial for point in points],
        mode="markers",
        marker={
            "symbol": "circle",
            "size": 5,
            "color": marker_colour(role),
            "line": {"color": line_colour(role), "width": 1.5},
            "opacity": 1,
        },
        hoverinfo="text",
        cliponaxis=False,
        meta={"role": role},
    )


def dominated_region(trade: Trade, x: Axis, y: Axis) -> go.Scatter:
    """The area in which something of the front is better in both."""
    front = trade.front
    far = x.high if trade.x.direction == "minimize" else x.low
    poor = y.low if trade.y.direction == "maximize" else y.high
    inner, outer = (front[0], front[-1]) if far == x.high else (front[-1], front[0])
    steps = front if far == x.high else front[::-1]
    xs, ys = [inner.x], [poor]
    for index, point in enumerate(steps):
        xs.append(point.x)
        ys.append(point.y)
        if index + 1 < len(steps):
            xs.append(steps[index + 1].x)
            ys.append(point.y)
    return go.Scatter(
        x=[*xs, far, far],
        y=[*ys, outer.y, poor],
        mode="none",
        fill="toself",
        fillcolor=SHADE,
        hoverinfo="skip",
        meta={"role": "region"},
    )


def band_area(band: Band) -> go.Scatter:
    """Between what the worst and the best seed attain at each cost."""
    xs: list[float] = []
    lows: list[float] = []
    highs: list[float] = []
    for left, right in pairwise([*band.x, band.x[-1]]):
        index = len(xs) // 2
        xs += [left, right]
        lows += [band.low[index]] * 2
        highs += [band.high[index]] * 2
    return go.Scatter(
        x=[*xs, *xs[::-1]],
        y=[*highs, *lows[::-1]],
        mode="none",
        fill="toself",
        fillcolor=BAND,
        hoverinfo="skip",
        meta={"role": "band"},
    )


def front_line(
    trade: Trade, front: Sequence[TradePoint], colour: str = ACCENT, name: str = ""
) -> go.Scatter:
    """A front joined as steps: what is reachable at each cost."""
    return go.Scatter(
        x=[point.x for point in front],
        y=[point.y for point in front],
        mode="lines",
        line={
            "shape": "hv" if trade.x.direction == "minimize" else "vh",
            "color": colour,
            "width": 1.5,
        },
        hoverinfo="skip",
        meta={"role": "front-line", "study": name},
    )


def marker_style(points: Sequence[TradePoint], role: str) -> dict[str, object]:
    """Filled on the front, open elsewhere; diamonds: baselines; crosses: beyond a constraint."""
    return {
        "symbol": [
            "x-thin" if point.beyond else "diamond" if point.is_baseline else "circle"
            for point in points
        ],
        "size": [11 if point.is_baseline else 9 for point in points],
        "color": marker_colour(role),
        "line": {"color": line_colour(role), "width": 1.5},
        "opacity": 1,
    }


def marker_colour(role: str) -> str:
    """Of a marker's inside."""
    return ACCENT if role == "front" else PAPER


def line_colour(role: str) -> str:
    """Of a marker's edge."""
    return MUTED if role == "dominated" else ACCENT


def add_floor(figure: go.Figure, floor: float, y: Axis, text: str) -> None:
    """The floor as a dashed line; outside the axis, a note at its edge says where it is."""
    is_inside = y.low <= floor <= y.high
    edge = y.low if floor < y.low else y.high
    arrow = "" if is_inside else ("↓ " if floor < y.low else "↑ ")
    if is_inside:
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
