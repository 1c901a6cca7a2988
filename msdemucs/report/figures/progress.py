"""Hypervolume against what was spent, and the fronts at the rungs."""

from collections.abc import Sequence
from html import escape
from math import isfinite

import pandas as pd
import plotly.graph_objects as go

from msdemucs.analysis.fronts import HypervolumeTrace
from msdemucs.analysis.trades import RungFront, Trade
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
    spread,
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
