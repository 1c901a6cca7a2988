"""What the best trials sound like: one excerpt of a track, with players and spectrograms."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of_quality
from msdemucs.analysis.trials import Row, is_baseline, is_complete, is_copy, trial_number
from msdemucs.errors import DataError, MsdemucsError, UsageError
from msdemucs.metrics import Quality, Stems
from msdemucs.study.storage.urls import study_folder

if TYPE_CHECKING:
    from torch import Tensor

    from msdemucs.data import Track

SECONDS = 6.0
MOST_TRIALS = 3
"""Trials with players, at most: a trial's sounds and pictures take about two megabytes."""

PICTURE_QUALITY = 60

LOUDEST = 0.99
"""Full scale that the loudest sample of all trials' excerpts is brought down to, all sounds alike:
of two trials heard in turn, neither is louder by its scale."""


@dataclass(frozen=True)
class SourceExcerpt:
    """One source of an excerpt.

    Attributes:
        source: its name.
        score: by the metric of the study, in the excerpt, as text.
        sounds: (what it is, data URL) of reference, estimate and error.
        picture: data URL of their spectrograms.
    """

    source: str
    score: str
    sounds: tuple[tuple[str, str], ...]
    picture: str


@dataclass(frozen=True)
class Excerpt:
    """What a trial made of a piece of a track.

    Attributes:
        title: the track, and from where to where.
        mixture: data URL.
        sources: in the model's order.
    """

    title: str
    mixture: str
    sources: tuple[SourceExcerpt, ...]


def excerpts_of(
    findings: Findings, data: Path, *, studies: Path, say: Callable[[str], None]
) -> Mapping[int, Excerpt]:
    """Excerpts of the best trials whose weights are there, by trial.

    Args:
        findings: of the study.
        data: a folder of tracks; the first of it that the study selected by is heard.
        studies: where the studies' folders lie, for records that do not name their weights.
        say: is told what is left out, and why.

    Raises:
        UsageError: none of the study's tracks in the folder, or no weights.
    """
    from msdemucs.model.weights import load_weights, read_about
    from msdemucs.study.storage.folders import at_hand

    name = findings.record.name
    rows = [row for row in findings.best_first if is_complete(row) and not is_copy(row)]
    rows.sort(key=lambda row: not (trial_number(row) in findings.front or is_baseline(row)))
    weights = {trial_number(row): path for row in rows if (path := weights_of(name, row, studies))}
    if not weights:
        raise UsageError(
            f"study “{name}” has no trial whose weights are there; --audio needs the "
            f"folder {study_folder(name, studies)}, which the study made where it ran"
        )
    pieces: dict[int, Piece] = {}
    for trial, path in weights.items():
        try:
            with at_hand(path) as file:
                if file is None:
                    say(f"trial {trial} cannot be heard: {path} cannot be fetched")
                    continue
                model, normalised = load_weights(file), read_about(file).normalised
            track = first_track(findings, data, model.spec.sources, model.spec.sample_rate)
            pieces[trial] = _separated(model, track, normalised=normalised)
        except UsageError:
            raise
        except MsdemucsError as error:
            say(f"trial {trial} cannot be heard: {error}")
        if len(pieces) == MOST_TRIALS:
            break
    scale = LOUDEST / max([1.0, *(piece.peak for piece in pieces.values())])
    return {trial: _excerpt(piece, findings.metric, scale) for trial, piece in pieces.items()}


def weights_of(study: str, row: Row, studies: Path) -> str | None:
    """The path or URL of a trial's weights; None where a path leads nowhere."""
    from msdemucs.study.storage.folders import is_url  # Optuna is for who asks for sounds

    named = row.get("weights")
    if isinstance(named, str) and is_url(named):
        return named
    trial = str(trial_number(row))
    usual = study_folder(study, studies) / "trials" / trial / "weights.safetensors"
    candidates = [Path(named), studies.parent / named] if isinstance(named, str) else []
    return next((str(path) for path in [*candidates, usual] if path.is_file()), None)


def first_track(
    findings: Findings, data: Path, sources: tuple[str, ...], sample_rate: int
) -> "Track":
    """The first track of a folder that the study selected by: no test track is opened for it.

    Raises:
        UsageError: there is none, or the study selected on its test tracks.
    """
    from msdemucs.data import find_tracks
    from msdemucs.data.tracks import SPLITS

    record = findings.record
    if record.split == "test":
        raise UsageError(
            f"study “{record.name}” selected on its test tracks, and a report opens none: leave "
            "--audio away, or hear its weights by `msdemucs separate`"
        )
    known = set(findings.scores["track"])
    problems: list[DataError] = []
    for split in SPLITS:
        if split == "test":
            continue
        tracks = find_tracks(
            data,
            split=split,
            sources=sources,
            sample_rate=sample_rate,
            audio_channels=2,
            on_error=problems.append,
        )
        if scored := [track for track in tracks if track.name in known]:
            return scored[0]
    reason = f": {problems[0]}" if problems else ""
    raise UsageError(f"no {record.split} track of the study lies under {data}{reason}")


@dataclass(frozen=True, eq=False)
class Piece:
    """The middle of a track, and what a model makes of it.

    Attributes:
        track: whose.
        start: its first sample in the track.
        sources: their names.
        mixture: [A, N].
        references: [S, A, N].
        estimates: [S, A, N].
    """

    track: "Track"
    start: int
    sources: tuple[str, ...]
    mixture: "Tensor"
    references: "Tensor"
    estimates: "Tensor"

    @property
    def peak(self) -> float:
        """The loudest sample that is heard, but for the error's."""
        return max(float(self.mixture.abs().max()), float(self.estimates.abs().max()))


def _separated(model: object, track: "Track", *, normalised: bool) -> Piece:
    """A model's estimates of the middle of a track."""
    import torch

    from msdemucs.evaluate.separation import separate_mixture
    from msdemucs.model import Separator

    assert isinstance(model, Separator)
    length = min(track.n_samples, round(SECONDS * track.sample_rate))
    start = (track.n_samples - length) // 2
    piece = slice(start, start + length)
    mixture = torch.from_numpy(track.read_mixture())[:, piece]
    references = torch.from_numpy(track.read_sources(model.spec.sources))[..., piece]
    estimates = separate_mixture(model, mixture, normalised=normalised)
    return Piece(track, start, model.spec.sources, mixture, references, estimates)


def _excerpt(piece: Piece, quality: Quality, scale: float) -> Excerpt:
    """A piece as sounds and pictures, its sounds multiplied by a scale, scored by a metric."""
    from msdemucs.evaluate.excerpts import draw

    rate, mixture = piece.track.sample_rate, piece.mixture
    references, estimates = piece.references, piece.estimates
    sources = []
    measure = measure_of_quality(Quality(quality.metric))
    scores = quality.metric.of(
        Stems(piece.sources, references.numpy(), estimates.numpy(), mixture.numpy())
    )
    for name, reference, estimate, score in zip(
        piece.sources, references, estimates, scores, strict=True
    ):
        parts = {"reference": reference, "estimate": estimate, "error": estimate - reference}
        title = f"{piece.track.name}: {name}"
        picture = draw({"mixture": mixture, **parts}, sample_rate=rate, title=title)
        sources.append(
            SourceExcerpt(
                name,
                f"{measure.header} {measure.text(score.value)}",
                tuple((kind, sound_url(scale * wave, rate)) for kind, wave in parts.items()),
                picture_url(picture),
            )
        )
    start, end = piece.start / rate, (piece.start + mixture.shape[-1]) / rate
    title = f"{piece.track.name}, from {start:.1f} s to {end:.1f} s"
    return Excerpt(title, sound_url(scale * mixture, rate), tuple(sources))


def picture_url(png: bytes) -> str:
    """A data URL with the picture as WebP: spectrograms are noise, of which PNG loses nothing."""
    from PIL import Image

    file = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").save(file, format="WEBP", quality=PICTURE_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def sound_url(waveform: "Tensor", sample_rate: int) -> str:
    """A data URL with the waveform as MP3: a tenth of WAV, and every browser plays it."""
    import soundfile

    file = BytesIO()
    soundfile.write(file, waveform.T.numpy(), sample_rate, format="MP3")
    return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode()
