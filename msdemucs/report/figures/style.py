"""What all figures share: colours by name, axes, ticks, hair lines, and where names find room.

Colours are the names of the page's CSS variables; the page's script resolves them for the light
and the dark scheme. Names reach plotly as text: its mark-up characters are escaped here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go

INK, MUTED, RULE, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
STRONG_RULE = "var(--strong-rule)"
SHADE, BAND = "var(--shade)", "var(--band)"
"""Of areas: what is dominated, and what lies between seeds."""


ACCENT, WARNING = "var(--accent)", "var(--warning)"

MOST_COLOURS = 8
"""Groups that have a colour each; the page's style has as many, and its script counts them too."""

LOG_FROM_RATIO = 3.0
"""A positive axis whose largest value is this many times its smallest is logarithmic."""

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


def group_colour(index: int) -> str:
    """The colour of a group by its place among all; those after MOST_COLOURS are muted."""
    return f"var(--c{index + 1})" if index < MOST_COLOURS else MUTED


def axis_over(values: Sequence[float], *, may_be_log: bool, margin: float) -> Axis:
    """An axis that holds all values with a margin, given as a fraction of their spread."""
    low, high = min(values), max(values)
    if may_be_log and low > 0 and high / low >= LOG_FROM_RATIO:
        factor = (high / low) ** margin
        return Axis(low / factor, high * factor, is_log=True)
    pad = (high - low) * margin or abs(high) * margin or 1.0
    return Axis(low - pad, high + pad, is_log=False)


def axis_style(axis: Axis) -> dict[str, object]:
    """An axis with its range; large numbers carry SI prefixes, others as many decimals as all."""
    low, high = axis.plotly_range
    is_large = max(abs(axis.low), abs(axis.high)) >= 1000
    style = grid_style() | {"range": [low, high], "tickformat": "~s" if is_large else "~f"}
    if axis.is_log:
        return style | {"type": "log", "dtick": "D1" if high - low < 0.7 else "D2"}
    step = tick_step(high - low)
    if not is_large:
        style["tickformat"] = f".{max(0, -math.floor(math.log10(step)))}f"
    return style | {"dtick": step, "tick0": 0}


def add_title(figure: go.Figure, text: str, *, left: float) -> None:
    """Write a panel's title above it.

    Args:
        figure: with the panel.
        text: plotly's mark-up.
        left: where the panel begins, from 0 to 1 of the figure's width.
    """
    figure.add_annotation(
        name="panel-title",
        text=text,
        xref="paper",
        yref="paper",
        x=left,
        y=1,
        xanchor="left",
        yanchor="bottom",
        yshift=6,
        showarrow=False,
        font={"size": 12, "color": INK},
    )


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


def tick_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, such that at most MOST_TICKS steps fill the span."""
    smallest = span / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(smallest))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= smallest)


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


ROW_PX = 26
LETTER_PX = 6.6
MOST_LABEL = 30
"""Letters of a label before a plot; longer ones end in "…", and are whole above their point."""


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


CHARACTER_PX, LINE_PX, GAP_PX = 6.6, 15.0, 8.0
"""Size of a letter at the figures' font size, and a name's distance from its point."""

FROM_OTHERS_PX = 9.0
"""A name that is nearer to another point might be taken for that one's."""

CLEAR, MOST_COVERED = 0.005, 0.3
"""Of a name's own area, what it may cover of other things: above the first share a shorter name is
shown, and above the second none."""

LINE_ROOM_PX = 3.0
"""How broad a drawn line counts."""

PLACES = (
    ("top left", -1, 1),
    ("bottom right", 1, -1),
    ("top center", 0, 1),
    ("top right", 1, 1),
    ("middle right", 1, 0),
    ("middle left", -1, 0),
    ("bottom left", -1, -1),
    ("bottom center", 0, -1),
)
"""Plotly's text positions with their offset, best first: a front's step line leaves a point to
the right and reaches it from below, so that the first two lie off it."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y upwards."""

    left: float
    right: float
    bottom: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The area that two boxes share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)


class Label(NamedTuple):
    """A point's name as it is shown, "" where there is no room for it, and its place."""

    text: str
    position: str


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[Sequence[str]],
    *,
    width: float,
    height: float,
    lines: Sequence[Box] = (),
) -> tuple[Label, ...]:
    """What stands beside every point, in its order; who comes first has the first choice.

    Args:
        points: pixels from the lower left corner of the plot.
        texts: each point's names, the best first, a shorter one where that covers something else;
            none for a point that is only kept clear.
        width: of the plot, pixels; names may not leave it.
        height: likewise.
        lines: what is drawn besides the points, and is better not crossed.
    """
    frame = Box(0.0, width, 0.0, height)
    taken, labels = list(lines), []
    for at, names in zip(points, texts, strict=True):
        if not names:
            labels.append(Label("", PLACES[0][0]))
            continue
        marks = [_mark_box(other, 4 if other == at else FROM_OTHERS_PX) for other in points]
        placed = [_best_place(at, text, [*taken, *marks], frame) for text in filter(None, names)]
        clear = [choice for choice in placed if choice[2] <= CLEAR]
        clear = clear or [choice for choice in placed[-1:] if choice[2] <= MOST_COVERED]
        labels.append(clear[0][0] if clear else Label("", PLACES[0][0]))
        taken += [box for _, box, _ in clear[:1]]
    return tuple(labels)


def _mark_box(at: tuple[float, float], reach: float) -> Box:
    """A square around a point."""
    return Box(at[0] - reach, at[0] + reach, at[1] - reach, at[1] + reach)


def _best_place(
    at: tuple[float, float], text: str, taken: Sequence[Box], frame: Box
) -> tuple[Label, Box, float]:
    """Where a name covers least, and which share of its own area that is."""
    boxes = [text_box(*at, text, (dx, dy)) for _, dx, dy in PLACES]
    reach = Box(
        min(box.left for box in boxes), max(box.right for box in boxes),
        min(box.bottom for box in boxes), max(box.top for box in boxes),
    )  # fmt: skip
    near = [box for box in taken if box.overlap(reach)]
    costs = [_cost(box, near, frame) for box in boxes]
    best = costs.index(min(costs))
    place, box = PLACES[best][0], boxes[best]
    area = (box.right - box.left) * (box.top - box.bottom)
    return Label(text, place), box, min(costs) / area


def line_box(start: tuple[float, float], end: tuple[float, float]) -> Box:
    """A level or upright line with the room that it needs."""
    (x0, y0), (x1, y1) = start, end
    half = LINE_ROOM_PX / 2
    return Box(min(x0, x1) - half, max(x0, x1) + half, min(y0, y1) - half, max(y0, y1) + half)


def text_box(x: float, y: float, text: str, offset: tuple[int, int]) -> Box:
    """The box of a text set beside a point, offset by -1, 0 or 1 in each direction."""
    dx, dy = offset
    width = CHARACTER_PX * len(text)
    left = x - width / 2 + dx * (width / 2 + (GAP_PX if dy == 0 else GAP_PX / 2))
    middle = y + dy * (LINE_PX / 2 + (GAP_PX if dx == 0 else GAP_PX / 2))
    return Box(left, left + width, middle - LINE_PX / 2, middle + LINE_PX / 2)


def spread(positions: Sequence[float], *, gap: float) -> tuple[float, ...]:
    """The positions moved apart, as little as keeps their order and `gap` between neighbours."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    # Blocks of touching labels: [mean of the positions less their rank, members], merged while
    # a block would overlap the one below it.
    blocks: list[tuple[float, list[int]]] = []
    for rank, index in enumerate(order):
        block = (positions[index] - rank * gap, [index])
        while blocks and blocks[-1][0] > block[0]:
            centre, members = blocks.pop()
            total = len(members) + len(block[1])
            mean = (centre * len(members) + block[0] * len(block[1])) / total
            block = (mean, members + block[1])
        blocks.append(block)
    moved = [centre for centre, members in blocks for _ in members]
    placed = {index: moved[rank] + rank * gap for rank, index in enumerate(order)}
    return tuple(placed[index] for index in range(len(positions)))


def _cost(box: Box, taken: Sequence[Box], frame: Box) -> float:
    """The area a text would cover of others, and, dearer, the area it would have outside."""
    area = (box.right - box.left) * (box.top - box.bottom)
    outside = area - box.overlap(frame)
    return 3 * outside + sum(box.overlap(other) for other in taken)
