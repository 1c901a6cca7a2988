"""Which tracks lie under folders, and is each sound? Both layouts of MUSDB are known."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from msdemucs.data.folders import SUFFIX as WAV
from msdemucs.data.folders import StemFolder, is_dangling, listed, open_folder
from msdemucs.data.musdb import SUFFIX as STEM_MP4
from msdemucs.data.musdb import open_stem_file, track_name
from msdemucs.data.tracks import ACCOMPANIMENT, MIXTURE, SPLITS, STEMS, Recording, Track
from msdemucs.errors import DataError, UsageError
from msdemucs.outside import legible
from msdemucs.spec import Spec
from msdemucs.units import format_db

OnError = Callable[[DataError], None]

Say = Callable[[str], None]

AUDIO = frozenset(
    {".wav", ".flac", ".mp3", ".mp4", ".m4a", ".aac", ".wma", ".ogg", ".opus", ".aif", ".aiff"}
)
"""How files end that someone may have meant for tracks, in lower case."""

MOST_NAMED = 10
"""Names of files in one message."""

LAYOUT = f"""expected
  train/ARTIST - TITLE/{{{",".join((MIXTURE, *STEMS))}}}.wav   (as in MUSDB18-HQ)
  test/…
or
  train/ARTIST - TITLE{STEM_MP4}   (as in MUSDB18)
  test/…"""


def find_all(
    roots: Mapping[str, Sequence[Path]],
    task: Spec,
    *,
    say: Say,
    on_error: OnError,
    splits: Collection[str] = SPLITS,
) -> dict[str, list[Track]]:
    """The tracks of several folders by split; of no two are group and name the same.

    Args:
        roots: split → folders, as for `find_tracks`.
        task: sources, sample rate and audio channels that every track must have.
        say: is told which audio beside the tracks' stems is not used.
        on_error: is told of each track that cannot be used, which is then left out.
        splits: to look for; the folders of others only take part in telling groups apart.

    Raises:
        UsageError: a folder that is not there, has no split, or is given twice for one.
        DataError: a folder that cannot be listed.
    """
    groups = names_of_groups(roots)
    tracks = {
        split: [
            track
            for folder in folders_of_split
            for track in find_tracks(
                folder,
                split=split,
                sources=task.sources,
                sample_rate=task.sample_rate,
                audio_channels=task.audio_channels,
                on_error=on_error,
                group=groups[folder.resolve()],
            )
        ]
        for split, folders_of_split in roots.items()
        if split in splits
    }
    _name_others([track for of_split in tracks.values() for track in of_split], task, say)
    return tracks


def _name_others(tracks: Sequence[Track], task: Spec, say: Say) -> None:
    """Say which audio lies beside a track's known stems, and what becomes of it."""
    known = dict.fromkeys((*STEMS, *task.sources))
    recordings = [track.recording for track in tracks if isinstance(track.recording, StemFolder)]
    taken = Counter(name for one in recordings for name in one.stems if name not in known)
    taken.pop(ACCOMPANIMENT, None)
    unused = Counter(name for one in recordings for name in one.unused)
    if taken:
        say(f"no source, but part of the mixture: {_counted(taken)}")
    if unused:
        say(
            f"not used: {_counted(unused)}; a track is the sum of {', '.join(known)}, as far as "
            "they are there, and of what else its mixture holds"
        )


def _counted(files: Counter[str]) -> str:
    """Files, and in how many tracks each lies."""
    named = [
        f"{name}{WAV} (in {n} track{'' if n == 1 else 's'})"
        for name, n in files.most_common(MOST_NAMED)
    ]
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return ", ".join(named) + more


def names_of_groups(roots: Mapping[str, Sequence[Path]]) -> dict[Path, str]:
    """Returns a name for each folder: its own, and of its parents' what tells it from others.

    Raises:
        UsageError: one is given twice.
    """
    for of_split in roots.values():
        for folder, times in Counter(folder.resolve() for folder in of_split).items():
            if times > 1:
                raise UsageError(
                    f"{folder} is given {times} times; give each folder of tracks once"
                )
    found = {folder.resolve() for of_split in roots.values() for folder in of_split}
    return {folder: _group(folder, found - {folder}) for folder in found}


def _group(folder: Path, others: set[Path]) -> str:
    alike = [other for other in others if other.name == folder.name]
    for depth in range(1, len(folder.parts) + 1):
        name = "/".join(folder.parts[-depth:])
        if all("/".join(other.parts[-depth:]) != name for other in alike):
            return legible(name)
    return legible(str(folder))


def find_tracks(  # noqa: PLR0913 (all but two have defaults)
    root: Path,
    *,
    split: str,
    sources: Sequence[str] = STEMS,
    sample_rate: int = 44100,
    audio_channels: int = 2,
    on_error: OnError | None = None,
    group: str | None = None,
) -> list[Track]:
    """The tracks of one split, sorted by name; the headers of all their files are checked.

    Folders of other splits are not opened.

    Args:
        root: a folder with train/, validation/ or test/ in it.
        split: of SPLITS.
        sources: what will be asked of the tracks.
        sample_rate: what every file must have, in Hz.
        audio_channels: likewise.
        on_error: is told of a track that cannot be used, which is then left out; None raises.
        group: the tracks' group; None takes the folder's name.

    Returns:
        Nothing where there are other splits only.

    Raises:
        UsageError: a folder that is not there or has no split.
        DataError: a track that cannot be used, without on_error; a folder that cannot be listed.
    """
    places = [*_places(root / split)]
    if not places and not any((root / name).is_dir() for name in SPLITS if name != split):
        raise UsageError(no_tracks(root))
    tracks: dict[str, Track] = {}
    group = group or legible(root.resolve().name)
    for place in places:
        name = track_name(place)
        try:
            recording = _open(place, sources)
            _check(place, recording, sample_rate, audio_channels)
            if name in tracks:
                other = tracks[name].recording.path.name
                raise DataError(f"is there as {other} too; remove one", path=place, track=name)
        except DataError as error:
            error.track, error.group, error.split = name, group, split
            if on_error is None:
                raise
            on_error(error)
        else:
            tracks[name] = Track(name, group, split, recording)
    return _completed([*tracks.values()])


def no_tracks(root: Path) -> str:
    """Returns what is said of a folder without tracks."""
    return f"{root}: {'holds no tracks' if root.is_dir() else 'is no folder'}; {LAYOUT}"


def _completed(tracks: Sequence[Track]) -> list[Track]:
    """The tracks with those further stems that the mixture of any of them is found to hold."""
    parts = {
        part
        for track in tracks
        if isinstance(track.recording, StemFolder) and track.recording.unused
        for part in missing_parts(track.recording)
    }
    return [_taking(track, parts) for track in tracks] if parts else [*tracks]


def _taking(track: Track, parts: Set[str]) -> Track:
    """A track with further stems, unless they take its sum away from its mixture."""
    if not isinstance(track.recording, StemFolder):
        return track
    whole = replace(track, recording=track.recording.taking(parts))
    with suppress(DataError):  # whoever reads the track next will say so
        if probed_sum_db(whole) < probed_sum_db(track):
            return track
    return whole


def _places(folder: Path) -> Iterator[Path]:
    """The folders, links to nothing and audio files, all of which someone takes for tracks."""
    if not folder.is_dir():
        return
    for path in listed(folder):
        if path.is_dir() or is_dangling(path) or path.suffix.lower() in AUDIO:
            yield path


def _open(place: Path, sources: Sequence[str]) -> Recording:
    """The files of a track.

    Raises:
        DataError: they cannot be used, or are none of a track.
    """
    name = track_name(place)
    if is_dangling(place):
        raise DataError(
            f"is a link to {place.readlink()}, which is not there; restore that, or remove the "
            "link",
            path=place,
            track=name,
        )
    if place.is_dir():
        return open_folder(place, sources=sources)
    if not place.name.endswith(STEM_MP4):
        raise DataError(
            f"is no track: a track is a folder with {MIXTURE}{WAV} and a file a stem, "
            f"or one file TITLE{STEM_MP4} with five streams; convert it, or remove it",
            path=place,
            track=name,
        )
    return open_stem_file(place, sources=sources)


def _check(place: Path, recording: Recording, sample_rate: int, audio_channels: int) -> None:
    """Refuse another rate or number of channels than the study's.

    Raises:
        DataError: what differs, and the ffmpeg option that mends it.
    """
    for found, wanted, unit, option in (
        (recording.sample_rate, sample_rate, "Hz", "-ar"),
        (recording.audio_channels, audio_channels, "audio channels", "-ac"),
    ):
        if found != wanted:
            raise DataError(
                f"has {found} {unit}, {wanted} are needed; "
                f"convert its files (ffmpeg -i IN {option} {wanted} OUT), or remove the track",
                path=place,
                track=track_name(place),
            )


Waveform = Float32[np.ndarray, "A N"]
Stems = Float32[np.ndarray, "S A N"]

BLOCK_S = 10
"""Seconds read at once, so that memory does not grow with a track."""

FAR_DB = 20.0
"""A mixture less than this over its difference from the sum of stems is of something else."""

TOLERANCE = 0.05
"""Of the weight 1 of a part of a sum."""

PROBES = (0.25, 0.5, 0.75)
"""Where in a track a second is compared, before training."""


@dataclass(frozen=True)
class Finding:
    """What was measured on a whole track.

    Attributes:
        seconds: length.
        peak: the mixture's highest absolute value.
        clipped: samples of the mixture at full scale.
        sum_db: level of the mixture over that of (mixture − sum of stems); inf when equal.
        silent: the stems in which nothing sounds.
    """

    seconds: float
    peak: float
    clipped: int
    sum_db: float
    silent: tuple[str, ...]


def examine(track: Track) -> Finding:
    """Read a track once and measure it.

    Raises:
        DataError: a file that cannot be read.
    """
    energies = np.zeros(2)
    peak, clipped = 0.0, 0
    sounds = np.zeros(len(track.stems), dtype=bool)
    block = round(BLOCK_S * track.sample_rate)
    for start in range(0, track.n_samples, block):
        n_samples = min(block, track.n_samples - start)
        mixture, stems = _stretch(track, start, n_samples)
        energies += _energies(mixture, stems)
        peak = max(peak, float(np.abs(mixture).max()))
        # a 16-bit file has no higher positive value
        clipped += int((np.abs(mixture) >= 1 - 2**-15).sum())
        sounds |= stems.any(axis=(1, 2))
    silent = tuple(stem for stem, loud in zip(track.stems, sounds, strict=True) if not loud)
    return Finding(track.n_samples / track.sample_rate, peak, clipped, _sum_db(energies), silent)


def _stretch(track: Track, start: int, n_samples: int) -> tuple[Waveform, Stems]:
    mixture = track.read_mixture(start=start, n_samples=n_samples)
    return mixture, track.read_sources(track.stems, start=start, n_samples=n_samples)


def _energies(mixture: Waveform, stems: Stems) -> Float64[np.ndarray, "2"]:
    """Of the mixture and of its difference from the sum of stems."""
    difference = mixture - stems.sum(0)
    return np.array([np.square(one, dtype=np.float64).sum() for one in (mixture, difference)])


def _sum_db(energies: Float64[np.ndarray, "2"]) -> float:
    energy, error = energies
    ratio = energy / error if error else np.inf
    return float(10 * np.log10(ratio)) if ratio else -np.inf


def far_sum(track: Track, sum_db: float) -> DataError | None:
    """What is wrong with a folder whose stems do not add up to its mixture; None where they do.

    A `.stem.mp4` file is never at fault: its mixture may be mastered, its streams are given.
    """
    if not isinstance(track.recording, StemFolder) or sum_db >= FAR_DB:
        return None
    beside = ", ".join(track.recording.unused)
    return DataError(
        f"the sum of {', '.join(track.stems)} is not the mixture, which is {format_db(sum_db)} "
        f"over the difference (under {FAR_DB:g} dB); a stem may be missing, or of another take or "
        f"loudness{f', or {beside} belong to the track' if beside else ''}: mend the files, or "
        "remove the track",
        path=track.recording.path,
        track=track.name,
    )


def warn_of_far_sums(tracks: Sequence[Track], say: Callable[[str], None]) -> None:
    """Say which tracks' stems do not add up to their mixtures, by three seconds of each.

    What cannot be read is left for whoever reads it next.
    """
    far = []
    for track in tracks:
        if isinstance(track.recording, StemFolder):
            with suppress(DataError):
                far.append(far_sum(track, probed_sum_db(track)))
    faults = [fault for fault in far if fault]
    if faults:
        others = len(faults) - 1
        more = f", and {others} more track{'' if others == 1 else 's'}" if others else ""
        say(
            f"warning: {faults[0]}{more} (msdemucs data check lists all); they are used as they are"
        )


def missing_parts(recording: StemFolder) -> set[str]:
    """The unused files that the mixture holds beside the stems, as least squares find them.

    Three seconds are compared. A part of a sum has the weight 1 in it; what repeats the stems, or
    is of another take, has not, and nothing is missing where the stems add up already.
    """
    n_known = len(recording.stems)
    whole = recording.taking({*recording.unused})
    track = Track(recording.path.name, "", "", whole)
    try:
        parts = [_stretch(track, *probe) for probe in _probes(track)]
    except DataError:  # whoever reads the track next will say so
        return set()
    mixture = np.concatenate([mixture.ravel() for mixture, _ in parts]).astype(np.float64)
    stems = np.concatenate([stems.reshape(len(stems), -1) for _, stems in parts], axis=1)
    missing = mixture - stems[:n_known].sum(0, dtype=np.float64)
    weights, *_ = np.linalg.lstsq(stems[n_known:].T.astype(np.float64), missing)
    is_part = np.abs(weights - 1) < TOLERANCE
    left = missing - stems[n_known:][is_part].sum(0, dtype=np.float64)
    before, after = (_sum_db(np.array([mixture @ mixture, one @ one])) for one in (missing, left))
    if not before < FAR_DB <= after:
        return set()
    return {name for name, is_in in zip(whole.stems[n_known:], is_part, strict=True) if is_in}


def probed_sum_db(track: Track) -> float:
    """The level of the mixture over its difference from the sum, in three seconds of a track.

    Raises:
        DataError: a file that cannot be read.
    """
    energies = [_energies(*_stretch(track, *probe)) for probe in _probes(track)]
    return _sum_db(np.sum(energies, axis=0))


def _probes(track: Track) -> list[tuple[int, int]]:
    """First sample and length of the stretches that are compared."""
    n_samples = min(track.sample_rate, track.n_samples)
    return [(round(place * (track.n_samples - n_samples)), n_samples) for place in PROBES]
