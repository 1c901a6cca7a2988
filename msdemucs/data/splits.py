"""Which training tracks are held out to validate on? MUSDB's official ones, or a seeded share."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from msdemucs.data.tracks import Track

SHARE = 0.15
"""Of the training tracks, held out where there is no official list."""

FEWEST = 2
"""Tracks that are held out at least; as many songs are left to train on at least."""


@dataclass(frozen=True)
class HeldOut:
    """Training tracks in two parts.

    Attributes:
        train: to train on.
        validation: to validate on: none of their songs is trained on, unless there were too few.
        rule: how they were chosen, in words.
    """

    train: tuple[Track, ...]
    validation: tuple[Track, ...]
    rule: str

    @property
    def is_held_out(self) -> bool:
        """Whether validation tracks are not trained on."""
        return not {*map(id, self.train)} & {*map(id, self.validation)}

    @property
    def sentence(self) -> str:
        """What a user is told."""
        if not self.is_held_out:
            return f"warning: {self.rule}"
        plural = "" if len(self.validation) == 1 else "s"
        return f"{len(self.validation)} validation track{plural}: {self.rule}"


def divide(
    tracks: Mapping[str, Sequence[Track]], *, seed: int = 0, n_tracks: int | None = None
) -> HeldOut:
    """Return the tracks of the validation split, or such as are held out where it has none.

    Args:
        tracks: of the splits "train" and "validation".
        seed: as for `hold_out`.
        n_tracks: likewise.
    """
    if tracks["validation"]:
        own = tuple(sorted(tracks["validation"], key=_place))
        return HeldOut(tuple(sorted(tracks["train"], key=_place)), own, "the validation folders'")
    return hold_out(tracks["train"], seed=seed, n_tracks=n_tracks)


def hold_out(tracks: Sequence[Track], *, seed: int = 0, n_tracks: int | None = None) -> HeldOut:
    """Divide training tracks so that no song is in both parts.

    Of MUSDB18 and MUSDB18-HQ the 14 tracks of musdb's own list are held out. Of other tracks a
    share is drawn: songs are ordered by a hash of the seed and their name, whatever the order in
    which they are given. The mixes of a song ("ARTIST - TITLE (live)") stay together.

    Args:
        tracks: of the train split.
        seed: of the draw.
        n_tracks: to hold out, and one song is left at least; None takes the official ones where
            they are, else SHARE, at least FEWEST. Songs are whole, so it may become a few more.

    Returns:
        Where the songs are too few for both parts, all tracks in both.
    """
    songs: dict[str, list[Track]] = {}
    for track in tracks:
        songs.setdefault(song_of(track), []).append(track)
    official = [song for song in songs if song in official_songs()]
    if n_tracks is None and len(official) >= FEWEST and len(songs) - len(official) >= FEWEST:
        return _divided(songs, official, "MUSDB's official validation tracks")
    fewest = FEWEST if n_tracks is None else 1
    if len(songs) < 2 * fewest:
        count = f"{len(songs)} training song{'' if len(songs) == 1 else 's'}"
        rule = f"no track could be held out of {count}: validation is on the tracks of training"
        return HeldOut(tuple(tracks), tuple(tracks), rule)
    wanted = max(FEWEST, math.ceil(SHARE * len(tracks))) if n_tracks is None else n_tracks
    drawn: list[str] = []
    for song in sorted(songs, key=lambda song: _rank(song, seed)):
        if sum(len(songs[song]) for song in drawn) >= wanted or len(drawn) == len(songs) - fewest:
            break
        drawn.append(song)
    return _divided(songs, drawn, f"drawn from the training tracks with seed {seed}")


def song_of(track: Track) -> str:
    """Returns what the mixes of one song share: its name without case and what stands in brackets.

    "Ann - One (live)" and "Ann - one [2019 remaster]" are one song.
    """
    name = re.sub(r"(\s*[(\[][^)\]]*[)\]])+\s*$", "", track.name)
    return " ".join((name or track.name).casefold().split())


@cache
def official_songs() -> frozenset[str]:
    """Returns the songs of MUSDB's validation split, from musdb's own list."""
    text = files("musdb").joinpath("configs", "mus.yaml").read_text(encoding="utf-8")
    return frozenset(" ".join(name.casefold().split()) for name in _names(text))


def _names(text: str) -> list[str]:
    names: list[str] = yaml.safe_load(text)["validation_tracks"]
    return names


def _rank(song: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{song}".encode()).hexdigest()


def _divided(songs: dict[str, list[Track]], held: Sequence[str], rule: str) -> HeldOut:
    names = {*held}
    parts: tuple[list[Track], list[Track]] = [], []
    for song, tracks in songs.items():
        parts[song in names].extend(tracks)
    train, validation = (tuple(sorted(part, key=_place)) for part in parts)
    return HeldOut(train, validation, rule)


def _place(track: Track) -> tuple[str, str]:
    return track.group, track.name
