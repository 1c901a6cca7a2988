"""How much memory do the activations of a segment take at most? From the plan alone."""

from dataclasses import dataclass, field

from msdemucs.cost.memory.attention import attend
from msdemucs.cost.memory.fusion import fuse, fuse_estimates, give_back
from msdemucs.cost.memory.parts import decode, encode, lstm
from msdemucs.cost.memory.tape import Tape, Tensor
from msdemucs.cost.memory.transforms import analyse, synthesise
from msdemucs.spec import Plan
from msdemucs.spec.fusion import Estimates
from msdemucs.spec.levels import Grid
from msdemucs.spec.plan import BranchPlan, TrunkPlan

BYTES = 4
"""Of one float32 value."""


def inference_bytes(plan: Plan, *, batch: int = 1) -> int:
    """The most that a forward pass holds beside the model and the mixture.

    In float32, as torch holds it on the CPU with oneDNN, in evaluation mode without gradients.

    Args:
        plan: of the spec.
        batch: segments at a time.
    """
    tape = Tape(is_training=False, batch=batch)
    _Forward(plan, tape).estimates()
    return BYTES * tape.peak


def training_bytes(plan: Plan, *, batch: int = 1) -> int:
    """The most that a forward and a backward pass hold beside model, gradients and batch.

    In float32, as torch holds it on the CPU with oneDNN, with the L1 loss. An optimiser's state
    comes on top: with Adam, weights, gradients and state take 16 bytes a parameter.

    Args:
        plan: of the spec.
        batch: segments at a time.
    """
    tape = Tape(is_training=True, batch=batch)
    estimates = _Forward(plan, tape).estimates()
    tape.scratch(estimates.size)
    loss = tape.apply(1, (estimates,), kept=(estimates,), extra=estimates.size)
    del estimates
    tape.backward(loss)
    return BYTES * tape.peak


@dataclass
class _Signal:
    """What a branch carries, as `model.branch.Signal`."""

    features: Tensor
    skips: list[Tensor] = field(default_factory=list)


class _Forward:
    """The forward pass of a plan, as `model.separator.Separator.forward`."""

    def __init__(self, plan: Plan, tape: Tape) -> None:
        self.plan, self.tape = plan, tape

    def estimates(self) -> Tensor:
        """What it returns."""
        plan, tape, spec = self.plan, self.tape, self.plan.spec
        mixture = tape.input(spec.audio_channels * spec.n_samples)
        branches = plan.branches
        signals = [_Signal(analyse(tape, branch, mixture)) for branch in branches]
        paths = list(zip(branches, signals, strict=True))
        outer = len(branches[0].encoder)
        for level in range(outer):
            for branch, signal in (*paths[len(plan.spectral) :], *paths[: len(plan.spectral)]):
                signal.features = encode(tape, branch.encoder[level], [signal.features])
                signal.skips.append(signal.features)
            self.exchange(f"encoder {level}", signals, [b.encoder[level].output for b in branches])
            for branch, signal in paths[: len(plan.spectral)]:
                self.embed(branch, signal, level)
        self.core(signals)
        inner = spec.depth - outer
        for level in range(outer):
            for branch, signal in paths:
                skip = signal.skips.pop()
                (signal.features,) = decode(tape, branch.decoder[level], signal.features, skip)
                del skip
            place = f"decoder {inner + level}"
            self.exchange(place, signals, [b.decoder[level].output for b in branches])
        return self.output(paths)

    def embed(self, branch: BranchPlan, signal: _Signal, level: int) -> None:
        """The frequency embedding after the first level."""
        if level == 0 and branch.embedding:
            table = branch.embedding.rows * branch.embedding.channels
            x = signal.features
            signal.features = self.tape.apply(x.size, (), passed=(x,), parameters=table)
        signal.skips[-1] = signal.features

    def output(self, paths: list[tuple[BranchPlan, _Signal]]) -> Tensor:
        """The branches' estimates, fused."""
        tape, plan, spec = self.tape, self.plan, self.plan.spec
        size = len(spec.sources) * spec.audio_channels * spec.n_samples
        waveforms = [synthesise(tape, branch, signal.features, size) for branch, signal in paths]
        count = len(plan.spectral)
        if not count:
            return waveforms[0]
        is_heard = bool(spec.waveform and spec.waveform.estimate != "discard")
        stacked = tape.apply(count * size, (), passed=waveforms[:count])
        made_of = Estimates(count, len(spec.sources), spec.audio_channels, spec.n_samples)
        fused = fuse_estimates(spec.fusion.output, tape, made_of, stacked)
        del stacked
        return tape.add(fused, waveforms[count]) if is_heard else fused

    def exchange(self, place: str, signals: list[_Signal], grids: list[Grid]) -> None:
        """What happens between the branches at a place."""
        maps = self.at(place, [signal.features for signal in signals], grids)
        for signal, features in zip(signals, maps, strict=True):
            signal.features = features

    def core(self, signals: list[_Signal]) -> None:
        """The deepest levels of the branches on their own, and all between them."""
        if self.plan.trunk is None:
            grids = [branch.bottom for branch in self.plan.branches]
            maps = self.bottleneck([signal.features for signal in signals], grids)
        else:
            maps = self.trunk(self.plan.trunk, [signal.features for signal in signals])
        for signal, features in zip(signals, maps, strict=True):
            signal.features = features

    def trunk(self, trunk: TrunkPlan, maps: list[Tensor]) -> list[Tensor]:
        """Down and up again, as `model.meeting.Trunk`."""
        outer = self.plan.spec.depth - len(trunk.encoder)
        skips = []
        inside = maps
        for index, level in enumerate(trunk.encoder):
            made = [encode(self.tape, level, inside)]
            inside = self.at(f"encoder {outer + index}", made, [level.output])
            skips.append(inside[0])
        inside = self.bottleneck(inside, [trunk.encoder[-1].output])
        for index, up in enumerate(trunk.decoder):
            made = decode(self.tape, up, inside[0], skips.pop())
            inside = self.at(f"decoder {index}", made, [up.output])
        return inside

    def bottleneck(self, maps: list[Tensor], grids: list[Grid]) -> list[Tensor]:
        """An LSTM, attention, or nothing."""
        spec = self.plan.spec
        if spec.decoder_start == "zeros":
            return [self.tape.make(x.size) for x in maps]
        if spec.lstm:
            maps = [lstm(self.tape, spec.lstm.layers, grids[0].channels, maps[0])]
        return self.at("bottleneck", maps, grids)

    def at(self, place: str, maps: list[Tensor], grids: list[Grid]) -> list[Tensor]:
        """Fuse, attend, give back."""
        site = self.plan.site(place)
        if site is None:
            return maps
        count = site.n_spectral
        streams = list(maps)
        is_fused = self.plan.fusion is not None and count > 1
        if is_fused:
            streams = [fuse(self.tape, grids[:count], maps[:count]), *maps[count:]]
        for index in site.blocks:
            streams = attend(self.tape, self.plan.blocks[index], list(site.streams), streams)
        if not is_fused:
            return streams
        return [*give_back(self.tape, grids[:count], maps[:count], streams[0]), *streams[1:]]
