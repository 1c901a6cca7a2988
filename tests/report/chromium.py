"""A real Chromium for tests of the report, and what went wrong on its pages."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


LONGEST_MS = 90_000
"""For what a page must come to, on a machine that is busy with other things."""

expect.set_options(timeout=LONGEST_MS)


def launched() -> Iterator[Browser]:
    """Debian's Chromium, or the one that MSDEMUCS_CHROMIUM names."""
    program = os.environ.get("MSDEMUCS_CHROMIUM") or shutil.which("chromium")
    if program is None:
        message = "no Chromium: sudo apt-get install chromium, or set MSDEMUCS_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


class Opened:
    """A page with what went wrong on it and what it asked the network for.

    Attributes:
        busy_seconds: CPU time of the page's thread until it was drawn, whatever else ran.
    """

    def __init__(self, browser: Browser, path: Path, *, width: int = 1280, dark: bool = False):
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",  # no smooth scrolling to wait for
        )
        self.page.set_default_timeout(LONGEST_MS)
        session = self.page.context.new_cdp_session(self.page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=true]", state="attached")
        metrics = session.send("Performance.getMetrics")["metrics"]
        self.busy_seconds = sum(m["value"] for m in metrics if m["name"] == "TaskDuration")

    def column(self, header: str) -> list[str]:
        """The trial table's texts under a header, from the top."""
        return self.page.eval_on_selector_all(
            "#trials tbody tr",
            """(rows, header) => {
                 const cells = [...document.querySelectorAll("#trials thead th:not([hidden])")];
                 const index = cells.findIndex((cell) => cell.innerText.trim() === header);
                 return rows.map((row) => row.cells[index].innerText.trim());
               }""",
            header,
        )


def shown(opened: Opened) -> list[int]:
    return opened.page.eval_on_selector_all("#trials tbody tr", "e => e.map(r => +r.dataset.trial)")
