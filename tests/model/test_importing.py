"""Foreign files of weights: what is read, what is refused and why."""

import json
import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchaudio
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file
from torch import nn

from msdemucs import build, load_spec, save_weights
from msdemucs.errors import DataError, UsageError
from msdemucs.model.importing import Checkpoint, import_weights, separator_from, spec_of
from msdemucs.model.importing.checkpoints import ASSETS, read_checkpoint
from msdemucs.model.importing.names import demucs_names, torchaudio_names
from msdemucs.spec import diff_specs, plan
from tests.model.peers import FOUR, PAIRS, perturb

TINY = {"sources": list(FOUR), "channels": 8}


def on_meta(name: str) -> nn.Module:
    pair = PAIRS[name]
    with torch.device("meta"):
        return pair.peer(list(pair.sources), channels=pair.width, **pair.arguments)


def package(path: Path, peer: nn.Module, *, half: bool = False, **changes: object) -> Path:
    """A file as the package demucs exports its models."""
    args, kwargs = peer.__dict__["_init_args_kwargs"]
    state = {name: t.half() if half else t for name, t in peer.state_dict().items()}
    content: dict[str, object] = {
        "klass": type(peer),
        "args": args,
        "kwargs": kwargs,
        "state": state,
        "training_args": {"seed": 42},
    }
    torch.save({**content, **changes}, path)
    return path


# The tables


@pytest.mark.parametrize("name", PAIRS)
def test_tables_name_every_tensor_of_the_published_once_and_every_parameter_of_ours(
    name: str,
) -> None:
    spec = load_spec(name)
    with torch.device("meta"):
        own = build(spec).state_dict()
    peer = on_meta(name).state_dict()
    table = (torchaudio_names if "freq_encoder.0.conv.weight" in peer else demucs_names)(plan(spec))
    assert own.keys() <= table.keys()
    used = [(key, table[ours].part) for ours in own for key in table[ours].keys]
    assert len(used) == len(set(used))
    assert {key for key, _ in used} == peer.keys()
    for ours in own:
        parts = {part for key, part in used if key == table[ours].keys[0]}
        assert parts == set(range(table[ours].parts))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("branches.1.encoder.3.residual.1.expand.weight", "tencoder.3.dconv.layers.1.3.weight"),
        ("core.encoder.1.residual.0.expand.weight", "encoder.5.dconv.layers.0.5.weight"),
        (
            "core.encoder.0.residual.0.inside.0.inner.lstm.lstm.weight_hh_l1_reverse",
            "encoder.4.dconv.layers.0.3.lstm.weight_hh_l1_reverse",
        ),
        ("core.encoder.0.convs.1.conv.bias", "tencoder.4.conv.bias"),
        ("core.decoder.1.ups.1.norm.weight", "tdecoder.0.norm2.weight"),
        ("branches.0.decoder.0.rewrite.conv.weight", "decoder.2.rewrite.weight"),
        ("branches.1.decoder.0.rewrite.conv.weight", "tdecoder.1.rewrite.weight"),
    ],
)
def test_table_of_hdemucs_is_that_of_the_sheet(ours: str, theirs: str) -> None:
    names = demucs_names(plan(load_spec("hdemucs")))
    assert names[ours].keys == (theirs,)


def test_thirds_of_a_packed_projection_are_queries_keys_and_values() -> None:
    peer = HTDemucs(**TINY)
    spec = load_spec("htdemucs", overrides={"channels.start": 8})
    ours = separator_from(Checkpoint(peer.state_dict(), "peer"), spec).state_dict()
    packed = peer.state_dict()["crosstransformer.layers_t.1.cross_attn.in_proj_weight"]
    for index, name in enumerate(("query", "key", "value")):
        found = ours[f"core.blocks.0.streams.1.layers.1.attention.{name}.weight"]
        assert torch.equal(found, packed[64 * index : 64 * (index + 1)])


def test_the_norm_that_torchaudio_never_uses_is_kept_as_unused() -> None:
    peer = torchaudio.models.HDemucs(list(FOUR), channels=8)
    perturb(peer)
    spec = load_spec("hdemucs_high", overrides={"channels.start": 8, "init.unused": 256})
    ours = separator_from(Checkpoint(peer.state_dict(), "peer"), spec)
    dead = peer.time_encoder[4].norm1
    assert ours.unused is not None
    assert torch.equal(ours.unused, torch.cat([dead.weight, dead.bias]))


# Files


def test_an_exported_package_becomes_a_separator_with_its_own_spec(tmp_path: Path) -> None:
    peer = HTDemucs(**TINY, segment=Fraction(39, 5), dconv_mode=3, bottom_channels=32)
    perturb(peer)
    ours = import_weights(package(tmp_path / "955717e8.th", peer, half=True))
    assert ours.spec.name == "955717e8"
    assert ours.spec.segment == 7.8
    assert ours.spec.n_samples == 343980
    assert all(p.dtype == torch.float32 for p in ours.parameters())
    assert not ours.training
    mixture = torch.randn(1, 2, 343980 // 8)
    peer.eval().use_train_segment = False
    with torch.inference_mode():
        wanted = peer(mixture)
        assert float((ours(mixture) - wanted).abs().max()) < 2e-3 * float(wanted.abs().max())


def test_safetensors_of_demucs_4_are_read_with_their_metadata(tmp_path: Path) -> None:
    peer = HTDemucs(**TINY)
    metadata = {
        "klass": "demucs.htdemucs.HTDemucs",
        "args": "[]",
        "kwargs": json.dumps(
            {**TINY, "segment": {"_type": "fraction", "numerator": 39, "denominator": 5}}
        ),
    }
    save_file(peer.state_dict(), tmp_path / "a.safetensors", metadata)
    ours = import_weights(tmp_path / "a.safetensors")
    assert ours.spec.segment == 7.8
    assert ours.spec.sources == FOUR


@pytest.mark.parametrize("name", PAIRS)
def test_bare_tensors_are_recognised_by_their_shapes(name: str) -> None:
    spec = spec_of(Checkpoint(on_meta(name).state_dict(), "bare"))
    assert spec == load_spec(name)


def test_a_number_of_sources_without_usual_names_is_numbered() -> None:
    with torch.device("meta"):
        peer = torchaudio.models.hdemucs_low(["a", "b"])
    spec = spec_of(Checkpoint(peer.state_dict(), "bare"))
    assert (spec.name, spec.sources) == ("hdemucs_low", ("source_1", "source_2"))


@pytest.mark.parametrize(
    ("peer", "arguments", "name", "differences"),
    [
        (HTDemucs, {"t_lr": None, "t_weight_decay": 0.05}, "htdemucs", {}),
        (
            HTDemucs,
            {"dconv_mode": 3, "bottom_channels": 512, "t_dropout": 0.02, "segment": 7.8},
            "htdemucs_released",
            {"segment": (10.0, 7.8)},
        ),
        (HDemucs, {"cac": True, "multi_freqs": []}, "hdemucs", {"segment": (10.0, 40.0)}),
        (
            Demucs,
            {**PAIRS["demucs"].arguments, "segment": 10},
            "demucs",
            {"norm": (None, {"starts": 6, "groups": 4})},  # deeper than any level: none
        ),
    ],
)
def test_arguments_of_the_constructor_give_the_spec_of_the_zoo(
    peer: Callable[..., nn.Module],
    arguments: Mapping[str, object],
    name: str,
    differences: Mapping[str, object],
) -> None:
    klass = f"{peer.__module__}.{peer.__name__}"
    checkpoint = Checkpoint({}, "x", klass=klass, arguments={"sources": list(FOUR), **arguments})
    assert diff_specs(load_spec(name), spec_of(checkpoint)) == differences


@pytest.mark.parametrize(
    "arguments",
    [
        {"rewrite": False},  # MDX's models A
        {"dconv_mode": 3, "norm_starts": 2},
        {"growth": 1.5, "norm_starts": 9, "dconv_attn": 9},
        {"lstm_layers": 1, "resample": False, "context": 2},
    ],
)
def test_other_shapes_of_demucs_follow_from_their_arguments(
    arguments: Mapping[str, object], tmp_path: Path
) -> None:
    agree(Demucs(**TINY, depth=5, normalize=False, **arguments), tmp_path)


@pytest.mark.parametrize(
    ("peer", "arguments"),
    [
        (HDemucs, {"norm_starts": 999, "dconv_init": 1e-3}),
        (HDemucs, {"nfft": 1024, "depth": 5, "context_enc": 1, "freq_emb": 0}),
        (HDemucs, {"depth": 7, "dconv_lstm": 5, "dconv_attn": 9, "rewrite": False}),
        (HTDemucs, {"t_cross_first": True, "t_layers": 2, "t_heads": 4, "nfft": 2048}),
        (HTDemucs, {"t_layers": 0, "growth": 1.5, "audio_channels": 1}),
    ],
)
def test_other_shapes_of_hybrids_follow_from_their_arguments(
    peer: Callable[..., nn.Module], arguments: Mapping[str, object], tmp_path: Path
) -> None:
    agree(peer(**TINY, **arguments), tmp_path)


def agree(peer: nn.Module, folder: Path) -> None:
    """The peer and what is imported from its file give the same."""
    perturb(peer)
    peer.eval().__dict__["use_train_segment"] = False
    ours = import_weights(package(folder / "peer.th", peer))
    mixture = torch.randn(1, ours.spec.audio_channels, 22051)
    with torch.inference_mode():
        wanted = peer(mixture)
        assert float((ours(mixture) - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())


# Refusals


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        import_weights(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)


class Bomb:
    """Runs a command when it is unpickled as usual."""

    def __init__(self, call: Callable[..., object], *arguments: str) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("call", [os.mkdir, exec, eval, Path.mkdir])
def test_what_a_file_wants_to_run_is_not_run(call: Callable[..., object], tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    text = f"__import__('os').mkdir({str(trap)!r})" if call in (exec, eval) else str(trap)
    path = package(tmp_path / "a.th", HTDemucs(**TINY), training_args=Bomb(call, text))
    try:
        import_weights(path)
    except DataError as error:
        assert "cannot be read as a PyTorch checkpoint" in str(error)  # noqa: PT017
        assert "weights_only" not in str(error)  # noqa: PT017
    assert not trap.exists()


def test_a_pointer_that_stands_for_a_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.th").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DataError, match=r"a\.th: is a pointer of git-lfs"):
        import_weights(tmp_path / "a.th")


def test_a_missing_tensor_one_too_many_and_a_wrong_shape_are_named(tmp_path: Path) -> None:
    peer = HTDemucs(**TINY)
    state = peer.state_dict()
    state["encoder.9.conv.weight"] = state.pop("encoder.0.conv.weight")
    state["decoder.0.rewrite.bias"] = torch.zeros(3)
    message = refusal(package(tmp_path / "a.th", peer, state=state))
    assert "“encoder.0.conv.weight” is missing" in message
    assert "“encoder.9.conv.weight” has no place in the model" in message
    assert "“decoder.0.rewrite.bias” has shape (3,), our “branches.0.decoder.0." in message


def test_a_spec_with_parts_that_no_official_system_has_is_refused() -> None:
    spec = load_spec("htdemucs_n", overrides={"channels.start": 8})
    with pytest.raises(DataError, match="no official system has our “branches"):
        separator_from(Checkpoint(HTDemucs(**TINY).state_dict(), "peer"), spec)


def test_shapes_of_no_system_name_the_nearest_and_ask_for_a_spec() -> None:
    with torch.device("meta"):
        peer = HTDemucs(list(FOUR), channels=40)
    with pytest.raises(DataError, match=r"the nearest, htdemucs, differs .* \(--spec\)"):
        spec_of(Checkpoint(peer.state_dict(), "bare"))


@pytest.mark.parametrize(
    ("peer", "arguments", "reason"),
    [
        (HDemucs, {"hybrid_old": True}, "hybrid_old is True, only False will do"),
        (HDemucs, {"cac": False}, "cac is False"),
        (HDemucs, {"multi_freqs": [0.1, 0.3]}, "multi_freqs is [0.1, 0.3]"),
        (Demucs, {}, "normalize is True, only False will do"),
        (HTDemucs, {"t_emb": "scaled"}, "t_emb is 'scaled'"),
        (HTDemucs, {"kernel_size": 6, "stride": 2}, "kernel_size 6 with stride 2"),
        (HTDemucs, {"wings": 2}, "wings is not known"),
        (HTDemucs, {"depth": "four"}, "spec"),
        (HDemucs, {"depth": 4}, "4 levels are too few to merge at level 4"),
    ],
)
def test_arguments_that_no_spec_has_are_named(
    peer: Callable[..., nn.Module], arguments: Mapping[str, object], reason: str
) -> None:
    klass = f"{peer.__module__}.{peer.__name__}"
    with pytest.raises(DataError, match="no spec describes") as error:
        spec_of(Checkpoint({}, "x", Path("x.th"), klass, {**TINY, **arguments}))
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("klass", "reason"),
    [
        ("demucs.model.Demucs", "made by demucs 2"),
        ("openunmix.model.OpenUnmix", "what can be imported"),
        ("evil.HTDemucs", "what can be imported"),
    ],
)
def test_other_classes_are_refused(klass: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        spec_of(Checkpoint({}, "x", Path("x.th"), klass, TINY))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"klass": HTDemucs, "kwargs": TINY, "state": {"__quantized": True}}, "without “_q”"),
        ({"klass": HTDemucs, "kwargs": [], "state": {}}, "arguments that cannot be read"),
        ({"klass": HTDemucs, "args": [1, 2], "kwargs": {}}, "2 arguments without names"),
        ({"klass": HTDemucs, "kwargs": {"segment": Fraction(1, 2)}, "state": {}}, "no weights"),
        ({"epoch": 3}, "“epoch” is a int, not a tensor"),
        ([1, 2], "holds no weights but a list"),
    ],
)
def test_files_without_weights_are_refused(content: Any, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.th")
    assert reason in refusal(tmp_path / "a.th")


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    for name in ("a.th", "a.safetensors"):
        (tmp_path / name).write_bytes(b"neither")
        assert "cannot be read as" in refusal(tmp_path / name)
    assert "no such file" in refusal(tmp_path / "b.th")


def test_our_own_weights_are_not_imported_again(tmp_path: Path) -> None:
    spec = load_spec("htdemucs", overrides={"channels.start": 8})
    save_weights(build(spec), tmp_path / "a.safetensors")
    assert "nothing to import" in refusal(tmp_path / "a.safetensors")


# Bundles


def test_without_a_network_a_bundle_says_which_file_belongs_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torchaudio.utils.download.download_url_to_file", fail)
    with pytest.raises(DataError, match="no network") as error:
        import_weights("torchaudio:HDEMUCS_HIGH_MUSDB_PLUS")
    place = tmp_path / "hub" / "torchaudio" / "models" / "hdemucs_high_trained.pt"
    assert error.value.path == place
    assert "get “torchaudio/models/hdemucs_high_trained.pt” from" in str(error.value)
    assert place.parent.is_dir()


def test_bundles_and_their_files_are_those_of_torchaudio() -> None:
    for name, asset in ASSETS.items():
        assert getattr(torchaudio.pipelines, name)._model_path == asset


def test_a_bundle_that_was_fetched_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = torchaudio.models.HDemucs(list(FOUR), channels=8)
    name = "HDEMUCS_HIGH_MUSDB_PLUS"
    monkeypatch.setattr(torchaudio.pipelines, name, SimpleNamespace(get_model=lambda: peer))
    spec = load_spec("hdemucs_high", overrides={"channels.start": 8, "init.unused": 256})
    ours = import_weights(f"torchaudio:{name}", spec)
    assert ours.spec == spec


def test_an_unknown_bundle_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="it has HDEMUCS_HIGH_MUSDB_PLUS"):
        import_weights("torchaudio:CONVTASNET")


def test_reading_needs_no_package_demucs(tmp_path: Path) -> None:
    path = package(tmp_path / "a.th", HTDemucs(**TINY))
    assert read_checkpoint(path).klass == "demucs.htdemucs.HTDemucs"
