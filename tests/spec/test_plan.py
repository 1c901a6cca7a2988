"""Shapes of the published systems, as their sheets give them, and of drawn ones."""

from hypothesis import given

from msdemucs.spec import load_spec, plan
from msdemucs.spec.levels import Axis, Grid
from tests.specs import build_or_none, spec_data


def sizes(name: str, branch: int) -> list[tuple[int, int, int]]:
    """C, F and T before the first level and after each."""
    levels = plan(load_spec(name)).branches[branch].encoder
    grids = [levels[0].shifts[0].outer, *(level.output for level in levels)]
    return [(grid.channels, grid.rows, grid.frames) for grid in grids]


def test_htdemucs_has_the_sheets_sizes() -> None:
    # shared/systems/base.md, section 5.2, for 441000 samples
    assert sizes("htdemucs", 0) == [
        (4, 2048, 431),
        (48, 512, 431),
        (96, 128, 431),
        (192, 32, 431),
        (384, 8, 431),
    ]
    assert sizes("htdemucs", 1) == [
        (2, 1, 441000),
        (48, 1, 110250),
        (96, 1, 27563),
        (192, 1, 6891),
        (384, 1, 1723),
    ]


def test_htdemucs_n_has_the_sheets_sizes_at_every_resolution() -> None:
    # shared/systems/n_nn_nf_dnf_dn_nc.md, section 1.5
    assert [sizes("htdemucs_n", branch)[-1] for branch in range(4)] == [
        (192, 4, 862),
        (192, 8, 431),
        (192, 16, 216),
        (192, 1, 1723),
    ]
    assert sizes("htdemucs_n", 2) == [
        (4, 4096, 216),
        (24, 1024, 216),
        (48, 256, 216),
        (96, 64, 216),
        (192, 16, 216),
    ]


def test_attention_sees_the_middle_resolution_and_the_waveform() -> None:
    site = plan(load_spec("htdemucs_n")).site("bottleneck")
    assert site is not None
    assert site.streams == (Grid(192, 8, 431), Grid(192, 1, 1723))


def test_one_resolution_is_not_fused_at_the_bottleneck() -> None:
    overrides = {"spectral.resolutions": [4096]}
    assert plan(load_spec("htdemucs_n", overrides=overrides)).fusion is None
    assert plan(load_spec("htdemucs_n")).fusion is not None


@given(spec_data())
def test_a_decoder_mirrors_its_encoder(data: dict[str, object]) -> None:
    spec = build_or_none(data)
    if spec is None:
        return
    for branch in plan(spec).branches:
        for down, up in zip(branch.encoder, reversed(branch.decoder), strict=True):
            (there,), (back,) = down.shifts, up.shifts
            assert up.input == down.output
            assert (back.kernel_size, back.stride) == (there.kernel_size, there.stride)
            for axis in Axis:
                assert back.outer.along(axis) == there.outer.along(axis)
