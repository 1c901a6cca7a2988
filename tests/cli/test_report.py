"""`msdemucs report`: what it writes, where, and how it exits."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.loading import load_search_space
from tests.study.conftest import SPACE, asking, toy


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two small studies, run once."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "toy.yaml").write_text(SPACE)
        search = load_search_space(folder / "toy.yaml")
        run_study(search, toy)
        run_study(asking(search, name="other"), toy)
    return folder


@pytest.fixture
def studied(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a copy of the two studies."""
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


def invoke(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["report", *words])
    return done.exit_code, done.stdout if done.exception is None else str(done.exception)


def test_each_study_has_a_page_of_its_own(studied: Path) -> None:
    code, printed = invoke("toy", "other")
    assert code == 0
    assert printed.splitlines() == ["reports/toy.html", "reports/other.html"]
    assert "htdemucs_nn, 4 channels" in (studied / "reports" / "toy.html").read_text()


def test_compared_studies_share_one_page(studied: Path) -> None:
    code, printed = invoke("toy", "other", "--compare")
    assert (code, printed.splitlines()) == (0, ["reports/toy-other.html"])
    assert "other: htdemucs_nn, 4 channels" in (studied / "reports" / "toy-other.html").read_text()


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


def test_a_watch_that_is_interrupted_leaves_a_still_page(
    studied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db").ask()
    page = studied / "reports" / "toy.html"
    seen: list[bool] = []

    def interrupted(_: float) -> None:
        seen.append("data-live" in page.read_text()[:200])
        raise KeyboardInterrupt

    monkeypatch.setattr("msdemucs.cli.report.time.sleep", interrupted)
    code, printed = invoke("toy", "--watch", "5")
    assert (code, seen) == (0, [True])
    assert "stopped watching" in printed
    assert "data-live" not in page.read_text()[:200]


def test_watching_ends_with_the_study_and_leaves_a_still_page(
    studied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    running, pauses = study.ask(), []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            study.tell(running, state=optuna.trial.TrialState.FAIL)

    monkeypatch.setattr("msdemucs.cli.report.time.sleep", pause)
    code, printed = invoke("toy", "--watch", "0.2")
    assert (code, pauses) == (0, [0.2, 0.2])
    assert printed.count("reports/toy.html") == 4  # the last one is still
    assert "data-live" not in (studied / "reports" / "toy.html").read_text()[:200]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["toy", "other", "-o", "x.html"], "--compare puts them into one report"),
        (["toy", "--watch", "0"], "must be above 0"),
        (["toy", "--watch", "nan"], "must be above 0 and at most 86400 seconds, found nan"),
        (["toy", "-o", "."], ". is a folder; name the file"),
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
