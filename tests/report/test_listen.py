"""Sound in the report: announced, and two trials heard in turn, in a real Chromium."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from msdemucs.analysis.findings import Findings
from msdemucs.report.audio import Excerpt, SourceExcerpt, sound_url
from msdemucs.report.page import write_report
from tests.records import make_eight
from tests.report.chromium import Opened

pytestmark = pytest.mark.browser

RATE, SECONDS = 8000, 8


def tone(hertz: float) -> str:
    """A sound of its own."""
    wave = 0.1 * torch.sin(hertz * torch.arange(RATE * SECONDS) / RATE)
    return sound_url(wave.repeat(2, 1), RATE)


@pytest.fixture(scope="module")
def excerpts() -> Mapping[int, Excerpt]:
    """What the second baseline and the best trial sound like."""

    def sources(trial: int) -> tuple[SourceExcerpt, ...]:
        kinds = ("reference", "estimate", "error")
        return tuple(
            SourceExcerpt(
                name,
                f"uSDR {trial}.{index} dB",
                tuple((kind, tone(100.0 * trial + 10 * index + len(kind))) for kind in kinds),
                "data:,",
            )
            for index, name in enumerate(("drums", "vocals"))
        )

    mixture = tone(50.0)
    return {n: Excerpt("Low Tide, from 3.0 s to 11.0 s", mixture, sources(n)) for n in (1, 4)}


@pytest.fixture
def page(browser: Browser, excerpts: Mapping[int, Excerpt], tmp_path: Path) -> Page:
    path = write_report(Findings(make_eight()), tmp_path / "r.html", excerpts=excerpts)
    return Opened(browser, path).page


STATE = """() => Object.fromEntries(["a", "b"].map((key) => {
    const player = document.getElementById(`ab-audio-${key}`);
    return [key, [player.paused, player.currentTime, player.src]];
}))"""


def test_each_trials_line_has_its_score_cost_spec_and_sound(page: Page) -> None:
    line = page.locator("#trial-4 > summary").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "uSDR 2.31 dB · MACs/s 2.7 GMAC/s · extends htdemucs · audio of 2 sources" in line
    silent = page.locator("#trial-3 > summary").inner_text()
    assert "uSDR 0.71" in silent
    assert "audio" not in silent
    assert "failed" in page.locator("#trial-6 > summary").inner_text()


def test_what_can_be_heard_is_announced(page: Page) -> None:
    said = page.locator("#listen > p").first.inner_text()
    assert "2 trials of 8 can be heard, each in one excerpt, of 2 sources" in said
    assert "Low Tide, from 3.0 s to 11.0 s" in said
    assert page.locator("#listen > p a.trial").count() == 2
    page.locator(".contents a", has_text="Listen").click()
    expect(page.locator("#listen-heading")).to_be_in_viewport()


def test_two_trials_are_heard_in_turn_at_one_position_by_keyboard(page: Page) -> None:
    group = page.get_by_role("group", name="Two trials in turn, at one position of the excerpt")
    group.get_by_label("Source").select_option("vocals")
    play = group.get_by_role("button", name="Play")
    play.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ab-time")).not_to_have_text(re.compile(r"^0\.0 s"))
    assert page.evaluate(STATE)["b"][0], "one at a time"
    expect(page.locator("#ab-heard")).to_have_text(
        "A: htdemucs_n, 8 channels (trial 1), vocals, uSDR 1.1 dB in the excerpt"
    )
    group.get_by_role("radio", name="A").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#ab-audio-b")).to_have_js_property("paused", False)
    state = page.evaluate(STATE)
    assert state["a"][0], "paused"
    assert state["a"][2] != state["b"][2], "another sound"
    assert abs(state["a"][1] - state["b"][1]) < 1.0, "the same position"
    expect(page.locator("#ab-heard")).to_contain_text("B: ")
    expect(page.locator("#ab-heard")).to_contain_text("vocals, uSDR 4.1 dB")
    group.get_by_role("button", name="Pause").click()
    paused = page.evaluate(STATE)["b"][1]
    group.get_by_label("Source").select_option("drums")
    expect(page.locator("#ab-heard")).to_contain_text("drums")
    assert abs(page.evaluate(STATE)["b"][1] - paused) < 0.05, "another source, the same position"
    seek = group.get_by_role("slider", name="Position in the excerpt")
    assert "s of 8" in str(seek.get_attribute("aria-valuetext"))
    seek.focus()
    page.keyboard.press("Home")
    expect(page.locator("#ab-time")).to_have_text(re.compile(r"^0\.0 s of 8"))


def test_the_player_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    inside = page.eval_on_selector_all(
        ".listen :is(select, input, label, button)",
        "parts => parts.every((part) => part.getBoundingClientRect().right <= 390)",
    )
    assert inside
    assert page.locator(".sides label").first.evaluate("e => e.offsetHeight") < 30, "on one line"


def test_a_report_without_sound_offers_none(browser: Browser, report_path: Path) -> None:
    opened = Opened(browser, report_path)
    assert opened.page.locator("#listen").is_hidden()
    assert opened.page.locator(".contents a", has_text="Listen").count() == 0
    assert opened.complaints == []
