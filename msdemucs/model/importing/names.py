"""Which tensor of an official checkpoint is which parameter of ours? Tables, and what follows them.

The names are those of the classes Demucs, HDemucs and HTDemucs of the package `demucs`, and of
torchaudio's HDemucs, which has HDemucs's under other prefixes. Nothing depends on the order in
which modules are made or run.
Source: shared/systems/base.md, sections 1 to 5.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from msdemucs.errors import DataError
from msdemucs.model.importing.checkpoints import Checkpoint, State
from msdemucs.model.separator import Separator, build
from msdemucs.spec import Plan, Spec, plan
from msdemucs.spec.attention import AttentionOptions
from msdemucs.spec.levels import EncoderLevel, Level


@dataclass(frozen=True)
class Foreign:
    """What a parameter of ours is made from.

    Attributes:
        keys: tensors of the checkpoint, joined along their first axis if there are several.
        part: which of `parts` equal slices along the first axis.
    """

    keys: tuple[str, ...]
    part: int = 0
    parts: int = 1


Names = dict[str, Foreign]
"""Our parameter → what it is made from."""

AFFINE = ("weight", "bias")

# A convolution of the waveform branch and of trunks is one-dimensional there and has one row here;
# `convert` sees to the shapes.
ENCODER_CELL = {
    "convs.0.conv": "conv",
    "norm": "norm1",
    "rewrite.conv": "rewrite",
    "rewrite.norm": "norm2",
}
DECODER_CELL = {
    "rewrite.conv": "rewrite",
    "rewrite.norm": "norm1",
    "ups.0.conv": "conv_tr",
    "ups.0.norm": "norm2",
}
MERGING = {"convs.1.conv": "conv"}
SPLITTING = {"ups.1.conv": "conv_tr", "ups.1.norm": "norm2"}

LOCAL_ATTENTION = {
    "query": "query",
    "key": "key",
    "content": "content",
    "decay": "query_decay",
    "out": "proj",
}

SELF_LAYER = {
    "norm": "norm1",
    "attention.out": "self_attn.out_proj",
    "feed_forward.norm": "norm2",
    "feed_forward.linear1": "linear1",
    "feed_forward.linear2": "linear2",
    "feed_forward.norm_out": "norm_out",
}
CROSS_LAYER = {
    "norm_query": "norm1",
    "norm_key": "norm2",
    "attention.out": "cross_attn.out_proj",
    "feed_forward.norm": "norm3",
    "feed_forward.linear1": "linear1",
    "feed_forward.linear2": "linear2",
    "feed_forward.norm_out": "norm_out",
}
GAINS = {"gain": "gamma_1.scale", "feed_forward.gain": "gamma_2.scale"}
PACKED = ("query", "key", "value")
"""The thirds of a multi-head module's in_proj."""

STREAMS = {  # ours: (norm of what enters, layers, widening, narrowing)
    "streams.0": ("norm_in", "layers", "channel_upsampler", "channel_downsampler"),
    "streams.1": ("norm_in_t", "layers_t", "channel_upsampler_t", "channel_downsampler_t"),
}

TORCHAUDIO = {
    "encoder": "freq_encoder",
    "decoder": "freq_decoder",
    "tencoder": "time_encoder",
    "tdecoder": "time_decoder",
}
"""First part of a name in the package `demucs` → in torchaudio."""


def demucs_names(plan: Plan) -> Names:
    """The tensors of Demucs (no spectral branch), HDemucs (merged) or HTDemucs (apart).

    Parameters that the plan does not have are listed too; one that is missing has no counterpart.
    """
    if plan.waveform is None or len(plan.spectral) > 1:
        return {}
    if not plan.spectral:
        return dict(_waveform_only(plan))
    return {**dict(_hybrid(plan)), **dict(_transformer(plan))}


def torchaudio_names(plan: Plan) -> Names:
    """The tensors of torchaudio's HDemucs.

    The norm that it builds where the branches merge, and never uses, becomes our `unused`.
    """
    names: Names = {}
    for ours, foreign in demucs_names(plan).items():
        first, dot, end = foreign.keys[0].partition(".")
        names[ours] = replace(foreign, keys=(TORCHAUDIO.get(first, first) + dot + end,))
    if plan.trunk:
        dead = f"time_encoder.{plan.spec.merge}.norm1"
        names["unused"] = Foreign(tuple(f"{dead}.{kind}" for kind in AFFINE))
    return names


# Demucs: cells are sequences, in which what does nothing keeps its place


def _waveform_only(plan: Plan) -> Iterator[tuple[str, Foreign]]:
    assert plan.waveform is not None
    for index, encoder in enumerate(plan.waveform.encoder):
        ours, theirs = f"branches.0.encoder.{index}", f"encoder.{index}"
        after = 4 if encoder.residual else 3
        places = {"convs.0.conv": 0, "norm": 1, "rewrite.conv": after, "rewrite.norm": after + 1}
        yield from _affine(ours, theirs, {name: str(place) for name, place in places.items()})
        yield from _residual(ours, f"{theirs}.3", encoder)
    for index, decoder in enumerate(plan.waveform.decoder):
        ours, theirs = f"branches.0.decoder.{index}", f"decoder.{index}"
        before = 3 if decoder.rewrite else 0
        after = before + (1 if decoder.residual else 0)
        places = {"rewrite.conv": 0, "rewrite.norm": 1}
        places |= {"ups.0.conv": after, "ups.0.norm": after + 1}
        yield from _affine(ours, theirs, {name: str(place) for name, place in places.items()})
        yield from _residual(ours, f"{theirs}.{before}", decoder)
    if plan.spec.lstm:
        yield from _lstm("core.0.lstm", "lstm", plan.spec.lstm.layers)


# HDemucs and HTDemucs: a cell names its parts


def _hybrid(plan: Plan) -> Iterator[tuple[str, Foreign]]:
    depth, outer = plan.spec.depth, len(plan.branches[0].encoder)
    merged = 1 if plan.trunk else 0
    for branch, (resolved, prefix) in enumerate(zip(plan.branches, ("", "t"), strict=True)):
        ours = f"branches.{branch}"
        first = merged if prefix else depth - outer  # the waveform's decoder begins at the split
        yield from _cells(f"{ours}.encoder", f"{prefix}encoder", resolved.encoder)
        yield from _cells(f"{ours}.decoder", f"{prefix}decoder", resolved.decoder, first)
    yield "branches.0.embeddings.0.table", Foreign(("freq_emb.embedding.weight",))
    if plan.trunk:
        yield from _cells("core.encoder", "encoder", plan.trunk.encoder, outer)
        yield from _cells("core.decoder", "decoder", plan.trunk.decoder)
        yield from _affine("core.encoder.0", f"tencoder.{outer}", MERGING)
        yield from _affine(f"core.decoder.{depth - outer - 1}", "tdecoder.0", SPLITTING)


def _cells(
    ours: str, theirs: str, levels: Sequence[Level], first: int = 0
) -> Iterator[tuple[str, Foreign]]:
    """The cells of an encoder or decoder; theirs are counted from `first`."""
    for index, level in enumerate(levels):
        table = ENCODER_CELL if isinstance(level, EncoderLevel) else DECODER_CELL
        own, other = f"{ours}.{index}", f"{theirs}.{first + index}"
        yield from _affine(own, other, table)
        yield from _residual(own, f"{other}.dconv", level)


def _transformer(plan: Plan) -> Iterator[tuple[str, Foreign]]:
    if len(plan.blocks) != 1:
        return
    options = plan.blocks[0].options
    for stream, (norm_in, layers, widen, narrow) in STREAMS.items():
        ours, theirs = f"core.blocks.0.{stream}", "crosstransformer"
        table = {"widen": widen, "narrow": narrow, "norm_in": f"{theirs}.{norm_in}"}
        for name, foreign in table.items():
            yield from _one(f"{ours}.{name}", foreign)
        for index in range(options.layers):
            layer = f"{theirs}.{layers}.{index}"
            yield from _attention_layer(f"{ours}.layers.{index}", layer, options, index)


def _attention_layer(
    ours: str, theirs: str, options: AttentionOptions, index: int
) -> Iterator[tuple[str, Foreign]]:
    is_cross = options.is_cross(index)
    yield from _affine(ours, theirs, CROSS_LAYER if is_cross else SELF_LAYER)
    packed = f"{theirs}.{'cross_attn' if is_cross else 'self_attn'}.in_proj"
    for part, name in enumerate(PACKED):
        for kind in AFFINE:
            foreign = Foreign((f"{packed}_{kind}",), part, len(PACKED))
            yield f"{ours}.attention.{name}.{kind}", foreign
    for name, gain in GAINS.items():
        yield f"{ours}.{name}", Foreign((f"{theirs}.{gain}",))


# What all have


def _residual(ours: str, theirs: str, level: Level) -> Iterator[tuple[str, Foreign]]:
    """The sub-layers of a residual branch (DConv); the LSTM comes before the attention."""
    plan = level.residual
    if plan is None:
        return
    inside = [kind for kind in ("lstm", "attention") if getattr(plan, kind)]
    last = 3 + len(inside)
    table = {"compress": "0", "norm1": "1", "expand": str(last), "norm2": str(last + 1)}
    for index in range(len(plan.dilations)):
        own, other = f"{ours}.residual.{index}", f"{theirs}.layers.{index}"
        yield from _affine(own, other, table)
        yield f"{own}.scale.gain", Foreign((f"{other}.{last + 3}.scale",))
        for place, kind in enumerate(inside):
            part, counterpart = f"{own}.inside.{place}.inner", f"{other}.{3 + place}"
            if kind == "attention":
                yield from _affine(part, counterpart, LOCAL_ATTENTION)
            else:
                assert plan.lstm is not None
                yield from _lstm(f"{part}.lstm", counterpart, plan.lstm.layers)


def _lstm(ours: str, theirs: str, layers: int) -> Iterator[tuple[str, Foreign]]:
    """An LSTM of torch under the same names, and the matrix after it."""
    yield from _one(f"{ours}.linear", f"{theirs}.linear")
    for layer in range(layers):
        for direction in ("", "_reverse"):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                name = f"lstm.{kind}_l{layer}{direction}"
                yield f"{ours}.{name}", Foreign((f"{theirs}.{name}",))


def _affine(ours: str, theirs: str, table: dict[str, str]) -> Iterator[tuple[str, Foreign]]:
    for name, foreign in table.items():
        yield from _one(f"{ours}.{name}", f"{theirs}.{foreign}")


def _one(ours: str, theirs: str) -> Iterator[tuple[str, Foreign]]:
    for kind in AFFINE:
        yield f"{ours}.{kind}", Foreign((f"{theirs}.{kind}",))


MOST_FAULTS_SHOWN = 5


def separator_from(checkpoint: Checkpoint, spec: Spec) -> Separator:
    """The spec's model with the checkpoint's weights, in evaluation mode.

    Raises:
        DataError: tensors that are missing, left over, or of another shape, by name.
        PlanError: the spec cannot be built.
    """
    model = build(spec)
    own = model.state_dict()
    state, faults = convert(checkpoint.state, own, names_for(checkpoint.state, spec))
    if faults:
        shown = faults[:MOST_FAULTS_SHOWN]
        more = len(faults) - len(shown)
        listed = "; ".join([*shown, *([f"… and {more} more"] if more else [])])
        raise DataError(f"does not hold the weights of {spec.name}: {listed}", path=checkpoint.path)
    model.load_state_dict(state)
    return model.eval()


def names_for(state: Mapping[str, object], spec: Spec) -> Names:
    """The table for a state dict: torchaudio's or the package `demucs`'s."""
    is_torchaudio = any(key.startswith("freq_encoder.") for key in state)
    return (torchaudio_names if is_torchaudio else demucs_names)(plan(spec))


def convert(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], names: Names
) -> tuple[State, list[str]]:
    """Our state dict from a foreign one, and what is wrong with it.

    Args:
        state: the foreign one; tensors without storage (on the meta device) will do to compare.
        own: ours, for names and shapes.
        names: what each of ours is made from.
    """
    converted: State = {}
    faults: list[str] = []
    used: set[str] = set()
    for ours, like in own.items():
        foreign = names.get(ours)
        if foreign is None:
            faults.append(f"no official system has our “{ours}”")
            continue
        used.update(foreign.keys)
        missing = [key for key in foreign.keys if key not in state]
        if missing:
            faults.append(f"“{missing[0]}” is missing")
            continue
        tensor = _fitted([state[key] for key in foreign.keys], like, foreign)
        if tensor.shape == like.shape:
            converted[ours] = tensor
        else:
            shapes = " and ".join(str(tuple(state[key].shape)) for key in foreign.keys)
            expected = tuple(like.shape)
            share = f" in each of {foreign.parts} parts" if foreign.parts > 1 else ""
            faults.append(f"“{foreign.keys[0]}” has shape {shapes}, our “{ours}” {expected}{share}")
    left = [key for key in state if key not in used]
    return converted, faults + [f"“{key}” has no place in the model" for key in left]


def _fitted(tensors: list[Tensor], like: Tensor, foreign: Foreign) -> Tensor:
    """The foreign tensors in our shape, where one-dimensional convolutions allow it."""
    tensor = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
    if foreign.parts > 1 and tensor.dim() and len(tensor) % foreign.parts == 0:
        tensor = tensor.chunk(foreign.parts)[foreign.part]
    if tensor.dim() == 3 and like.dim() == 4:
        return tensor.unsqueeze(2)  # [C_out, C_in, taps] → one row
    if tensor.dim() == 3 and like.dim() == 2 and tensor.shape[-1] == 1:
        return tensor.squeeze(-1)  # a convolution of one tap is a matrix
    return tensor
