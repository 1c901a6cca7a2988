"""Small but realistic records: three baselines, sampled trials, a failed and a refused one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from msdemucs.analysis.effects import Effect
from msdemucs.analysis.findings import Findings
from msdemucs.metrics import Quality
from msdemucs.study.ablation.designs import Design, arm_name, arms
from msdemucs.study.records import (
    CURVE_COLUMNS,
    FLOOR_COLUMNS,
    RUNG_COLUMNS,
    SCORE_COLUMNS,
    TRIAL_COLUMNS,
    Direction,
    StudyRecord,
)

SOURCES = ("drums", "bass", "other", "vocals")
TRACKS = (("synthetic", "Band 7 - Blue Hour"), ("synthetic", "Band 8 - Low Tide"),
          ("sample", "The Easton Ellises - Falcon 69"))  # fmt: skip
FLOOR_DB = {"drums": -4.0, "bass": -7.5, "other": -5.0, "vocals": -6.5}
OBJECTIVES: dict[str, Direction] = {"usdr_db": "maximize", "macs_per_second": "minimize"}

NO_DIFFERENCES: dict[str, list[object]] = {}


@dataclass(frozen=True)
class Toy:
    """One complete trial: what it costs, what it reaches, how its spec differs."""

    name: str
    usdr_db: float
    gmacs: float
    parameters: int
    latency_ms: float
    differences: dict[str, list[object]] = field(default_factory=dict)


TOYS = (
    Toy("htdemucs", 1.42, 1.93, 1_120_400, 61.0, {"spectral.resolutions": [3, 1]}),
    Toy("htdemucs_n", 1.87, 3.61, 1_530_912, 118.0),
    Toy("htdemucs_nn", 2.06, 3.61, 1_530_936, 121.0, {"fusion.output.kind": ["sum", "per_source"]}),
    Toy("trial 3", 0.71, 0.88, 402_128, 39.5,
        {"channels.start": [8, 4], "attention[0].mechanism": ["softmax", "linear"]}),
    Toy("trial 4", 2.31, 2.70, 1_310_552, 97.0,
        {"fusion.output.kind": ["sum", "per_source"], "spectral.resolutions": [3, 2]}),
    Toy("trial 5", 1.55, 5.20, 2_902_780, 175.0, {"channels.start": [8, 12]}),
)  # fmt: skip


def trial_row(trial: int, toy: Toy) -> dict[str, object]:
    """A complete trial's row."""
    is_baseline = toy.name.startswith("htdemucs")
    return {
        "trial": trial,
        "state": "complete",
        "name": toy.name,
        "baseline": toy.name if is_baseline else None,
        "usdr_db": toy.usdr_db,
        "usdr_db/synthetic": toy.usdr_db + 0.4,
        "usdr_db/sample": toy.usdr_db - 0.8,
        "macs": int(toy.gmacs * 3e9),
        "macs_per_second": toy.gmacs * 1e9,
        "parameters": toy.parameters,
        "latency_ms_p50": toy.latency_ms,
        "latency_ms_p95": toy.latency_ms * 1.08,
        "rtf": toy.latency_ms / 3000,
        "peak_memory_bytes": int(600e6 + 80 * toy.parameters),
        "seconds": 21.0 + toy.gmacs,
        "train_seconds": 14.0 + toy.gmacs,
        "seed": 0,
        "spec": {"name": toy.name, "sources": list(SOURCES), "channels": {"start": 8, "growth": 2}},
        "spec_hash": f"{trial:016x}",
        "differences": toy.differences,
        "params": {} if is_baseline else {"channels.start": 8, "fusion.output.kind": "sum"},
        "failure": None,
        "left_out": [],
        "started": f"2026-11-20T22:{trial:02d}:00+00:00",
        "versions": {"torch": "2.11.0"},
    }


def unfinished_row(trial: int, state: str, failure: str | None = None) -> dict[str, object]:
    """A trial without results."""
    empty: dict[str, object] = dict.fromkeys(TRIAL_COLUMNS)
    return empty | {
        "trial": trial,
        "state": state,
        "name": f"trial {trial}",
        "seed": 0,
        "spec": {"name": f"trial {trial}"},
        "spec_hash": f"{trial:016x}",
        "differences": {"channels.start": [8, 16]},
        "params": {"channels.start": 8, "fusion.output.kind": "sum"},
        "failure": failure,
        "left_out": [],
        "versions": {},
    }


def score_rows(
    trial: int, toy: Toy, *, seed: int = 0, shift_db: float = 0.0
) -> list[dict[str, object]]:
    """Scores of one training on every track and source; the sample's bass is silent."""
    offsets = {"drums": 0.9, "bass": -0.3, "other": -0.5, "vocals": -0.1}
    rows: list[dict[str, object]] = []
    for group, track in TRACKS:
        for source in SOURCES:
            is_silent = group == "sample" and source == "bass"
            score = (
                toy.usdr_db + shift_db + offsets[source] + (0.4 if group == "synthetic" else -0.8)
            )
            rows.append(
                {
                    "trial": trial,
                    "seed": seed,
                    "split": "validation",
                    "group": group,
                    "track": track,
                    "source": source,
                    "metric": "usdr_db",
                    "value": float("nan") if is_silent else score,
                }
            )
    return rows


def floor_rows() -> list[dict[str, object]]:
    """What the mixture scores as the estimate of each source."""
    return [
        {
            "split": "validation",
            "group": group,
            "track": track,
            "source": source,
            "metric": "usdr_db",
            "value": FLOOR_DB[source],
        }
        for group, track in TRACKS
        for source in SOURCES
        if (group, source) != ("sample", "bass")
    ]


def curve_rows(trial: int, *, steps: int, start: float) -> list[dict[str, object]]:
    """A loss that falls, with a ripple."""
    return [
        {"trial": trial, "step": s, "loss": start / s**0.35 * (1 + 0.05 * ((s * 7) % 5 - 2) / 2)}
        for s in range(1, steps + 1)
    ]


def make_record(
    toys: Sequence[Toy] = TOYS,
    *,
    unfinished: Sequence[dict[str, object]] = (),
    directions: dict[str, Direction] | None = None,
    title: str = "Resolutions and fusion around htdemucs_n",
) -> StudyRecord:
    """A study of complete trials followed by unfinished ones."""
    rows = [trial_row(trial, toy) for trial, toy in enumerate(toys)]
    scores = [row for trial, toy in enumerate(toys) for row in score_rows(trial, toy)]
    curves = [
        row
        for trial, toy in enumerate(toys)
        for row in curve_rows(trial, steps=30, start=0.2 - 0.02 * toy.usdr_db)
    ]
    for row in unfinished:
        if row["state"] == "failed":
            curves += curve_rows(int(str(row["trial"])), steps=11, start=0.24)
    return StudyRecord(
        name="multires",
        title=title,
        directions=OBJECTIVES if directions is None else directions,
        attrs=ATTRS,
        trials=pd.DataFrame([*rows, *unfinished], columns=columns_of([*rows, *unfinished])),
        scores=pd.DataFrame(scores, columns=list(SCORE_COLUMNS)),
        curves=pd.DataFrame(curves, columns=list(CURVE_COLUMNS)),
        floors=pd.DataFrame(floor_rows() if scores else [], columns=list(FLOOR_COLUMNS)),
    )


def judged_by(
    record: StudyRecord,
    qualities: Sequence[str],
    of: Callable[[pd.Series], pd.Series] = lambda values: values,
) -> StudyRecord:
    """The record with other qualities as objectives, one made of its uSDR by a function.

    Args:
        record: a made one.
        qualities: of one metric; each becomes an objective and a column.
        of: scores of uSDR → scores of the metric.
    """
    parsed = [Quality.parse(name, sources=SOURCES, groups=("synthetic", "sample", "band"))
              for name in qualities]  # fmt: skip
    metric = parsed[0].metric.name
    scores, floors, rung_scores = (
        pd.concat([frame, frame.assign(metric=metric, value=of(frame["value"].astype(float)))])
        for frame in (record.scores, record.floors, record.rung_scores)
    )
    own = {int(str(trial)): rows for trial, rows in scores.groupby("trial")}
    columns = {
        str(quality): [
            quality.of(own[trial]) if trial in own else float("nan")
            for trial in record.trials["trial"]
        ]
        for quality in parsed
    }
    costs = {name: how for name, how in record.directions.items() if name not in record.qualities}
    rungs = record.rungs.assign(quality=qualities[0], value=of(record.rungs["value"].astype(float)))
    return replace(
        record,
        directions={str(quality): quality.direction for quality in parsed} | costs,
        trials=record.trials.assign(**columns),
        scores=scores.reset_index(drop=True),
        floors=floors.reset_index(drop=True),
        rungs=rungs,
        rung_scores=rung_scores.reset_index(drop=True),
    )


def columns_of(rows: Sequence[dict[str, object]]) -> list[str]:
    """The contract's columns, and those of groups where a row has them."""
    return list(dict.fromkeys([*TRIAL_COLUMNS, *(name for row in rows for name in row)]))


def amend(record: StudyRecord, trial: int, **values: object) -> StudyRecord:
    """The record with other values in one trial's row."""
    rows = [dict(row) for row in record.trials.astype(object).to_dict("records")]
    for row in rows:
        row.update(values if row["trial"] == trial else {})
    return replace(record, trials=pd.DataFrame(rows, columns=record.trials.columns))


def with_seeds(
    record: StudyRecord, shifts_db: Sequence[float], toys: Sequence[Toy] = TOYS
) -> StudyRecord:
    """The record with several trainings a trial, whose scores lie apart by the shifts."""
    rows = [
        row
        for trial, toy in enumerate(toys)
        for seed, shift in enumerate(shifts_db)
        for row in score_rows(trial, toy, seed=seed, shift_db=shift)
    ]
    return replace(record, scores=pd.DataFrame(rows, columns=list(SCORE_COLUMNS)))


def make_large_record(n: int) -> StudyRecord:
    """A study of many trials, whose quality grows with cost and has ripples."""
    toys = [
        Toy(
            f"trial {i}" if i % 500 else f"htdemucs_{i}",
            usdr_db=0.4 + 2.2 * (i / n) ** 0.5 - 0.9 * ((i * 37) % 101) / 101,
            gmacs=0.5 + 9.5 * i / n,
            parameters=300_000 + 400 * i,
            latency_ms=30 + 0.05 * ((i * 53) % n),
            differences={
                "channels.start": [24, 4 + 4 * (i % 9)],
                "fusion.output.kind": ["convolution", ("sum", "weighted", "per_source")[i % 3]],
                "stride": [4, [2 + (i >> bit) % 3 for bit in range(4)]],
            },
        )
        for i in range(n)
    ]
    record = make_record(toys)
    hashes = [f"{i % 27:016x}" for i in range(n)]  # as many specs as there are differences
    own = pd.Series([{"data_seed": i} for i in range(n)])  # and yet no two are repeats
    curves = record.curves[record.curves["trial"] % 10 == 0]
    return replace(record, trials=record.trials.assign(spec_hash=hashes, recipe=own), curves=curves)


SEARCH_FIELDS = {"channels.start": (4, 8, 12), "fusion.output": ("sum", "weighted", "per_source")}


def make_search(n: int = 24) -> StudyRecord:
    """A search with rungs and a control arm; width decides quality and cost, fusion a little."""
    toys, params = [], []
    for i in range(n):
        width, fusion = (
            SEARCH_FIELDS["channels.start"][i % 3],
            SEARCH_FIELDS["fusion.output"][i // 3 % 3],
        )
        params.append({"channels.start": width, "fusion.output": fusion})
        better = 0.2 * SEARCH_FIELDS["fusion.output"].index(fusion)
        toys.append(
            Toy(
                f"trial {i}",
                usdr_db=0.1 * int(str(width)) + better + 0.01 * ((i * 7) % 5),
                gmacs=0.3 * int(str(width)) + 0.02 * (i % 4),
                parameters=100_000 * int(str(width)),
                latency_ms=10.0 + i,
                differences={"channels.start": [8, width], "fusion.output.kind": ["sum", fusion]},
            )
        )
    record = make_record(toys)
    control = [i % 4 == 3 for i in range(n)]
    trials = record.trials.assign(params=pd.Series(params), steps=30, is_control=control)
    rungs = [
        [trial, 0, step, "usdr_db", toy.usdr_db * share]
        for trial, toy in enumerate(toys)
        for step, share in ((10, 0.4), (30, 1.0))
    ]
    return replace(record, trials=trials, rungs=pd.DataFrame(rungs, columns=list(RUNG_COLUMNS)))


def make_ablation(n_seeds: int = 3) -> StudyRecord:
    """Two factors, one at a time and together; fusion gives 0.5 dB, attention nothing."""
    levels = {"fusion": ["sum", "per_source"], "attention": ["linear", "softmax"]}
    design = Design(kind="full")
    base = {factor: names[0] for factor, names in levels.items()}
    rows, scores = [], []
    cases = [(seed, arm) for seed in range(n_seeds) for arm in arms(design, levels)]
    for trial, (seed, arm) in enumerate(cases):
        gain = 0.5 * (arm["fusion"] == "per_source")
        toy = Toy(arm_name(arm, base), 1.0 + gain, 2.0 + gain, 1_000_000, 60.0)
        row = trial_row(trial, toy) | {"seed": seed, "arm": arm, "baseline": None}
        rows.append(row | {"spec_hash": f"{trial % 4:016x}"})
        for track in range(8):
            ripple = 0.02 * ((trial * 5 + track * 3) % 7 - 3)
            scored = [trial, seed, "validation", "band", f"t{track}"]
            value = 1.0 + gain + ripple
            scores += [[*scored, source, "usdr_db", value] for source in SOURCES]
    record = make_record([])
    return replace(
        record,
        attrs={**ATTRS, "ablation": {"levels": levels, "design": design.model_dump(mode="json")}},
        trials=pd.DataFrame(rows, columns=columns_of(rows)),
        scores=pd.DataFrame(scores, columns=list(SCORE_COLUMNS)),
    )


def make_lucky() -> StudyRecord:
    """An ablation of three seeds: one arm is ahead by a single seed, one by all, but less."""
    record = make_ablation(3)
    ahead_db = {(1, seed): 0.9 * (seed == 1) for seed in range(3)}  # arm, seed
    ahead_db |= {(2, seed): 0.4 for seed in range(3)} | {(3, seed): 0.2 for seed in range(3)}
    quality = [1.0 + ahead_db.get((trial % 4, trial // 4), 0.0) for trial in record.trials["trial"]]
    gmacs = [(2.0, 2.3, 2.1, 2.4)[trial % 4] for trial in record.trials["trial"]]
    trials = record.trials.assign(
        usdr_db=quality, macs_per_second=[1e9 * value for value in gmacs]
    ).drop(columns=["usdr_db/synthetic", "usdr_db/sample"])
    scores = record.scores.assign(value=[quality[trial] for trial in record.scores["trial"]])
    return replace(record, trials=trials, scores=scores)


ATTRS: dict[str, object] = {
    "base": "htdemucs_n",
    "recipe": {"name": "demo", "steps": 30, "batch_size": 2, "segment": 3, "loss": "l1"},
    "data": {"synthetic": "8 tracks, 2 of them validation", "sample": "1 validation track"},
    "machine": {"cpu": "toy CPU", "cores": 2, "device": "cpu"},
    "versions": {"python": "3.11.9", "torch": "2.11.0", "optuna": "5.0.0"},
    "command": "msdemucs study run search_spaces/multires.yaml",
    "search_space": "name: multires\nbase: htdemucs_n\nvary:\n  channels.start: [4, 8, 12]\n",
}


def make_eight() -> StudyRecord:
    """Eight trials: three baselines, three sampled, one failed, one refused."""
    return make_record(
        unfinished=[
            unfinished_row(6, "failed", "loss became NaN at step 12"),
            unfinished_row(7, "infeasible", "6.40 GMAC/s exceed the limit of 6 GMAC/s"),
        ]
    )


def ranked(record: StudyRecord) -> tuple[Effect, ...]:
    """The effects of an ablation, the largest first."""
    effects = Findings(record).effects
    assert effects is not None
    return effects.ranked
