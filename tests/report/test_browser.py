"""The report in a real Chromium, opened from file://."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from msdemucs.report.page import write_report
from msdemucs.study.records import StudyRecord
from tests.report.conftest import TOYS, amend, make_record, unfinished_row

pytestmark = pytest.mark.browser
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
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
    """A page with what went wrong on it and what it asked the network for."""

    def __init__(self, browser: Browser, path: Path, *, width: int = 1280, dark: bool = False):
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=true]", state="attached")

    def column(self, header: str) -> list[str]:
        """The trial table's texts under a header, from the top."""
        return self.page.eval_on_selector_all(
            "#trials tbody tr",
            """(rows, header) => {
                 const cells = [...document.querySelectorAll("#trials thead th")];
                 const index = cells.findIndex((cell) => cell.innerText.trim() === header);
                 return rows.map((row) => row.cells[index].innerText.trim());
               }""",
            header,
        )


def test_the_page_opens_without_complaint_or_network(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    opened = Opened(browser, write_report(record, tmp_path / "r.html"))
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert opened.page.locator(".plot .main-svg").count() > 0


def test_fronts_have_as_many_points_as_the_study_says(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    page = Opened(browser, write_report(record, tmp_path / "r.html")).page
    drawn = page.eval_on_selector_all(
        "figure[data-front] .plot",
        """plots => Object.fromEntries(plots.filter(p => p.data.some(t => t.meta.role === "front"))
             .map(p => [p.dataset.figure, p.data.find(t => t.meta.role === "front").x.length]))""",
    )
    # by hand from the toys: 0.71 at 0.88, 1.42 at 1.93, 2.31 at 2.70 GMAC/s; the rest are beaten
    assert drawn["front-macs_per_second"] == 3
    said = page.eval_on_selector_all(
        "figure[data-front]", "f => f.map(x => [x.id.replace('figure-', ''), +x.dataset.front])"
    )
    assert {key: count for key, count in said if key in drawn} == drawn
    assert len(drawn) == 3


def test_a_click_on_a_header_sorts_and_a_second_reverses(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    opened = Opened(browser, write_report(record, tmp_path / "r.html"))
    button = opened.page.locator("#trials thead button", has_text="Parameters")
    header = button.inner_text().strip()
    button.click()
    trials = "e => e.map(r => +r.dataset.trial)"
    first = opened.page.eval_on_selector_all("#trials tbody tr", trials)
    assert first[:6] == [3, 0, 4, 1, 2, 5], header  # by the toys' parameters; unfinished last
    button.focus()
    opened.page.keyboard.press("Enter")
    again = opened.page.eval_on_selector_all("#trials tbody tr", trials)
    assert again[:6] == [5, 2, 1, 4, 0, 3]
    assert set(again[6:]) == {6, 7}


def test_a_failed_trial_shows_its_reason(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    page = Opened(browser, write_report(record, tmp_path / "r.html")).page
    assert "loss became NaN at step 12" in page.locator("#row-6").inner_text()


def test_left_out_tracks_are_marked_in_the_table_and_named_in_the_details(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    reason = "data/Low Tide/drums.wav: cannot be read (track “Low Tide”)"
    marked = amend(record, 4, left_out=[reason])
    page = Opened(browser, write_report(marked, tmp_path / "r.html")).page
    assert "without 1 test track" in page.locator("#row-4").inner_text()
    assert "trial 4 is without test tracks" in page.locator(".found").inner_text()
    page.locator("#trial-4 summary").first.click()
    assert reason in page.locator("#trial-4").inner_text()
    assert "test track" not in page.locator("#row-0").inner_text()


def test_a_row_selects_its_point_in_every_figure(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    page = Opened(browser, write_report(record, tmp_path / "r.html")).page
    page.locator("#row-4 td").first.click()
    marked = page.eval_on_selector(
        ".plot[data-figure=front-macs_per_second]",
        """p => {
             const selection = p.data.find(trace => trace.meta.role === "selection");
             return [selection.x[0], selection.y[0]];
           }""",
    )
    assert marked == [2.70e9, 2.31]


def test_hostile_names_are_text(browser: Browser, tmp_path: Path) -> None:
    hostile = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    toys = (replace(TOYS[0], name=hostile), *TOYS[1:])
    opened = Opened(
        browser,
        write_report(
            make_record(toys, unfinished=[unfinished_row(6, "failed", hostile)], title=hostile),
            tmp_path / "r.html",
        ),
    )
    assert opened.complaints == []
    assert opened.page.title() != "owned"
    assert hostile in opened.page.locator("h1").inner_text()
    assert opened.page.locator("img").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_the_scheme_follows_the_readers(
    browser: Browser, record: StudyRecord, tmp_path: Path, dark: bool
) -> None:
    page = Opened(browser, write_report(record, tmp_path / "r.html"), dark=dark).page
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    assert (sum(channels) < 200) is dark


def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    page = Opened(browser, write_report(record, tmp_path / "r.html"), width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("kind", ["empty", "failures", "one objective"])
def test_poor_studies_still_make_a_page(browser: Browser, tmp_path: Path, kind: str) -> None:
    made = {
        "empty": make_record([]),
        "failures": make_record([], unfinished=[unfinished_row(0, "failed", "no memory")]),
        "one objective": make_record(directions={"usdr_db": "maximize"}),
    }[kind]
    opened = Opened(browser, write_report(made, tmp_path / "r.html"))
    assert opened.complaints == []
    assert opened.page.locator("h1").count() == 1


def test_the_file_is_small_enough_to_send(record: StudyRecord, tmp_path: Path) -> None:
    assert write_report(record, tmp_path / "r.html").stat().st_size < 8_000_000
