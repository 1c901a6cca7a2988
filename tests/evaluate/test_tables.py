"""Does an evaluation give every track and source its own row, and lose none in silence?"""

import math

import numpy as np
import pytest
import torch

from msdemucs.data import Track
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.evaluate import Score, evaluate_tracks
from tests.toys import Broken, Scale, noise, track


def broken() -> Track:
    recording = Broken({"source0": noise()})
    return Track(name="A - Broken", group="toy", split="test", recording=recording)


def test_a_row_a_track_and_source_in_order() -> None:
    tracks = [
        track({"source0": noise(seed=1), "source1": noise(seed=2)}, name="A - One"),
        track({"source0": noise(), "source1": noise()}, name="B - Two", group="other"),
    ]
    scores = evaluate_tracks(Scale(0.5, 0.5), tracks)
    assert [(row.group, row.track, row.source) for row in scores] == [
        ("toy", "A - One", "source0"),
        ("toy", "A - One", "source1"),
        ("other", "B - Two", "source0"),
        ("other", "B - Two", "source1"),
    ]
    assert all(row.seconds > 0 for row in scores)


def test_scores_are_those_of_the_model_and_of_the_mixture() -> None:
    loud, silent = noise(level=0.2), 0 * noise()
    (first, second) = evaluate_tracks(
        Scale(0.9, 0.1), [track({"source0": loud, "source1": silent})], floors=True
    )
    assert first.value == pytest.approx(20, abs=1e-3)  # a tenth is missing
    assert first.floor == pytest.approx(10 * math.log10(240 / 1e-7), abs=0.2)  # perfect
    assert math.isnan(second.value)  # silent
    assert second.floor is not None
    assert math.isnan(second.floor)


def test_the_input_score_is_the_level_of_a_source_against_the_rest() -> None:
    stems = {"source0": noise(level=0.1, seed=1), "source1": noise(level=0.2, seed=2)}
    first, second = evaluate_tracks(Scale(1.0, 1.0), [track(stems)], floors=True)
    for row, stem, rest in ((first, "source0", "source1"), (second, "source1", "source0")):
        expected = 10 * math.log10(np.square(stems[stem]).sum() / np.square(stems[rest]).sum())
        assert row.floor == pytest.approx(expected, abs=1e-3)
        # The model returns the mixture, but for the roundings of the cross-fades.
        assert row.value == pytest.approx(row.floor, abs=1e-6)


def test_chunks_are_as_long_as_the_specs_segment() -> None:
    model = Scale(segment=0.01)
    evaluate_tracks(model, [track({"source0": noise(n_samples=700)})])
    assert {shape[1:] for shape, _, _ in model.calls} == {(2, 441)}


def test_a_derived_source_is_judged_by_the_sum_of_its_stems() -> None:
    model = Scale(1.0)
    model.spec = model.spec.model_copy(update={"sources": ("accompaniment",)})
    stems = {"drums": noise(seed=1), "bass": noise(seed=2), "vocals": 0 * noise()}
    (row,) = evaluate_tracks(model, [track(stems)])
    assert row.value > 60  # without vocals the mixture is the accompaniment


def test_each_finished_track_is_told_with_its_scores() -> None:
    told: list[tuple[str, list[Score]]] = []
    tracks = [track({"source0": noise()}, name=name) for name in ("A - One", "B - Two")]
    scores = evaluate_tracks(
        Scale(), tracks, on_track=lambda done, own: told.append((done.name, own))
    )
    assert told == [("A - One", scores[:1]), ("B - Two", scores[1:])]


def test_a_track_that_cannot_be_read_is_told_and_the_others_are_judged() -> None:
    errors: list[DataError] = []
    tracks = [broken(), track({"source0": noise()}, name="B - Two")]
    scores = evaluate_tracks(Scale(), tracks, on_error=errors.append)
    assert [row.track for row in scores] == ["B - Two"]
    assert [error.track for error in errors] == ["A - Broken"]


def test_a_track_that_cannot_be_read_stops_who_does_not_ask_to_be_told() -> None:
    with pytest.raises(DataError, match="is damaged"):
        evaluate_tracks(Scale(), [broken()])


def test_an_estimate_that_is_not_finite_is_an_error_with_track_and_source() -> None:
    model = Scale(1.0, math.nan)
    tracks = [track({"source0": noise(), "source1": noise()}, name="A - One")]
    with pytest.raises(MsdemucsError, match="“source1” of “A - One” is not finite"):
        evaluate_tracks(model, tracks)


def test_the_model_is_left_as_it_was() -> None:
    model = Scale(0.5).train()
    before = model.shares.detach().clone()
    evaluate_tracks(model, [track({"source0": noise()})])
    assert model.training
    assert torch.equal(model.shares, before)
