"""How long does a report of thousands of trials take to open in Chromium?

    .venv/bin/python benchmarks/report.py [--trials 5000] [--csv benchmarks/report.csv]

The record is made, not trained: tests/report/conftest.py draws specs and figures. Told are the
seconds to write the page, its size, and medians of what passes in Chromium from the request to the
first figure drawn (open), and of how long the page's thread was busy with it. Only a quiet machine
gives a figure.
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from msdemucs.analysis.findings import Findings
from msdemucs.measure import machine
from msdemucs.report.page import write_report

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.records import make_large_record
from tests.report.chromium import Opened, launched


def main() -> None:
    """Measure, print, and write a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    row: dict[str, object] = {"trials": asked.trials}
    with tempfile.TemporaryDirectory() as folder:
        record = make_large_record(asked.trials)
        began = time.perf_counter()
        path = write_report(Findings(record), Path(folder) / "large.html")
        row["write_s"] = round(time.perf_counter() - began, 1)
        row["megabytes"] = round(path.stat().st_size / 1e6, 1)
        walls, busy = [], []
        with contextmanager(launched)() as browser:
            for _ in range(asked.repeats):
                began = time.perf_counter()
                opened = Opened(browser, path)
                walls.append(time.perf_counter() - began)
                busy.append(opened.busy_seconds)
                opened.page.close()
    row |= {
        "open_s_p50": round(statistics.median(walls), 2),
        "busy_s_p50": round(statistics.median(busy), 2),
        "repeats": asked.repeats,
        "machine": machine()["cpu"],
    }
    console = Console()
    for name, value in row.items():
        console.print(f"{name:<12} {value}")
    if asked.csv:
        with asked.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main()
