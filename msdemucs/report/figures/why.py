"""Why: importances, marginals, parallel coordinates, forest plots, interactions."""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from math import isfinite
from statistics import fmean

import plotly.graph_objects as go

from msdemucs.report.answers import Answer
from msdemucs.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    RULE,
    Axis,
    add_axis_name,
    axis_over,
    axis_style,
    base_layout,
    grid_style,
    selection_trace,
)
from msdemucs.report.measures import signed_percent
from msdemucs.report.parallel import Parallel
from msdemucs.report.why import Importance, Marginal

ROW_PX = 26
LETTER_PX = 6.6
MOST_LABEL = 30
"""Letters of a label before a plot; longer ones end in "…", and are whole above their point."""

MARGINAL_PX = 280
MOST_LETTERS_LEVEL = 40
"""Letters of all values' names that fit side by side below a figure of half the page's width."""

SPREAD = 0.22
"""How far points of one value are moved apart, as a share of the distance between values."""


def shortened(text: str) -> str:
    """A label that leaves room for its plot."""
    text = text if len(text) <= MOST_LABEL else text[: MOST_LABEL - 1] + "…"
    return escape(text, quote=False)


def label_room(labels: Sequence[str]) -> float:
    """Pixels that the labels need at the left."""
    return 16 + LETTER_PX * max(min(len(label), MOST_LABEL) for label in labels)


def row_axis(labels: Sequence[str]) -> dict[str, object]:
    """An axis with one row a label, the first on top."""
    return grid_style() | {
        "tickvals": list(range(len(labels))),
        "ticktext": [shortened(label) for label in labels],
        "range": [len(labels) - 0.5, -0.5],
        "showgrid": False,
        "ticks": "",
        "tickfont": {"color": INK},
    }


def paint_importances(found: Sequence[Importance]) -> go.Figure:
    """Importance of each choice: one row a choice, one column of bars a number."""
    names = list(found[0].shares)
    figure = go.Figure(layout=base_layout(78 + ROW_PX * len(names) * 1))
    room = label_room(names)
    width = 1 / len(found)
    for index, one in enumerate(found):
        axis = "" if index == 0 else str(index + 1)
        figure.add_trace(
            go.Bar(
                x=[one.shares.get(name, 0.0) for name in names],
                y=list(range(len(names))),
                orientation="h",
                width=0.55,
                marker={"color": ACCENT if index == 0 else MUTED},
                text=[f"{100 * one.shares.get(name, 0.0):.0f} %" for name in names],
                textposition="outside",
                cliponaxis=False,
                hoverinfo="skip",
                xaxis=f"x{axis}",
                meta={"role": "importance", "measure": one.measure.column},
            )
        )
        domain = [index * width, (index + 1) * width - (0.04 if len(found) > 1 else 0.0)]
        style = grid_style() | {"domain": domain, "range": [0, 1.25], "showticklabels": False}
        style |= {"showgrid": False, "ticks": "", "showline": False, "anchor": "y"}
        figure.update_layout({f"xaxis{axis}": style})
        figure.add_annotation(
            text=escape(one.measure.header),
            xref="paper",
            yref="paper",
            x=domain[0],
            y=1,
            xanchor="left",
            yanchor="bottom",
            yshift=6,
            showarrow=False,
            font={"size": 12, "color": INK},
        )
    figure.update_yaxes(**row_axis(names))
    figure.update_layout(margin={"l": room, "b": 14, "t": 36})
    return figure


def paint_marginal(marginal: Marginal) -> go.Figure:
    """Every trial as a point over its value of a choice, and each value's mean as a bar.

    Long names of values stand at the left, each with a row of its own; of many numbers there are
    no means, and the axis is a scale.
    """
    is_quality = marginal.measure.unit == "dB"
    of_number = axis_over(marginal.numbers, may_be_log=not is_quality, margin=0.1)
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
    """A point a trial, and the place of the selected one."""
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


def paint_forest(answers: Sequence[Answer], noise_db: float | None) -> go.Figure:
    """Each effect with its interval, one row an effect; what is told apart is filled."""
    labels = [answer.label for answer in answers]
    figure = go.Figure(layout=base_layout(92 + ROW_PX * len(answers)))
    ends = [v for a in answers for v in (a.low_db, a.high_db, a.effect_db) if isfinite(v)]
    x = axis_over([0.0, *ends], may_be_log=False, margin=0.08)
    if noise_db is not None:
        figure.add_shape(
            type="rect", x0=-noise_db, x1=noise_db, y0=-0.5, y1=len(answers) - 0.5,
            fillcolor="var(--shade)", line={"width": 0}, layer="below", name="noise",
        )  # fmt: skip
    figure.add_shape(
        type="line", x0=0, x1=0, y0=-0.5, y1=len(answers) - 0.5, line={"color": MUTED, "width": 1}
    )
    known = [(index, a) for index, a in enumerate(answers) if isfinite(a.effect_db)]
    has_bars = [isfinite(a.low_db) for _, a in known]
    figure.add_trace(
        go.Scatter(
            x=[a.effect_db for _, a in known],
            y=[index for index, _ in known],
            mode="markers",
            marker={
                "size": 10,
                "symbol": "square",
                "color": [ACCENT if a.is_told else PAPER for _, a in known],
                "line": {"color": ACCENT, "width": 1.5},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [
                    a.high_db - a.effect_db if bar else 0
                    for (_, a), bar in zip(known, has_bars, strict=True)
                ],
                "arrayminus": [
                    a.effect_db - a.low_db if bar else 0
                    for (_, a), bar in zip(known, has_bars, strict=True)
                ],
                "color": MUTED,
                "thickness": 1.5,
                "width": 0,
            },
            text=[escape(a.hover, quote=False).replace("\n", "<br>") for _, a in known],
            hovertemplate="%{text}<extra></extra>",
            meta={"role": "effects"},
        )
    )
    figure.update_xaxes(**axis_style(x), title={"text": "effect on uSDR (dB), 95 % interval"})
    figure.update_yaxes(**row_axis(labels))
    notes = [
        f"{signed_percent(a.macs_change)} MACs" if isfinite(a.macs_change) else "" for a in answers
    ]
    for index, note in enumerate(notes):
        figure.add_annotation(
            text=note, xref="paper", x=1, xanchor="left", xshift=6, y=index, showarrow=False,
            font={"size": 11, "color": MUTED},
        )  # fmt: skip
    figure.update_layout(margin={"l": label_room(labels), "r": 92, "t": 14})
    return figure


def paint_interactions(answers: Sequence[Answer]) -> go.Figure:
    """How much more one alternative gives where the other is there: a square a pair."""
    pairs = [tuple(part.strip() for part in a.label.split("×", 1)) for a in answers]
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    by_pair = {pair: a.effect_db for pair, a in zip(pairs, answers, strict=True)}
    cells = [
        [by_pair.get((row, column), by_pair.get((column, row))) for column in names]
        for row in names
    ]
    most = max((abs(v) for v in by_pair.values() if isfinite(v)), default=1.0) or 1.0
    figure = go.Figure(layout=base_layout(120 + 2 * ROW_PX * len(names)))
    figure.add_trace(
        go.Heatmap(
            z=cells,
            x=list(range(len(names))),
            y=list(range(len(names))),
            zmin=-most,
            zmax=most,
            colorscale=[[0, "var(--warning)"], [0.5, PAPER], [1, ACCENT]],
            showscale=False,
            xgap=2,
            ygap=2,
            text=[
                ["" if v is None else f"{v:+.2f}".replace("-", "−") for v in row] for row in cells
            ],
            texttemplate="%{text}",
            textfont={"color": INK},
            hoverinfo="skip",
            meta={"role": "interactions"},
        )
    )
    figure.update_yaxes(**row_axis(names))
    figure.update_xaxes(
        **grid_style(),
        tickvals=list(range(len(names))),
        ticktext=[shortened(name) for name in names],
        showgrid=False,
        side="bottom",
    )
    figure.update_layout(margin={"l": label_room(names), "b": 60, "t": 14}, plot_bgcolor=RULE)
    return figure
