"""What is seen without scrolling, and the ways on from there, in a real Chromium."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from msdemucs.analysis.findings import Findings
from msdemucs.report.page import write_report
from msdemucs.study.records import StudyRecord
from tests.records import amend, make_ablation, make_search
from tests.report.chromium import Opened

pytestmark = pytest.mark.browser

BOTTOM = "element => element.getBoundingClientRect().bottom"


def test_title_question_findings_and_the_main_figure_are_above_the_fold(
    browser: Browser, report_path: Path
) -> None:
    page = Opened(browser, report_path).page
    for what in ("h1", ".question", ".found > ul", ".hero .plot", ".hero .legend"):
        assert page.locator(what).first.evaluate(BOTTOM) <= 900, what
    assert page.locator(".found > ul > li").count() == 3
    first = page.locator(".found > ul > li").first.inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "silence 0.00 dB, the mixture −5.75 dB" in first
    further = page.get_by_text("more findings")
    assert page.get_by_text("complete trials beat the mixture").is_hidden()
    further.click()
    expect(page.get_by_text("complete trials beat the mixture")).to_be_visible()


def test_effects_and_the_main_figure_of_an_ablation_are_above_the_fold(
    browser: Browser, tmp_path: Path
) -> None:
    page = Opened(browser, write_report(make_ablation(1), tmp_path / "ablation.html")).page
    assert page.locator("#figure-forest figcaption").evaluate(BOTTOM) <= 900
    assert page.locator(".hero .plot").last.evaluate(BOTTOM) <= 900
    notes = page.get_by_text("too few to claim anything")
    assert notes.is_hidden()
    page.get_by_text("How far its intervals reach").click()
    expect(notes).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_contents_stay_in_sight_and_lead_to_what_is_there(
    browser: Browser, report_path: Path, width: int
) -> None:
    page = Opened(browser, report_path, width=width).page
    for link in page.locator(".contents a").all():
        assert page.locator(str(link.get_attribute("href"))).count() == 1
    page.evaluate("window.scrollTo(0, 3000)")
    assert page.locator(".contents").evaluate("e => e.getBoundingClientRect().top") == 0
    page.locator(".contents a", has_text="Trials").click()
    heading = page.locator("#trials-heading").evaluate("e => e.getBoundingClientRect().top")
    assert heading >= page.locator(".contents").evaluate(BOTTOM), "not under the bar"


def test_what_is_seen_is_found_by_typing_it(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    for typed, trials in (("2.31 db", [4]), ("2.7 GMAC/s", [4]), ("trial 3", [3])):
        page.locator("#find").fill(typed)
        rows = "rows => rows.map((row) => +row.dataset.trial)"
        assert page.eval_on_selector_all("#trials tbody tr", rows) == trials, typed
    page.locator("#find").fill("")
    page.locator("#row-4 td").first.click()
    chosen = page.locator("#selected .what").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "uSDR 2.31 dB · MACs/s 2.7 GMAC/s" in chosen


def test_names_beside_points_stay_in_the_plot_when_the_window_becomes_narrow(
    browser: Browser, tmp_path: Path
) -> None:
    record = replace(make_search(12), name="search")
    page = Opened(browser, write_report(Findings(record), tmp_path / "r.html")).page
    for width in (1280, 390, 700):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(600)
        inside = page.eval_on_selector(
            ".hero .plot",
            """(plot) => {
                 const frame = plot.getBoundingClientRect();
                 const texts = [...plot.querySelectorAll(".scatterlayer .textpoint text")];
                 return texts.map((text) => text.getBoundingClientRect())
                   .filter((box) => box.width).map((box) =>
                     box.left >= frame.left - 1 && box.right <= frame.right + 1);
               }""",
        )
        assert inside, width
        assert all(inside), width


def test_a_legend_has_the_marks_of_its_figures_and_no_others(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    costly = amend(record, 0, macs_per_second=3e9)  # dominated by MACs, and not by parameters
    page = Opened(browser, write_report(Findings(costly), tmp_path / "r.html")).page
    below_the_first, of_the_others = (
        page.locator(where).inner_text() for where in (".hero .legend", "section > .legend")
    )
    assert "baseline on the front" not in below_the_first
    assert "baseline, not on it" in below_the_first
    assert "baseline on the front" in of_the_others
    for text in (below_the_first, of_the_others):
        assert "mixture itself" not in text, "it lies far below: noted, not drawn"
        assert "trained for longer" not in text
    drawn = page.eval_on_selector(
        ".hero .plot",
        "p => (p.layout.shapes || []).filter((shape) => shape.name === 'floor').length",
    )
    assert drawn == 0
