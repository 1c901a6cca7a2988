"""Are excerpts drawn and heard as they are, on a page that no title can break?"""

import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from msdemucs.errors import UsageError
from msdemucs.evaluate.excerpts import levels_db, write_excerpt
from msdemucs.evaluate.scoring import Separated
from tests.toys import SAMPLE_RATE, noise, track

PNG = b"\x89PNG"


def separated(name: str = "A - One") -> Separated:
    own = track({"source0": noise(n_samples=SAMPLE_RATE)}, name=name)
    mixture = torch.from_numpy(own.read_mixture())
    return Separated(own, mixture, ("source0",), mixture[None], 0.5 * mixture[None], 1.0)


def test_a_picture_a_source_and_one_page(tmp_path: Path) -> None:
    picture, page = write_excerpt(separated(), tmp_path, start=0.2, seconds=0.3)
    assert picture.name == "A - One - source0.png"
    assert picture.read_bytes()[:4] == PNG
    text = page.read_text()
    assert "From 0.2 s to 0.5 s" in text
    assert "6.02 dB uSDR" in text  # half the reference
    assert not re.search(r'(src|href)="(?!data:)', text)  # nothing from elsewhere


def test_what_is_heard_is_the_excerpt(tmp_path: Path) -> None:
    found = separated()
    _, page = write_excerpt(found, tmp_path, start=0.2, seconds=0.3)
    sounds = re.findall(r"data:audio/wav;base64,([A-Za-z0-9+/=]+)", page.read_text())
    assert len(sounds) == 4  # mixture, reference, estimate, error
    estimate, rate = soundfile.read(BytesIO(base64.b64decode(sounds[2])))
    assert rate == SAMPLE_RATE
    wanted = found.estimates[0, :, round(0.2 * rate) : round(0.5 * rate)].T.numpy()
    np.testing.assert_allclose(estimate, wanted, atol=1e-4)


def test_a_hostile_title_is_text(tmp_path: Path) -> None:
    _, page = write_excerpt(separated("<script>alert(1)</script> $\\frac$"), tmp_path, seconds=0.1)
    text = page.read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(("start", "seconds"), [(1.0, 1.0), (-1.0, 1.0), (0.0, 0.0)])
def test_an_excerpt_outside_the_track_is_refused(
    tmp_path: Path, start: float, seconds: float
) -> None:
    with pytest.raises(UsageError, match=r"is not in “A - One”, which has 1.0 s"):
        write_excerpt(separated(), tmp_path, start=start, seconds=seconds)


def test_a_tone_is_seen_at_its_row() -> None:
    time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    levels = levels_db(torch.sin(2 * torch.pi * 2000 * time)[None])
    row = int(levels[:, levels.shape[1] // 2].argmax())
    assert row == pytest.approx(2000 / SAMPLE_RATE * 2048, abs=1)
