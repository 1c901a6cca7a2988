"""Where to put names beside points so that they cover neither each other nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass

CHARACTER_PX, LINE_PX, GAP_PX = 6.6, 15.0, 8.0
"""Size of a letter at the figures' font size, and a name's distance from its point."""

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


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    *,
    width: float,
    height: float,
    lines: Sequence[Box] = (),
) -> tuple[str, ...]:
    """A plotly text position for every point, in its order.

    Args:
        points: pixels from the lower left corner of the plot.
        texts: each point's name; "" for a point without one, which is only kept clear.
        width: of the plot, pixels; names may not leave it.
        height: likewise.
        lines: what is drawn besides the points, and is better not crossed.
    """
    frame = Box(0.0, width, 0.0, height)
    taken = [*lines, *(Box(x - 4, x + 4, y - 4, y + 4) for x, y in points)]
    chosen = []
    for (x, y), text in zip(points, texts, strict=True):
        boxes = [(name, text_box(x, y, text, (dx, dy))) for name, dx, dy in PLACES]
        costs = [_cost(box, taken, frame) for _, box in boxes]
        name, box = boxes[costs.index(min(costs))]
        chosen.append(name)
        if text:
            taken.append(box)
    return tuple(chosen)


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
