"""Where commands print: results to stdout, all else to stderr."""

import json
import sys
from collections.abc import Iterable
from io import TextIOWrapper

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from msdemucs.outside import legible

WIDTH_IN_FILES = 240
"""Columns of a table where no terminal says how many there are."""


class SafeConsole(Console):
    """A console that text cannot steer: control characters in names are shown, not sent."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments of what is printed, their text legible."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else legible(text), style, control)


out = SafeConsole(highlight=False)
errors = SafeConsole(stderr=True, highlight=False)


def allow_any_text() -> None:
    r"""Write what the output's encoding lacks as \u2192, in place of ending in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_table(table: Table) -> None:
    """A table as wide as the terminal, or as it needs where there is none."""
    console = out if out.is_terminal else SafeConsole(width=WIDTH_IN_FILES, highlight=False)
    console.print(table)


def print_json(data: object) -> None:
    """Plain data as JSON on stdout, in ASCII, which every output can write; NaN must be null."""
    out.print_json(json.dumps(data, allow_nan=False), ensure_ascii=True)
