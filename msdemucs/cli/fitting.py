"""Tables as wide as the terminal: what matters least is left out, not cut off."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

FEWEST_LETTERS = 24
"""Of a line of a column that may wrap."""


def fitted(
    table: Table, console: Console, *, optional: Sequence[str], wrapping: Sequence[str] = ()
) -> Table:
    """The table without those optional columns for which a terminal has no room.

    Its caption then names them. A file has room for all.

    Args:
        table: without a caption of its own.
        console: where it is printed.
        optional: headings, the least wanted first.
        wrapping: headings of columns of text that may take several lines.
    """
    if not console.is_terminal:
        return table
    left_out: list[str] = []
    for heading in optional:
        if _width(_without(table, left_out), console, wrapping) <= console.width:
            break
        if any(column.header == heading for column in table.columns):
            left_out.append(heading)
    slim = _without(table, left_out)
    if left_out:
        slim.caption = f"no room for {', '.join(left_out)}"
        slim.caption_justify = "left"
    return slim


def _width(table: Table, console: Console, wrapping: Sequence[str]) -> int:
    """The columns of a terminal that the table needs, wrapped as far as it may be."""
    unwrapped = console.measure(_without(table, wrapping)).maximum
    return unwrapped + sum(
        min(console.measure(_only(table, heading)).maximum, FEWEST_LETTERS) for heading in wrapping
    )


def _without(table: Table, headings: Sequence[str]) -> Table:
    return _of(table, [column.header not in headings for column in table.columns])


def _only(table: Table, heading: str) -> Table:
    return _of(table, [column.header == heading for column in table.columns])


def _of(table: Table, is_kept: Sequence[bool]) -> Table:
    """Some of a table's columns."""
    kept = [column for column, keep in zip(table.columns, is_kept, strict=True) if keep]
    slim = Table(box=table.box, header_style=table.header_style)
    for column in kept:
        slim.add_column(column.header, justify=column.justify)
    for row in zip(*(column.cells for column in kept), strict=True):
        slim.add_row(*row)
    return slim
