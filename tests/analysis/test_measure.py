"""How numbers read in a report."""

import pytest

from msdemucs.analysis.measure import measure_of
from msdemucs.units import MISSING, signed_percent


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.001, "0.00 dB"), (-0.01, "−0.01 dB"), (-10.004, "−10.00 dB"), (float("nan"), MISSING)],
)
def test_nothing_has_no_sign(value: float, text: str) -> None:
    assert measure_of("usdr_db").text(value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(-0.0001, "+0.0 %"), (0.0, "+0.0 %"), (-0.118, "−11.8 %"), (2.0, "+200.0 %")],
)
def test_changes_have_a_sign(ratio: float, text: str) -> None:
    assert signed_percent(ratio).replace("\N{NO-BREAK SPACE}", " ") == text
