"""Weights by path or by name."""

from pathlib import Path

import pytest
import torch

from msdemucs import build, load_pretrained, save_weights
from msdemucs.errors import UsageError
from msdemucs.model.weights import read_about, weights_folder
from tests.specs import small


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
