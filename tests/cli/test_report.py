"""`msdemucs report`: what it writes, where, and how it exits."""

import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.study.running.runner import run_study
from msdemucs.study.space.reading import load_search_space
from tests.study.conftest import SPACE, asking, toy


@pytest.fixture
def studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with two small studies."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(SPACE)
    search = load_search_space(tmp_path / "toy.yaml")
    run_study(search, toy)
    run_study(asking(search, name="other"), toy)
    return tmp_path


def invoke(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["report", *words])
    return done.exit_code, done.stdout if done.exception is None else str(done.exception)


def test_each_study_has_a_page_of_its_own(studied: Path) -> None:
    code, printed = invoke("toy", "other")
    assert code == 0
    assert printed.splitlines() == ["reports/toy.html", "reports/other.html"]
    assert "trial 4" in (studied / "reports" / "toy.html").read_text()


def test_compared_studies_share_one_page(studied: Path) -> None:
    code, printed = invoke("toy", "other", "--compare")
    assert (code, printed.splitlines()) == (0, ["reports/toy-other.html"])
    assert "other: trial 4" in (studied / "reports" / "toy-other.html").read_text()


def test_tables_come_with_their_pictures(studied: Path) -> None:
    code, printed = invoke("toy", "--format", "md", "-o", "paper/toy.md")
    assert code == 0
    text = (studied / "paper" / "toy.md").read_text()
    assert "](toy-figures/front-macs_per_second.png)" in text
    assert (studied / "paper" / "toy-figures" / "front-macs_per_second.png").is_file()
    assert "figures in paper/toy-figures" in printed
    assert invoke("toy", "--format", "latex")[0] == 0
    assert r"\begin{table}" in (studied / "reports" / "toy.tex").read_text()


def test_figures_go_where_they_are_asked(studied: Path) -> None:
    assert invoke("toy", "--figures", "f")[0] == 0
    assert (studied / "f" / "toy" / "front-parameters.svg").is_file()


def test_watching_ends_with_the_study_and_leaves_a_still_page(studied: Path) -> None:
    import optuna

    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    running = study.ask()
    timer = threading.Timer(1.0, lambda: study.tell(running, state=optuna.trial.TrialState.FAIL))
    timer.start()
    code, printed = invoke("toy", "--watch", "0.2")
    timer.join()
    assert code == 0
    assert printed.count("reports/toy.html") > 2
    assert "data-live" not in (studied / "reports" / "toy.html").read_text()[:200]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "other", "-o", "x.html"], "--compare puts them into one report"),
        (["toy", "--watch", "0"], "must be above 0 seconds"),
        (["toy", "--watch", "5", "--format", "md"], "--watch writes HTML alone"),
        (["toyy"], "did you mean"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    studied: Path, words: list[str], message: str
) -> None:
    code, printed = invoke(*words)
    assert code != 0
    assert message in printed
