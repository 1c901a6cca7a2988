"""Weights and spec in one safetensors file."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from msdemucs import build, load_weights, save_weights
from msdemucs.errors import DataError
from tests.specs import small


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


def test_weights_without_a_spec_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="no msdemucs spec"):
        load_weights(path)
