"""What the ways into a branch's domain and back hold; mirrors `model.transforms`."""

from msdemucs.cost.memory.tape import Tape, Tensor
from msdemucs.spec import Resolution
from msdemucs.spec.levels import Grid
from msdemucs.spec.plan import BranchPlan, WaveformFront


def analyse(tape: Tape, branch: BranchPlan, mixture: Tensor) -> Tensor:
    """The mixture in the branch's domain, normalised."""
    features = _standardise(tape, branch, _into(tape, branch, mixture))
    # a waveform has one row: nothing to bring into another order unless there are channels
    return tape.make(features.size, features)


def _standardise(tape: Tape, branch: BranchPlan, features: Tensor) -> Tensor:
    is_raw = isinstance(branch.front, WaveformFront) and not branch.front.options.normalize
    if is_raw:
        return features
    return tape.make(features.size, tape.make(features.size, features))


def _into(tape: Tape, branch: BranchPlan, mixture: Tensor) -> Tensor:
    top = branch.encoder[0].shifts[0].outer
    front = branch.front
    if isinstance(front, Resolution):
        channels = top.channels // 2
        overlap = front.n_fft - front.hop_length
        padded = tape.make(channels * (top.frames * front.hop_length + overlap), mixture)
        windows = tape.make(channels * top.frames * front.n_fft, padded)
        spectrum = tape.make(channels * top.frames * (front.n_fft + 2), windows)
        return tape.make(top.elements, spectrum)
    if not front.fits and front.options.resample == 1:
        return mixture
    padded = tape.make(top.elements // front.options.resample, mixture)
    return _resample(tape, padded, top.elements, front.options.resample)


def _resample(tape: Tape, x: Tensor, size: int, factor: int) -> Tensor:
    if factor == 1:
        return x
    padded = tape.make(x.size, x)
    tape.scratch(8 * x.size)  # oneDNN takes the one channel for a block of eight
    return tape.make(size, tape.make(size, padded))


def synthesise(tape: Tape, branch: BranchPlan, features: Tensor, estimates: int) -> Tensor:
    """Waveforms of so many samples in all, the normalisation undone."""
    plain = tape.make(features.size, features)
    return _out_of(tape, branch, plain, estimates)


def _out_of(tape: Tape, branch: BranchPlan, features: Tensor, estimates: int) -> Tensor:
    front = branch.front
    top = branch.decoder[-1].shifts[0].outer
    if isinstance(front, Resolution):
        channels = features.size // (2 * top.positions)
        pairs = tape.make(channels * top.frames * (front.n_fft + 2), features)
        windows = tape.make(channels * top.frames * front.n_fft, pairs)
        del pairs
        waveforms = _overlap_add(tape, front, top, channels, tape.make(windows.size, windows))
        return tape.view(waveforms, estimates)
    return tape.view(_resample(tape, features, estimates, front.options.resample), estimates)


def _overlap_add(
    tape: Tape, front: Resolution, top: Grid, channels: int, windows: Tensor
) -> Tensor:
    overlap = front.n_fft // front.hop_length
    size = channels * (top.frames + overlap - 1) * front.hop_length
    total = tape.make(size, tape.view(windows, windows.size // overlap))
    for _ in range(overlap - 1):
        total = tape.add(total, tape.make(size, tape.view(windows, windows.size // overlap)))
    return tape.make(size, total)
