"""Do the scripts that nobody can run here do what they will do where somebody can?"""

import csv
from pathlib import Path

import pytest

from benchmarks import gpu


@pytest.mark.slow
def test_on_the_cpu_nothing_but_the_device_is_new_to_the_gpu_benchmark(tmp_path: Path) -> None:
    output = tmp_path / "gpu.csv"
    words = ["--device", "cpu", "--quick", "--output", str(output), "--only"]
    assert gpu.main([*words, "correctness", "speed", "data", "memory"]) == 0
    with output.open() as file:
        assert file.readline().startswith("# ")
        rows = list(csv.DictReader(file))
    assert [row for row in rows if row["figure"] == "failed"] == []
    told = {(row["section"], row["figure"]) for row in rows}
    assert {
        ("correctness", "estimates, float32, apart"),
        ("correctness", "gradients, bf16, apart"),
        ("correctness", "inverse, apart"),
        ("correctness", "weights after 6 steps, apart"),
        ("speed", "times real time, bfloat16"),
        ("data", "share of speed that is kept"),
        ("memory", "said / allocated, training"),
    } <= told
    assert {"attention: cross", "fusion.bottleneck: mean", "fusion.output: attention"} <= {
        row["what"] for row in rows
    }
    exact = [float(row["value"]) for row in rows if row["figure"] == "gradients, float32, apart"]
    assert exact
    assert set(exact) == {0.0}  # the device against itself


def test_a_row_that_misses_its_goal_in_correctness_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(table: gpu.Table, *_: object) -> None:
        table.add("a system", "estimates, float32, apart", 0.5, at_most=gpu.EXACT)
        with table.noting("another"):
            raise RuntimeError("no kernel image")

    monkeypatch.setitem(gpu.SECTIONS, "correctness", wrong)
    output = tmp_path / "gpu.csv"
    words = ["--device", "cpu", "--quick", "--output", str(output), "--only", "correctness"]
    assert gpu.main(words) == 1
    with output.open() as file:
        file.readline()
        missed, failed = csv.DictReader(file)
    assert (missed["value"], missed["goal"], missed["is_met"]) == ("0.5", "≤ 0.0001", "no")
    assert (failed["figure"], failed["value"]) == ("failed", "RuntimeError: no kernel image")
