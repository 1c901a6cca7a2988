"""Shapes of the published systems, as their sheets give them, and of drawn ones."""

import pytest
from hypothesis import given

from msdemucs.spec import load_spec, plan
from msdemucs.spec.levels import Axis, Grid
from msdemucs.spec.plan import WaveformFront
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


# Channels, rows and frames after each level of the spectral branch, channels and samples of the
# waveform branch, and channels and frames of the trunk. shared/systems: base.md sections 3.3 and 4,
# p_i_c_s.md sections 1.4, 2.4, 3.4 and 4.4, d_d2_d3_d4.md section 2, n_nn_….md sections 3A and 6.
STAGES = {
    "hdemucs": (
        [(4, 2048, 431), (48, 512, 431), (96, 128, 431), (192, 32, 431), (384, 8, 431)],
        [(2, 441000), (48, 110250), (96, 27563), (192, 6891), (384, 1723)],
        [(768, 431), (1536, 216)],
    ),
    "hdemucs_low": (
        [(4, 512, 1723), (48, 128, 1723), (96, 32, 1723), (192, 8, 1723)],
        [(2, 441000), (48, 110250), (96, 27563), (192, 6891)],
        [(384, 1723), (768, 862)],
    ),
    "hdemucs_medium": (
        [(4, 1024, 862), (48, 256, 862), (96, 64, 862), (192, 16, 862), (384, 4, 862)],
        [(2, 441000), (48, 110250), (96, 27563), (192, 6891), (384, 1723)],
        [(768, 862), (1536, 431)],
    ),
    "htdemucs_p": (
        [(4, 2048, 345), (40, 512, 345), (80, 128, 345), (160, 32, 345), (320, 8, 345)],
        [(2, 352800), (40, 88200), (80, 22050), (160, 5513), (320, 1379)],
        [(640, 345), (1280, 173)],
    ),
    "htdemucs_i": (
        [(4, 4096, 44), (148, 512, 44), (296, 64, 44), (592, 8, 44)],
        [(2, 176400), (148, 22050), (296, 2757), (592, 345)],
        [(592, 44), (592, 43), (592, 42)],
    ),
    "htdemucs_c": (
        [(4, 4096, 431), (38, 1024, 431), (76, 256, 431), (152, 64, 431), (304, 16, 431)],
        [(2, 441000), (38, 110250), (76, 27563), (152, 6891), (304, 1723)],
        [(608, 431), (1216, 216)],
    ),
    "htdemucs_s": (
        [(4, 4096, 431), (96, 512, 431), (192, 64, 431), (384, 8, 431)],
        [(2, 441000), (96, 55125), (192, 6891), (384, 862)],
        [],
    ),
    "htdemucs_d": (
        [
            (4, 4096, 87),
            *((128, 512, 87), (256, 128, 87), (256, 32, 87)),
            *((256, 16, 87), (256, 8, 87), (512, 7, 87)),
        ],
        [
            (2, 176400),
            *((128, 22050), (256, 5513), (256, 1379), (256, 690), (256, 345), (512, 344)),
        ],
        [],
    ),
    "htdemucs_d2": (
        [
            (4, 4096, 216),
            *((108, 512, 216), (216, 128, 216), (216, 32, 216)),
            *((432, 16, 216), (432, 8, 216), (864, 4, 216)),
        ],
        [
            (2, 441000),
            *((108, 55125), (216, 13782), (216, 3446), (432, 1723), (432, 862), (864, 431)),
        ],
        [],
    ),
    "htdemucs_d3": (
        [
            (4, 4096, 431),
            *((24, 1024, 431), (60, 256, 431), (120, 128, 431), (240, 64, 431), (360, 32, 431)),
        ],
        [(2, 441000), (24, 110250), (60, 27563), (120, 13782), (240, 6891), (360, 3446)],
        [],
    ),
    "htdemucs_d4": (
        [
            (4, 4096, 431),
            *((64, 1024, 431), (96, 256, 431), (144, 64, 431), (216, 16, 431), (432, 4, 431)),
        ],
        [(2, 441000), (64, 110250), (96, 27563), (144, 6891), (216, 1723), (432, 431)],
        [],
    ),
}


@pytest.mark.parametrize("name", list(STAGES))
def test_every_stage_has_the_sheets_sizes(name: str) -> None:
    spectral, waveform, trunk = STAGES[name]
    resolved = plan(load_spec(name))
    assert sizes(name, 0) == spectral
    assert sizes(name, 1) == [(channels, 1, samples) for channels, samples in waveform]
    levels = resolved.trunk.encoder if resolved.trunk else ()
    assert [(level.output.channels, level.output.frames) for level in levels] == trunk


def test_nf_has_the_sheets_sizes_at_every_resolution() -> None:
    assert [sizes("htdemucs_nf", branch)[0][1:] for branch in range(5)] == [
        (512, 1723),
        (1024, 862),
        (2048, 431),
        (4096, 216),
        (8192, 108),
    ]
    assert [sizes("htdemucs_nf", branch)[-1][1] for branch in range(5)] == [2, 4, 8, 16, 32]


def test_nc_has_the_sheets_lengths() -> None:
    lengths = [frames for _, _, frames in sizes("htdemucs_nc", 0)]
    assert lengths == [441000, 220500, 110250, 55125, 27563, 13782, 6891, 3446]


def test_demucs_pads_to_a_length_that_its_levels_divide() -> None:
    front = plan(load_spec("demucs")).branches[0].front
    assert isinstance(front, WaveformFront)
    assert (front.length(441000), front.length(1)) == (441002, 4778)  # base.md, section 2.3


@pytest.mark.parametrize(
    ("name", "samples"),
    # p_i_c_s.md section 2.6 and d_d2_d3_d4.md section 4: shorter ones fail in the originals
    [("htdemucs_i", 8193), ("htdemucs_d", 513), ("htdemucs_d2", 1), ("hdemucs", 1)],
)
def test_the_shortest_mixture_is_the_sheets(name: str, samples: int) -> None:
    assert plan(load_spec(name)).shortest == samples


@pytest.mark.parametrize(
    ("name", "streams"),
    [
        # tokens of each site's streams. p_i_c_s.md sections 1.4, 2.4 and 4.4
        (
            "htdemucs_p",
            {
                "encoder 2": (11040, 5513),
                "encoder 4": (345,),
                "decoder 0": (345,),
                "decoder 2": (11040, 5513),
            },
        ),
        (
            "htdemucs_i",
            {
                "encoder 2": (352, 345),
                "encoder 4": (43,),
                "decoder 0": (43,),
                "decoder 2": (352, 345),
            },
        ),
        ("htdemucs_s", {"bottleneck": (3448, 862)}),
        ("htdemucs_d", {"bottleneck": (609, 344)}),
        ("htdemucs_d4", {"bottleneck": (1724, 431)}),
    ],
)
def test_tokens_that_attend_are_the_sheets(name: str, streams: dict[str, tuple[int, ...]]) -> None:
    sites = plan(load_spec(name)).sites
    found = {site.place: tuple(grid.positions for grid in site.streams) for site in sites}
    assert found == streams


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
