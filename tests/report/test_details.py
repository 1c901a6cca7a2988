"""What opens for one trial, in a real Chromium."""

from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from playwright.sync_api import Browser

from msdemucs.analysis.findings import Findings
from msdemucs.errors import SpecError
from msdemucs.report.page import write_report
from msdemucs.spec import Spec, dump_spec, parse_spec, spec_hash
from msdemucs.spec.source import read_yaml
from msdemucs.study.records import StudyRecord
from msdemucs.study.search_space.fields import propose
from msdemucs.study.search_space.loading import load_search_space
from tests.records import make_search
from tests.report.chromium import Opened

pytestmark = pytest.mark.browser

SPACES = Path(__file__).parents[2] / "search_spaces"


def drawn_specs(space: str, n: int) -> list[Spec]:
    """Specs that a shipped search space draws, and a baseline."""
    search = load_search_space(SPACES / f"{space}.yaml", small=True)
    specs = list(search.baselines.values())[:1]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    while len(specs) < n:
        try:
            specs.append(search.spec(propose(study.ask(), search.space.vary)))
        except SpecError:  # draws may refuse to build
            continue
    return specs


def with_specs(record: StudyRecord, specs: list[Spec]) -> StudyRecord:
    """The record, its trials those of the specs."""
    plain = pd.Series([dump_spec(spec) for spec in specs])
    hashes = [spec_hash(spec) for spec in specs]
    return replace(record, trials=record.trials.assign(spec=plain, spec_hash=hashes))


@pytest.mark.slow
def test_the_yaml_of_a_trial_is_a_file_that_loads_as_its_spec(
    browser: Browser, tmp_path: Path
) -> None:
    spaces = ("multires", "attention", "schedules", "fusion")
    specs = [spec for space in spaces for spec in drawn_specs(space, 3)]
    record = with_specs(make_search(len(specs)), specs)
    page = Opened(browser, write_report(Findings(record), tmp_path / "r.html"), width=390).page
    for trial, spec in enumerate(specs):
        page.locator(f"#trial-{trial} > summary").click()
        panels = page.locator(f"#trial-{trial} .spec", has_text="pec")
        panels.first.wait_for()
        for title in ("As a spec file", "Full spec"):
            panel = panels.filter(has=page.locator("summary", has_text=title))
            panel.locator("summary").click()
            block = panel.locator("pre")
            text = str(block.text_content())
            plain = read_yaml(text, title).plain()
            assert isinstance(plain, dict)
            assert spec_hash(parse_spec(plain)) == spec_hash(spec)
            assert "framing: half" not in text
            assert block.evaluate("e => e.scrollWidth <= e.clientWidth"), "wrapped"
        assert "extends:" in page.locator(f"#trial-{trial} .copied pre").inner_text()
