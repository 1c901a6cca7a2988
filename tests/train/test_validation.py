"""Is a model judged on whole held-out tracks, by the metric and in the units of its training?"""

from pathlib import Path

import pytest
import torch

from msdemucs.data import Track, find_tracks, statistics
from msdemucs.errors import DivergedError
from msdemucs.model import Separator, build
from msdemucs.spec import Spec
from msdemucs.train import Recipe
from msdemucs.train.tracks import judge


@pytest.fixture
def tracks(noise: Path, spec: Spec) -> list[Track]:
    return find_tracks(noise, split="train", sample_rate=spec.sample_rate)


@pytest.fixture
def model(spec: Spec) -> Separator:
    return build(spec).train()


def asked(**fields: object) -> Recipe:
    validation = {"every": 1, "metric": "loss"}
    base = {"name": "x", "steps": 1, "batch_size": 1, "segment": 0.5, "validation": validation}
    return Recipe.model_validate({**base, **fields})


@pytest.mark.parametrize("normalised", [True, False])
def test_the_loss_is_of_whole_tracks_in_chunks_of_what_is_trained_on(
    model: Separator, tracks: list[Track], normalised: bool
) -> None:
    found = judge(model, tracks, asked(shift=0.25), normalised=normalised)
    assert model.training
    model.eval()
    expected = []
    for track in tracks:
        mixture = torch.from_numpy(track.read_mixture())
        mean, deviation = statistics([mixture]) if normalised else (0.0, 1.0)
        stems = (torch.from_numpy(track.read_sources(model.spec.sources)) - mean) / deviation
        with torch.no_grad():  # four chunks of 0.25 s at 8 kHz make a second
            parts = [
                model(chunk[None]) for chunk in torch.split((mixture - mean) / deviation, 2000, 1)
            ]
        expected.append(float((torch.cat(parts, -1)[0] - stems).abs().mean()))
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_sources_count_by_their_weights(model: Separator, tracks: list[Track]) -> None:
    sources = model.spec.sources
    only = [
        judge(
            model,
            tracks,
            asked(source_weights={name: 1.0 if name == one else 1e-9 for name in sources}),
            normalised=False,
        )
        for one in sources
    ]
    whole = judge(model, tracks, asked(), normalised=False)
    assert whole == pytest.approx(sum(only) / len(only), rel=1e-4)
    assert len({round(value, 6) for value in only}) > 1


def test_weights_that_diverged_are_said_to_have(model: Separator, tracks: list[Track]) -> None:
    for parameter in model.parameters():
        parameter.data.fill_(torch.nan)
    with pytest.raises(DivergedError, match=r"validation loss of “.*” is nan; the model's weights"):
        judge(model, tracks, asked(), normalised=False)
    by_score = asked(validation={"every": 1})
    with pytest.raises(DivergedError, match=r"^the estimate of “drums” of .* is not finite"):
        judge(model, tracks, by_score, normalised=False)
