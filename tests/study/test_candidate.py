"""What is recorded of the code and the packages that made a trial, and what its log says."""

import subprocess
from pathlib import Path

import pytest

from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study
from msdemucs.study.trial.candidate import revision, versions
from tests.study.conftest import asking, toy


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git tree with one file kept and one not."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "me")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "me@example.org")
    (tmp_path / "kept.py").write_text("a = 1\n")
    for words in (["init", "-q"], ["add", "kept.py"], ["commit", "-q", "-m", "a"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    (tmp_path / "installed.py").write_text("b = 1\n")
    return tmp_path


def test_the_revision_is_that_of_the_tree_and_says_whether_it_was_changed(tree: Path) -> None:
    head = ["git", "-C", str(tree), "rev-parse", "HEAD"]
    expected = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    assert revision(tree / "kept.py") == expected
    revision.cache_clear()
    (tree / "kept.py").write_text("a = 2\n")
    assert revision(tree / "kept.py") == f"{expected}+"
    revision.cache_clear()


def test_a_package_that_lies_in_anothers_tree_has_no_revision(tree: Path) -> None:
    assert revision(tree / "installed.py") is None


def test_each_trial_records_its_revision_versions_and_log(search: Search) -> None:
    run_study(asking(search, trials=1), toy)
    trial = load_study("toy").trials.iloc[0]
    assert trial.versions == versions()
    assert {"python", "torch", "optuna", "msdemucs"} <= set(trial.versions)
    assert trial.git == revision()
    lines = Path(trial.log).read_text().splitlines()
    assert trial.log == "studies/toy/trials/0/log.txt"
    figures = f"usdr_db {trial.usdr_db:.4g}, macs_per_second {trial.macs_per_second:.4g}"
    assert [line.split("  ", 1)[1] for line in lines] == [
        "trial 0 (htdemucs) begins, seed 0",
        "train, 2 steps",
        "train 2/2  loss 0.5000",
        f"trial 0 complete: {figures}",
    ]
