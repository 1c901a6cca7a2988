"""Which training tracks are held out to validate on? MUSDB's official ones, or a seeded share."""

import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from msdemucs.data.tracks import Track
from msdemucs.units import count

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
    tracks: Mapping[str, Sequence[Track]],
    *,
    seed: int = 0,
    n_tracks: int | None = None,
    is_given: bool = False,
) -> HeldOut:
    """Return the tracks of the validation split, and such as are held out where a set has none.

    Args:
        tracks: of the splits "train" and "validation".
        seed: as for `hold_out`.
        n_tracks: likewise.
        is_given: whether somebody chose the validation tracks, so that none is held out beside.
    """
    given = tracks["validation"]
    if not given:
        return hold_out(tracks["train"], seed=seed, n_tracks=n_tracks)
    groups = {track.group for track in given}
    without = [track for track in tracks["train"] if track.group not in groups]
    held = hold_out([] if is_given else without, seed=seed, n_tracks=n_tracks)
    validation, rules = [*given], ["the validation folders'"]
    if held.is_held_out and held.validation:
        validation += held.validation
        rules.append(held.rule)
    songs = {song_of(track) for track in validation}
    train = [track for track in tracks["train"] if song_of(track) not in songs]
    theirs = {song_of(track) for track in given}
    if n_left := sum(song_of(track) in theirs for track in tracks["train"]):
        rules.append(f"{count(n_left, 'track')} of the same songs left out of training")
    return HeldOut(_sorted(train), _sorted(validation), "; ".join(rules))


def hold_out(tracks: Sequence[Track], *, seed: int = 0, n_tracks: int | None = None) -> HeldOut:
    """Divide training tracks so that no song is in both parts.

    Of MUSDB18 and MUSDB18-HQ the 14 tracks of musdb's own list are held out. Of each other data set
    a share is drawn, of those that are too small for one together: songs are ordered by a hash of
    the seed and their name, whatever the order in which they are given. The mixes of a song
    ("ARTIST - TITLE (live)") stay together, in whichever sets they are.

    Args:
        tracks: of the train split.
        seed: of the draw.
        n_tracks: to hold out of all sets together, and one song is left at least; None takes the
            official ones where they are, else SHARE, at least FEWEST. Songs are whole, so it may
            become a few more.

    Returns:
        Where the songs are too few for both parts, all tracks in both.
    """
    songs = _songs(tracks)
    if n_tracks is not None:
        drawn = _drawn(songs, n_tracks, fewest=1, seed=seed)
        return _divided(songs, drawn, [_rule_of_draw(seed)] if drawn else [])
    groups: dict[str, list[Track]] = {}
    for track in tracks:
        groups.setdefault(track.group, []).append(track)
    held: list[str] = []
    others: dict[str, list[Track]] = {}
    for group in sorted(groups):
        of_set = _songs(groups[group])
        official = _official(of_set)
        held += official
        if not official:
            small = len(of_set) < 2 * FEWEST
            others.setdefault("" if small else group, []).extend(groups[group])
    rules = ["MUSDB's official validation tracks"] if held else []
    for _, of_group in sorted(others.items()):
        of_set = _songs(of_group)
        n_wanted = max(FEWEST, math.ceil(SHARE * len(of_group)))
        drawn = _drawn(of_set, n_wanted, fewest=FEWEST, seed=seed, held=held)
        held += drawn
        rules += [_rule_of_draw(seed)] if drawn else []
    return _divided(songs, held, rules)


def _songs(tracks: Sequence[Track]) -> dict[str, list[Track]]:
    songs: dict[str, list[Track]] = {}
    for track in tracks:
        songs.setdefault(song_of(track), []).append(track)
    return songs


def _official(songs: Collection[str]) -> list[str]:
    """The songs of MUSDB's validation split, of a data set that is MUSDB or a part of it.

    It is taken for one where they are at least half of the share that is held out of others: a few
    songs that a large collection shares with MUSDB would make no validation split of it.
    """
    official = [song for song in songs if song in official_songs()]
    is_musdb = len(official) >= max(FEWEST, SHARE / 2 * len(songs))
    return official if is_musdb and len(songs) - len(official) >= FEWEST else []


def _drawn(
    songs: Mapping[str, Sequence[Track]],
    n_tracks: int,
    *,
    fewest: int,
    seed: int,
    held: Collection[str] = (),
) -> list[str]:
    """Songs that make up so many tracks with those that are held out already.

    Args:
        songs: their tracks by name.
        n_tracks: to hold out.
        fewest: songs that are left; with fewer than twice as many, none is drawn.
        seed: of the order.
        held: songs that are held out already.
    """
    if len(songs) < 2 * fewest:
        return []

    def rank(song: str) -> str:
        return hashlib.sha256(f"{seed}/{song}".encode()).hexdigest()

    drawn = [song for song in songs if song in held]
    n_known = len(drawn)
    for song in sorted({*songs} - {*drawn}, key=rank):
        n_held = sum(len(songs[song]) for song in drawn)
        if n_held >= n_tracks or len(drawn) >= len(songs) - fewest:
            break
        drawn.append(song)
    return drawn[n_known:]


def _rule_of_draw(seed: int) -> str:
    return f"drawn from the training tracks with seed {seed}"


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
    names: list[str] = yaml.safe_load(text)["validation_tracks"]
    return frozenset(" ".join(name.casefold().split()) for name in names)


def _divided(
    songs: Mapping[str, list[Track]], held: Collection[str], rules: Sequence[str]
) -> HeldOut:
    """The songs in two parts; all in both where none is held out."""
    tracks = [track for of_song in songs.values() for track in of_song]
    if not held:
        count = f"{len(songs)} training song{'' if len(songs) == 1 else 's'}"
        rule = f"no track could be held out of {count}: validation is on the tracks of training"
        return HeldOut(_sorted(tracks), _sorted(tracks), rule)
    validation = [track for track in tracks if song_of(track) in held]
    train = [track for track in tracks if song_of(track) not in held]
    return HeldOut(_sorted(train), _sorted(validation), "; ".join(dict.fromkeys(rules)))


def _sorted(tracks: Sequence[Track]) -> tuple[Track, ...]:
    return tuple(sorted(tracks, key=lambda track: (track.group, track.name)))
