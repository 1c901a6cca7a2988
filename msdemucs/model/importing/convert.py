"""From an official state dict to one of ours: every tensor used, every parameter filled."""

from collections.abc import Mapping

import torch
from torch import Tensor

from msdemucs.errors import DataError
from msdemucs.model.build import build
from msdemucs.model.importing.checkpoints import Checkpoint, State
from msdemucs.model.importing.names import Foreign, Names, demucs_names, torchaudio_names
from msdemucs.model.separator import Separator
from msdemucs.spec import Spec, plan

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
            found = " and ".join(str(tuple(state[key].shape)) for key in foreign.keys)
            wanted = tuple(like.shape)
            share = f" in each of {foreign.parts} parts" if foreign.parts > 1 else ""
            faults.append(f"“{foreign.keys[0]}” has shape {found}, our “{ours}” {wanted}{share}")
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
