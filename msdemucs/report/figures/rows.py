"""Figures with a row a label: how much room labels need, and how long they may be."""

from collections.abc import Sequence
from html import escape

from msdemucs.report.figures.style import INK, grid_style

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
