"""Where to put names beside points so that they cover neither each other nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
