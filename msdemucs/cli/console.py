"""Where commands print: results to stdout, all else to stderr."""

from rich.console import Console

out = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
