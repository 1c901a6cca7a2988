"""One real trial: build, measure, train, judge whole tracks, record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from msdemucs.data import SegmentSampler
from msdemucs.errors import DataError, SpecError, UsageError
from msdemucs.evaluate import Score, evaluate_tracks
from msdemucs.measure import latency, machine, peak_memory, quietly
from msdemucs.model import Separator, build, save_weights
from msdemucs.study.candidate import Candidate, TrialLog
from msdemucs.study.reading import problem_at
from msdemucs.study.space import Search
from msdemucs.study.tracks import Say, StudyTracks, gather
from msdemucs.train import Recipe, Session, StepReport, augmentation, train

WEIGHTS = "weights.safetensors"
"""The file in a trial's folder."""


def prepare(search: Search, *, say: Say) -> "Bench":
    """What all trials of a study share, checked before the first one.

    Raises:
        SpecError: a recipe that is not valid.
        UsageError: a folder of tracks that is not there.
        DataError: no track that can be used.
    """
    try:
        recipe = search.recipe({})
    except UsageError as error:
        raise SpecError([problem_at(search, "recipe", str(error))]) from None
    tracks = gather(search.space.data, search.base, segment=recipe.segment, say=say)
    return Bench(recipe, tracks, "cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Bench:
    """Trains and judges every candidate of a study alike."""

    recipe: Recipe
    tracks: StudyTracks
    device: str

    def describe(self) -> dict[str, object]:
        """What a study records about itself."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "data": self.tracks.describe(),
            "machine": machine(),
            **({"tracks_left_out": list(self.tracks.left_out)} if self.tracks.left_out else {}),
        }

    def evaluate(self, candidate: Candidate, log: TrialLog) -> None:
        """One trial: latency before training, then training, then whole test tracks."""
        spec = candidate.spec
        torch.manual_seed(candidate.seed)
        model = build(spec).to(self.device)
        with peak_memory(self.device) as memory:
            self.measure(model, log)
            self.train(model, candidate, log)
            candidate.folder.mkdir(parents=True, exist_ok=True)
            save_weights(model, candidate.folder / WEIGHTS)
            self.judge(model, candidate, log)
        log.record(
            {"peak_memory_bytes": memory.bytes, "peak_memory_increase_bytes": memory.increase_bytes}
        )
        log.note("peak_memory_method", memory.method)

    def measure(self, model: Separator, log: TrialLog) -> None:
        """Record how long one segment takes, in the quietest of a few attempts."""
        log.phase("latency", 1)
        spec = model.spec
        found, busy = quietly(
            partial(
                latency,
                model,
                segment_samples=spec.n_samples,
                audio_channels=spec.audio_channels,
                device=self.device,
            )
        )
        log.record(
            {
                "latency_ms_p05": found.p05_ms,
                "latency_ms_p50": found.p50_ms,
                "latency_ms_p95": found.p95_ms,
                "rtf": found.realtime_factor,
                "latency_busy": busy,
            }
        )

    def train(self, model: Separator, candidate: Candidate, log: TrialLog) -> None:
        """Train the model in place and record its learning curve."""
        spec, recipe = candidate.spec, candidate.recipe or self.recipe
        sampler = SegmentSampler(
            self.tracks.train,
            sources=spec.sources,
            segment_samples=round(recipe.segment * spec.sample_rate),
            batch_size=recipe.batch_size,
            seed=candidate.seed,
            augmentation=augmentation(recipe),
        )
        log.phase("training", recipe.n_steps)

        def on_step(report: StepReport) -> None:
            log.loss(report.step, report.loss)

        done = train(model, sampler, recipe, Session(device=self.device, on_step=on_step))
        if done.average:
            done.average.apply()
        log.record({"train_seconds": done.seconds})

    def judge(self, model: Separator, candidate: Candidate, log: TrialLog) -> None:
        """Record the score of every test track and source, and their means.

        Raises:
            DataError: none of the test tracks can be read.
        """
        log.phase("evaluation", len(self.tracks.test))
        done = 0

        def on_track(*_: object) -> None:
            nonlocal done
            done += 1
            log.advanced(done)

        scores = evaluate_tracks(model, self.tracks.test, on_track=on_track, on_error=log.left_out)
        if not scores:
            raise DataError(f"none of the {len(self.tracks.test)} test tracks can be read")
        seed = candidate.seed
        rows = [(s.group, s.track, s.source, s.usdr_db, s.input_usdr_db, seed) for s in scores]
        log.scores(rows)
        log.record(summary(scores))


def summary(scores: Sequence[Score]) -> dict[str, float]:
    """usdr_db over all test tracks, and over each group's.

    Each is the mean over sources of the mean over tracks; silent references are left out.
    """
    groups = sorted({score.group for score in scores})
    found = {"usdr_db": _mean_of_means(scores)}
    for group in groups:
        own = [score for score in scores if score.group == group]
        found[f"usdr_db/{group}"] = _mean_of_means(own)
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _mean_of_means(scores: Sequence[Score]) -> float:
    by_source: dict[str, list[float]] = {}
    for score in scores:
        if score.usdr_db is not None:
            by_source.setdefault(score.source, []).append(score.usdr_db)
    means = [sum(values) / len(values) for values in by_source.values()]
    return sum(means) / len(means) if means else math.nan
