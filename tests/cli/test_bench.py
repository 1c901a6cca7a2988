"""`msdemucs bench` as a user types it."""

import json
import re

import pytest

from tests.cli.test_spec import msdemucs

TINY = [
    "--set",
    "channels.start=4",
    "--set",
    "depth=3",
    "--set",
    "segment=4",
    "--set",
    "sample_rate=8000",
]


@pytest.mark.slow
def test_json_has_times_and_the_machine() -> None:
    few = ["--warmup", "0", "--repeats", "2", "--threads", "1", "--json"]
    run = msdemucs("bench", "htdemucs_nc", *TINY, *few)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert 0 < found["latency_ms_p50"] <= found["latency_ms_p95"]
    assert found["rtf"] == pytest.approx(found["latency_ms_p50"] / 4000)  # a segment of 4 s
    assert found["track_rtf"] == pytest.approx(found["track_seconds"] / 180)
    assert (found["threads"], found["batch"]) == (1, 1)
    assert found["machine"]["cores"] >= 1
    assert re.search(r"^on cpu: .+\nabout .+ by the first run: 0 more to warm up", run.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "tpu"], "--device tpu cannot be used"),
        (["--precision", "int4"], "int4"),
        (["--set", "depth=x"], "must be a whole number"),
    ],
)
def test_wrong_input_exits_with_2(arguments: list[str], message: str) -> None:
    run = msdemucs("bench", "htdemucs_nc", *TINY, *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert "Traceback" not in run.stderr
