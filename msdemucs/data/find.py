"""Which tracks lie under folders? Both layouts of MUSDB are known, by what is there."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from msdemucs.data.doctor import missing_parts, probed_sum_db
from msdemucs.data.folders import SUFFIX as WAV
from msdemucs.data.folders import StemFolder, is_dangling, listed, open_folder
from msdemucs.data.musdb import open_stem_file
from msdemucs.data.tracks import (
    ACCOMPANIMENT,
    MIXTURE,
    SPLITS,
    STEM_MP4,
    STEMS,
    OnError,
    Recording,
    Track,
    track_name,
)
from msdemucs.errors import DataError, UsageError
from msdemucs.files import legible
from msdemucs.spec import Spec

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
    needs = Needs(task.sources, task.sample_rate, task.audio_channels)
    tracks = {
        split: [
            track
            for folder in folders_of_split
            for track in _tracks_in(folder, split, groups[folder.resolve()], needs, on_error)
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
    taken = Counter(
        name for recording in recordings for name in recording.stems if name not in known
    )
    taken.pop(ACCOMPANIMENT, None)
    unused = Counter(name for recording in recordings for name in recording.unused)
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
    folders = {folder.resolve() for of_split in roots.values() for folder in of_split}
    names: dict[Path, str] = {}
    for folder in folders:
        alike = [other for other in folders - {folder} if other.name == folder.name]
        for depth in range(1, len(folder.parts) + 1):
            tail = folder.parts[-depth:]
            if all(other.parts[-depth:] != tail for other in alike):
                break
        names[folder] = legible("/".join(tail))
    return names


@dataclass(frozen=True)
class Needs:
    """What is asked of every track.

    Attributes:
        sources: that it must have.
        sample_rate: of each of its files, in Hz.
        audio_channels: likewise.
    """

    sources: Sequence[str] = STEMS
    sample_rate: int = 44100
    audio_channels: int = 2


def find_tracks(
    root: Path,
    *,
    split: str,
    sources: Sequence[str] = STEMS,
    sample_rate: int = 44100,
    audio_channels: int = 2,
    on_error: OnError | None = None,
) -> list[Track]:
    """The tracks of one split, sorted by name; the headers of all their files are checked.

    Folders of other splits are not opened. The tracks' group is the folder's name.

    Args:
        root: a folder with train/, validation/ or test/ in it.
        split: of SPLITS.
        sources: what will be asked of the tracks.
        sample_rate: what every file must have, in Hz.
        audio_channels: likewise.
        on_error: is told of a track that cannot be used, which is then left out; None raises.

    Returns:
        Nothing where there are other splits only.

    Raises:
        UsageError: a folder that is not there or has no split.
        DataError: a track that cannot be used, without on_error; a folder that cannot be listed.
    """
    needs = Needs(sources, sample_rate, audio_channels)
    return _tracks_in(root, split, legible(root.resolve().name), needs, on_error)


def _tracks_in(
    root: Path, split: str, group: str, needs: Needs, on_error: OnError | None
) -> list[Track]:
    """The tracks of `find_tracks`, with further stems that the mixture of any of them holds.

    Raises:
        UsageError: a folder that is not there or has no split.
        DataError: a track that cannot be used, without on_error; a folder that cannot be listed.
    """
    places = [  # folders, links to nothing and audio files: someone takes them for tracks
        place
        for place in (listed(root / split) if (root / split).is_dir() else ())
        if place.is_dir() or is_dangling(place) or place.suffix.lower() in AUDIO
    ]
    if not places and not any((root / name).is_dir() for name in SPLITS if name != split):
        raise UsageError(no_tracks(root))
    tracks: dict[str, Track] = {}
    for place in places:
        name = track_name(place)
        try:
            recording = _open(place, needs.sources)
            _check(place, recording, needs)
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
    further = {
        stem
        for track in tracks.values()
        if isinstance(track.recording, StemFolder) and track.recording.unused
        for stem in missing_parts(track.recording)
    }
    return [_taking(track, further) for track in tracks.values()]


def no_tracks(root: Path) -> str:
    """Returns what is said of a folder without tracks."""
    return f"{root}: {'holds no tracks' if root.is_dir() else 'is no folder'}; {LAYOUT}"


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


def _check(place: Path, recording: Recording, needs: Needs) -> None:
    """Refuse another rate or number of channels than the study's.

    Raises:
        DataError: what differs, and the ffmpeg option that mends it.
    """
    for value, needed, unit, option in (
        (recording.sample_rate, needs.sample_rate, "Hz", "-ar"),
        (recording.audio_channels, needs.audio_channels, "audio channels", "-ac"),
    ):
        if value != needed:
            raise DataError(
                f"has {value} {unit}, {needed} are needed; "
                f"convert its files (ffmpeg -i IN {option} {needed} OUT), or remove the track",
                path=place,
                track=track_name(place),
            )


def _taking(track: Track, parts: Set[str]) -> Track:
    """A track with further stems, unless they take its sum away from its mixture."""
    if not parts or not isinstance(track.recording, StemFolder):
        return track
    whole = replace(track, recording=track.recording.taking(parts))
    with suppress(DataError):  # whoever reads the track next will say so
        if probed_sum_db(whole) < probed_sum_db(track):
            return track
    return whole
