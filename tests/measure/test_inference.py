"""What an allocator's refusal becomes."""

import pytest
import torch

from msdemucs.errors import MsdemucsError
from msdemucs.measure.inference import memory_explained


@pytest.mark.parametrize("ask", [lambda: torch.empty(1 << 60), lambda: bytearray(1 << 62)])
def test_an_allocator_that_refuses_is_explained(ask: object) -> None:
    refused = pytest.raises(MsdemucsError, match=r"^out of memory .*; use less$")
    with refused, memory_explained("use less"):
        ask()  # type: ignore[operator]


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shape"), memory_explained("use less"):
        torch.zeros(3).reshape(2, 2)
