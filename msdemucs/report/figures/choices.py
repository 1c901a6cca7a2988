"""Choices: importances, marginals, parallel coordinates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from math import isfinite, log
from statistics import fmean

import plotly.graph_objects as go

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.importance import Importance, Marginal, lies_on_a_scale, with_choices
from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trials import Row, mapping_of, number, trial_number
from msdemucs.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    ROW_PX,
    Axis,
    add_axis_name,
    add_title,
    axis_over,
    axis_style,
    base_layout,
    grid_style,
    label_room,
    row_axis,
    selection_trace,
    shortened,
)
from msdemucs.units import format_value

MOST_FIELDS = 7
MOST_LINES = 200
"""Lines in one figure, at most: the best trials."""

LOG_FROM_RATIO = 10.0


@dataclass(frozen=True)
class AxisScale:
    """What the places of a numeric axis stand for.

    Attributes:
        low: at place 0.
        high: at place 1.
        is_log: in between, logarithms are evenly spaced.
        unit: a key of `columns.FORMATS`.
    """

    low: float
    high: float
    is_log: bool
    unit: str


@dataclass(frozen=True)
class ParallelAxis:
    """One upright axis: its name, and the texts at places from 0 to 1."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    scale: AxisScale | None = None


@dataclass(frozen=True)
class ParallelLine:
    """One trial's places on all axes."""

    trial: int
    is_front: bool
    places: tuple[float, ...]


@dataclass(frozen=True)
class Parallel:
    """Axes with lines; `n_left_out` trials are not drawn."""

    axes: tuple[ParallelAxis, ...]
    lines: tuple[ParallelLine, ...]
    n_left_out: int


def parallel_coordinates(findings: Findings) -> Parallel | None:
    """Choices, the main cost and the quality of the best trials; None with too few of either."""
    quality, cost = findings.quality, findings.main_cost
    rows = with_choices(findings.complete_rows, quality.column)
    rows = [row for row in rows if isfinite(number(row, cost.column))]
    rows.sort(key=lambda row: -quality.sign * number(row, quality.column))
    shown = rows[:MOST_LINES]
    shared = [f for f in findings.choices if all(f in mapping_of(row, "params") for row in shown)]
    columns = [_choice_axis(shown, field) for field in shared[:MOST_FIELDS]]
    columns = [column for column in columns if len(column[0].ticks) > 1]
    if len(shown) < 2 or not columns:
        return None
    columns += [_number_axis(shown, cost), _number_axis(shown, quality)]
    trials = [trial_number(row) for row in shown]
    lines = tuple(
        ParallelLine(trial, trial in findings.front, tuple(places[i] for _, places in columns))
        for i, trial in enumerate(trials)
    )
    return Parallel(tuple(axis for axis, _ in columns), lines, len(rows) - len(shown))


def _choice_axis(rows: Sequence[Row], field: str) -> tuple[ParallelAxis, list[float]]:
    raw = [mapping_of(row, "params")[field] for row in rows]
    is_numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in raw)
    texts = [format_value(value) for value in raw]
    distinct = list(dict.fromkeys(texts))
    if is_numeric and lies_on_a_scale(distinct):
        numbers = [float(str(value)) for value in raw]
        return _axis_of(field, numbers, Measure(field, field, field, "", "minimize"))
    distinct.sort(
        key=(lambda text: (float(text), text)) if is_numeric else (lambda text: (0.0, text))
    )
    step = 1 / max(len(distinct) - 1, 1)
    places = {text: index * step for index, text in enumerate(distinct)}
    return (
        ParallelAxis(field, tuple((places[text], text) for text in distinct)),
        [places[text] for text in texts],
    )


def _number_axis(rows: Sequence[Row], measure: Measure) -> tuple[ParallelAxis, list[float]]:
    return _axis_of(measure.header, [number(row, measure.column) for row in rows], measure)


def _axis_of(
    name: str, values: Sequence[float], measure: Measure
) -> tuple[ParallelAxis, list[float]]:
    low, high = min(values), max(values)
    is_log = measure.may_be_log and low > 0 and high / low >= LOG_FROM_RATIO

    def place(value: float) -> float:
        if high == low:
            return 0.5
        if is_log:
            return log(value / low) / log(high / low)
        return (value - low) / (high - low)

    ticks = tuple((place(value), measure.text(value)) for value in dict.fromkeys((low, high)))
    scale = AxisScale(low, high, is_log, measure.unit) if high > low else None
    return ParallelAxis(name, ticks, scale), [place(value) for value in values]


MARGINAL_PX = 280
MOST_LETTERS_LEVEL = 28
"""Letters of all values' names that fit side by side below a figure on a phone."""


SPREAD = 0.22
"""How far points of one value are moved apart, as a share of the distance between values."""


def paint_importances(importances: Sequence[Importance]) -> go.Figure:
    """Importance of each choice: one row a choice, one column of bars a number."""
    names = list(importances[0].shares)
    figure = go.Figure(layout=base_layout(78 + ROW_PX * len(names)))
    room = label_room(names)
    width = 1 / len(importances)
    for index, importance in enumerate(importances):
        axis = "" if index == 0 else str(index + 1)
        figure.add_trace(
            go.Bar(
                x=[importance.shares.get(name, 0.0) for name in names],
                y=list(range(len(names))),
                orientation="h",
                width=0.55,
                marker={"color": ACCENT if index == 0 else MUTED},
                text=[f"{100 * importance.shares.get(name, 0.0):.0f} %" for name in names],
                textposition="outside",
                cliponaxis=False,
                hoverinfo="skip",
                xaxis=f"x{axis}",
                meta={"role": "importance", "measure": importance.measure.column},
            )
        )
        domain = [index * width, (index + 1) * width - (0.04 if len(importances) > 1 else 0.0)]
        style = grid_style() | {"domain": domain, "range": [0, 1.25], "showticklabels": False}
        style |= {"showgrid": False, "ticks": "", "showline": False, "anchor": "y"}
        figure.update_layout({f"xaxis{axis}": style})
        add_title(figure, escape(importance.measure.header), left=domain[0])
    figure.update_yaxes(**row_axis(names))
    figure.update_layout(margin={"l": room, "b": 14, "t": 36})
    return figure


def paint_marginal(marginal: Marginal) -> go.Figure:
    """Every trial as a point over its value of a choice, and each value's mean as a bar.

    Long names of values stand at the left, each with a row of its own; of many numbers there are
    no means, and the axis is a scale.
    """
    of_number = axis_over(marginal.numbers, may_be_log=marginal.measure.may_be_log, margin=0.1)
    scale = ", log scale" if of_number.is_log else ""
    label = escape(marginal.measure.label) + scale
    if marginal.is_scale:
        return _paint_scale(marginal, of_number, label)
    labels = [shortened(value) for value in marginal.values]
    is_long = sum(map(len, labels)) > MOST_LETTERS_LEVEL
    figure = go.Figure(
        layout=base_layout(round(92 + 1.4 * ROW_PX * len(labels)) if is_long else MARGINAL_PX)
    )
    _add_means(figure, marginal, is_long=is_long)
    seen: dict[int, int] = {}
    spots = []
    for place in marginal.places:
        rank = seen[place] = seen.get(place, -1) + 1
        spots.append(place + SPREAD * (((rank * 7) % 11) / 5 - 1))
    numbers = list(marginal.numbers)
    _add_marginal_points(figure, marginal, *((numbers, spots) if is_long else (spots, numbers)))
    if is_long:
        names = list(marginal.values)
        figure.update_yaxes(**row_axis(names))
        figure.update_xaxes(**axis_style(of_number), title={"text": label})
        figure.update_layout(margin={"l": label_room(names), "t": 14})
    else:
        figure.update_xaxes(
            **grid_style(),
            tickvals=list(range(len(labels))),
            ticktext=labels,
            range=[-0.6, len(labels) - 0.4],
            showgrid=False,
        )
        figure.update_yaxes(**axis_style(of_number))
        add_axis_name(figure, label)
    return figure


def _paint_scale(marginal: Marginal, y: Axis, label: str) -> go.Figure:
    """A choice of many numbers: each trial over its own."""
    figure = go.Figure(layout=base_layout(MARGINAL_PX))
    values = [float(marginal.values[place]) for place in marginal.places]
    x = axis_over(values, may_be_log=True, margin=0.06)
    _add_marginal_points(figure, marginal, values, list(marginal.numbers))
    scale = ", log scale" if x.is_log else ""
    style = axis_style(x)
    if x.is_log and x.high < 1:
        style["tickformat"] = "~g"
    figure.update_xaxes(**style, title={"text": escape(marginal.field) + scale})
    figure.update_yaxes(**axis_style(y))
    add_axis_name(figure, label)
    return figure


def _add_means(figure: go.Figure, marginal: Marginal, *, is_long: bool) -> None:
    """A bar at the mean of each value."""
    means = [fmean(marginal.of(place)) for place in range(len(marginal.values))]
    along = [
        place + side * 0.3 if side else None for place in range(len(means)) for side in (-1, 1, 0)
    ]
    at = [mean if side else None for mean in means for side in (-1, 1, 0)]
    figure.add_trace(
        go.Scatter(
            x=at if is_long else along,
            y=along if is_long else at,
            mode="lines",
            line={"color": ACCENT, "width": 2.5},
            hoverinfo="skip",
            meta={"role": "means"},
        )
    )


def _add_marginal_points(
    figure: go.Figure, marginal: Marginal, x: Sequence[float], y: Sequence[float]
) -> None:
    """A point a trial, and the place of the selected importance."""
    figure.add_trace(
        go.Scatter(
            x=list(x),
            y=list(y),
            customdata=list(marginal.trials),
            mode="markers",
            marker={"size": 7, "color": PAPER, "line": {"color": MUTED, "width": 1.2}},
            hoverinfo="text",
            meta={"role": "marginal"},
        )
    )
    figure.add_trace(selection_trace("markers"))


def paint_parallel(parallel: Parallel, *, height: int) -> go.Figure:
    """One line a trial over upright axes; those on the front are coloured.

    The page's script reads what the axes stand for from the layout, moves the lines that a reader's
    filters drop to the first trace, and draws a reader's ranges on the axes.
    """
    figure = go.Figure(layout=base_layout(height))
    n = len(parallel.axes)
    figure.update_layout(meta={"axes": [asdict(axis) for axis in parallel.axes]})
    figure.add_trace(
        go.Scatter(
            x=[],
            y=[],
            mode="lines",
            line={"color": MUTED, "width": 1},
            opacity=0.07,
            hoverinfo="skip",
            meta={"role": "dropped-lines"},
        )
    )
    for is_front in (False, True):
        lines = [line for line in parallel.lines if line.is_front == is_front]
        xs: list[float | None] = []
        ys: list[float | None] = []
        trials: list[int] = []
        for line in lines:
            xs += [*range(n), None]
            ys += [*line.places, None]
            trials += [line.trial] * (n + 1)
        figure.add_trace(
            go.Scatter(
                x=xs,
                y=ys,
                customdata=trials,
                mode="lines",
                line={"color": ACCENT if is_front else MUTED, "width": 2 if is_front else 1},
                opacity=0.9 if is_front else 0.35,
                hoverinfo="text",
                meta={"role": "lines"},
            )
        )
    figure.add_trace(selection_trace("lines"))
    for index, axis in enumerate(parallel.axes):
        figure.add_shape(
            type="line", x0=index, x1=index, y0=0, y1=1, line={"color": INK, "width": 1}
        )
        for place, text in axis.ticks:
            figure.add_annotation(
                name="axis-tick",
                x=index,
                y=place,
                text=shortened(text),
                xanchor="left",
                xshift=5,
                showarrow=False,
                bgcolor=PAPER,
                opacity=0.9,
                font={"size": 11, "color": MUTED},
            )
        figure.add_annotation(
            name="axis-name",
            x=index,
            y=1,
            text=shortened(axis.name),
            xanchor="left" if index == 0 else "center",
            yshift=12 + 16 * (index % 2),  # neighbours' names may be long
            yanchor="bottom",
            showarrow=False,
            font={"size": 12, "color": INK},
        )
    figure.update_xaxes(range=[-0.15, n - 0.55], visible=False)
    figure.update_yaxes(range=[-0.06, 1.06], visible=False)
    figure.update_layout(margin={"t": 62, "b": 14, "l": 20})
    return figure
