"""The published implementations beside ours: same weights, same input, how far apart?"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torchaudio
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import Tensor, nn

from msdemucs import Separator, build, load_spec
from msdemucs.data.synthetic import make_song
from msdemucs.model.importing import Checkpoint, separator_from
from msdemucs.model.importing.names import convert, names_for
from msdemucs.spec import Spec

FOUR = ("drums", "bass", "other", "vocals")
SIX = (*FOUR, "guitar", "piano")

SMALL_SEGMENT = 2.0
"""Seconds: long enough for an LSTM in spans, of hdemucs_low."""


@dataclass(frozen=True)
class Pair:
    """A system of the zoo and how the peer makes it.

    Attributes:
        peer: its class.
        arguments: of its constructor, beside sources and channels.
        sources: in order.
        width: channels of the first level at full size.
        small: overrides of the spec where the first level has 16 channels.
        small_arguments: of the peer's constructor, likewise.
    """

    peer: Callable[..., nn.Module]
    arguments: Mapping[str, object] = field(default_factory=dict)
    sources: tuple[str, ...] = FOUR
    width: int = 48
    small: Mapping[str, object] = field(default_factory=dict)
    small_arguments: Mapping[str, object] = field(default_factory=dict)


V2 = {
    "normalize": False,
    "dconv_mode": 0,
    "gelu": False,
    "lstm_layers": 2,
    "norm_starts": 6,
}

# Sub-layers of one or two channels are normalised to signs, whose gradients are rounding errors.
WIDER = {"residual.compress": 4}
WIDER_ARGUMENTS = {"dconv_comp": 4}
# The norm that torchaudio never uses has a weight and a bias for each of 256 channels.
UNUSED = {"init.unused": 512}

PAIRS = {
    "demucs": Pair(Demucs, V2, width=64),
    "hdemucs": Pair(HDemucs),
    "htdemucs": Pair(HTDemucs, small=WIDER, small_arguments=WIDER_ARGUMENTS),
    "htdemucs_released": Pair(
        HTDemucs,
        {"dconv_mode": 3, "bottom_channels": 512},
        small={**WIDER, "attention.0.width": 96},
        small_arguments={**WIDER_ARGUMENTS, "bottom_channels": 96},
    ),
    "htdemucs_6s": Pair(
        HTDemucs,
        {"dconv_mode": 3},
        sources=SIX,
        small=WIDER,
        small_arguments=WIDER_ARGUMENTS,
    ),
    "hdemucs_low": Pair(torchaudio.models.HDemucs, {"nfft": 1024, "depth": 5}),
    "hdemucs_medium": Pair(torchaudio.models.HDemucs, {"nfft": 2048, "depth": 6}, small=UNUSED),
    "hdemucs_high": Pair(torchaudio.models.HDemucs, {"nfft": 4096, "depth": 6}, small=UNUSED),
}


@dataclass(frozen=True)
class Deviation:
    """How far ours is from the peer's.

    Attributes:
        outputs: the largest difference, as a share of the output's peak.
        gradients: the same of the input's gradient and of each parameter's, the worst of them. A
            module's parameters share one peak: the bias of an attention's keys has a gradient of
            rounding errors alone, as it adds the same to all scores that are compared.
        worst: whose gradient that is.
    """

    outputs: float
    gradients: float
    worst: str


def make(name: str, *, small: bool) -> tuple[Separator, nn.Module]:
    """Ours and the peer's, in evaluation mode, with the same weights, all of them moved.

    The peer calculates in float64, so that what is measured are our rounding errors alone. Where
    nobody else publishes the system, the peer is ours in float64.
    """
    if name not in PAIRS:
        ours = build(load_spec(name)).eval()
        perturb(ours)
        return ours, copy.deepcopy(ours).double()
    pair = PAIRS[name]
    arguments = {"channels": pair.width, **pair.arguments}
    overrides: Mapping[str, object] = {}
    if small:
        arguments |= {"channels": 16, **pair.small_arguments}
        overrides = {"channels.start": 16, "segment": SMALL_SEGMENT, **pair.small}
    peer = pair.peer(list(pair.sources), **arguments).eval()
    perturb(peer)
    peer.__dict__["use_train_segment"] = False
    return imported(peer, load_spec(name, overrides=overrides)), peer.double()


def imported(peer: nn.Module, spec: Spec) -> Separator:
    """Ours with the peer's weights."""
    return separator_from(Checkpoint(peer.state_dict(), "peer"), spec)


def perturb(model: nn.Module) -> None:
    """Move every value of every tensor, so that all that is built matters.

    Fresh weights would hide much of it: layer scales are next to nothing, attention is nearly the
    same for all tokens, LSTMs forget within a few frames, and rescaling has left the decays of
    local attention where a sigmoid is 0 (shared/systems/base.md, section 9, item 12).
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.1 if parameter.dim() == 1 else 0.3 * float(parameter.std())
            parameter.add_(spread * torch.randn_like(parameter))
            if name.endswith(".scale"):
                parameter.normal_(std=0.3)
            elif name.endswith(("in_proj_weight", ".query.weight", ".key.weight")):
                parameter.mul_(2)
            elif ".bias_ih_" in name:
                parameter.normal_(std=2)
            elif name.endswith("query_decay.bias"):
                parameter.normal_(mean=-1)


def noise(n_samples: int) -> Tensor:
    """White, neither of zero mean nor of unit deviation [1, 2, N]."""
    return 0.2 * torch.randn(1, 2, n_samples) + 0.1


def music(n_samples: int) -> Tensor:
    """The embedded band [1, 2, N]."""
    song = make_song(1, 0, n_samples / 44100)
    return torch.from_numpy(sum(song.stems.values())).float()[None, :, :n_samples]


def music_and_pause(n_samples: int) -> Tensor:
    """A tenth of music, then digital silence: most of each map is nearly constant."""
    mixture = music(n_samples)
    mixture[..., n_samples // 10 :] = 0
    return mixture


def click(n_samples: int) -> Tensor:
    """Silence around a few samples."""
    mixture = torch.zeros(1, 2, n_samples)
    middle = n_samples // 2
    mixture[..., middle : middle + 100] = 0.2 * torch.randn(100)
    return mixture


def nearly_constant(n_samples: int) -> Tensor:
    """An offset with a little noise."""
    return 0.3 + 1e-4 * torch.randn(1, 2, n_samples)


MIXTURES: dict[str, Callable[[int], Tensor]] = {
    "noise": noise,
    "music": music,
    "music and pause": music_and_pause,
    "click": click,
    "nearly constant": nearly_constant,
}


def compare(ours: Separator, peer: nn.Module, mixture: Tensor) -> Deviation:
    """Both on the same mixture, forward and back from the same random direction."""
    direction = torch.randn(1, len(ours.spec.sources), *mixture.shape[1:])
    estimates, gradient = _there_and_back(ours, mixture, direction)
    references, reference_gradient = _there_and_back(peer, mixture.double(), direction.double())
    found = {key: parameter.grad for key, parameter in ours.named_parameters()}
    wanted = _gradients(peer, ours)
    shares = {"input": _share(gradient, reference_gradient)}
    peaks: dict[str, float] = {}
    for key, right in wanted.items():
        owner = key.rpartition(".")[0]
        peaks[owner] = max(peaks.get(owner, 0.0), float(right.abs().max()))
    for key, right in wanted.items():
        mine = found[key]
        mine = torch.zeros_like(right) if mine is None else mine
        shares[key] = _share(mine, right, peak=peaks[key.rpartition(".")[0]])
    worst = max(shares, key=lambda key: shares[key])
    return Deviation(_share(estimates, references), shares[worst], worst)


def outputs_apart(ours: Separator, peer: nn.Module, mixture: Tensor) -> float:
    """The largest difference of both's estimates, as a share of the peak."""
    with torch.inference_mode():
        return _share(ours(mixture), peer(mixture.double()))


def _there_and_back(model: nn.Module, mixture: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """The estimates, and the input's gradient; those of the parameters stay with them."""
    model.zero_grad()
    mixture = mixture.clone().requires_grad_()
    estimates = model(mixture)
    (estimates * direction).sum().backward()
    assert mixture.grad is not None
    return estimates.detach(), mixture.grad


def _gradients(peer: nn.Module, ours: Separator) -> dict[str, Tensor]:
    """The peer's gradients under our names; zeros where it does not use a parameter."""
    gradients = {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in peer.named_parameters()
    }
    own = dict(ours.named_parameters())
    converted, faults = convert(gradients, own, names_for(gradients, ours.spec))
    assert not faults
    return converted


def _share(found: Tensor, wanted: Tensor, peak: float | None = None) -> float:
    """The largest difference as a share of the peak, by default that of what is wanted."""
    largest = float(wanted.detach().abs().max()) if peak is None else peak
    difference = float((found - wanted).detach().abs().max())
    return difference / largest if largest else difference
