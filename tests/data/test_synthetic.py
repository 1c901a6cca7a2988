"""The embedded band: exact, reproducible, and like music in what can be measured."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from msdemucs.data import STEMS, find_tracks, synthesise
from msdemucs.data.synthetic import Song, make_song, song_name
from msdemucs.data.synthetic.instruments import SAMPLE_RATE
from msdemucs.data.synthetic.score import compose, draw_form
from msdemucs.errors import DataError, UsageError

SECONDS = 16.0


@pytest.fixture(scope="module")
def song() -> Song:
    return make_song(0, 2, SECONDS)


def _hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_music(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert synthesise(tmp_path / name, n_tracks=3, seconds=0.5, seed=seed)
    first, second, other = (_hashes(tmp_path / name) for name in "abc")
    assert first == second
    assert not {*first.values()} & {value for key, value in other.items() if key.endswith(".wav")}


def test_a_song_does_not_depend_on_how_many_there_are(tmp_path: Path) -> None:
    synthesise(tmp_path / "two", n_tracks=2, seconds=0.2)
    synthesise(tmp_path / "three", n_tracks=3, seconds=0.2)
    two, three = (_hashes(tmp_path / name) for name in ("two", "three"))
    first = f"train/{song_name(0, 0)}/mixture.wav"
    assert two[first] == three[first]


@pytest.mark.parametrize(("n_tracks", "n_test"), [(2, 1), (4, 1), (8, 2)])
def test_the_last_quarter_is_for_testing(tmp_path: Path, n_tracks: int, n_test: int) -> None:
    synthesise(tmp_path / "band", n_tracks=n_tracks, seconds=0.1)
    train, test = (find_tracks(tmp_path / "band", split=split) for split in ("train", "test"))
    assert (len(train), len(test)) == (n_tracks - n_test, n_test)
    assert {track.name for track in test} == {
        song_name(0, index) for index in range(n_tracks - n_test, n_tracks)
    }


@pytest.mark.parametrize("seconds", [0.001, 0.3, 3.0])
def test_every_mixture_is_exactly_the_sum_of_its_stems(tmp_path: Path, seconds: float) -> None:
    synthesise(tmp_path / "band", n_tracks=2, seconds=seconds, seed=1)
    for split in ("train", "test"):
        for track in find_tracks(tmp_path / "band", split=split):
            mixture = track.read_mixture()
            assert np.array_equal(track.read_sources(STEMS).sum(0), mixture)
            assert track.n_samples == max(1, round(seconds * SAMPLE_RATE))
            assert np.abs(mixture).max() < 0.9


def test_half_a_second_already_sounds_in_every_stem(tmp_path: Path) -> None:
    synthesise(tmp_path / "band", n_tracks=6, seconds=0.5)
    for track in find_tracks(tmp_path / "band", split="train"):
        assert np.square(track.read_sources(STEMS)).mean(axis=(1, 2)).min() > 1e-6


def test_every_stem_sounds_and_is_silent_somewhere(song: Song) -> None:
    for name, stem in song.stems.items():
        frames = stem[:, : stem.shape[1] // 4410 * 4410].reshape(2, -1, 4410)
        quiet = (np.abs(frames).max(axis=(0, 2)) < 1e-3).mean()
        assert 0.02 < quiet < 0.7, name


@pytest.mark.parametrize("index", range(4))
def test_stems_are_balanced(index: int) -> None:
    stems = make_song(5, index, 6.0).stems
    levels = [10 * np.log10(np.square(stem).mean()) for stem in stems.values()]
    assert np.isfinite(np.stack([*stems.values()])).all()
    assert max(levels) - min(levels) < 18
    assert max(levels) > -30


def test_the_bass_is_low_and_the_drums_reach_high(song: Song) -> None:
    power = {name: np.abs(np.fft.rfft(stem.mean(0))) ** 2 for name, stem in song.stems.items()}
    hertz = np.fft.rfftfreq(song.stems["bass"].shape[1], 1 / SAMPLE_RATE)
    centroid = {name: float((hertz * p).sum() / p.sum()) for name, p in power.items()}
    assert centroid["bass"] < 250
    assert centroid["bass"] < centroid["other"] < centroid["drums"]
    above = {name: float(p[hertz > 5000].sum() / p.sum()) for name, p in power.items()}
    assert above["drums"] > 10 * above["bass"]


def test_stereo_differs_between_the_stems(song: Song) -> None:
    sides = {
        name: float(np.square(stem[0] - stem[1]).sum() / np.square(stem).sum())
        for name, stem in song.stems.items()
    }
    assert sides["other"] > 3 * sides["bass"] > 0
    assert min(sides["drums"], sides["vocals"]) > 0.001


def test_the_voice_sings_the_melody_with_vibrato() -> None:
    """The strongest low partial of a long note follows its pitch, and wavers by some cents."""
    song = make_song(0, 2, SECONDS)
    lead = [phrase for phrase in song.score.vocals if not phrase.is_harmony]
    note = max((note for phrase in lead for note in phrase.notes), key=lambda n: n.duration_s)
    start, stop = (
        round(t * SAMPLE_RATE) for t in (note.start_s + 0.2, note.start_s + note.duration_s)
    )
    window = song.stems["vocals"].mean(0)[start : min(stop, round(SECONDS * SAMPLE_RATE))]
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 1 << 18))
    hertz = np.fft.rfftfreq(1 << 18, 1 / SAMPLE_RATE)
    wanted = 440 * 2 ** ((note.pitch - 69) / 12)
    near = (hertz > wanted * 2 ** (-1.5 / 12)) & (hertz < wanted * 2 ** (1.5 / 12))
    found = hertz[near][spectrum[near].argmax()]
    assert abs(12 * np.log2(found / wanted)) < 0.6  # semitones: vibrato of up to 55 cents
    gaps = (hertz > 1.3 * wanted) & (hertz < 1.7 * wanted)
    assert spectrum[near].max() > 5 * spectrum[gaps].max()


def test_songs_differ_in_tempo_key_and_groove() -> None:
    forms = [draw_form(np.random.default_rng(seed), 20) for seed in range(12)]
    assert len({form.bpm for form in forms}) > 10
    assert len({(form.tonic, form.mode) for form in forms}) > 6
    assert len({tuple(bar.degrees for bar in form.bars) for form in forms}) > 6


@pytest.mark.parametrize("seed", range(5))
def test_all_pitches_are_in_the_key(seed: int) -> None:
    rng = np.random.default_rng(seed)
    form = draw_form(rng, 30)
    score = compose(form, rng)
    scale = {form.pitch(degree, 4) % 12 for degree in range(7)}
    sung = [note for phrase in score.vocals for note in phrase.notes]
    for note in (*score.bass, *score.pads, *score.plucks, *sung):
        assert note.pitch % 12 in scale


def test_names_are_never_repeated() -> None:
    names = [song_name(7, index) for index in range(300)] + [song_name(7, 10**6)]
    assert len({*names}) == len(names)
    assert all(name.count(" - ") == 1 for name in names)


def test_the_manifest_tells_what_it_was_made_from(tmp_path: Path) -> None:
    synthesise(tmp_path / "band", n_tracks=2, seconds=0.1, seed=6)
    manifest = json.loads((tmp_path / "band" / "manifest.json").read_text())
    assert manifest["made_from"] == {"synth": 1, "tracks": 2, "seconds": 0.1, "seed": 6}
    assert [track["split"] for track in manifest["tracks"]] == ["train", "test"]
    assert len(manifest["files"]) == 11


@pytest.mark.parametrize("wrong", [{"n_tracks": 1}, {"seconds": 0.0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="at least 2 tracks"):
        synthesise(tmp_path / "band", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "band").exists()


def test_files_are_stereo_16_bit_44100_hz(tmp_path: Path) -> None:
    synthesise(tmp_path / "band", n_tracks=2, seconds=0.1)
    header = soundfile.info(next((tmp_path / "band").rglob("mixture.wav")))
    assert (header.samplerate, header.channels, header.subtype) == (44100, 2, "PCM_16")


def test_a_second_run_writes_nothing_and_another_collection_is_refused(tmp_path: Path) -> None:
    band = tmp_path / "band"
    assert synthesise(band, n_tracks=2, seconds=0.1)
    assert not synthesise(band, n_tracks=2, seconds=0.1)
    with pytest.raises(DataError, match=r"another collection \(.*seed 0; asked for: .*seed 1\)"):
        synthesise(band, n_tracks=2, seconds=0.1, seed=1)
