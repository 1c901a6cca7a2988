"""A browser, and a report to look at in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from msdemucs.analysis.findings import Findings
from msdemucs.report.page import write_report
from tests.records import make_eight
from tests.report.chromium import launched


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.fixture(scope="session")
def report_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the eight trials, written once."""
    return write_report(Findings(make_eight()), tmp_path_factory.mktemp("report") / "r.html")
