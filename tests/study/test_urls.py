"""URLs of storages: every path is one file, and no secret is shown."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.cli import study as commands
from msdemucs.errors import UsageError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage
from msdemucs.study.storage.urls import check_url, database_path, storage_url, without_password
from tests.study.conftest import asking, toy


@pytest.mark.parametrize(
    ("storage", "url"),
    [
        (None, "sqlite:///studies/toy.db"),
        ("all.journal", "journal:///all.journal"),
        ("/shared/all.log", "journal:////shared/all.log"),
        ("a/b.db", "sqlite:///a/b.db"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg://me@host/db"),
    ],
)
def test_a_storage_is_named_by_a_url_or_a_path(storage: str | None, url: str) -> None:
    assert storage_url("toy", storage) == url
    check_url(url)


@pytest.mark.parametrize("ending", ["db", "journal"])
@pytest.mark.parametrize("name", ["q?x/new", "p%41c", "a#b@c:d e", "{x}", "ü&y=1"])
def test_a_path_names_its_file_whatever_characters_it_has(
    name: str, ending: str, search: Search, in_tmp: Path
) -> None:
    path = f"studies/{name}.{ending}"
    finished = run_study(asking(search, trials=1), toy, storage=path)
    assert (in_tmp / path).is_file()
    assert database_path(finished.url) == Path(path)
    assert load_study(path).name == load_study(finished.url).name == "toy"
    done = CliRunner().invoke(commands.app, ["show", "toy", "--storage", path])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("url", ["mysql://me@host/db", "journal://", "redis://host"])
def test_other_storages_are_refused_by_name(url: str) -> None:
    with pytest.raises(UsageError, match=r"postgresql\+psycopg|keeps nothing"):
        open_storage(url)


def test_a_journals_url_with_settings_says_how_to_write_a_question_mark() -> None:
    with pytest.raises(UsageError, match="%3F"):
        check_url("journal:///studies/a?b.journal")


def test_a_driver_that_is_not_installed_is_named_with_its_extra() -> None:
    with pytest.raises(UsageError, match=r"pip install 'msdemucs\[postgres\]'"):
        check_url("postgresql+pg8000://me@host/db")


SHOWN = {
    "postgresql://me:hush@host/db": "postgresql://me:…@host/db",
    "postgresql+psycopg://me:hu/sh@host:5432/db": "postgresql+psycopg://me:…@host:5432/db",
    "postgresql://me:hu@sh@host/db": "postgresql://me:…@host/db",
    "postgresql://me:hu?sh@host/db": "postgresql://me:…@host/db",
    "postgresql://me:hu::sh@host/db": "postgresql://me:…@host/db",
    "postgresql://:hush@host/db": "postgresql://:…@host/db",
    "postgresql://host/db?user=me&password=hush": "postgresql://host/db?user=me&password=…",
    "postgresql://host/db?sslpassword=hush&user=a@b": "postgresql://host/db?sslpassword=…&user=a@b",
    "postgresql://me:hush@host/db?options=a@b": "postgresql://me:…@host/db?options=a@b",
    "postgresql://me:hush/db": "postgresql://me:…",
    "me:hush@host/db": "me:…@host/db",
    "postgres//me:hush@host/db": "postgres//me:…@host/db",
    "s3://id:hush@bucket/a": "s3://id:…@bucket/a",
    "simplecache::sftp://me:hu/sh@host/a": "simplecache::sftp://me:…@host/a",
    "https://host/a?X-Amz-Signature=hush&x=1": "https://host/a?X-Amz-Signature=…&x=1",
    **{
        url: url
        for url in (
            "sqlite:///studies/a.db",
            "sqlite:////b/a:b@c.db?uri=true",
            "postgresql://me@host:5432/db?passfile=/a",
            "postgresql://one:5432,two:5433/db",
            "postgresql://me@[::1]:5432/db",
            "zip://a.zip::s3://bucket/run:1@home",
            "studies",
        )
    },
}


@pytest.mark.parametrize(("url", "shown"), SHOWN.items())
def test_a_url_is_shown_without_its_secrets_and_otherwise_as_it_is(url: str, shown: str) -> None:
    assert without_password(url) == shown
