"""Audio files in, estimates out."""

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
from msdemucs.evaluate.audio import read_mixture
from msdemucs.evaluate.files import Output, outputs, separate_file
from msdemucs.evaluate.overlap_add import Chunking
from msdemucs.evaluate.separation import Separation, separate_mixture
from msdemucs.measure import peak_memory
from tests.specs import small

RATE = 8000


def sine(n_samples: int, *, rate: int = RATE, channels: int = 2) -> np.ndarray:
    time = np.arange(n_samples) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 200 * (i + 1) * time) for i in range(channels)], 1)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, sine(RATE), RATE, subtype="FLOAT")
    return path


def read(path: Path, channels: int = 2) -> Tensor:
    return read_mixture(path, sample_rate=RATE, audio_channels=channels)


def test_a_file_of_the_models_rate_is_read_as_it_is(audio: Path) -> None:
    assert torch.equal(read(audio), torch.from_numpy(sine(RATE).T.astype("float32")))


def test_mono_goes_to_both_channels_and_stereo_becomes_its_mean(audio: Path) -> None:
    mono = audio.with_name("mono.wav")
    soundfile.write(mono, sine(RATE, channels=1), RATE, subtype="FLOAT")
    left, right = read(mono)
    assert torch.equal(left, right)
    assert torch.allclose(read(audio, channels=1)[0], read(audio).mean(0))


@pytest.mark.parametrize("rate", [44100, 48000, 22050, 4000])
def test_another_rate_is_resampled(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, sine(rate, rate=rate), rate)
    found = read(path)
    assert found.shape == (2, RATE)
    inside = slice(200, -200)  # the ends ring
    wanted = torch.from_numpy(sine(RATE).T.astype("float32"))
    assert float((found - wanted)[:, inside].abs().max()) < 0.01


def test_a_rate_without_a_small_ratio_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "odd.wav", sine(100), 44101)
    with pytest.raises(DataError, match="44101 Hz, which has no small ratio to 8000 Hz"):
        read(tmp_path / "odd.wav")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.wav", None, "there is no such file"),
        ("text.wav", b"text", "cannot be read as audio"),
        ("empty.wav", np.zeros((0, 2)), "is empty"),
        ("five.wav", np.zeros((9, 5)), "has 5 channels, the model takes 2"),
        ("nan.wav", np.full((9, 2), np.nan), "not finite"),
    ],
)
def test_files_at_fault_are_named(
    name: str, content: np.ndarray | bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=reason) as error:
        read(path)
    assert error.value.path == path


# Separation


class Halves(torch.nn.Module):
    """A model that gives half of the mixture to each of two sources and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = small("htdemucs", {"sources": ["a", "b"]})
        self.seen: list[Tensor] = []

    def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
        self.seen.append(mixture)
        return torch.stack([mixture / 2] * 2, dim=1)


def test_normalised_weights_see_a_mono_mixture_of_zero_mean_and_unit_deviation() -> None:
    model = Halves()
    mixture = 0.01 * torch.randn(2, model.spec.n_samples) + 0.3
    estimates = separate_mixture(model, mixture, normalised=True)  # type: ignore[arg-type]
    mono = model.seen[0][0].mean(0)
    assert float(mono.mean()) == pytest.approx(0, abs=1e-4)
    assert float(mono.std()) == pytest.approx(1, abs=1e-4)
    assert torch.allclose(estimates[0], (mixture - mixture.mean()) / 2 + mixture.mean(), atol=1e-6)


def test_other_weights_see_the_mixture_as_it_is() -> None:
    model = Halves()
    mixture = 0.01 * torch.randn(2, 3 * model.spec.n_samples) + 0.3
    done: list[tuple[int, int]] = []
    estimates = separate_mixture(
        model,  # type: ignore[arg-type]
        mixture,
        normalised=False,
        on_chunks=lambda *progress: done.append(progress),
    )
    assert torch.equal(model.seen[0][0], mixture[:, : model.spec.n_samples])
    assert torch.allclose(estimates.sum(0), mixture, atol=1e-6)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("n_samples", [1, 300])
def test_silence_stays_silent(n_samples: int) -> None:
    model: Separator = build(small("htdemucs"))
    estimates = separate_mixture(model, torch.zeros(2, n_samples), normalised=True)
    assert estimates.shape == (4, 2, n_samples)
    assert not estimates.any()


# Files


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
    np.testing.assert_array_equal(found["accompaniment"][0], found["drums"][0])


def test_blocks_of_a_file_give_what_the_whole_mixture_gives(tmp_path: Path) -> None:
    noise(tmp_path / "song.wav", 700_000, rate=48000)  # three blocks
    model: Separator = build(small("htdemucs", {"sources": ["drums", "vocals"]}))
    whole = separate_mixture(model, read(tmp_path / "song.wav"), normalised=True)
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


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    songs = [Path("x/one.wav"), Path("y/one.flac")]
    with pytest.raises(UsageError, match=r"x/one.wav and y/one.flac would both be written to"):
        outputs(songs, Output(tmp_path, ("a",)), overwrite=True)
