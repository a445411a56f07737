from __future__ import annotations

import errno
import json
import os

import pytest

from zooactive.foundation.errors import OutputError
from zooactive.foundation.writing import aside, file_hash, make_folder, output_explained, write_how, write_json


def test_a_file_appears_whole_and_nothing_is_left_beside_it(tmp_path):
    with aside(tmp_path / "deep" / "out.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "deep" / "out.txt").exists()
    assert (tmp_path / "deep" / "out.txt").read_text() == "whole"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.txt"]


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there_and_no_half_of_the_rest(tmp_path, error):
    (tmp_path / "out.txt").write_text("before")

    def write() -> None:
        with aside(tmp_path / "out.txt") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert (tmp_path / "out.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota is used up; free some space"),
        (errno.EROFS, "read-only; choose another place"),
        (errno.EACCES, "permission denied; choose another place"),
        (errno.ENOTDIR, "a file stands where a folder is needed"),
    ],
)
def test_a_disk_that_refuses_is_explained_with_the_path_and_the_mend(tmp_path, number, told):
    def write() -> None:
        with aside(tmp_path / "out.txt"):
            raise OSError(number, os.strerror(number))

    with pytest.raises(OutputError, match=told) as raised:
        write()
    assert str(tmp_path / "out.txt") in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_full_device_is_met_with_the_systems_own_error(tmp_path):
    full = "/dev/full"
    if not os.path.exists(full):  # noqa: PTH110
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="the disk is full"), output_explained(tmp_path / "out"), open(full, "w") as stream:  # noqa: PTH123
        stream.write("x")


def test_an_error_of_another_kind_goes_on_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), aside(tmp_path / "out.txt"):
        (tmp_path / "nowhere").read_text()


def test_a_folder_below_a_file_and_a_file_in_place_of_a_folder_are_explained(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        write_json(tmp_path / "file" / "out.json", {})
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="a folder stands where a file is needed"):
        write_json(tmp_path / "folder", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_make_folder_makes_parents_and_is_content_with_a_folder_that_is_there(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_json_holds_no_number_that_other_readers_refuse(tmp_path):
    nan = float("nan")
    write_json(tmp_path / "a.json", {"a": nan, "b": [1.5, float("inf"), (nan, 2)], "c": {"d": -float("inf")}, "e": tmp_path})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": None, "b": [1.5, None, [None, 2]], "c": {"d": None}, "e": str(tmp_path)}
    assert "NaN" not in text
    assert "Infinity" not in text


def test_how_stands_beside_a_file_and_inside_a_folder(tmp_path):
    (tmp_path / "out.csv").write_text("")
    (tmp_path / "run").mkdir()
    for path in (tmp_path / "out.csv", tmp_path / "run"):
        write_how(path, command="acquire", options={"n": 3}, inputs={"votes.csv": "ab"})
    beside = json.loads((tmp_path / "out.csv.how.json").read_text())
    assert beside == json.loads((tmp_path / "run" / "how.json").read_text())
    assert (beside["command"], beside["options"], beside["inputs"]) == ("acquire", {"n": 3}, {"votes.csv": "ab"})
    assert {"python", "numpy", "pandas"} <= set(beside["versions"])


def test_a_hash_changes_with_a_byte_a_name_and_not_with_the_place(tmp_path):
    for folder in ("a", "b", "c", "d"):
        (tmp_path / folder / "deep").mkdir(parents=True)
        (tmp_path / folder / "deep" / "x").write_bytes(b"1" * 5000)
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b")
    (tmp_path / "c" / "deep" / "x").rename(tmp_path / "c" / "deep" / "y")
    (tmp_path / "d" / "deep" / "x").write_bytes(b"1" * 4999 + b"2")
    hashes = {file_hash(tmp_path / folder) for folder in ("a", "c", "d")}
    assert len(hashes) == 3
    assert all(len(digest) == 32 for digest in hashes)
    assert file_hash(tmp_path / "a" / "deep" / "x") == file_hash(tmp_path / "c" / "deep" / "y")
