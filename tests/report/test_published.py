"""The published notes' systems: as the notes give them, and beside a study's own."""

import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.cost import thop_count
from msdemucs.report.figures.sizes import MOST_SIZED, Sized, published, sized_trials
from msdemucs.report.views import size_view
from msdemucs.spec import dump_spec, load_spec
from tests.records import amend, make_large_record, make_record

MACS = measure_of("macs_per_second")


@pytest.mark.parametrize("system", published(), ids=lambda system: system.name)
def test_published_sizes_are_those_that_thop_counts_in_the_zoo(system: Sized) -> None:
    spec = load_spec(system.name)
    ours = thop_count(spec)
    # the notes round to two decimals of 1e9 MACs of a segment and of 1e6 parameters
    segment = float(spec.segment)
    assert system.macs_per_second * segment == pytest.approx(ours.macs, abs=0.006e9)
    assert system.parameters == pytest.approx(ours.parameters, abs=0.011e6)


def test_a_studys_trials_are_counted_alike() -> None:
    record = amend(make_record(), 1, spec=dump_spec(load_spec("htdemucs_n")))
    (own,) = [one for one in sized_trials(Findings(record)) if one.trial == 1]
    (theirs,) = [one for one in published() if one.name == "htdemucs_n"]
    assert own.macs_per_second == pytest.approx(theirs.macs_per_second, rel=1e-3)
    assert own.parameters == pytest.approx(theirs.parameters, rel=1e-3)


def test_few_trials_stand_beside_them() -> None:
    record = make_large_record(200)
    assert len(sized_trials(Findings(record))) <= MOST_SIZED
    view = size_view(Findings(record))
    assert view is not None
    assert "not SDR" in "".join(part.text for part in view.caption)
    assert size_view(Findings(make_record([]))) is None
