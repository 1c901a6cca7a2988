"""studies/analysis.ipynb, executed as it is on a study of toys."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.loading import load_search_space
from tests.study.conftest import SPACE, toy

NOTEBOOK = Path(__file__).parents[2] / "studies" / "analysis.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own parts
def test_the_notebook_runs_to_its_end_by_its_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(SPACE)
    run_study(load_search_space(tmp_path / "toy.yaml"), toy)
    monkeypatch.setenv("MSDEMUCS_STUDY", "studies/toy.db")
    monkeypatch.setenv("MSDEMUCS_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLBACKEND", "agg")

    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    beside = {"metadata": {"path": str(tmp_path / "studies")}}  # where Jupyter begins a kernel
    client = NotebookClient(notebook, timeout=90, resources=beside)
    client.execute()

    printed = "".join(
        "".join(output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    assert "A toy" in printed
    assert "channels.start" in printed
    assert "no ablation" in printed
    assert (tmp_path / "figures" / "front-macs_per_second.png").is_file()
    assert "| spec |" in (tmp_path / "figures" / "tables.md").read_text()


def test_the_notebook_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells)
