"""Rungs against the last step, and the control arm against the search."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from msdemucs.analysis.fidelity import FIDELITY_COLUMNS, control, fidelity, taus
from msdemucs.errors import UsageError
from msdemucs.study.records import RUNG_COLUMNS, SCORE_COLUMNS, TRIAL_COLUMNS, StudyRecord

N = 24


def made(
    rungs: dict[int, np.ndarray], *, costs: np.ndarray | None = None, state: str = "complete"
) -> StudyRecord:
    """A study whose trials have such scores at such steps; NaN for a step that is not reached."""
    n_trials = len(next(iter(rungs.values())))
    last = rungs[max(rungs)]
    costs = np.arange(1.0, n_trials + 1) if costs is None else costs
    trials = [
        {
            "trial": trial,
            "state": state,
            "usdr_db": last[trial],
            "macs_per_second": costs[trial],
            "is_control": False,
        }
        for trial in range(n_trials)
    ]
    rows = [
        [trial, 0, step, "usdr_db", values[trial]]
        for step, values in rungs.items()
        for trial in range(n_trials)
        if not math.isnan(values[trial])
    ]
    return StudyRecord(
        name="made",
        title="",
        directions={"usdr_db": "maximize", "macs_per_second": "minimize"},
        attrs={},
        trials=pd.DataFrame(trials, columns=list(TRIAL_COLUMNS)),
        scores=pd.DataFrame(columns=list(SCORE_COLUMNS)),
        curves=pd.DataFrame(),
        rungs=pd.DataFrame(rows, columns=list(RUNG_COLUMNS)),
    )


def test_equal_and_opposite_rankings_are_told() -> None:
    order = np.random.default_rng(0).permutation(N).astype(float)
    found = fidelity(made({10: -order, 20: order * 3, 40: order}))
    table = found.table.set_index("step")
    assert list(found.table.columns) == list(FIDELITY_COLUMNS)
    assert table.tau.to_dict() == pytest.approx({10: -1, 20: 1})
    assert table.tau_in_bands.to_dict() == pytest.approx({10: -1, 20: 1})
    assert table.overlap.to_dict() == {10: 0, 20: 1}
    assert table.share.to_dict() == {10: 0.25, 20: 0.5}
    assert found.recommended == 20
    assert found.notes == ("step 10 is too short: τ within cost bands is -1.00",)


def test_size_alone_makes_no_rung_trustworthy() -> None:
    """Larger models are better at both steps; among equals the rung says nothing."""
    rng = np.random.default_rng(0)
    costs = np.repeat([1.0, 10.0, 100.0, 1000.0], 20) * rng.uniform(0.99, 1.01, 80)
    here, there = (np.log(costs) + 0.3 * rng.normal(size=80) for _ in range(2))
    found = fidelity(made({10: here, 40: there}, costs=costs))
    row = found.table.iloc[0]
    assert row.tau > 0.7
    assert abs(row.tau_in_bands) < 0.35
    assert found.recommended is None
    assert found.bands == (20, 20, 20, 20)
    assert "no rung can be trusted" in found.notes[0]


def test_the_interval_holds_the_truth_and_narrows_with_trials() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for n in (12, 120):
        truth = rng.normal(size=n)
        found = fidelity(made({10: truth + 0.4 * rng.normal(size=n), 40: truth}))
        row = found.table.iloc[0]
        # τ of two normals with correlation r is 2/π asin r (Kendall 1949)
        expected = 2 / math.pi * math.asin(1 / math.sqrt(1.16))
        assert row.tau_low < expected < row.tau_high
        widths.append(row.tau_high - row.tau_low)
    assert widths[1] < widths[0] / 2


def test_tau_is_scipys_with_ties_and_copies() -> None:
    rng = np.random.default_rng(3)
    first, second = (rng.integers(0, 6, 15).astype(float) for _ in range(2))
    drawn = rng.integers(0, 15, (20, 15))
    counts = np.stack([np.bincount(one, minlength=15) for one in drawn]).astype(float)
    expected = [kendalltau(first[one], second[one]).statistic for one in drawn]
    assert taus(first, second, counts) == pytest.approx(expected)


def test_trials_that_were_stopped_are_not_ranked() -> None:
    values = np.arange(8.0)
    last = values.copy()
    last[:2] = math.nan
    record = made({10: values, 40: last})
    record.trials.loc[:1, "state"] = "stopped"
    found = fidelity(record)
    assert found.table.n_trials.tolist() == [6]
    assert "2 stopped trials" in found.notes[-1]


def test_too_few_trials_or_no_rungs_are_refused() -> None:
    with pytest.raises(UsageError, match="4 trainings of study “made” came to step 40"):
        fidelity(made({10: np.arange(4.0), 40: np.arange(4.0)}))
    with pytest.raises(UsageError, match="has no rungs"):
        fidelity(made({40: np.arange(9.0)}))


def test_copies_of_results_are_no_trials_of_their_own() -> None:
    scores = np.array([3.0, 1.0, 4.0, 1.5, 9.0])
    alone = made({10: scores[::-1].copy(), 40: scores})
    costs = np.tile(np.arange(1.0, 6), 3)
    copied = made({10: np.tile(scores[::-1], 3), 40: np.tile(scores, 3)}, costs=costs)
    copied.trials["spec_hash"] = [f"{trial % 5:016x}" for trial in copied.trials.trial]
    copied.trials["duplicate_of"] = [None] * 5 + [f"made/{trial % 5}" for trial in range(10)]
    columns = ["n_trials", "tau", "tau_low", "tau_high"]
    assert fidelity(copied).table[columns].equals(fidelity(alone).table[columns])
    with pytest.raises(UsageError, match="4 trainings"):
        fidelity(dataclasses.replace(copied, trials=copied.trials.query("trial % 5 != 4")))


def searched(better_by: float) -> StudyRecord:
    rng = np.random.default_rng(2)
    values = rng.normal(size=40)
    record = made({40: values}, costs=rng.uniform(1, 2, 40))
    record.trials["is_control"] = record.trials.trial < 8
    record.trials.loc[~record.trials.is_control, "usdr_db"] += better_by
    return record


def test_a_search_is_held_to_as_many_random_draws() -> None:
    found = control(searched(3.0))
    assert found is not None
    assert (found.n_control, found.n_search) == (8, 32)
    assert found.quartiles[0] > found.best[0]
    assert found.hypervolume_quartiles[0] > found.hypervolume[0]
    assert found.hypervolume[1] == pytest.approx(1.0, abs=0.05)
    assert found.quartiles[2] <= found.best[1]
    equal = control(searched(0.0))
    assert equal is not None
    assert equal.hypervolume_quartiles[0] < equal.hypervolume[0] + 0.2


def test_without_a_control_arm_there_is_nothing_to_say() -> None:
    record = searched(0.0)
    record.trials["is_control"] = False
    assert control(record) is None
    record.trials["state"] = "running"
    assert control(record) is None
