"""Excerpts that can be heard in the report."""

import base64
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from msdemucs import build, load_spec
from msdemucs.analysis.findings import Findings
from msdemucs.errors import UsageError
from msdemucs.evaluate import separate_mixture
from msdemucs.model import Separator, load_weights, save_weights
from msdemucs.report.audio import MOST_TRIALS, excerpts_of, weights_of
from msdemucs.report.details import Details
from msdemucs.report.page import environment, render
from msdemucs.study.records import StudyRecord
from tests.records import SOURCES, amend, make_eight

RATE = 8000


@pytest.fixture
def record() -> StudyRecord:
    """The eight trials, scored on the track that there is to be heard."""
    made = make_eight()
    return replace(made, scores=made.scores.assign(track="A - <B>"))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder with one track of a second, held out for validation."""
    folder = tmp_path / "band" / "train" / "A - <B>"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    stems = {source: 0.1 * rng.standard_normal((RATE, 2)) for source in SOURCES}
    for name, samples in {**stems, "mixture": sum(stems.values())}.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return tmp_path / "band"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of a tiny model."""
    overrides = {
        "sample_rate": RATE, "segment": 0.5, "channels.start": 4, "attention": [], "spectral": None
    }  # fmt: skip
    path = tmp_path / "weights.safetensors"
    save_weights(build(load_spec("htdemucs", overrides=overrides)), path)
    return path


@pytest.mark.slow
def test_the_best_trial_with_weights_is_heard(
    record: StudyRecord, music: Path, weights: Path, tmp_path: Path
) -> None:
    heard = amend(record, 4, weights=str(weights))
    excerpts = excerpts_of(Findings(heard), music, studies=tmp_path, say=pytest.fail)
    assert set(excerpts) == {4}
    excerpt = excerpts[4]
    assert excerpt.title == "A - <B>, from 0.0 s to 1.0 s"
    assert [source.source for source in excerpt.sources] == list(SOURCES)
    assert [kind for kind, _ in excerpt.sources[0].sounds] == ["reference", "estimate", "error"]
    data = base64.b64decode(excerpt.mixture.split(",")[1])
    samples, rate = soundfile.read(BytesIO(data))
    assert rate == RATE
    assert abs(len(samples) - RATE) < RATE / 4  # MP3 pads by whole frames
    assert excerpt.sources[0].picture.startswith("data:image/webp;base64,")

    page = environment().get_template("detail.html")
    html = page.render(item=Details(Findings(heard), excerpts).of(Findings(heard).rows[4]))
    assert html.count("<audio") == 1 + 3 * len(SOURCES)
    assert "A - &lt;B&gt;" in html
    assert "media-src data:" in render(Findings(record))


@pytest.mark.slow
def test_what_is_heard_was_normalised_where_the_weights_need_it(
    record: StudyRecord,
    music: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_weights(load_weights(weights), weights, normalised=True)
    seen: list[bool] = []

    def separated(model: Separator, mixture: torch.Tensor, *, normalised: bool) -> torch.Tensor:
        seen.append(normalised)
        return separate_mixture(model, mixture, normalised=normalised)

    monkeypatch.setattr("msdemucs.evaluate.separation.separate_mixture", separated)
    heard = amend(record, 4, weights=str(weights))
    excerpts_of(Findings(heard), music, studies=tmp_path, say=pytest.fail)
    assert seen == [True]


@pytest.mark.slow
def test_files_that_are_no_weights_are_left_out_with_a_word(
    record: StudyRecord, music: Path, weights: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    both = amend(amend(record, 4, weights=str(broken)), 0, weights=str(weights))
    said: list[str] = []
    assert set(excerpts_of(Findings(both), music, studies=tmp_path, say=said.append)) == {0}
    assert said[0].startswith("trial 4 cannot be heard")


def test_weights_are_found_where_the_study_left_them(
    record: StudyRecord, weights: Path, tmp_path: Path
) -> None:
    usual = tmp_path / "studies" / "multires" / "trials" / "3" / "weights.safetensors"
    usual.parent.mkdir(parents=True)
    usual.write_bytes(weights.read_bytes())
    row = Findings(record).rows[3]
    assert weights_of(record.name, row, tmp_path / "studies") == str(usual)
    assert weights_of(record.name, Findings(record).rows[4], tmp_path / "studies") is None
    assert len(record.trials) > MOST_TRIALS


def test_without_weights_or_music_it_is_said_what_is_missing(
    record: StudyRecord, music: Path, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no trial whose weights are there"):
        excerpts_of(Findings(record), music, studies=tmp_path, say=print)
    heard = amend(record, 4, weights=str(weights))
    with pytest.raises(UsageError, match="no"):
        excerpts_of(Findings(heard), tmp_path / "nowhere", studies=tmp_path, say=print)


def test_no_track_is_heard_of_a_study_that_selected_on_its_test_tracks(
    record: StudyRecord, music: Path, weights: Path, tmp_path: Path
) -> None:
    old = replace(record, scores=record.scores.assign(split="test"), attrs={})
    heard = amend(old, 4, weights=str(weights))
    with pytest.raises(UsageError, match="selected on its test tracks, and a report opens none"):
        excerpts_of(Findings(heard), music, studies=tmp_path, say=print)
