"""What each level of a spec sees: strides, receptive fields, resolutions, latency.

Receptive fields are those of the convolutions and transforms alone. Norms and the normalisation of
the mixture look at a whole segment, and so do attention and LSTMs: no system of this family is
causal, and its algorithmic latency is a segment.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msdemucs.cost.account import NodeCost, cost_of
from msdemucs.cost.formulas import activations
from msdemucs.cost.memory import BYTES
from msdemucs.spec import Plan, Resolution, Spec, plan
from msdemucs.spec.levels import Axis, EncoderLevel, Shift
from msdemucs.spec.plan import BranchPlan, PlanNode


@dataclass(frozen=True)
class View:
    """What one position of a feature map stands for.

    Attributes:
        stride: samples of the mixture from one frame to the next.
        samples: of the mixture that one position sees.
        row_hz: hertz from one row to the next; None on the waveform's single row.
        seen_hz: hertz that one position sees; None likewise.
    """

    stride: float
    samples: float
    row_hz: float | None
    seen_hz: float | None


@dataclass(frozen=True)
class Explained:
    """A node of the plan with what it costs and sees.

    Attributes:
        view: of what leaves an encoder's level; None elsewhere.
        activation_bytes: what training keeps of it for the way back, for one segment, as float32.
    """

    node: PlanNode
    cost: NodeCost
    view: View | None
    activation_bytes: int


@dataclass(frozen=True)
class Explanation:
    """A spec, level by level.

    Attributes:
        parts: every node in the order in which audio meets it.
        bottleneck: the views of the deepest maps, by the branch's name or "trunk".
        shortest: samples of the shortest mixture; shorter ones are padded inside.
        latency_seconds: until the first estimate of a stream can be given: a segment, since norms
            look at all of it.
        lookahead_seconds: what convolutions and transforms alone would need of the future, on
            their way to the deepest map.
    """

    parts: tuple[Explained, ...]
    bottleneck: dict[str, View]
    shortest: int
    latency_seconds: float
    lookahead_seconds: float


def explain(spec: Spec) -> Explanation:
    """What every level of a spec costs and sees.

    Raises:
        PlanError: the spec cannot be built.
    """
    resolved = plan(spec)
    views = dict(_views(resolved))
    parts = tuple(
        Explained(
            node,
            priced,
            views.get(node.path),
            BYTES * sum(activations(operator) for operator in node.operators),
        )
        for node, priced in zip(resolved.nodes, cost_of(resolved).nodes, strict=True)
    )
    if resolved.trunk:
        deepest = {"trunk": views[f"trunk.encoder.{len(resolved.trunk.encoder) - 1}"]}
    else:
        last = spec.depth - 1
        deepest = {b.name: views[f"{b.name}.encoder.{last}"] for b in resolved.branches}
    return Explanation(
        parts,
        deepest,
        resolved.shortest,
        spec.n_samples / spec.sample_rate,
        max(view.samples for view in deepest.values()) / 2 / spec.sample_rate,
    )


def _views(resolved: Plan) -> Iterator[tuple[str, View]]:
    """The view after each encoder level, by the node's path."""
    last = []
    for branch in resolved.branches:
        view = _first(branch, resolved.spec)
        for index, level in enumerate(branch.encoder):
            view = _through(view, level, level.shifts[0])
            yield f"{branch.name}.encoder.{index}", view
        last.append(view)
    if resolved.trunk is None:
        return
    for index, level in enumerate(resolved.trunk.encoder):
        seen = [
            _through(view, level, shift) for view, shift in zip(last, level.shifts, strict=True)
        ]
        view = replace(seen[0], samples=max(one.samples for one in seen), row_hz=None, seen_hz=None)
        last = [view]
        yield f"trunk.encoder.{index}", view


def _first(branch: BranchPlan, spec: Spec) -> View:
    """One position of what a branch's front end gives."""
    if isinstance(branch.front, Resolution):
        row_hz = spec.sample_rate / branch.front.n_fft
        # a Hann window's main lobe is four rows wide
        return View(branch.front.hop_length, branch.front.n_fft, row_hz, 4 * row_hz)
    one = 1 / branch.front.options.resample
    return View(one, one, None, None)


def _through(view: View, level: EncoderLevel, shift: Shift) -> View:
    """The view after a level's strided convolution, residual branch and rewrite."""
    if shift.axis is Axis.ROWS:
        assert view.row_hz is not None
        assert view.seen_hz is not None
        seen_hz = view.seen_hz + (shift.kernel_size - 1) * view.row_hz
        view = replace(view, seen_hz=seen_hz, row_hz=view.row_hz * shift.stride)
    else:
        samples = view.samples + (shift.kernel_size - 1) * view.stride
        view = replace(view, samples=samples, stride=view.stride * shift.stride)
    rows, frames = level.rewrite or (1, 1)
    if view.row_hz is not None and view.seen_hz is not None:
        view = replace(view, seen_hz=view.seen_hz + (rows - 1) * view.row_hz)
    dilations = level.residual.dilations if level.residual else ()
    reach = frames - 1 + sum(2 * dilation for dilation in dilations)  # three taps each
    return replace(view, samples=view.samples + reach * view.stride)
