"""Does an evaluation give every track and source its own row, and lose none in silence?"""

import math
from typing import Any

import numpy as np
import pytest
import torch

from msdemucs.data import Track
from msdemucs.errors import DataError, DivergedError
from msdemucs.evaluate import Score, evaluate_tracks
from msdemucs.evaluate.scoring import Convention
from msdemucs.metrics.quality import count_unscored, describe_unscored
from msdemucs.model import Separator
from tests.toys import Broken, Scale, noise, track


def scores_of(model: Separator, tracks: list[Track], **options: Any) -> list[Score]:
    """All scores, by uSDR where nothing is said."""
    return [
        score for scored in evaluate_tracks(model, tracks, **options) for score in scored.scores
    ]


def broken() -> Track:
    recording = Broken({"source0": noise()})
    return Track(name="A - Broken", group="toy", split="test", recording=recording)


def test_a_row_a_track_and_source_in_order() -> None:
    tracks = [
        track({"source0": noise(seed=1), "source1": noise(seed=2)}, name="A - One"),
        track({"source0": noise(), "source1": noise()}, name="B - Two", group="other"),
    ]
    scores = scores_of(Scale(0.5, 0.5), tracks)
    assert [(row.group, row.track, row.source) for row in scores] == [
        ("toy", "A - One", "source0"),
        ("toy", "A - One", "source1"),
        ("other", "B - Two", "source0"),
        ("other", "B - Two", "source1"),
    ]
    assert next(evaluate_tracks(Scale(), tracks)).separated.seconds > 0


def test_scores_are_those_of_the_model_and_of_the_mixture() -> None:
    loud, silent = noise(level=0.2), 0 * noise()
    (first, second) = scores_of(
        Scale(0.9, 0.1), [track({"source0": loud, "source1": silent})], floors=True
    )
    assert first.value == pytest.approx(20, abs=1e-3)  # a tenth is missing
    assert first.floor == pytest.approx(10 * math.log10(240 / 1e-7), abs=0.2)  # perfect
    assert math.isnan(second.value)  # silent
    assert second.floor is not None
    assert math.isnan(second.floor)


def test_the_input_score_is_the_level_of_a_source_against_the_rest() -> None:
    stems = {"source0": noise(level=0.1, seed=1), "source1": noise(level=0.2, seed=2)}
    first, second = scores_of(Scale(1.0, 1.0), [track(stems)], floors=True)
    for row, stem, rest in ((first, "source0", "source1"), (second, "source1", "source0")):
        expected = 10 * math.log10(np.square(stems[stem]).sum() / np.square(stems[rest]).sum())
        assert row.floor == pytest.approx(expected, abs=1e-3)
        # The model returns the mixture, but for the roundings of the cross-fades.
        assert row.value == pytest.approx(row.floor, abs=1e-6)


def test_chunks_are_as_long_as_the_specs_segment() -> None:
    model = Scale(segment=0.01)
    scores_of(model, [track({"source0": noise(n_samples=700)})])
    assert {shape[1:] for shape, _, _ in model.calls} == {(2, 441)}


def test_a_derived_source_is_judged_by_the_sum_of_its_stems() -> None:
    model = Scale(1.0)
    model.spec = model.spec.model_copy(update={"sources": ("accompaniment",)})
    stems = {"drums": noise(seed=1), "bass": noise(seed=2), "vocals": 0 * noise()}
    (row,) = scores_of(model, [track(stems)])
    assert row.value > 60  # without vocals the mixture is the accompaniment


def test_a_track_is_separated_when_it_is_asked_for() -> None:
    model = Scale()
    scored = evaluate_tracks(model, [track({"source0": noise()}), broken()])
    assert model.calls == []
    assert next(scored).separated.track.name == "A - Track"
    with pytest.raises(DataError, match="is damaged"):
        next(scored)


def test_a_score_that_is_lacking_has_its_reason_and_reasons_are_counted() -> None:
    silent = track({"source0": noise(), "source1": 0 * noise()}, name="A - Silent")
    heard = track({"source0": noise(), "source1": noise(seed=1)}, name="A - Heard")
    convention = Convention(metrics=("usdr", "sisdr", "si_sir_db", "csdr_db"))
    scores = scores_of(Scale(0.5, 0.5), [silent, heard], convention=convention)
    assert all(math.isnan(score.value) == bool(score.reason) for score in scores)
    lacks = [score.lack for score in scores if score.reason]
    counts = count_unscored([*lacks, *lacks])
    assert counts == {
        "usdr_db": {"source1": {"its reference is silent": 1}},
        "si_sdr_db": {"source1": {"its reference is silent": 1}},
        "si_sir_db": {
            "source0": {"no other reference is heard": 1},
            "source1": {"its reference is silent": 1},
        },
        "csdr_db": {
            "source0": {"the reference of “source1” is silent throughout": 1},
            "source1": {"the reference of “source1” is silent throughout": 1},
        },
    }
    assert describe_unscored(counts) == [
        "no SI-SIR of source0 on 1 track: no other reference is heard",
        "no SI-SIR, uSDR, SI-SDR of source1 on 1 track: its reference is silent",
        "no cSDR of source0, source1 on 1 track: the reference of “source1” is silent throughout",
    ]


def test_memory_is_a_tracks_fault_where_that_is_asked_for_and_else_the_allocators() -> None:
    class Huge(Scale):
        def forward(self, mixture: torch.Tensor) -> torch.Tensor:
            return torch.empty(1 << 60)

    tracks, errors = [track({"source0": noise()})], list[DataError]()
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        scores_of(Huge(), tracks, on_error=errors.append)
    assert scores_of(Huge(), tracks, on_error=errors.append, memory_is_error=True) == []
    assert [error.track for error in errors] == ["A - Track"]


def test_a_track_that_cannot_be_read_is_told_and_the_others_are_judged() -> None:
    errors: list[DataError] = []
    tracks = [broken(), track({"source0": noise()}, name="B - Two")]
    scores = scores_of(Scale(), tracks, on_error=errors.append)
    assert [row.track for row in scores] == ["B - Two"]
    assert [error.track for error in errors] == ["A - Broken"]


def test_a_track_that_cannot_be_read_stops_who_does_not_ask_to_be_told() -> None:
    with pytest.raises(DataError, match="is damaged"):
        scores_of(Scale(), [broken()])


def test_an_estimate_that_is_not_finite_is_an_error_with_track_and_source() -> None:
    model = Scale(1.0, math.nan)
    tracks = [track({"source0": noise(), "source1": noise()}, name="A - One")]
    with pytest.raises(
        DivergedError, match=r"^the estimate of “source1” of “A - One” is not finite"
    ):
        scores_of(model, tracks)


def test_the_model_is_left_as_it_was() -> None:
    model = Scale(0.5).train()
    before = model.shares.detach().clone()
    scores_of(model, [track({"source0": noise()})])
    assert model.training
    assert torch.equal(model.shares, before)
