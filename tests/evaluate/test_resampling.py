"""Resampled blocks against the resampled whole."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchaudio.functional import resample

from msdemucs.evaluate.audio import BlockResampler


@settings(max_examples=40)
@given(
    old=st.sampled_from([8000, 11025, 44100, 48000, 96000]),
    new=st.sampled_from([8000, 16000, 44100, 48000]),
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=8),
)
def test_resampled_blocks_joined_are_the_resampled_whole(
    old: int, new: int, sizes: list[int]
) -> None:
    whole = torch.randn((2, sum(sizes)), generator=torch.Generator().manual_seed(len(sizes)))
    resampler = BlockResampler(old, new)
    found = [resampler.push(block) for block in torch.split(whole, sizes, dim=1)]
    rest = resampler.finish()
    joined = torch.cat([*found, *([] if rest is None else [rest])], dim=1)
    torch.testing.assert_close(joined, resample(whole, old, new), rtol=0, atol=1e-6)
