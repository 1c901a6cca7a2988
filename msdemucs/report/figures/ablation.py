"""What an ablation found: a forest plot of effects, a map of interactions."""

from collections.abc import Sequence
from html import escape
from math import isfinite

import plotly.graph_objects as go

from msdemucs.analysis.effects import Effect
from msdemucs.analysis.measure import Measure
from msdemucs.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    ROW_PX,
    RULE,
    WARNING,
    axis_over,
    axis_style,
    base_layout,
    grid_style,
    label_room,
    row_axis,
    shortened,
)
from msdemucs.report.sentences import effect_label, hover_text
from msdemucs.units import signed_percent

PALE = 1.8
"""The strongest interaction has this part less than the full colour, so that its number is read."""


def paint_forest(effects: Sequence[Effect], quality: Measure, noise: float | None) -> go.Figure:
    """Each effect with its interval, one row an effect; what is told apart is filled.

    Args:
        effects: the effects.
        quality: what they are of.
        noise: one σ of it between seeds; None where it is unknown.
    """
    labels = [effect_label(effect) for effect in effects]
    figure = go.Figure(layout=base_layout(92 + ROW_PX * len(effects)))
    ends = [v for a in effects for v in (a.low, a.high, a.size) if isfinite(v)]
    x = axis_over([0.0, *ends], may_be_log=False, margin=0.08)
    if noise is not None:
        figure.add_shape(
            type="rect", x0=-noise, x1=noise, y0=-0.5, y1=len(effects) - 0.5,
            fillcolor="var(--shade)", line={"width": 0}, layer="below", name="noise",
        )  # fmt: skip
    figure.add_shape(
        type="line", x0=0, x1=0, y0=-0.5, y1=len(effects) - 0.5, line={"color": MUTED, "width": 1}
    )
    known = [(index, a) for index, a in enumerate(effects) if isfinite(a.size)]
    has_bars = [isfinite(a.low) for _, a in known]
    figure.add_trace(
        go.Scatter(
            x=[a.size for _, a in known],
            y=[index for index, _ in known],
            mode="markers",
            marker={
                "size": 10,
                "symbol": "square",
                "color": [ACCENT if a.is_claimed else PAPER for _, a in known],
                "line": {"color": ACCENT, "width": 1.5},
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [
                    a.high - a.size if bar else 0
                    for (_, a), bar in zip(known, has_bars, strict=True)
                ],
                "arrayminus": [
                    a.size - a.low if bar else 0
                    for (_, a), bar in zip(known, has_bars, strict=True)
                ],
                "color": MUTED,
                "thickness": 1.5,
                "width": 0,
            },
            text=[
                escape(hover_text(a, quality), quote=False).replace("\n", "<br>") for _, a in known
            ],
            hovertemplate="%{text}<extra></extra>",
            meta={"role": "effects"},
        )
    )
    figure.update_xaxes(
        **axis_style(x) | {"dtick": None, "nticks": 4},  # few enough for a phone
        title={"text": effect_axis(quality)},
        tickangle=0,
    )
    figure.update_yaxes(**row_axis(labels))
    notes = [
        f"{signed_percent(a.macs_change)} MACs" if isfinite(a.macs_change) else "" for a in effects
    ]
    for index, note in enumerate(notes):
        figure.add_annotation(
            text=note, xref="paper", x=1, xanchor="left", xshift=6, y=index, showarrow=False,
            font={"size": 11, "color": MUTED},
        )  # fmt: skip
    figure.update_layout(margin={"l": label_room(labels), "r": 92, "t": 14})
    return figure


def effect_axis(quality: Measure) -> str:
    """The name of an axis of effects; of a quality that is better low, with what is better."""
    better = ", less is better" if quality.direction == "minimize" else ""
    return f"effect on {quality.named}, 95 % interval{better}"


def paint_interactions(effects: Sequence[Effect], quality: Measure) -> go.Figure:
    """How much more one alternative gives where the other is there: a square a pair."""
    pairs = [tuple(part.strip() for part in effect_label(a).split("×", 1)) for a in effects]
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    by_pair = {pair: a.size for pair, a in zip(pairs, effects, strict=True)}
    cells = [
        [by_pair.get((row, column), by_pair.get((column, row))) for column in names]
        for row in names
    ]
    most = max((abs(v) for v in by_pair.values() if isfinite(v)), default=1.0) or 1.0
    figure = go.Figure(layout=base_layout(round(60 + label_room(names) + 2 * ROW_PX * len(names))))
    figure.add_trace(
        go.Heatmap(
            z=cells,
            x=list(range(len(names))),
            y=list(range(len(names))),
            zmin=-PALE * most,
            zmax=PALE * most,
            colorscale=list(
                zip((0, 0.5, 1), (WARNING, PAPER, ACCENT)[:: int(quality.sign)], strict=True)
            ),
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
        tickangle=-35,
    )
    room = label_room(names)
    figure.update_layout(margin={"l": room, "b": 20 + 0.6 * room, "t": 14}, plot_bgcolor=RULE)
    return figure
