"""A study's test tracks: which they are, and how often they were looked at."""

from collections.abc import Mapping, Sequence

import optuna

from msdemucs.data import Track
from msdemucs.errors import UsageError
from msdemucs.study.records import looked
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.followup_table import TEST_TRACKS, add_look, looks_of
from msdemucs.study.trial.tracks import Say, facts_of, gather_test

MOST_NAMED = 10


def open_test_tracks(
    study: optuna.Study, search: Search, *, why: str, say: Say
) -> tuple[Track, ...]:
    """Returns a study's test tracks, and records that they were looked at.

    Args:
        study: whose.
        search: says where they lie.
        why: they are read: the command.
        say: is told how often they were read, and of tracks that cannot be used.

    Raises:
        UsageError: a folder that is not there, or other tracks than before.
        DataError: no track that can be used.
    """
    tracks = gather_test(search.space.data, search.base, say=say)
    facts = facts_of(tracks)
    before = _known(study)
    if before is None:
        study.set_user_attr(TEST_TRACKS, facts)
    elif changes := _changes(before, facts):
        raise UsageError(
            f"study “{study.study_name}” has other test tracks than these:\n" + "\n".join(changes)
        )
    add_look(study, why)
    say(looked(len(looks_of(study))))
    return tracks


def _known(study: optuna.Study) -> Mapping[str, str] | None:
    """What its test tracks were known by, when they were read first; None before that.

    A study that selected on test tracks has them among its data.
    """
    of_data: Mapping[str, Mapping[str, str]] = study.user_attrs.get("tracks", {})
    known: Mapping[str, str] | None = study.user_attrs.get(TEST_TRACKS, of_data.get("test"))
    return known


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Sequence[str]:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    lines = [
        f"  {name}: {before.get(name, 'nothing')} → {now.get(name, 'nothing')}" for name in names
    ]
    more = [f"  … and {len(lines) - MOST_NAMED} more"] if lines[MOST_NAMED:] else []
    return [*lines[:MOST_NAMED], *more]
