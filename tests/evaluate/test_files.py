"""Audio files in, files of stems out."""

import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from jaxtyping import Float
from torch import Tensor
from torchaudio.functional import resample

from msdemucs import Separator, build
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate import files
from msdemucs.evaluate.audio import read_mixture
from msdemucs.evaluate.files import Output, outputs, separate_file
from msdemucs.evaluate.separation import Chunking, Separation, separate_mixture
from msdemucs.measure import peak_memory
from tests.specs import small

RATE = 8000


class Thirds(Separator):
    """Gives a third of the mixture to the vocals and the rest to the drums; counts its calls."""

    def __init__(self, *, segment: float = 0.25, factor: float = 1.0) -> None:
        torch.nn.Module.__init__(self)
        self.spec = small("htdemucs", {"sources": ["drums", "vocals"], "segment": segment})
        self.factor = factor

    def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
        return self.factor * torch.stack([2 * mixture / 3, mixture / 3], dim=1)


def noise(path: Path, n_samples: int, *, rate: int = RATE, subtype: str = "FLOAT") -> np.ndarray:
    """Write noise without what is near the Nyquist frequency; returns what a reader finds."""
    steps = np.random.default_rng(0).standard_normal((n_samples + 63, 2))
    smooth = np.stack([np.convolve(steps[:, i], np.hanning(64), "valid") for i in (0, 1)], 1)
    soundfile.write(path, 0.02 * smooth, rate, subtype=subtype)
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def how(model: Separator, **fields: object) -> Separation:
    return Separation(Chunking(model.spec.n_samples), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("rate", [RATE, 11025, 44100])
def test_a_file_is_separated_at_its_own_rate_and_length(
    tmp_path: Path, rate: int, normalised: bool
) -> None:
    audio = noise(tmp_path / "song.wav", 3 * rate + 7, rate=rate)
    model = Thirds()
    output = Output(tmp_path / "out", ("vocals", "drums", "accompaniment"))
    separate_file(model, tmp_path / "song.wav", output, how(model, normalised=normalised))
    found = {stem: soundfile.read(tmp_path / "out" / f"{stem}.wav") for stem in output.stems}
    assert {(len(stem), of) for stem, of in found.values()} == {(3 * rate + 7, rate)}
    inside = slice(rate // 20, -rate // 20)  # resamplers ring at the ends
    near = 1e-6 if rate == RATE else 2e-3
    mean = audio.mean() if normalised else 0.0  # the model sees the mixture without it
    heard = audio[inside] - mean
    np.testing.assert_allclose(found["vocals"][0][inside], heard / 3 + mean, atol=near)
    np.testing.assert_allclose(found["drums"][0][inside], heard * 2 / 3 + mean, atol=near)
    # a model that knows no “other” leaves of the mixture what is not vocals
    rest = audio[inside] - found["vocals"][0][inside]
    np.testing.assert_allclose(found["accompaniment"][0][inside], rest, atol=near)


def test_blocks_of_a_file_give_what_the_whole_mixture_gives(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 700_000, rate=48000)  # three blocks
    model: Separator = build(small("htdemucs", {"sources": ["drums", "vocals"]}))
    whole = separate_mixture(
        model,
        read_mixture(tmp_path / "song.wav", sample_rate=RATE, audio_channels=2),
        normalised=True,
    )
    output = Output(tmp_path / "out", ("drums", "vocals"))
    separate_file(model, tmp_path / "song.wav", output, how(model, normalised=True))
    back = resample(whole, RATE, 48000)[..., :700_000]
    for stem, wanted in zip(output.stems, back, strict=True):
        written, _ = soundfile.read(tmp_path / "out" / f"{stem}.wav", dtype="float32")
        np.testing.assert_allclose(written.T, wanted.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("subtype", "format_", "depth", "written"),
    [
        ("PCM_16", "wav", "same", "PCM_16"),
        ("PCM_24", "wav", "same", "PCM_24"),
        ("FLOAT", "wav", "same", "FLOAT"),
        ("ULAW", "wav", "same", "PCM_16"),
        ("PCM_16", "flac", "same", "PCM_16"),
        ("FLOAT", "flac", "same", "PCM_24"),
        ("FLOAT", "wav", "int16", "PCM_16"),
        ("PCM_16", "wav", "float", "FLOAT"),
    ],
)
def test_stems_have_the_depth_of_the_file_or_what_is_asked(
    tmp_path: Path, subtype: str, format_: str, depth: str, written: str
) -> None:
    noise(tmp_path / "song.wav", 2000, subtype=subtype)
    model = Thirds()
    output = Output(tmp_path / "out", ("vocals",), format_, depth)  # type: ignore[arg-type]
    separate_file(model, tmp_path / "song.wav", output, how(model))
    assert soundfile.info(tmp_path / "out" / f"vocals.{format_}").subtype == written


def test_samples_that_integers_clip_are_counted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", np.full((100, 2), 0.9), RATE, subtype="FLOAT")
    model = Thirds(factor=3.0)
    for depth, clipped in (("float", 0), ("int16", 200)):
        output = Output(tmp_path / depth, ("drums",), "wav", depth)
        found = separate_file(model, tmp_path / "song.wav", output, how(model))
        assert found.clipped == clipped


def test_a_model_of_vocals_alone_accompanies_them_with_the_rest(tmp_path: Path) -> None:
    audio = noise(tmp_path / "song.wav", 5000)

    class Vocals(Thirds):
        def __init__(self) -> None:
            super().__init__()
            self.spec = small("htdemucs", {"sources": ["vocals"], "segment": 0.25})

        def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
            return mixture[:, None] / 4

    model = Vocals()
    output = Output(tmp_path / "out", ("accompaniment",))
    separate_file(model, tmp_path / "song.wav", output, how(model))
    found, _ = soundfile.read(tmp_path / "out" / "accompaniment.wav")
    np.testing.assert_allclose(found, audio * 3 / 4, atol=1e-6)


def test_estimates_that_are_not_finite_leave_no_file(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 9000)
    model = Thirds(factor=float("nan"))
    with pytest.raises(DataError, match="not finite"):
        separate_file(
            model, tmp_path / "song.wav", Output(tmp_path / "out", ("drums",)), how(model)
        )
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_into_which_another_process_separates_is_refused(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 9000)
    output, model = Output(tmp_path / "out", ("drums",)), Thirds()

    def again(done: int, of: int) -> None:
        with pytest.raises(UsageError, match="out is in use for a separation by process"):
            separate_file(Thirds(), tmp_path / "song.wav", output, how(model))
        refused.append((done, of))

    refused: list[tuple[int, int]] = []
    separate_file(model, tmp_path / "song.wav", output, how(model), on_chunks=again)
    assert refused
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["drums.wav"]


def test_an_interruption_leaves_no_half_file(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 9000)
    model = Thirds()

    def stop(done: int, _: int) -> None:
        if done > 4:
            raise KeyboardInterrupt

    output = Output(tmp_path / "out", ("drums",))
    with pytest.raises(KeyboardInterrupt):
        separate_file(model, tmp_path / "song.wav", output, how(model), on_chunks=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 100)
    (tmp_path / "out").write_text("a file")
    model = Thirds()
    with pytest.raises(DataError, match="out: cannot be written"):
        separate_file(
            model, tmp_path / "song.wav", Output(tmp_path / "out", ("drums",)), how(model)
        )


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("format_", ["wav", "flac"])
def test_a_full_disk_is_named_and_leaves_no_half_file(
    tmp_path: Path, format_: str, request: pytest.FixtureRequest
) -> None:
    noise(tmp_path / "song.wav", 200_000)
    request.getfixturevalue("full_disk")
    model = Thirds()
    output = Output(tmp_path / "out", ("drums",), format_)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="out: cannot be written"):
        separate_file(model, tmp_path / "song.wav", output, how(model))
    assert list((tmp_path / "out").iterdir()) == []


def test_files_too_large_for_wav_headers_become_rf64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output(tmp_path / "out", ("drums",))
    assert output.container(2 * 3600 * 44100, "FLOAT") == "WAV"  # an hour, 1.3 GB
    assert output.container(2 * 4 * 3600 * 44100, "FLOAT") == "RF64"
    monkeypatch.setattr(files, "MOST_WAV_BYTES", 10_000)
    audio = noise(tmp_path / "song.wav", 9000)
    separate_file(Thirds(), tmp_path / "song.wav", output, how(Thirds()))
    written = tmp_path / "out" / "drums.wav"
    assert soundfile.info(written).format == "RF64"
    np.testing.assert_allclose(soundfile.read(written)[0], 2 * audio / 3, atol=1e-6)


def test_what_a_file_lacks_is_told(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    soundfile.write(path, np.zeros((10 * RATE, 2)), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    written = separate_file(Thirds(), path, Output(tmp_path / "out", ("drums",)), how(Thirds()))
    assert written.seconds == 10
    assert re.match(r"ends [45]\.\d\d s before its header says", written.shortfall)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    model = Thirds()
    output = Output(tmp_path / "out", ("vocals", "drums"), "wav", "int16")
    needed = []
    for seconds in (60, 60, 1200):  # the first warms up
        soundfile.write(tmp_path / "song.wav", np.zeros((seconds * RATE, 2)), RATE)
        with peak_memory() as memory:
            separate_file(model, tmp_path / "song.wav", output, how(model))
        needed.append(memory.increase_bytes)
    assert needed[2] < needed[1] + 40 * 2**20  # the longer file's samples take 77 MB


def test_nothing_is_overwritten_unless_allowed(tmp_path: Path) -> None:
    songs, wanted = [Path("x/one.wav"), Path("two.mp3")], Output(tmp_path, ("a", "b"))
    found = outputs(songs, wanted, overwrite=False)
    assert [one.folder for one in found] == [tmp_path / "one", tmp_path / "two"]
    found[1].folder.mkdir()
    (found[1].folder / "b.wav").touch()
    with pytest.raises(UsageError, match=r"two/b.wav would be overwritten; allow it by"):
        outputs(songs, wanted, overwrite=False)
    assert outputs(songs, wanted, overwrite=True) == found


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    songs = [Path("x/mixture.wav"), Path("y/mixture.flac"), Path("z/song.wav")]
    found = outputs(songs, Output(tmp_path, ("a",)), overwrite=True)
    assert [one.folder.name for one in found] == ["x - mixture", "y - mixture", "song"]


def test_no_name_of_a_file_or_stem_leads_out_of_the_folder(tmp_path: Path) -> None:
    songs = [Path("...wav"), Path("....wav"), Path("日" * 84 + ".wav")]
    for place in outputs(songs, Output(tmp_path, ("/x/ABS", "../../UP", "..")), overwrite=True):
        assert place.folder.parent == tmp_path
        assert place.folder.name not in ("", ".", "..")
        assert len(os.fsencode(place.folder.name)) < 240
        assert {path.parent for path in place.paths()} == {place.folder}


def test_files_whose_names_are_not_utf_8_are_separated(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 9000)
    song = (tmp_path / "song.wav").rename(tmp_path / os.fsdecode(b"caf\xe9.wav"))
    (place,) = outputs([song], Output(tmp_path / "out", ("drums",)), overwrite=False)
    separate_file(Thirds(), song, place, how(Thirds()))
    assert [path.name for path in place.folder.iterdir()] == ["drums.wav"]


def test_memory_that_does_not_suffice_is_told_with_what_needs_less(tmp_path: Path) -> None:
    class Huge(Thirds):
        def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
            return torch.empty(1 << 60)

    noise(tmp_path / "song.wav", 9000)
    output = Output(tmp_path / "out", ("drums",))
    with pytest.raises(DataError, match=r"song.wav: out of memory .*; a shorter segment or"):
        separate_file(Huge(), tmp_path / "song.wav", output, how(Huge()))


def test_two_files_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    songs = [Path("x/one.wav"), Path("x/one.flac")]
    with pytest.raises(UsageError, match=r"x/one.wav and x/one.flac would both be written to"):
        outputs(songs, Output(tmp_path, ("a",)), overwrite=True)
