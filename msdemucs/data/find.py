"""Which tracks lie under folders? Both layouts of MUSDB are known, by what is there."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from msdemucs.data import folders, musdb
from msdemucs.data.doctor import missing_parts, probed_sum_db
from msdemucs.data.reading import is_dangling, listed
from msdemucs.data.tracks import ACCOMPANIMENT, MIXTURE, SPLITS, STEMS, Recording, Track
from msdemucs.errors import DataError, UsageError
from msdemucs.files import legible
from msdemucs.spec import Spec

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
  train/ARTIST - TITLE{musdb.SUFFIX}   (as in MUSDB18)
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
    recordings = [
        track.recording for track in tracks if isinstance(track.recording, folders.StemFolder)
    ]
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
        f"{name}{folders.SUFFIX} (in {n} track{'' if n == 1 else 's'})"
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
        name = musdb.track_name(place)
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
        if isinstance(track.recording, folders.StemFolder) and track.recording.unused
        for part in missing_parts(track.recording)
    }
    return [_taking(track, parts) for track in tracks] if parts else [*tracks]


def _taking(track: Track, parts: Set[str]) -> Track:
    """A track with further stems, unless they take its sum away from its mixture."""
    if not isinstance(track.recording, folders.StemFolder):
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
    name = musdb.track_name(place)
    if is_dangling(place):
        raise DataError(
            f"is a link to {place.readlink()}, which is not there; restore that, or remove the "
            "link",
            path=place,
            track=name,
        )
    if place.is_dir():
        return folders.open_folder(place, sources=sources)
    if not place.name.endswith(musdb.SUFFIX):
        raise DataError(
            f"is no track: a track is a folder with {MIXTURE}{folders.SUFFIX} and a file a stem, "
            f"or one file TITLE{musdb.SUFFIX} with five streams; convert it, or remove it",
            path=place,
            track=name,
        )
    return musdb.open_stem_file(place, sources=sources)


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
                track=musdb.track_name(place),
            )
