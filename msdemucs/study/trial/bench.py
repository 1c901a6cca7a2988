"""Trains and scores one candidate: its latency, its training from rung to rung, whole tracks."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter, itemgetter
from statistics import fmean

import pandas as pd

from msdemucs.data import drop_short
from msdemucs.errors import DataError, SpecError, UsageError, diverged_at
from msdemucs.evaluate import Score, evaluate_tracks
from msdemucs.evaluate.scoring import Convention
from msdemucs.measure import (
    HostLock,
    Timing,
    choose_device,
    device_name,
    is_quiet,
    latency,
    machine,
    peak_memory,
    quietly,
)
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.metrics.quality import count_unscored
from msdemucs.metrics.registry import other_sources
from msdemucs.model import Separator
from msdemucs.study.records import SPLIT, qualities_of
from msdemucs.study.search_space.loading import problem_at
from msdemucs.study.search_space.space import Search
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, StoppedError, TrialRecorder
from msdemucs.study.trial.tracks import Say, StudyTracks, gather
from msdemucs.study.trial.workspace import RungScores
from msdemucs.train import Recipe, StepReport
from msdemucs.train.tracks import Tracks, names_of
from msdemucs.train.training import Asked, Means, TrainingRun


def prepare(search: Search, *, say: Say, device: str = "auto", auto_batch: bool = False) -> "Bench":
    """What all trials of a study share, checked before the first one.

    Args:
        search: what the study asks.
        say: is told what is made, and which tracks are validated on or left out.
        device: as for `choose_device`.
        auto_batch: whether a batch that does not fit goes through in more parts.

    Raises:
        SpecError: a recipe that is not valid, an objective that no trial could record.
        UsageError: a folder of tracks, or a device, that is not there.
        DataError: no track that can be used.
    """
    try:
        recipe = search.recipe({})
    except UsageError as error:
        raise SpecError([problem_at(search, "recipe", str(error))]) from None
    space = search.space
    rungs = space.fidelity.rungs if space.fidelity else ()
    if rungs and rungs[-1] >= recipe.n_steps:
        message = f"rungs come before the recipe's last step, {recipe.n_steps}; found {rungs[-1]}"
        raise SpecError([problem_at(search, "fidelity.rungs", message)])
    varied = space.vary["recipe.segment"].corners() if "recipe.segment" in space.vary else ()
    longest = max([recipe.segment, *(value for value in varied if isinstance(value, int | float))])
    tracks = gather(space.data, search.base, segment=longest, say=say, seed=space.seed)
    qualities = recorded_qualities(search, tracks)
    place, repeats = choose_device(device), space.seeds_a_trial
    return Bench(recipe, tracks, place, qualities, rungs, repeats, auto_batch)


def recorded_qualities(search: Search, tracks: StudyTracks) -> Mapping[str, Quality]:
    """The qualities that every trial records: the usual one, over each group too, and objectives.

    Args:
        search: what is asked.
        tracks: that trials are scored on.

    Raises:
        SpecError: an objective of a group that no track is of, or that one source alone has not.
    """
    metric, groups = METRICS[USUAL], {track.group for track in tracks.validation}
    usual = [Quality(metric), *(Quality(metric, group=group) for group in sorted(groups))]
    qualities, problems = {str(quality): quality for quality in usual}, []
    for name in qualities_of(search.space.objectives):
        try:
            qualities[name] = Quality.parse(name, sources=search.base.sources, groups=groups)
        except UsageError as error:
            problems.append(problem_at(search, f"objectives.{name}", str(error)))
            continue
        if len(search.base.sources) == 1 and other_sources in qualities[name].metric.needs:
            fault = f"“{name}” needs other sources than {search.base.sources[0]}, the only one"
            problems.append(problem_at(search, f"objectives.{name}", fault))
    if problems:
        raise SpecError(problems)
    return qualities


@dataclass(frozen=True)
class Bench:
    """Trains and judges every candidate of a study alike.

    Attributes:
        recipe: of candidates that have none of their own.
        tracks: to train and to judge on.
        device: where.
        qualities: that are recorded, by their names.
        rungs: steps at which trials are judged before the last, rising.
        repeats: trainings of each candidate, with its seed, the next one, and so on.
        auto_batch: whether a batch that does not fit goes through in more parts.
        is_timed: whether the latency of a candidate is measured.
        host: where trainings pause while another process measures.
    """

    recipe: Recipe
    tracks: StudyTracks
    device: str
    qualities: Mapping[str, Quality]
    rungs: tuple[int, ...] = ()
    repeats: int = 1
    auto_batch: bool = False
    is_timed: bool = True
    host: HostLock = field(default_factory=HostLock, compare=False, repr=False)

    def alone(self) -> "Bench":
        """The same with one training of a candidate, judged at its end alone and not timed."""
        return replace(self, rungs=(), repeats=1, is_timed=False)

    def for_longer(self, recipe: Recipe, *, say: Say) -> "Bench":
        """The same by another recipe, on those tracks that are long enough for it.

        Raises:
            DataError: there is none.
        """
        shortest = round(recipe.segment * self.tracks.train[0].sample_rate)
        train = drop_short(
            self.tracks.train, n_samples=shortest, on_error=lambda error: say(f"left out: {error}")
        )
        if not train:
            raise DataError(f"no training track is as long as a segment of {recipe.name}")
        tracks = replace(self.tracks, train=tuple(train))
        return replace(self.alone(), recipe=recipe, tracks=tracks)

    def describe(self) -> dict[str, object]:
        """What a study records about itself."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            **self.tracks.describe(),
            "machine": machine(),
            **({"tracks_left_out": list(self.tracks.left_out)} if self.tracks.left_out else {}),
        }

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        """One trial: latency before training, then from rung to rung, then whole validation tracks.

        Latency is measured once more at the end where the machine was busy.

        Raises:
            StoppedError: at a rung; the folder has what the trial needs to go on from there.
        """
        runs = self.trainings(candidate, log)
        log.note("device", device_name(self.device))
        with (
            self.host.working(),
            usage(self.device, log),
            peak_memory(self.device) as memory,
            timed(runs[0].model, log, self.host, self.device) if self.is_timed else nullcontext(),
        ):
            self.climb(runs, candidate, log)
            paths = [run.finish() for run in runs]
            log.note("weights", candidate.address(paths[0]))
            self.judge(runs, log)
        log.record(
            {"peak_memory_bytes": memory.bytes, "peak_memory_increase_bytes": memory.increase_bytes}
        )
        log.note("peak_memory_method", memory.method)
        for run in runs:
            run.forget()

    def trainings(
        self, candidate: Candidate, log: TrialRecorder | None = None
    ) -> list[TrainingRun]:
        """One a seed; several have a folder each in the candidate's.

        With `keep: last` a validation would choose nothing, and is left out.

        Args:
            candidate: what is trained.
            log: is told of the first one's steps, and of tracks that are damaged; None for none.
        """
        recipe = candidate.recipe or self.recipe
        is_chosen = recipe.validation is not None and recipe.keep == "best"
        held_out = self.tracks.validation if is_chosen else ()
        names = names_of([*self.tracks.train, *held_out], is_one_set=False)
        tracks = Tracks(self.tracks.train, held_out, names)
        means = Means(
            self.device,
            auto_batch=self.auto_batch,
            n_checkpoints=1,
            on_left_out=log.trained_without if log else None,
            on_saved=candidate.on_saved,
            say=log.progress.said if log else lambda _: None,
        )

        def on_step(seed: int, report: StepReport) -> None:
            self.host.give_way()
            if log and seed == candidate.seed:
                log.loss(report.step, report.loss)

        seeds = range(candidate.seed, candidate.seed + self.repeats)
        return [
            TrainingRun(
                Asked(candidate.spec, recipe, seed=seed, weights=candidate.start),
                tracks,
                candidate.folder if self.repeats == 1 else candidate.folder / f"seed-{seed}",
                replace(means, on_step=partial(on_step, seed)),
            )
            for seed in seeds
        ]

    def climb(self, runs: list[TrainingRun], candidate: Candidate, log: TrialRecorder) -> None:
        """Train from rung to rung to the recipe's end, and record curve, rungs, steps and time.

        The parts of a batch are recorded where they are more than the recipe's.

        A trial that was cut short or stopped goes on where it was.

        Raises:
            StoppedError: at a rung.
        """
        first, rungs = runs[0], RungScores(candidate.folder)
        last = first.recipe.n_steps
        log.resume(first.curve())
        steps, seconds, parts = 0, 0.0, first.recipe.accumulate
        for goal in (*(step for step in self.rungs if step < last), last):
            log.progress.phase(f"training to step {goal}" if self.rungs else "training", goal)
            for run in runs:
                done = run.go(until=goal)
                steps, seconds = steps + len(done.curve), seconds + done.seconds
                log.record({"steps": steps, "train_seconds": seconds})
                if done.accumulate > parts:
                    parts = done.accumulate
                    log.note("accumulate", parts)
            if goal == last:
                return
            is_past = any(step > goal for step in rungs.qualities) or first.step > goal
            if goal not in rungs.qualities and not is_past:
                rows = [row for run in runs for row in rows_of(run, self.scores(run, log))]
                rungs.keep(goal, self.by_seed(rows), rows)
            if goal in rungs.qualities:
                try:
                    log.rung(goal, rungs.qualities[goal], is_past=is_past)
                except StoppedError:
                    log.rung_scores(goal, rungs.rows(goal))
                    raise

    def by_seed(self, rows: Sequence[Row]) -> dict[str, dict[int, float]]:
        """Quality → seed → value, without what has none."""
        scores = pd.DataFrame(rows, columns=list(Row._fields))
        by_seed = {name: quality.by_seed(scores) for name, quality in self.qualities.items()}
        return {name: values for name, values in by_seed.items() if values}

    def judge(self, runs: list[TrainingRun], log: TrialRecorder) -> None:
        """Record the scores of every seed, track, source and metric, and the qualities they make.

        Raises:
            DataError: none of the validation tracks can be read.
        """
        scores = {run: self.scores(run, log, floors=run is runs[0]) for run in runs}
        rows = [row for run, of_run in scores.items() for row in rows_of(run, of_run)]
        floors = [(SPLIT, *s[:4], s.floor) for s in scores[runs[0]] if s.floor is not None]
        log.scores(rows, floors)
        lacks = [score.lack for of_run in scores.values() for score in of_run if score.reason]
        if lacks:
            log.note("unscored", count_unscored(lacks))
        values = self.by_seed(rows)
        log.record({name: fmean(by_seed.values()) for name, by_seed in values.items()})
        if self.rungs and values:
            log.rung(runs[0].recipe.n_steps, values, is_past=True)

    def scores(self, run: TrainingRun, log: TrialRecorder, *, floors: bool = False) -> list[Score]:
        """The score of every validation track, source and metric.

        Raises:
            DataError: none of the validation tracks can be read.
            DivergedError: an estimate is not finite.
        """
        log.progress.phase("evaluation", len(self.tracks.validation))
        metrics = tuple(quality.metric.name for quality in self.qualities.values())
        scored = evaluate_tracks(
            run.model,
            self.tracks.validation,
            Convention(metrics, normalised=run.normalised),
            floors=floors,
            on_error=log.left_out,
        )
        scores: list[Score] = []
        with diverged_at(run.step):
            for done, of_track in enumerate(map(attrgetter("scores"), scored), 1):
                scores += of_track
                log.progress.advanced(done, "")
                self.host.give_way()
        if not scores:
            raise DataError(
                f"none of the {len(self.tracks.validation)} validation tracks can be read"
            )
        return scores


def rows_of(run: TrainingRun, scores: Sequence[Score]) -> list[Row]:
    """The scores of one training as they are recorded."""
    return [Row(run.seed, SPLIT, *score[:5]) for score in scores]


@contextmanager
def usage(device: str, log: TrialRecorder) -> Iterator[None]:
    """A block whose CPU time, and GPU time where there is one, is recorded however it ends."""
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        yield
    finally:
        used = {"cpu_seconds": time.process_time() - cpu}
        if device.startswith("cuda"):
            used["gpu_seconds"] = time.perf_counter() - wall
        log.record(used)


TIMING = Timing(repeats=5, passes=3)
"""The median of five rounds' fastest of three passes."""


@contextmanager
def timed(model: Separator, log: TrialRecorder, host: HostLock, device: str) -> Iterator[None]:
    """A block before which latency is measured, and again after it where the machine was busy.

    What a busy machine took refuses no trial before the second measurement.

    Args:
        model: the candidate.
        log: keeps the times of the quieter measurement.
        host: makes the trainings of other processes pause.
        device: where.

    Raises:
        StoppedError: by the block.
        InfeasibleError: the latency exceeds a constraint.
    """
    sizes = {"segment_samples": model.spec.n_samples, "audio_channels": model.spec.audio_channels}
    one_segment = partial(latency, model, **sizes, device=device, timing=TIMING)

    def measured(attempts: int) -> dict[str, float]:
        """The columns of the quietest attempt."""
        log.progress.phase("latency", 1)
        with host.measuring():
            times, busy = quietly(one_segment, attempts=attempts)
        return {
            "latency_busy": busy,
            "latency_ms_p05": times.p05_ms,
            "latency_ms_p50": times.p50_ms,
            "latency_ms_p95": times.p95_ms,
            "rtf": times.realtime_factor,
        }

    def measure_again() -> None:
        """Record the quieter of two measurements: what was busy then may not be so now."""
        if not is_quiet(first["latency_busy"]):
            log.record(min(first, measured(attempts=1), key=itemgetter("latency_busy")))

    first = measured(attempts=2)
    log.record(first, is_certain=is_quiet(first["latency_busy"]))
    try:
        yield
    except StoppedError:
        measure_again()
        raise
    measure_again()
