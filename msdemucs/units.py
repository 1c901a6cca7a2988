"""How numbers and values read: the only place that formats counts, durations and decibels."""

import json
import re
from collections.abc import Mapping
from typing import Literal

MISSING = "–"
"""What stands for a number that was not measured."""

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


def typeset(number: str) -> str:
    """A formatted number with a true minus, and its unit kept on the same line."""
    return number.replace("-", "−").replace(" ", "\N{NO-BREAK SPACE}")


def unsigned_zero(number: str) -> str:
    """A formatted number, without a minus where it is but zeros: "-0.00 dB" → "0.00 dB"."""
    return number[1:] if re.match(r"-[0.]+(?![0-9.])", number) else number


def percent(ratio: float) -> str:
    """A ratio in whole percent: 0.384 → "38 %"."""
    return typeset(f"{100 * ratio:.0f} %")


def signed_percent(ratio: float) -> str:
    """A change with its sign and one decimal: -0.118 → "−11.8 %", and nothing is "+0.0 %"."""
    return typeset(f"{100 * ratio:+.1f} %".replace("-0.0 ", "+0.0 "))


def format_value(value: object) -> str:
    """A value of a spec on one line.

    None reads "none". A choice of a kind reads "kind (its options)". Mappings in a list that all
    have the same keys read as one list a key: "n_fft 2048, 4096; hop_length 512, 1024".
    """
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        options = [f"{name} {format_value(item)}" for name, item in value.items() if name != "kind"]
        if "kind" in value:
            return format_value(value["kind"]) + (f" ({'; '.join(options)})" if options else "")
        return "; ".join(options) or "none"
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, Mapping) and item.keys() == value[0].keys() for item in value):
            keys = value[0].keys()
            return "; ".join(f"{key} {format_value([item[key] for item in value])}" for key in keys)
        return ", ".join(format_value(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
