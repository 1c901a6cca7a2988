"""Effects of ablations: known ones recovered, chance told from effect, gaps named."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from msdemucs.analysis.effects import EFFECT_COLUMNS, VERDICTS, effects
from msdemucs.errors import StudyError, UsageError
from msdemucs.study.ablation.designs import Arm, Design, arm_name, arms
from msdemucs.study.records import LATER_COLUMNS, SCORE_COLUMNS, TRIAL_COLUMNS, StudyRecord

LEVELS = {"a": ["a0", "a1"], "b": ["b0", "b1"], "c": ["c0", "c1"], "d": ["d0", "d1"]}

Score = Callable[[dict[str, int], int, int], float]
"""(factor → 0 or 1, seed, track) → dB."""


def made(
    design: Design, score: Score, *, seeds: int = 3, tracks: int = 10, levels: dict[str, list[str]]
) -> StudyRecord:
    """The record of an ablation with such scores; the second source is 1 dB better."""
    base = {factor: names[0] for factor, names in levels.items()}
    trials, scores = [], []
    designed = arms(design, levels)
    for trial, (seed, arm) in enumerate(itertools.product(range(seeds), designed)):
        bits = {factor: levels[factor].index(level) for factor, level in arm.items()}
        trials.append(trial_of(trial, seed, arm, arm_name(arm, base), 2.0 ** bits["a"]))
        for track, (source, offset) in itertools.product(range(tracks), (("x", 0), ("y", 1))):
            value = score(bits, seed, track) + offset
            name = f"t{track:02}"
            scores.append([trial, seed, "validation", "band", name, source, "usdr_db", value])
    about = {"levels": levels, "design": design.model_dump(mode="json")}
    return StudyRecord(
        name="made",
        title="made",
        directions={"usdr_db": "maximize"},
        attrs={"ablation": about},
        trials=pd.DataFrame(trials, columns=list(TRIAL_COLUMNS)),
        scores=pd.DataFrame(scores, columns=list(SCORE_COLUMNS)),
        curves=pd.DataFrame(),
    )


def trial_of(trial: int, seed: int, arm: Arm, name: str, macs: float) -> dict[str, object]:
    return {
        "trial": trial,
        "state": "complete",
        "name": name,
        "spec_hash": name,
        "seed": seed,
        "arm": arm,
        "macs_per_second": macs,
        "parameters": 100.0,
        "latency_ms_p50": 5.0,
    }


def noisy(
    truth: Callable[[dict[str, int]], float],
    *,
    of_seeds: float = 0.05,
    of_arms: float = 0.0,
    seed: int = 3,
) -> Score:
    """Tracks of unlike difficulty, seeds of unlike luck, arms that suit tracks, and noise."""
    rng = np.random.default_rng(seed)
    drawn: dict[object, float] = {}

    def noise(*key: object) -> float:
        return drawn.setdefault(key, float(rng.normal()))

    def score(bits: dict[str, int], seed: int, track: int) -> float:
        arm = tuple(bits.values())
        return (
            truth(bits)
            + 3 * noise("track", track)
            + of_seeds * noise("seed", seed, arm)
            + (of_arms * noise("arm", track, arm) if of_arms else 0.0)
            + 0.1 * noise(seed, track, arm)
        )

    return score


def row(table: pd.DataFrame, factor: str, kind: str = "") -> Any:
    found = table[(table.factor == factor) & (table.kind.str.contains(kind))]
    assert len(found) == 1
    return found.iloc[0]


def test_one_at_a_time_recovers_each_effect_with_its_cost() -> None:
    score = noisy(lambda bits: 1.0 * bits["a"] - 0.5 * bits["b"])
    found = effects(made(Design(), score, levels=LEVELS))
    assert list(found.table.columns) == list(EFFECT_COLUMNS)
    better, worse, nothing = (row(found.table, factor) for factor in "abc")
    assert (better.verdict, worse.verdict, nothing.verdict) == (
        "better",
        "worse",
        "not told apart",
    )
    assert better.low_db < 1.0 < better.high_db
    assert worse.low_db < -0.5 < worse.high_db
    assert better.wilcoxon_p == pytest.approx(2 / 2**10)
    assert better.holm_p == pytest.approx(8 / 2**10)
    assert better.macs_per_second_change == pytest.approx(1.0)
    assert worse.macs_per_second_change == pytest.approx(0.0)
    assert better.by_source["x"] == pytest.approx(1.0, abs=0.2)
    assert any("up to 100%" in note for note in found.notes)


def test_effects_are_on_the_studys_first_quality_and_better_as_that_is() -> None:
    """The same scores, called a distance of one source: what rises is worse."""
    score = noisy(lambda bits: 1.0 * bits["a"] - 0.5 * bits["b"])
    usual = made(Design(), score, levels=LEVELS)
    record = replace(
        usual,
        directions={"lsd_db/x": "minimize"},
        trials=usual.trials.assign(**{"lsd_db/x": 0.0}),
        scores=pd.concat([usual.scores, usual.scores.assign(metric="lsd_db")]),
        attrs={**usual.attrs, "noise": {"sigma_db": 9.0, "low_db": 8.0, "high_db": 10.0}},
    )
    found = effects(record)
    assert found.quality is record.qualities["lsd_db/x"]
    assert found.noise is not None
    assert found.noise.sigma.value < 1, "what was measured is another quality's"
    worse, better = (row(found.table, factor) for factor in "ab")
    assert (worse.verdict, better.verdict) == ("worse", "better")
    assert worse.effect_db == pytest.approx(1.0, abs=0.2)
    assert [*worse.by_source] == ["x"]


def test_leave_one_out_is_what_each_gives_beside_the_others() -> None:
    # b helps alone, and does nothing where a is there
    score = noisy(lambda bits: bits["a"] + bits["b"] * (1 - bits["a"]))
    table = effects(made(Design(kind="leave_one_out"), score, levels=LEVELS)).table
    assert row(table, "b").effect_db == pytest.approx(0.0, abs=0.15)
    assert row(table, "a", "left out").effect_db == pytest.approx(0.0, abs=0.15)
    alone = effects(made(Design(), score, levels=LEVELS)).table
    assert row(alone, "b").effect_db == pytest.approx(1.0, abs=0.15)


def truth(bits: dict[str, int]) -> float:
    a, b, c, d = bits.values()
    return 2.0 + 1.0 * a - 0.5 * b + 0.25 * d + 0.8 * a * b - 0.3 * b * c


@pytest.mark.parametrize("kind", ["full", "fractional"])
def test_factorials_recover_main_effects_and_interactions_exactly(kind: str) -> None:
    design = Design(kind="full") if kind == "full" else Design(kind="fractional", resolution=5)
    levels = {**LEVELS, **({"e": ["e0", "e1"]} if kind == "fractional" else {})}

    def score(bits: dict[str, int], seed: int, track: int) -> float:
        return truth({factor: bits[factor] for factor in LEVELS}) + track + 10 * seed

    table = effects(made(design, score, seeds=2, tracks=6, levels=levels)).table
    # averaged over the other factor's levels: a gains half of a × b
    for factor, expected in {"a": 1.4, "b": -0.25, "c": -0.15, "d": 0.25}.items():
        assert row(table, factor).effect_db == pytest.approx(expected)
    pairs = {"a × b": 0.8, "b × c": -0.3}
    for pair in table[table.kind == "interaction"].factor:
        assert row(table, pair).effect_db == pytest.approx(pairs.get(pair, 0.0), abs=1e-9)
    assert (table.kind == "interaction").sum() == math.comb(len(levels), 2)
    assert not table.confused_with.map(bool).any()


def test_fractions_of_resolution_4_say_what_they_confuse() -> None:
    design = Design(kind="fractional", resolution=4)
    found = effects(made(design, noisy(truth), levels=LEVELS))
    table = found.table
    assert row(table, "a").confused_with == []
    together = row(table, "a × b")
    assert together.confused_with == ["+c × d"]
    assert set(table[table.kind == "interaction"].factor) == {"a × b", "a × c", "a × d"}
    assert together.effect_db == pytest.approx(0.8, abs=0.2)  # c × d is 0
    assert row(table, "a × d").effect_db == pytest.approx(-0.3, abs=0.2)  # it is b × c
    assert any("confuses" in note for note in found.notes)


def test_three_levels_are_each_held_to_the_base() -> None:
    levels = {"a": ["a0", "a1", "a2"], "b": ["b0", "b1"]}
    score = noisy(lambda bits: 0.5 * bits["a"] + 0.4 * (bits["a"] == 2) * bits["b"])
    table = effects(made(Design(kind="full"), score, levels=levels)).table
    mains = table[(table.kind == "main") & (table.factor == "a")].set_index("alternative")
    assert mains.effect_db["a1"] == pytest.approx(0.5, abs=0.15)
    assert mains.effect_db["a2"] == pytest.approx(1.2, abs=0.15)
    pairs = table[table.kind == "interaction"].set_index("alternative")
    assert pairs.effect_db["a2 × b1"] == pytest.approx(0.4, abs=0.2)
    assert pairs.effect_db["a1 × b1"] == pytest.approx(0.0, abs=0.2)


def test_chance_is_seldom_taken_for_an_effect() -> None:
    claimed = 0
    for repeat in range(20):
        rng = np.random.default_rng(repeat)
        luck = {key: float(rng.normal()) for key in itertools.product(range(16), range(3))}

        def score(
            bits: dict[str, int],
            seed: int,
            track: int,
            luck: dict[tuple[int, int], float] = luck,
            rng: np.random.Generator = rng,
        ) -> float:
            arm = sum(bit << index for index, bit in enumerate(bits.values()))
            return 0.3 * luck[arm, seed] + track + 0.1 * float(rng.normal())

        table = effects(made(Design(), score, levels=LEVELS)).table
        claimed += int(table.verdict.isin(["better", "worse"]).any())
    assert claimed <= 2


def test_too_few_seeds_or_tracks_claim_nothing_and_say_the_rule() -> None:
    score = noisy(lambda bits: 5.0 * bits["a"])
    for seeds, tracks in ((2, 10), (3, 5)):
        found = effects(made(Design(), score, seeds=seeds, tracks=tracks, levels=LEVELS))
        assert set(found.table.verdict) == {"too few"}
        assert f"{seeds} shared seeds, {tracks} tracks: too few" in found.notes[0]
        assert "at least 3 seeds and 6 tracks" in found.notes[0]
    found = effects(made(Design(), score, tracks=6, levels=LEVELS))
    assert any("8 tracks could" in note for note in found.notes)


def test_the_noise_is_pooled_over_all_that_was_trained_more_than_once() -> None:
    record = made(Design(), noisy(lambda bits: 0.0, of_seeds=0.2), seeds=8, levels=LEVELS)
    found = effects(record)
    assert found.noise is not None
    assert found.noise.sigma.low < 0.2 < found.noise.sigma.high
    assert (found.noise.degrees, found.noise.source) == (35, "40 trainings of 5 specs, pooled")
    expected = found.noise.sigma.value * math.sqrt(2 / 8)
    assert row(found.table, "a").noise_db == pytest.approx(expected)
    beside = [
        [-1, "noise", "usdr_db", value, seed, {"spec_hash": "other"}, "validation"]
        for seed, value in enumerate((0.0, 5.0))
    ]
    wider = effects(replace(record, later=pd.DataFrame(beside, columns=list(LATER_COLUMNS))))
    assert wider.noise is not None
    assert (wider.noise.degrees, wider.noise.source) == (36, "42 trainings of 6 specs, pooled")
    known = record.scores[record.scores.trial == 0]
    again = float(known.groupby("source").value.mean().mean())
    twice = [[-1, "noise", "usdr_db", again, 0, {"spec_hash": "base"}, "validation"]]
    same = effects(replace(record, later=pd.DataFrame(twice, columns=list(LATER_COLUMNS))))
    assert same.noise == found.noise  # one training, told by its trial and by `study noise`
    squares = 35 * found.noise.sigma.value**2 + 2 * 2.5**2
    assert wider.noise.sigma.value == pytest.approx(math.sqrt(squares / 36))


def test_arms_that_are_missing_leave_their_effects_out() -> None:
    record = made(Design(), noisy(lambda bits: bits["a"]), levels=LEVELS)
    failed = record.trials.name == "b=b1"
    record.trials.loc[failed, "state"] = "failed"
    found = effects(record)
    assert row(found.table, "b").verdict == "incomplete"
    assert row(found.table, "a").verdict == "better"
    assert any("left out: b=b1" in note for note in found.notes)


def test_a_seed_that_one_arm_lacks_is_left_out_of_its_effects_alone() -> None:
    record = made(Design(), noisy(lambda bits: bits["a"]), seeds=4, levels=LEVELS)
    record.trials.loc[(record.trials.name == "b=b1") & (record.trials.seed == 3), "state"] = (
        "failed"
    )
    table = effects(record).table
    assert (row(table, "b").n_seeds, row(table, "a").n_seeds) == (3, 4)


def test_silent_references_are_no_tracks() -> None:
    record = made(Design(), noisy(lambda bits: bits["a"]), levels=LEVELS)
    record.scores.loc[record.scores.track == "t03", "value"] = math.nan
    assert row(effects(record).table, "a").n_tracks == 9


def test_verdicts_are_known_words() -> None:
    table = effects(made(Design(kind="full"), noisy(truth), levels=LEVELS)).table
    assert set(table.verdict) <= set(VERDICTS)


def test_what_is_no_ablation_is_refused() -> None:
    record = made(Design(), noisy(truth), levels=LEVELS)
    record.attrs.clear()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="is no ablation"):
        effects(record)


def test_nothing_complete_is_refused() -> None:
    record = made(Design(), noisy(truth), levels=LEVELS)
    record.trials["state"] = "running"
    with pytest.raises(UsageError, match="no arm of study “made” is complete"):
        effects(record)


def test_what_confuses_an_effect_shifts_it_by_its_sign() -> None:
    design = Design(kind="fractional", generators=("c = a*b",))
    levels = {factor: LEVELS[factor] for factor in "abc"}

    def only(product: str) -> Score:
        return lambda bits, _seed, _track: math.prod(2 * bits[factor] - 1 for factor in product)

    def found(product: str, factor: str) -> float:
        table = effects(made(design, only(product), levels=levels)).table
        return float(row(table, factor).effect_db)

    table = effects(made(design, only("bc"), levels=levels)).table
    assert row(table, "a").confused_with == ["−b × c"]
    # nothing but b × c is there, yet a seems to have as much of the other sign
    assert found("bc", "a") == pytest.approx(-found("a", "a"))
    four = Design(kind="fractional", generators=("d = a*b*c",))
    pairs = effects(made(four, only("cd"), levels=LEVELS)).table
    assert row(pairs, "a × b").effect_db > 0  # "+c × d"


@pytest.mark.parametrize("missing", ["design", "levels"])
def test_an_ablation_that_was_recorded_incompletely_is_refused(missing: str) -> None:
    record = made(Design(), noisy(truth), levels=LEVELS)
    about = dict(record.attrs["ablation"])  # type: ignore[call-overload]
    del about[missing]
    with pytest.raises(StudyError, match=f"“made” records no {missing} of its ablation"):
        effects(replace(record, attrs={**record.attrs, "ablation": about}))
