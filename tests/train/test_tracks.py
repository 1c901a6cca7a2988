"""Does a run go on without damaged tracks, bit for bit, and refuse other tracks?"""

import errno
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from msdemucs.data import Track
from msdemucs.data.tracks import OnError
from msdemucs.errors import DataError, MsdemucsError, UsageError
from msdemucs.train import StepReport
from msdemucs.train.recipe import Validation
from msdemucs.train.run import run
from msdemucs.train.session import read_log
from msdemucs.train.training import Asked, Means
from tests.data.conftest import write_noise
from tests.train.conftest import RATE
from tests.train.test_run import change

BAD = "Bob - Two"

N_STEPS = 12

SEED = 9
"""Of a run that finds the damage at its sixth step: after one checkpoint, before another."""


class KilledError(Exception):
    """Stands for a kill: nothing is saved after it."""


def spoil(folder: Path, *, sample: int = 1000, value: float = np.nan) -> None:
    """Make one sample of a track NaN, say, which not every segment holds."""
    path = folder / "bass.wav"
    audio, rate = soundfile.read(path)
    audio[sample, 0] = value
    soundfile.write(path, audio, rate, subtype="FLOAT")


def killed_at(step: int) -> Callable[[StepReport], None]:
    def on_step(report: StepReport) -> None:
        if report.step == step:
            raise KilledError

    return on_step


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


def is_equal(one: Path, other: Path) -> bool:
    ours, theirs = weights(one), weights(other)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def spoilt(asked: Asked, tmp_path: Path) -> Asked:
    """A run whose second training track of three has a NaN in its middle."""
    for name in ("Ann - One", BAD, "Cem - Three", "Dan - Four"):
        write_noise(tmp_path / "set" / "train" / name, n_samples=RATE, sample_rate=RATE)
    spoil(tmp_path / "set" / "train" / BAD)
    fields = {"steps": N_STEPS, "checkpoint_every": 4, "validation": None}
    recipe = asked.recipe.model_copy(update=fields)
    return Asked(asked.spec, recipe, (tmp_path / "set",), seed=SEED)


@pytest.fixture
def validated(asked: Asked, spoilt: Asked) -> Asked:
    """The same, its damaged track held out, which is the first that the seed draws."""
    return replace(change(spoilt, validation=asked.recipe.validation), seed=asked.seed)


@pytest.fixture
def whole(spoilt: Asked, tmp_path: Path) -> tuple[Path, int]:
    """The folder of a run that was never killed, and the step at which it found the damage."""
    run(spoilt, tmp_path / "whole")
    kept = json.loads((tmp_path / "whole" / "left-out.json").read_text())
    return tmp_path / "whole", kept[BAD]["step"]


def test_a_damaged_track_is_named_once_and_the_run_ends_without_it(
    spoilt: Asked, tmp_path: Path
) -> None:
    said: list[str] = []
    done = run(spoilt, tmp_path / "run", Means(say=said.append))
    (line,) = said
    assert line.startswith("left out: ")
    assert "“bass” has samples that are not finite, the first at 0.12 s" in line
    assert line.endswith(f"(track “{BAD}”); training goes on without it since step {step_in(line)}")
    assert done.result["left_out"] == [BAD]
    assert done.result["steps"] == N_STEPS


def step_in(line: str) -> int:
    return int(line.rpartition(" ")[2])


@pytest.mark.slow
def test_a_run_killed_before_and_after_damage_was_found_ends_as_one_that_was_not(
    spoilt: Asked, whole: tuple[Path, int], tmp_path: Path
) -> None:
    folder, found = whole
    assert 5 < found < 8, "kills must come before and after the damage is found"
    for step in (2, 5, 6, 7, 9):
        again = tmp_path / f"killed-{step}"
        with pytest.raises(KilledError):
            run(spoilt, again, Means(on_step=killed_at(step)))
        assert run(spoilt, again).result["left_out"] == [BAD]
        assert is_equal(folder, again)
        rows = [read_log(place / "log.csv") for place in (folder, again)]
        assert [row[:-1] for row in rows[0]] == [row[:-1] for row in rows[1]]


def test_a_run_goes_on_when_the_track_is_removed_as_advised(
    spoilt: Asked, whole: tuple[Path, int], tmp_path: Path
) -> None:
    folder, found = whole
    with pytest.raises(KilledError):
        run(spoilt, tmp_path / "run", Means(on_step=killed_at(N_STEPS)))
    assert found < 8  # the last checkpoint
    shutil.rmtree(spoilt.data[0] / "train" / BAD)
    assert run(spoilt, tmp_path / "run").result["left_out"] == [BAD]
    assert is_equal(folder, tmp_path / "run")


def test_a_track_that_is_mended_stays_out_of_the_run_and_that_is_told(
    spoilt: Asked, whole: tuple[Path, int], tmp_path: Path
) -> None:
    folder, found = whole
    with pytest.raises(KilledError):
        run(spoilt, tmp_path / "run", Means(on_step=killed_at(N_STEPS)))
    write_again(spoilt.data[0] / "train" / BAD)
    said: list[str] = []
    run(spoilt, tmp_path / "run", Means(say=said.append))
    assert f"training goes on without it since step {found}" in said[1]
    assert is_equal(folder, tmp_path / "run")


def write_again(folder: Path) -> None:
    shutil.rmtree(folder)
    write_noise(folder, n_samples=RATE, sample_rate=RATE)


def test_a_track_that_was_unusable_when_the_run_began_stays_out_of_it(
    spoilt: Asked, tmp_path: Path
) -> None:
    folder = spoilt.data[0] / "train" / BAD
    (folder / "bass.wav").write_bytes(b"gone")
    run(spoilt, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(spoilt, tmp_path / "run", Means(on_step=killed_at(6)))
    write_again(folder)
    assert run(spoilt, tmp_path / "run").result["left_out"] == [BAD]
    assert is_equal(tmp_path / "whole", tmp_path / "run")


def test_a_run_killed_before_it_kept_which_tracks_are_too_short_goes_on(
    spoilt: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KilledError

    write_noise(spoilt.data[0] / "train" / "Eve - Short", n_samples=100, sample_rate=RATE)
    with monkeypatch.context() as at_first:
        at_first.setattr("msdemucs.train.run.keep_unusable", killed)
        with pytest.raises(KilledError):
            run(spoilt, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").is_file()
    said: list[str] = []
    done = run(spoilt, tmp_path / "run", Means(say=said.append))
    assert done.result["left_out"] == [BAD, "Eve - Short"]
    assert "is 0.01 s long, a segment is 0.25 s" in said[0]


def test_a_track_that_becomes_unusable_is_left_out_from_then_on(
    spoilt: Asked, tmp_path: Path
) -> None:
    write_again(spoilt.data[0] / "train" / BAD)
    with pytest.raises(KilledError):
        run(spoilt, tmp_path / "run", Means(on_step=killed_at(6)))
    (spoilt.data[0] / "train" / BAD / "bass.wav").write_bytes(b"gone")
    said: list[str] = []
    assert run(spoilt, tmp_path / "run", Means(say=said.append)).result["left_out"] == [BAD]
    assert "bass.wav: cannot be read" in said[0]
    kept = json.loads((tmp_path / "run" / "left-out.json").read_text())
    assert kept[BAD]["step"] == 4


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / "Ann - One")


def _add(folder: Path) -> None:
    write_noise(folder / "Eve - Five", n_samples=RATE, sample_rate=RATE)


def _lengthen(folder: Path) -> None:
    _remove(folder)
    write_noise(folder / "Ann - One", n_samples=9000, sample_rate=RATE)


@pytest.mark.parametrize(
    ("alter", "told"),
    [
        (_remove, "“Ann - One” is gone"),
        (_add, "“Eve - Five” is new"),
        (_lengthen, "“Ann - One” had 8000 samples at 8000 Hz, and has 9000 samples at 8000 Hz"),
    ],
)
def test_other_tracks_are_refused_by_name(
    spoilt: Asked, tmp_path: Path, alter: Callable[[Path], None], told: str
) -> None:
    run(spoilt, tmp_path / "run")
    alter(spoilt.data[0] / "train")
    with pytest.raises(UsageError, match="began with other tracks") as caught:
        run(spoilt, tmp_path / "run")
    assert told in str(caught.value)


def test_the_tracks_of_a_run_may_be_moved(spoilt: Asked, tmp_path: Path) -> None:
    run(spoilt, tmp_path / "run")
    moved = spoilt.data[0].rename(tmp_path / "elsewhere")
    assert run(replace(spoilt, data=(moved,)), tmp_path / "run").was_done


def test_a_finished_run_is_left_alone_whatever_becomes_of_its_tracks(
    spoilt: Asked, tmp_path: Path
) -> None:
    run(spoilt, tmp_path / "run")
    before = (tmp_path / "run" / "left-out.json").read_bytes()
    (spoilt.data[0] / "train" / "Ann - One" / "bass.wav").write_bytes(b"gone")
    assert run(spoilt, tmp_path / "run").was_done
    assert (tmp_path / "run" / "left-out.json").read_bytes() == before


def test_two_data_sets_of_one_name_are_trained_on_together(asked: Asked, tmp_path: Path) -> None:
    roots = tuple(tmp_path / place / "set" for place in ("a", "b"))
    for root in roots:
        write_noise(root / "train" / BAD, n_samples=RATE, sample_rate=RATE)
    spoil(roots[1] / "train" / BAD, sample=RATE // 2)
    both = replace(change(asked, validation=None), data=roots)
    done = run(both, tmp_path / "run")
    assert done.result["left_out"] == [f"b/set/{BAD}"]


def test_a_run_without_a_track_left_says_why_and_goes_on_when_they_are_back(
    spoilt: Asked, whole: tuple[Path, int], tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        run(spoilt, tmp_path / "run", Means(on_step=killed_at(9)))
    files = [*spoilt.data[0].rglob("drums.wav")]
    sounds = [file.read_bytes() for file in files]
    for file in files:
        soundfile.write(file, np.full((RATE, 2), np.nan), RATE, subtype="FLOAT")
    with pytest.raises(DataError, match="none of the 4 tracks to train on is left"):
        run(spoilt, tmp_path / "run")
    for file, sound in zip(files, sounds, strict=True):
        file.write_bytes(sound)
    run(spoilt, tmp_path / "run")
    assert is_equal(whole[0], tmp_path / "run")


def test_a_sample_that_no_sound_has_is_damage_and_no_divergence(
    spoilt: Asked, whole: tuple[Path, int], tmp_path: Path
) -> None:
    spoil(spoilt.data[0] / "train" / BAD, value=3e38)
    said: list[str] = []
    done = run(spoilt, tmp_path / "run", Means(say=said.append))
    assert "“bass” has samples beyond 1,000,000 times full scale, the first at 0.12 s" in said[0]
    assert done.result["left_out"] == [BAD]
    assert is_equal(whole[0], tmp_path / "run")


@pytest.fixture
def of_two_sets(asked: Asked, tmp_path: Path) -> Asked:
    """A run on two data sets of one name, and of one track's name, which the second has damaged."""
    roots = tuple(tmp_path / place / "set" for place in ("a", "b"))
    for root in roots:
        for name in ("Ann - One", BAD):
            write_noise(root / "train" / name, n_samples=RATE, sample_rate=RATE)
    (roots[1] / "train" / BAD / "bass.wav").write_bytes(b"gone")
    return replace(change(asked, validation=None), data=roots)


def test_a_damaged_track_excuses_no_track_of_its_name_in_another_data_set(
    of_two_sets: Asked, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        run(of_two_sets, tmp_path / "run", Means(on_step=killed_at(6)))
    assert [*json.loads((tmp_path / "run" / "left-out.json").read_text())] == [f"b/set/{BAD}"]
    shutil.rmtree(of_two_sets.data[0] / "train" / BAD)
    with pytest.raises(UsageError, match=f"“a/set/{BAD}” is gone"):
        run(of_two_sets, tmp_path / "run")


@pytest.mark.parametrize("name", [f"b/set/{BAD}", BAD])
def test_a_damaged_track_of_one_of_two_data_sets_may_be_mended(
    of_two_sets: Asked, tmp_path: Path, name: str
) -> None:
    """The second is how the record of a run of before names it."""
    with pytest.raises(KilledError):
        run(of_two_sets, tmp_path / "run", Means(on_step=killed_at(6)))
    record = tmp_path / "run" / "left-out.json"
    (row,) = json.loads(record.read_text()).values()
    record.write_text(json.dumps({name: row}))
    write_again(of_two_sets.data[1] / "train" / BAD)
    assert run(of_two_sets, tmp_path / "run").result["left_out"] == [name]


def test_another_recipe_is_told_as_one_whatever_has_become_of_the_tracks(
    spoilt: Asked, tmp_path: Path
) -> None:
    run(spoilt, tmp_path / "run")
    shutil.rmtree(spoilt.data[0] / "train" / "Ann - One")
    with pytest.raises(UsageError, match=r"asked otherwise(.|\n)*recipe.lr: 0.001 → 0.5"):
        run(change(spoilt, lr=0.5), tmp_path / "run")


def test_a_file_that_the_system_keeps_from_a_run_is_not_told_as_one_that_it_cannot_write(
    spoilt: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "no", "/data/set")

    monkeypatch.setattr("msdemucs.train.run.find_all", refused)
    with pytest.raises(MsdemucsError, match=r"^/data/set: permission denied$"):
        run(spoilt, tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Judge:
    """Gives the values of a list, reads the tracks, and remembers how many there were."""

    def __init__(self, *values: float) -> None:
        self.values, self.counts = list(values), list[int]()

    def __call__(
        self,
        model: object,
        tracks: Sequence[Track],
        recipe: object,
        *,
        normalised: bool,
        on_error: OnError,
    ) -> float:
        self.counts.append(len(tracks))
        for track in tracks:
            try:
                track.read_mixture()
            except DataError as error:
                on_error(error)
        return self.values.pop(0)


def test_the_best_is_chosen_among_validations_of_the_same_tracks(
    validated: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A track that fails at one validation is in none after it, also when the run goes on."""
    write_again(validated.data[0] / "train" / BAD)
    two = validated.recipe.validation.model_copy(update={"tracks": 2})  # type: ignore[union-attr]
    asked = change(validated, validation=two, keep="best", checkpoint_every=6)
    mixture = validated.data[0] / "train" / BAD / "mixture.wav"
    sound = mixture.read_bytes()
    judge = Judge(9.0, 1.0, 2.0)
    monkeypatch.setattr("msdemucs.train.training.judge", judge)

    def damage(step: int, value: float) -> None:
        mixture.write_bytes(sound if step > 5 else sound[:-4000])

    said: list[str] = []
    means = Means(on_validation=damage, on_step=killed_at(11), say=said.append)
    with pytest.raises(KilledError):
        run(asked, tmp_path / "run", means)
    (line,) = (line for line in said if line.startswith("step 10"))
    assert line.startswith("step 10: the best validation so far, of step 5, was of tracks that are")
    done = run(asked, tmp_path / "run", Means(say=said.append))
    assert judge.counts == [2, 2, 1]
    assert done.result["left_out_of_validation"] == [BAD]
    assert done.result["best_validation"] == (12, 2.0)
    assert sum("validation goes on without it since step 10" in line for line in said) == 2


def test_a_held_out_track_that_is_unusable_when_the_run_goes_on_parts_its_validations(
    validated: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_again(validated.data[0] / "train" / BAD)
    two = validated.recipe.validation.model_copy(update={"tracks": 2})  # type: ignore[union-attr]
    asked = change(validated, validation=two, keep="best")
    judge = Judge(9.0, 1.0, 2.0)
    monkeypatch.setattr("msdemucs.train.training.judge", judge)
    with pytest.raises(KilledError):
        run(asked, tmp_path / "run", Means(on_step=killed_at(9)))
    (validated.data[0] / "train" / BAD / "bass.wav").write_bytes(b"gone")
    done = run(asked, tmp_path / "run")
    assert judge.counts == [2, 1, 1]
    assert done.result["best_validation"] == (12, 2.0)
    assert done.result["left_out_of_validation"] == [BAD]
    assert done.result["left_out"] == []


def test_an_unusable_track_that_is_trained_on_and_validated_by_is_left_out_of_both(
    spoilt: Asked, tmp_path: Path
) -> None:
    tracks = spoilt.data[0] / "train"
    write_again(tracks / BAD)
    shutil.rmtree(tracks / "Dan - Four")  # of three songs none can be held out
    asked = change(spoilt, validation=Validation(every=5, tracks=None))
    with pytest.raises(KilledError):
        run(asked, tmp_path / "run", Means(on_step=killed_at(6)))
    (tracks / BAD / "bass.wav").write_bytes(b"gone")
    done = run(asked, tmp_path / "run")
    assert done.result["left_out"] == done.result["left_out_of_validation"] == [BAD]


def test_validation_goes_on_without_a_held_out_track_that_is_damaged(
    validated: Asked, tmp_path: Path
) -> None:
    said: list[str] = []
    two = validated.recipe.validation.model_copy(update={"tracks": 2})  # type: ignore[union-attr]
    run(change(validated, validation=two), tmp_path / "run", Means(say=said.append))
    _, line = said
    assert f"“{BAD}”); validation goes on without it" in line
    assert [int(step) for step, _ in read_log(tmp_path / "run" / "validation.csv")] == [5, 10, 12]


def test_validation_without_a_track_left_gives_no_score_and_ends_no_run(
    validated: Asked, tmp_path: Path
) -> None:
    said: list[str] = []
    done = run(validated, tmp_path / "run", Means(say=said.append))
    assert done.result["best_validation"] is None
    assert "step 5: no held-out track can be read; there is no score" in said
