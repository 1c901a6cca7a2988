"""Weights and spec in one safetensors file, found by path or name."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from msdemucs import build, load_pretrained, load_weights, save_weights
from msdemucs.cost import cost_of
from msdemucs.errors import DataError, UsageError
from msdemucs.model.weights import read_about, weights_folder
from msdemucs.spec import parse_spec
from tests.specs import small

SHARED: dict[str, object] = {
    "name": "shared",
    "segment": 0.1,
    "sample_rate": 8000,
    "depth": 2,
    "channels": 4,
    "kernel_size": 4,
    "stride": 2,
    "spectral": {"resolutions": [128, 256], "share": True},
    "waveform": None,
}


def test_a_saved_model_comes_back_the_same(tmp_path: Path) -> None:
    model = build(small("htdemucs_nn"))
    model(torch.randn(1, 2, 500))  # moves the averages, which are saved too
    save_weights(model, tmp_path / "deep" / "model.safetensors")
    loaded = load_weights(tmp_path / "deep" / "model.safetensors")
    assert loaded.spec == model.spec
    mixture = torch.randn(1, 2, 700)
    with torch.inference_mode():
        assert torch.equal(loaded(mixture), model.eval()(mixture))
    for key, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor)


def test_what_is_shared_is_written_once_and_read_back_shared(tmp_path: Path) -> None:
    data = {
        **SHARED,
        "attention": [{"kind": "self", "layers": 1, "heads": 1, "at": ["encoder 0", "decoder 0"]}],
    }
    model = build(parse_spec(data))
    path = tmp_path / "model.safetensors"
    save_weights(model, path)
    with safe_open(path, framework="pt") as file:
        written = sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
    learned = sum(parameter.numel() for parameter in model.parameters())
    averages = sum(buffer.numel() for buffer in model.buffers() if buffer.shape == (2,))
    assert learned == cost_of(model.spec).parameters
    assert written == learned + averages
    loaded = load_weights(path)
    mixture = torch.randn(1, 2, 900)
    with torch.inference_mode():
        assert torch.equal(loaded(mixture), model.eval()(mixture))
    first, second = loaded.branches[0], loaded.branches[1]
    assert first.encoder is second.encoder
    assert sum(parameter.numel() for parameter in loaded.parameters()) == learned


def test_the_file_carries_the_spec_as_json(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(build(small("htdemucs")), path)
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["spec"])["name"] == "htdemucs"


def test_a_file_that_is_not_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_weights(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("version https://git-lfs.github.com/spec/v1\n", "is a pointer of git-lfs, not the file"),
        ("<!DOCTYPE html><html></html>", "is a web page, not the file: download it again"),
        ("PK" + "x" * 90, "if it is a checkpoint of PyTorch's, “msdemucs weights import” reads it"),
        ({}, "holds a spec that cannot be used .no field 'spec'.; get the file again"),
        ({"spec": "{"}, "cannot be used .no JSON: Expecting property name"),
        ({"spec": "[1]"}, "cannot be used .must be a mapping"),
        ({"spec": '{"name": "x"}', "normalised": "3x"}, "cannot be used .no JSON: Extra data"),
        (
            {"spec": '{"name": "x", "sources": ["/x/ABS", "../../UP"]}'},
            "cannot be used .sources: “/x/ABS” is no name",
        ),
    ],
)
def test_what_stands_in_for_weights_or_has_no_usable_spec_is_named(
    content: str | dict[str, str], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    if isinstance(content, str):
        path.write_text(content)
    else:
        save_file({"a": torch.zeros(1)}, path, metadata={"format": "msdemucs-1", **content})
    with pytest.raises(DataError, match=reason) as error:
        load_weights(path)
    assert error.value.path == path


def test_weights_that_do_not_fit_their_spec_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(build(small("htdemucs")), path)
    with safe_open(path, framework="pt") as file:
        tensors = {f"old.{name}": file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(DataError, match="another version of msdemucs") as caught:
        load_weights(path)
    assert len(str(caught.value)) < 500


def test_weights_without_a_spec_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="no msdemucs spec"):
        load_weights(path)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights in the weights folder, called “mine”."""
    monkeypatch.setenv("MSDEMUCS_HOME", str(tmp_path))
    path = tmp_path / "weights" / "mine.safetensors"
    save_weights(build(small("htdemucs")), path, origin="a.th", normalised=True)
    return path


@pytest.mark.parametrize("as_path", [False, True])
def test_a_name_and_a_path_load_the_same_model(kept: Path, as_path: bool) -> None:
    model = load_pretrained(kept if as_path else "mine")
    assert not model.training
    with torch.inference_mode():
        assert model(torch.randn(1, 2, 500)).shape == (1, 4, 2, 500)


def test_a_name_that_is_not_there_says_how_to_get_it_and_what_is(kept: Path) -> None:
    kept.with_name("._mine.safetensors").touch()  # a Mac's
    with pytest.raises(UsageError) as error:
        load_pretrained("htdemucs")
    message = str(error.value)
    assert f"no weights “htdemucs” in {kept.parent} (there is mine)" in message
    wanted = kept.with_name("htdemucs.safetensors")
    assert f"msdemucs weights import SRC -o {wanted}" in message


@pytest.mark.parametrize("name", ["gone.safetensors", "some/where/gone"])
def test_a_path_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"there is no file {name}; official weights"):
        load_pretrained(name)


def test_the_weights_folder_is_in_the_users_cache_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MSDEMUCS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_folder() == tmp_path / ".cache" / "msdemucs" / "weights"


def test_a_file_says_where_its_weights_came_from(kept: Path) -> None:
    about = read_about(kept)
    assert (about.origin, about.normalised) == ("a.th", True)
    assert about.spec == small("htdemucs")


def test_trained_weights_say_that_they_are_of_msdemucs(tmp_path: Path) -> None:
    save_weights(build(small("htdemucs")), tmp_path / "a.safetensors")
    about = read_about(tmp_path / "a.safetensors")
    assert (about.origin, about.normalised) == ("", False)
