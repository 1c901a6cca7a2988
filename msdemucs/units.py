"""How numbers read: the only place that formats counts, durations and decibels."""

from typing import Literal

Direction = Literal["maximize", "minimize"]
"""Where a number is better."""

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def format_count(count: float, unit: str = "") -> str:
    """A count with an SI prefix and four significant digits: 9672811 → "9.673 M"."""
    for size, prefix in PREFIXES:
        if abs(count) >= size:
            return f"{count / size:.4g} {prefix}{unit}"
    return f"{count:.4g} {unit}".rstrip()


def format_bytes(size: float) -> str:
    """A size in binary units: 3221225472 → "3.00 GiB"."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.2f} {unit}"
    return f"{size:.0f} B"


def format_seconds(seconds: float) -> str:
    """A duration: 0.0421 → "42.1 ms", 75 → "1 min 15 s"."""
    if seconds < 1:
        return f"{1e3 * seconds:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def format_db(value: float | None) -> str:
    """A level in decibels with two digits; "–" for what was not measured."""
    return "–" if value is None or value != value else f"{value:.2f} dB"


def count(n: int, noun: str) -> str:
    """A number with its noun: "1 trial", "3 trials"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
