"""Where commands print: results to stdout, all else to stderr."""

import os
import sys

from rich.console import Console

PIPED_WIDTH = 120
"""Columns of tables where no terminal says how wide it is."""

is_sized = sys.stdout.isatty() or "COLUMNS" in os.environ
out = Console(highlight=False, width=None if is_sized else PIPED_WIDTH)
errors = Console(stderr=True, highlight=False)
