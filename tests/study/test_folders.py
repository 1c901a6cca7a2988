"""The folder of a study: two studies of one name never write over each other's weights."""

import os
from pathlib import Path

import optuna
import pytest

from msdemucs.errors import StudyError, UsageError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.folders import OWNER, owner_of
from msdemucs.study.storage.load import load_study, open_storage, study_names
from msdemucs.study.storage.removal import doomed, remove_study
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from tests.study.conftest import asking, toy

OTHER = "sqlite:///studies/other.db"


@pytest.fixture
def begun(search: Search) -> Search:
    """Study “toy” in studies/toy.db, with one trial."""
    search = asking(search, trials=1)
    run_study(search, toy, attrs={"started": "2026-01-01T00:00:00"})
    return search


def test_a_folder_says_whose_it_is(begun: Search, in_tmp: Path) -> None:
    owner = owner_of(in_tmp / "studies" / "toy")
    assert owner is not None
    assert (owner.study, owner.database) == ("toy", str(in_tmp / "studies" / "toy.db"))
    assert owner.started == load_study("toy").attrs["started"]


def test_a_study_of_the_same_name_elsewhere_is_refused_and_leaves_nothing(
    begun: Search, in_tmp: Path
) -> None:
    with pytest.raises(UsageError, match=r"studies/toy holds the weights.*toy\.db.*--name"):
        run_study(begun, toy, storage=OTHER)
    assert study_names(open_storage(OTHER)) == []
    again = run_study(asking(begun, trials=2), toy)  # the first goes on
    assert again.complete == 2


def test_a_study_that_is_removed_under_a_worker_ends_it_with_a_word(
    search: Search, in_tmp: Path
) -> None:
    (in_tmp / "studies").mkdir()
    optuna.create_study(study_name="kept", storage="sqlite:///studies/toy.db")

    def removing(candidate: Candidate, log: TrialRecorder) -> None:
        remove_study(doomed("toy", storage="sqlite:///studies/toy.db"), even_running=True)
        toy(candidate, log)

    with pytest.raises(StudyError, match=r"no longer in sqlite:///studies/toy\.db: it was removed"):
        run_study(search, removing)


@pytest.mark.parametrize("name", ["../thesis", "../../thesis", ".", "..", "/{tmp}/thesis"])
def test_no_name_of_a_study_leads_its_removal_out_of_its_folder(in_tmp: Path, name: str) -> None:
    work = in_tmp / "work"
    for folder in (in_tmp / "thesis", work / "thesis", work / "studies"):
        folder.mkdir(parents=True)
        (folder / "mine").touch()
    os.chdir(work)
    stranger, url = name.format(tmp=in_tmp), f"sqlite:///{in_tmp}/stranger.db"
    optuna.create_study(study_name=stranger, storage=url)
    remove_study(doomed(stranger, storage=url))
    assert study_names(open_storage(url)) == []
    for folder in (in_tmp / "thesis", work / "thesis", work / "studies"):
        assert (folder / "mine").is_file()


def test_the_folder_of_a_database_that_was_deleted_is_free(begun: Search, in_tmp: Path) -> None:
    (in_tmp / "studies" / "toy.db").unlink()
    assert run_study(begun, toy, storage=OTHER).complete == 1
    owner = owner_of(in_tmp / "studies" / "toy")
    assert owner is not None
    assert owner.database == str(in_tmp / "studies" / "other.db")


def test_removing_a_study_leaves_a_folder_that_is_anothers(begun: Search, in_tmp: Path) -> None:
    folder = in_tmp / "studies" / "toy"
    mine = (folder / OWNER).read_text()
    (folder / OWNER).unlink()  # as studies left it that were begun before folders had owners
    run_study(begun, toy, storage=OTHER)
    (folder / OWNER).write_text(mine)
    what = doomed("toy", storage=OTHER)
    assert what.folder is None
    remove_study(what)
    assert folder.is_dir()
    assert doomed("toy").folder == Path("studies") / "toy"


def test_removing_a_strangers_study_follows_no_attribute_of_it_and_no_name(in_tmp: Path) -> None:
    kept = in_tmp / "bucket" / "mine"
    unmarked = in_tmp / "studies" / "theirs" / "mine"
    for file in (kept, unmarked):
        file.parent.mkdir(parents=True)
        file.touch()
    url = f"sqlite:///{in_tmp}/stranger.db"
    theirs = optuna.create_study(study_name="theirs", storage=url)
    theirs.set_user_attr("joining", {"folder": f"file://{kept.parent}"})
    what = doomed("theirs", storage=url)
    assert (what.place, what.folder) == ("", None)
    remove_study(what)
    assert study_names(open_storage(url)) == []
    assert kept.is_file()
    assert unmarked.is_file()
