"""Which tracks lie under a folder? Both layouts of MUSDB are known, by what is there."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msdemucs.data import folders, musdb
from msdemucs.data.tracks import MIXTURE, SPLITS, STEMS, Recording, Track
from msdemucs.errors import DataError, UsageError
from msdemucs.outside import legible

OnError = Callable[[DataError], None]

LAYOUT = f"""expected
  train/ARTIST - TITLE/{{{",".join((MIXTURE, *STEMS))}}}.wav   (as in MUSDB18-HQ)
  test/…
or
  train/ARTIST - TITLE{musdb.SUFFIX}   (as in MUSDB18)
  test/…"""


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

    Args:
        root: a folder with train/ or test/ in it; its name becomes the tracks' group.
        split: "train" or "test".
        sources: what will be asked of the tracks.
        sample_rate: what every file must have, in Hz.
        audio_channels: likewise.
        on_error: is told of a track that cannot be used, which is then left out; None raises.

    Returns:
        Nothing when only the other split has tracks.

    Raises:
        UsageError: a folder that is not there or has no track in any split.
        DataError: a track that cannot be used, without on_error.
    """
    places = {name: sorted(_places(root / name)) for name in SPLITS}
    if not any(places.values()):
        fault = "holds no tracks" if root.is_dir() else "is no folder"
        raise UsageError(f"{root}: {fault}; {LAYOUT}")
    tracks = []
    for place in places[split]:
        try:
            recording = _open(place, sources)
            _check(place, recording, sample_rate, audio_channels)
        except DataError as error:
            if on_error is None:
                raise
            on_error(error)
        else:
            name = musdb.track_name(place)
            tracks.append(Track(name, legible(root.resolve().name), split, recording))
    return tracks


def _places(folder: Path) -> Iterator[Path]:
    """The folders and `.stem.mp4` files that look like tracks; hidden ones do not."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if not path.name.startswith(".") and (path.is_dir() or path.name.endswith(musdb.SUFFIX)):
            yield path


def _open(place: Path, sources: Sequence[str]) -> Recording:
    if place.is_dir():
        return folders.open_folder(place, sources=sources)
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
