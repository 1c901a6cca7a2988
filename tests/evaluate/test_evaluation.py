"""Are scores those of their conventions, summed up under their names, saved and read again?"""

import json
import math
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import museval
import numpy as np
import pandas as pd
import pytest
import torch

from msdemucs.data import Track
from msdemucs.errors import DataError, DivergedError, UsageError
from msdemucs.evaluate.evaluation import Evaluation, Listener, evaluate
from msdemucs.evaluate.saving import SAME, begun, load_evaluation, reserved, save
from msdemucs.evaluate.scoring import Convention
from msdemucs.files import legible
from msdemucs.metrics import METRICS, Stems
from tests.toys import SAMPLE_RATE, Broken, Scale, noise, track

BSS = tuple(f"{kind}_bsseval_db" for kind in ("sdr", "isr", "sir", "sar"))
NAMES = ("usdr_db", "si_sdr_db", "chunk_sdr_db", *BSS)
ALL = Convention(metrics=("usdr", "sisdr", "chunked", "bsseval"), chunk=0.05, window=0.05)
N_SAMPLES = 8820  # four frames


def two_tracks() -> list[object]:
    return [
        track(
            {
                "source0": noise(n_samples=N_SAMPLES, seed=2 * index),
                "source1": noise(n_samples=N_SAMPLES, seed=2 * index + 1),
            },
            name=f"A - {index}",
        )
        for index in (1, 2)
    ]


def scored(**fields: object) -> Evaluation:
    convention = Convention(**{**ALL.__dict__, **fields})
    return evaluate(Scale(0.9, 0.4), two_tracks(), convention)  # type: ignore[arg-type]


def test_every_metric_of_the_registry_is_computed_under_its_own_name() -> None:
    found = scored(metrics=tuple(METRICS), chunk=0.025)
    first = two_tracks()[0]
    mixture = first.read_mixture()  # type: ignore[attr-defined]
    references = first.read_sources(["source0", "source1"])  # type: ignore[attr-defined]
    estimates = np.stack([0.9 * mixture, 0.4 * mixture])
    stems = Stems(
        ("source0", "source1"),
        references,
        estimates,
        mixture,
        SAMPLE_RATE,
        chunk=0.025,
        window=0.05,
    )
    row = found.tracks.iloc[1]
    assert (row.group, row.track, row.source) == ("toy", "A - 1", "source1")
    for name, metric in METRICS.items():
        if "sar" in name:  # a mixture with a gain has no artefacts: this is the rounding of float32
            assert row[name] > 100
            continue
        _, score = metric.of(stems)
        assert row[name] == pytest.approx(score.value, abs=1e-3)
        if score.frames is not None:
            own = found.frames.query("track == 'A - 1' and source == 'source1'")[[name]].dropna()
            np.testing.assert_allclose(own[name], score.frames, atol=1e-3)
            assert len(own) == (8 if metric.frames == "chunk" else 4)


def test_statistics_over_tracks_and_over_frames_have_their_own_names() -> None:
    found = scored()
    summary = found.summary()
    assert list(summary.index) == ["source0", "source1", "all"]
    of = found.tracks[found.tracks.source == "source0"]
    assert summary.loc["source0", "usdr_db.mean"] == pytest.approx(of.usdr_db.mean())
    assert summary.loc["source0", "sdr_bsseval_db.median"] == pytest.approx(
        of.sdr_bsseval_db.median()
    )
    frames = found.frames[found.frames.source == "source0"].sdr_bsseval_db.dropna()
    assert summary.loc["source0", "sdr_bsseval_db.frames_mean"] == pytest.approx(frames.mean())
    assert summary.loc["source0", "sdr_bsseval_db.frames_std"] == pytest.approx(frames.std())
    by_track = found.tracks.groupby("track").usdr_db.mean()
    assert summary.loc["all", "usdr_db.mean"] == pytest.approx(by_track.mean())
    assert summary.loc["all", "usdr_db.std"] == pytest.approx(by_track.std())


def test_both_engines_give_the_same_scores() -> None:
    ours, theirs = scored(), scored(engine="museval")
    for name in BSS:
        np.testing.assert_allclose(ours.frames[name], theirs.frames[name], atol=1e-3)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    found = scored()
    save(found, tmp_path / "a")
    again = load_evaluation(tmp_path / "a")
    assert again.about == found.about
    pd.testing.assert_frame_equal(again.tracks, found.tracks)
    pd.testing.assert_frame_equal(again.frames, found.frames)
    assert len(pd.read_csv(tmp_path / "a" / "tracks.csv")) == 4


def test_frames_of_unlike_lengths_are_kept_apart(tmp_path: Path) -> None:
    found = scored(chunk=0.025)
    chunked = found.frames[found.frames.metric == "chunked"]
    bss = found.frames[found.frames.metric == "bsseval"]
    assert (len(chunked), len(bss)) == (2 * 2 * 8, 2 * 2 * 4)
    assert chunked.start.tolist()[:3] == pytest.approx([0, 0.025, 0.05])
    assert not chunked.chunk_sdr_db.isna().any()
    assert not bss.sdr_bsseval_db.isna().any()
    save(found, tmp_path / "a")
    (text, *_) = [path.read_text() for path in (tmp_path / "a" / "museval").glob("*/*.json")]
    assert [len(target["frames"]) for target in json.loads(text)["targets"]] == [4, 4]


def test_an_evaluation_that_is_there_already_is_replaced_as_a_whole(tmp_path: Path) -> None:
    save(scored(), tmp_path)
    save(scored(metrics=("usdr",)), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "about.json",
        "tracks.csv",
        "tracks.parquet",
    ]
    assert load_evaluation(tmp_path).frames.empty


def test_a_process_that_is_killed_while_it_saves_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = scored(), scored(metrics=("usdr", "chunked"))
    save(old, tmp_path / "old")
    deaths = seen = 0
    for last in range(100):
        folder, steps = tmp_path / str(last), iter(range(last))
        shutil.copytree(tmp_path / "old", folder)

        def step(act: Callable[..., Any], steps: Iterator[int] = steps) -> Callable[..., Any]:
            def may_be_killed(*arguments: Any, **options: Any) -> Any:
                if next(steps, None) is None:
                    raise KeyboardInterrupt
                return act(*arguments, **options)

            return may_be_killed

        with monkeypatch.context() as patched:
            for name in ("rename", "replace", "unlink"):
                patched.setattr(Path, name, step(getattr(Path, name)))
            patched.setattr(shutil, "rmtree", step(shutil.rmtree))
            try:
                save(new, folder)
            except KeyboardInterrupt:
                deaths += 1
            else:
                break
        found = load_evaluation(folder)
        is_new = list(found.tracks) == list(new.tracks)
        seen += is_new
        pd.testing.assert_frame_equal(found.tracks, (new if is_new else old).tracks)
        pd.testing.assert_frame_equal(found.frames, (new if is_new else old).frames)
        assert found.about == (new if is_new else old).about
        save(new, folder)
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [
                "about.json",
                *(f"{t}.{kind}" for t in ("tracks", "frames") for kind in ("csv", "parquet")),
            ]
        )
    assert deaths > seen > 5


def test_reasons_are_counted_in_what_is_saved_and_go_on_with_it(tmp_path: Path) -> None:
    def tracks() -> list[Track]:
        stems = {"source0": noise(), "source1": 0 * noise()}
        return [track(stems, name=name) for name in ("A - 1", "A - 2")]

    def save_and_stop(so_far: Evaluation) -> None:
        save(so_far, tmp_path)
        raise KeyboardInterrupt

    model, about = Scale(0.5, 0.5), {**ABOUT, "convention": asdict(Convention())}
    before, stopping = begun(tmp_path, about), Listener(on_scored=save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, tracks(), listener=stopping, before=before)
    assert load_evaluation(tmp_path).about["unscored"] == {
        "usdr_db": {"source1": {"its reference is silent": 1}}
    }
    found = evaluate(model, tracks(), before=begun(tmp_path, about))
    assert found.about["unscored"] == {"usdr_db": {"source1": {"its reference is silent": 2}}}


def test_a_damaged_evaluation_is_named(tmp_path: Path) -> None:
    save(scored(metrics=("usdr",)), tmp_path)
    (tmp_path / "tracks.parquet").unlink()
    with pytest.raises(DataError, match="the evaluation is damaged: "):
        load_evaluation(tmp_path)
    (tmp_path / "about.json").write_text("{")
    with pytest.raises(DataError, match="the evaluation is damaged: "):
        load_evaluation(tmp_path)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_separated(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match="cannot be written: not a directory"),
        reserved(tmp_path / "file" / "x"),
    ):
        pass


def test_a_track_that_is_given_twice_is_refused_before_any_is_separated() -> None:
    one, model = two_tracks()[0], Scale(1.0, 1.0)
    with pytest.raises(UsageError, match="“A - 1” of toy is given twice"):
        evaluate(model, [one, one])  # type: ignore[list-item]
    assert model.calls == []


ABOUT = {
    "version": "1",
    "weights_digest": "a",
    "spec_hash": "b",
    "data": [],
    "split": "test",
    "sources": ["source0", "source1"],
    "convention": Convention(**ALL.__dict__).__dict__,
}


def test_an_evaluation_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    def save_and_stop(so_far: Evaluation) -> None:
        save(so_far, tmp_path)
        raise KeyboardInterrupt

    first = Scale(0.9, 0.4)
    before = begun(tmp_path, ABOUT)
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            first,
            two_tracks(),  # type: ignore[arg-type]
            ALL,
            listener=Listener(on_scored=save_and_stop),
            before=before,
        )
    assert load_evaluation(tmp_path).about["finished"] is False
    second = Scale(0.9, 0.4)
    before = begun(tmp_path, ABOUT)
    assert before.scored() == {("toy", "A - 1")}
    found = evaluate(second, two_tracks(), ALL, before=before)  # type: ignore[arg-type]
    assert len(second.calls) == len(first.calls)
    assert found.about["finished"] is True
    whole = scored()
    for got, wanted in ((found.tracks, whole.tracks), (found.frames, whole.frames)):
        pd.testing.assert_frame_equal(
            got.drop(columns="seconds", errors="ignore"),
            wanted.drop(columns="seconds", errors="ignore"),
        )
    for key in SAME:
        assert not begun(tmp_path, {**ABOUT, key: "other"}).scored()


def test_scores_of_tracks_that_changed_or_are_gone_are_not_kept(tmp_path: Path) -> None:
    known = {"toy/A - 1": "a", "toy/A - 2": "b"}
    before = scored()
    about = {**before.about, **ABOUT, "tracks": known}
    save(Evaluation(about, before.tracks, before.frames), tmp_path)
    assert begun(tmp_path, {**ABOUT, "tracks": known}).scored() == before.scored()
    changed = {**known, "toy/A - 2": "other"}
    assert begun(tmp_path, {**ABOUT, "tracks": changed}).scored() == {("toy", "A - 1")}
    gone = {"toy/A - 1": "a"}
    assert begun(tmp_path, {**ABOUT, "tracks": gone}).scored() == {("toy", "A - 1")}


def test_scores_are_told_before_anything_is_made_of_the_estimates() -> None:
    told: list[Evaluation] = []

    def draw(_: object) -> None:
        raise OSError("no pictures")

    with pytest.raises(OSError, match="no pictures"):
        evaluate(
            Scale(1.0, 1.0),
            two_tracks(),  # type: ignore[arg-type]
            listener=Listener(on_scored=told.append, on_separated=draw),
        )
    assert [so_far.scored() for so_far in told] == [{("toy", "A - 1")}]


def test_a_folder_that_a_killed_save_left_is_used_again(tmp_path: Path) -> None:
    save(scored(), tmp_path)
    (tmp_path / "about.json").unlink()
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".lock").write_text("{}")
    with reserved(tmp_path):
        pass
    assert not begun(tmp_path, ABOUT).scored()


def test_names_too_long_for_a_file_or_not_utf_8_lose_no_scores(tmp_path: Path) -> None:
    names = ["日" * 84, legible(os.fsdecode(b"caf\xe9")), "e\x1b[31msc", "../../up"]
    tracks = [track({"source0": noise()}, name=name) for name in names]
    found = evaluate(Scale(0.5), tracks, Convention(("usdr", "bsseval"), window=0.02))
    save(found, tmp_path / "a")
    assert load_evaluation(tmp_path / "a").tracks.track.tolist() == names
    assert pd.read_csv(tmp_path / "a" / "tracks.csv").track.tolist() == names
    assert len(list((tmp_path / "a" / "museval" / "test").iterdir())) == len(names)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_every_mean_says_over_how_many_tracks_it_is() -> None:
    silent = track({"source0": noise(), "source1": 0 * noise()}, name="A - Silent")
    heard = track({"source0": noise(), "source1": noise(seed=1)}, name="A - Heard")
    summary = evaluate(Scale(0.5, 0.5), [silent, heard]).summary()
    assert summary.tracks.tolist() == [2, 2, 2]
    assert summary["usdr_db.count"].tolist() == [2, 1, 2]


def test_a_track_that_memory_does_not_hold_is_left_out() -> None:
    class Huge(Scale):
        def forward(self, mixture: torch.Tensor) -> torch.Tensor:
            return torch.empty(1 << 60) if self.calls else super().forward(mixture)

    found = evaluate(
        Huge(1.0, segment=1.0),
        [track({"source0": noise()}, name=name) for name in ("A - 1", "A - 2")],
        listener=Listener(on_error=lambda _: None),
    )
    (left_out,) = found.about["left_out"]
    assert (left_out["group"], left_out["track"]) == ("toy", "A - 2")
    assert "out of memory" in left_out["reason"]


def test_a_track_is_forgotten_before_the_next_one_is_separated() -> None:
    separated: list[weakref.ref[torch.Tensor]] = []
    held: list[bool] = []

    class Watching(Scale):
        def forward(self, mixture: torch.Tensor) -> torch.Tensor:
            held.extend(estimates() is not None for estimates in separated)
            return super().forward(mixture)

    evaluate(
        Watching(1.0, segment=1.0),
        [track({"source0": noise()}, name=name) for name in ("A - 1", "A - 2")],
        listener=Listener(on_separated=lambda one: separated.append(weakref.ref(one.estimates))),
    )
    assert held
    assert not any(held)


def test_musevals_own_tools_read_the_scores(tmp_path: Path) -> None:
    found = scored()
    save(found, tmp_path / "a")
    store = museval.EvalStore(frames_agg="median", tracks_agg="median")
    store.add_eval_dir(str(tmp_path / "a" / "museval"))
    theirs = store.agg_frames_tracks_scores()
    summary = found.summary()
    for source in ("source0", "source1"):
        for ours, name in (("sdr", "SDR"), ("isr", "ISR"), ("sir", "SIR"), ("sar", "SAR")):
            wanted = summary.loc[source, f"{ours}_bsseval_db.median"]
            assert theirs[source][name] == pytest.approx(wanted, abs=1e-4)


def test_a_stem_that_is_silent_throughout_has_no_bsseval_scores_and_says_so() -> None:
    silent = track({"source0": noise(), "source1": 0 * noise()})
    said: list[str] = []
    found = evaluate(
        Scale(0.5, 0.5),
        [silent],
        Convention(("usdr", "bsseval")),
        listener=Listener(say=said.append),
    )
    assert found.tracks[list(BSS)].isna().all(axis=None)
    assert math.isfinite(found.tracks.usdr_db[0])
    assert math.isnan(found.tracks.usdr_db[1])
    assert (
        f"“{silent.name}” has no SDR (BSSEval v4), ISR (BSSEval v4), SIR (BSSEval v4), "
        "SAR (BSSEval v4) of “source0”: the reference of “source1” is silent throughout"
    ) in said
    assert any(line.endswith("no uSDR of “source1”: its reference is silent") for line in said)


def test_a_track_that_cannot_be_read_is_told_and_the_others_are_scored() -> None:
    damaged = track({"source0": noise()})
    damaged = type(damaged)("A - Broken", "toy", "test", Broken({"source0": noise()}))
    errors: list[DataError] = []
    found = evaluate(
        Scale(0.5),
        [damaged, track({"source0": noise()})],
        listener=Listener(on_error=errors.append),
    )
    assert len(found.tracks) == len(errors) == 1
    with pytest.raises(DataError, match="no track could be evaluated"):
        evaluate(Scale(0.5), [damaged], listener=Listener(on_error=errors.append))


def test_estimates_that_are_not_finite_are_no_scores() -> None:
    with pytest.raises(DivergedError, match=r"^the estimate of “source0” of .* is not finite"):
        evaluate(Scale(math.nan), [track({"source0": noise()})])


def test_normalised_weights_are_judged_as_they_separate() -> None:
    class Listening(Scale):
        """Notes how loud its input is."""

        def forward(self, mixture: torch.Tensor) -> torch.Tensor:
            heard.append(float(mixture.std()))
            return super().forward(mixture)

    heard: list[float] = []
    quiet = track({"source0": noise(level=0.01)})
    for normalised in (True, False):
        evaluate(Listening(1.0, segment=1.0), [quiet], Convention(normalised=normalised))
    assert heard[0] > 50 * heard[1]


def test_a_folder_into_which_another_evaluation_is_written_is_refused(tmp_path: Path) -> None:
    with reserved(tmp_path / "new"):
        refused = pytest.raises(UsageError, match="new is in use for an evaluation by process")
        with refused, reserved(tmp_path / "new"):
            pass
    with reserved(tmp_path / "new"):
        pass


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    refused = pytest.raises(UsageError, match="is there already and holds no evaluation")
    with refused, reserved(tmp_path):
        pass
    with pytest.raises(UsageError, match=r"holds no evaluation: there is no about.json"):
        load_evaluation(tmp_path)


def test_about_is_json(tmp_path: Path) -> None:
    save(scored(), tmp_path / "a")
    about = json.loads((tmp_path / "a" / "about.json").read_text())
    assert about["convention"]["metrics"] == list(NAMES)
