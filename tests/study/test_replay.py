"""Replayed searches on a table made by hand."""

import math
from statistics import median

import optuna
import pytest

from benchmarks.replay import Labels, Replay, Table, Trained, steps_to
from msdemucs.study.samplers.rungs import Halving

WIDTHS, KINDS = (1, 2, 4, 8), ("good", "fair", "poor")


def table(*, crossing: bool = False) -> Table:
    """SDR rises by 1 dB as the cost doubles; kinds lie 2 dB apart, from the first rung on."""
    trained: dict[Labels, Trained] = {}
    for width in WIDTHS:
        for rank, kind in enumerate(KINDS):
            last = 5 + math.log2(width) - 2 * rank
            first = -last if crossing else last / 3
            trained[width, kind] = Trained(float(width), (first, last / 2, last))
    return Table({"width": WIDTHS, "kind": KINDS}, (10, 30, 90), trained)


def random(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def test_the_hypervolume_by_hand() -> None:
    # worst 1 dB, most log 8: strips of log 2 below 5, 6, 7 dB, and none at the highest cost
    whole = math.log(2) * ((5 - 1) + (6 - 1) + (7 - 1))
    assert table().hypervolume([(w, "good") for w in WIDTHS]) == pytest.approx(whole)
    assert table().hypervolume(list(table().trained)) == pytest.approx(whole)
    assert table().hypervolume([(2, "good"), (4, "poor")]) == pytest.approx(math.log(4) * 5)
    assert table().hypervolume([]) == 0
    assert table().hypervolume([(1, "poor")]) == 0


def test_without_a_rule_every_spec_costs_a_whole_training_once() -> None:
    replay = Replay(table(), random(0))
    replay.run(lambda _: False)
    assert replay.steps == 12 * 90
    assert [steps for steps, _ in replay.history] == [90 * n for n in range(1, 13)]
    assert {labels for _, labels in replay.history} == set(table().trained)


def test_a_rule_finds_the_front_with_fewer_steps() -> None:
    plain = [steps_to(Replay(table(), random(seed)), 0.95) for seed in range(9)]
    ours = [steps_to(Replay(table(), random(seed), Halving(eta=3)), 0.95) for seed in range(9)]
    assert median(ours) < 0.8 * median(plain)


@pytest.mark.parametrize("seed", range(5))
def test_every_search_gets_there_even_where_rungs_mislead(seed: int) -> None:
    replay = Replay(table(crossing=True), random(seed), Halving(eta=3))
    assert steps_to(replay, 1.0) <= 12 * 90
    replay.run(lambda _: False)
    assert replay.steps == 12 * 90
    assert len(replay.history) == 12


def test_costs_decide_which_of_a_rung_go_on() -> None:
    by_front = Replay(table(), random(0), Halving(eta=3))
    by_sdr = Replay(table(), random(0), Halving(eta=3), knows_cost=False)
    for replay in (by_front, by_sdr):
        for labels in table().trained:
            replay.begin(labels)
    assert set(by_front.going(0)) == {(width, "good") for width in WIDTHS}
    assert set(by_sdr.going(0)) == {(8, "good"), (4, "good"), (2, "good"), (8, "fair")}


def test_what_comes_first_is_never_stopped() -> None:
    first = [(8, "poor"), (4, "poor")]
    replay = Replay(table(), random(0), Halving(eta=3), first=first)
    replay.run(lambda self: len(self.seen) > 2)
    assert {labels for _, labels in replay.history} >= set(first)


def test_the_same_seed_replays_the_same_search() -> None:
    histories = []
    for _ in range(2):
        replay = Replay(table(), optuna.samplers.NSGAIISampler(seed=3), Halving(eta=2))
        steps_to(replay, 0.95)
        histories.append(replay.history)
    assert histories[0] == histories[1]
