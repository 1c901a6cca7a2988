"""Where commands print: results to stdout, all else to stderr."""

from rich.console import Console
from rich.table import Table

out = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

WIDTH_IN_FILES = 240
"""Columns of a table where no terminal says how many there are."""


def print_table(table: Table) -> None:
    """A table as wide as the terminal, or as it needs where there is none."""
    console = out if out.is_terminal else Console(width=WIDTH_IN_FILES, highlight=False)
    console.print(table)
