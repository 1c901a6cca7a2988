"""Names beside the points of a quality against a cost: whose, and where they cover nothing."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from msdemucs.analysis.trades import Trade
from msdemucs.report.figures.style import Axis
from msdemucs.report.labels import Box, Label, line_box, place_labels, text_box

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
