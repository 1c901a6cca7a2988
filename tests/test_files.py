"""Is a file there whole or not at all, and a folder kept to the process that works in it?"""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from msdemucs.errors import UsageError
from msdemucs.files import (
    LOCK,
    cause_of,
    differences,
    legible,
    sole_user,
    whole,
    whole_folder,
    within,
    write_text,
)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def stop(unfinished: Path) -> None:
    unfinished.write_text("half")
    raise RuntimeError("stop")


def test_a_file_is_replaced_at_the_end_of_the_block_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "before")
    with whole(path) as unfinished:
        unfinished.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert names_in(path.parent) == ["a.txt"]


def test_what_an_exception_leaves_unfinished_is_removed(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "before")
    with pytest.raises(RuntimeError, match="stop"), whole(tmp_path / "a.txt") as unfinished:
        stop(unfinished)
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_with_all_that_is_in_it(tmp_path: Path) -> None:
    for text in ("before", "after"):
        with whole_folder(tmp_path / "folder") as draft:
            (draft / "in").mkdir()
            (draft / "in" / text).write_text(text)
    assert names_in(tmp_path / "folder" / "in") == ["after"]


def test_a_link_goes_on_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.txt")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "text"


@pytest.mark.parametrize("name", ["x" * 255, "ж" * 127, os.fsdecode(b"\xff" * 255)])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "text")
    assert names_in(tmp_path) == [name]


def test_a_full_disk_is_named_as_such() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (its number is looked at)
        write_text(Path("/dev/full"), "text")
    assert caught.value.errno == errno.ENOSPC
    assert cause_of(caught.value) == "the disk is full"


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """A block in which no larger file can be written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_cause_is_found_in_what_torch_and_safetensors_wrap_it_in(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(10_000)}
    with files_of_at_most(1000), (tmp_path / "a").open("wb") as file:
        with pytest.raises(RuntimeError) as of_torch:
            torch.save(tensors, file)
        with pytest.raises(SafetensorError) as of_safetensors:
            save_file(tensors, tmp_path / "b")
    assert cause_of(of_torch.value) == cause_of(of_safetensors.value) == "file too large"


def test_an_error_without_a_cause_is_its_own_first_line() -> None:
    assert cause_of(ValueError("one\ntwo")) == "one"
    assert cause_of(ValueError()) == "ValueError"


def test_a_folder_in_use_is_refused_by_name_until_its_user_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from msdemucs.files import sole_user\n"
        "with sole_user(Path(sys.argv[1]), 'a training'): print('in', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in\n"
        expected = rf"is in use for a training by process {other.pid} on .* since .*; wait for it"
        with pytest.raises(UsageError, match=expected), sole_user(tmp_path, "a test"):
            pass
        other.kill()
    with sole_user(tmp_path, "a test"):
        assert names_in(tmp_path) == [LOCK]
    assert names_in(tmp_path) == []


def test_nested_data_differ_by_dotted_fields_with_both_values() -> None:
    before = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}, "f": 0}
    after = {"a": {"b": 1, "c": [1, 3]}, "d": None, "g": 0}
    assert [*differences(before, after)] == [
        ("a.c", [1, 2], [1, 3]), ("d", {"e": 1}, None), ("f", 0, None), ("g", None, 0)
    ]  # fmt: skip
    assert [*differences(1, 2, "x")] == [("x", 1, 2)]
    assert [*differences(before, before)] == []


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "...", " ", "/x/ABS", "../../UP", "a\\..\\b", "a\0b", "日" * 200, "é" * 9],
)
def test_no_name_leads_out_of_a_folder_or_is_too_long_for_a_file(name: str, tmp_path: Path) -> None:
    path = within(tmp_path, name, ".json")
    path.write_text("")
    assert [file.resolve().parent for file in tmp_path.iterdir()] == [tmp_path.resolve()]
    assert within(tmp_path, name).resolve().parent == tmp_path.resolve()


def test_usual_names_stay_and_long_ones_stay_apart(tmp_path: Path) -> None:
    assert within(tmp_path, "Ann - One (日本).v2", ".wav").name == "Ann - One (日本).v2.wav"
    long = {within(tmp_path, "日" * 84 + end, ".json").name for end in ("a", "b")}
    assert len(long) == 2


def test_what_steers_a_terminal_or_cannot_be_written_is_spelt_out() -> None:
    name = os.fsdecode(b"\x1b]0;x\x07 caf\xe9\x9b") + "\u202e é\n\t"
    assert legible(name) == r"\x1b]0;x\x07 caf\udce9\udc9b\u202e é" + "\n\t"
    legible(name).encode()
