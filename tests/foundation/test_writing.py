from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zooactive.foundation.errors import OutputError
from zooactive.foundation.writing import (
    aside,
    file_hash,
    make_folder,
    many_aside,
    output_explained,
    refuse_without_room,
    remove_leftovers,
    this_host,
    write_how,
    write_json,
)


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


# What power cuts, kills and other machines do -------------------------------------------------------------------------


def test_file_and_folder_are_synced_the_file_before_it_is_renamed(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if folder else os.fstat(descriptor).st_size, (tmp_path / "out.txt").exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with aside(tmp_path / "out.txt") as temporary:
        temporary.write_text("whole")
    assert synced == [(5, False), ("folder", True)]


def test_of_many_files_each_is_synced_before_it_is_renamed_and_the_folder_once(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor: int) -> None:
        there = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if folder else os.fstat(descriptor).st_size, there))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr("zooactive.foundation.writing._FILES_AT_ONCE", 2)
    with many_aside() as write:
        for name in "abc":
            write(tmp_path / name, b"whole")
    assert synced == [(5, [])] * 2 + [("folder", ["a", "b"]), (5, ["a", "b"]), ("folder", ["a", "b", "c"])]


@pytest.mark.parametrize("full", [True, False])
def test_many_files_that_cannot_be_finished_leave_what_was_there(tmp_path, monkeypatch, full):
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_text("before")
    if full:
        monkeypatch.setattr(os, "fsync", fsync)

    def write_two() -> None:
        with many_aside() as write:
            write(tmp_path / "a", b"new")
            write(tmp_path / "b", b"new")
            if not full:
                raise KeyboardInterrupt

    with pytest.raises(OutputError if full else KeyboardInterrupt, match="the disk is full" if full else None):
        write_two()
    assert (tmp_path / "a").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_writer_is_told_beforehand_that_the_disk_has_no_room(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with aside(tmp_path / "out") as temporary:
        refuse_without_room(temporary, 10_000)
        assert temporary.stat().st_size == 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, before[1]))
    try:
        with pytest.raises(OutputError, match="larger than files may be here"), aside(tmp_path / "out") as temporary:
            refuse_without_room(temporary, 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_sync_is_written_to_all_the_same(tmp_path, monkeypatch, number):
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    write_json(tmp_path / "out.json", {"a": 1})
    assert json.loads((tmp_path / "out.json").read_text()) == {"a": 1}


def test_a_disk_that_is_full_when_it_is_synced_leaves_what_was_there(tmp_path, monkeypatch):
    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "out.json").write_text("before")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match="the disk is full"):
        write_json(tmp_path / "out.json", {"a": 1})
    assert (tmp_path / "out.json").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_threads_write_one_file_of_one_folder_at_once_and_it_is_whole(tmp_path):
    def write(number: int) -> None:
        with aside(tmp_path / "out.txt") as temporary:
            temporary.write_text(f"{number}," * 5000)
            time.sleep(0.001)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    said = (tmp_path / "out.txt").read_text().rstrip(",").split(",")
    assert len(said) == 5000
    assert len(set(said)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_two_containers_with_the_same_process_number_write_into_two_files(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with aside(tmp_path / "out.txt") as one, aside(tmp_path / "out.txt") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "out.txt").read_text() == "one"


def test_only_what_dead_processes_of_this_machine_left_and_what_is_a_day_old_is_swept(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead, elsewhere, here = ended.stdout.strip(), "0" * 8, this_host()
    names = {
        f".part-{here}-{dead}-01234567-a.csv": False,
        f".part-{here}-{os.getpid()}-01234567-a.csv": True,
        f".part-{here}-{os.getpid()}-01234568-old.csv": True,
        f".part-{elsewhere}-{dead}-01234567-a.csv": True,
        f".part-{elsewhere}-1-01234567-old.csv": False,
        f".part-{dead}-a.csv": True,  # as older versions wrote it: of which machine, nobody knows
        f".part-{dead}-old.csv": False,
        ".part-of-mine-old.csv": True,
        "part-old.csv": True,
    }
    for name in names:
        (tmp_path / name).write_text("")
        if name.endswith("old.csv"):
            os.utime(tmp_path / name, (time.time() - 90_000,) * 2)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}


def test_what_a_killed_process_left_goes_when_the_next_one_writes_there(tmp_path):
    code = "import os, sys; from zooactive.foundation.writing import aside\nwith aside(sys.argv[1]) as t: os._exit(1)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out.txt")], check=False)
    assert len(list(tmp_path.glob(".part-*"))) == 1
    with aside(tmp_path / "another.txt") as temporary:
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["another.txt"]


def test_a_name_as_long_as_file_systems_take_is_written(tmp_path):
    name = "n" * 251 + ".csv"
    with aside(tmp_path / name) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"


def test_what_is_written_is_open_to_those_that_the_umask_lets_in(tmp_path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / "b.json").write_text("")
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "b.json").stat().st_mode


def write_one(path: Path) -> None:
    with aside(path) as temporary:
        temporary.write_bytes(b"id")


def write_one_of_many(path: Path) -> None:
    with many_aside() as write:
        write(path, b"id")


@pytest.mark.usefixtures("pythons_own_answer")
@pytest.mark.parametrize("write", [write_one, write_one_of_many])
def test_a_stop_while_a_file_is_created_leaves_nothing(tmp_path, monkeypatch, write):
    real = os.open

    def stopped(*given: object, **options: object) -> int:
        monkeypatch.setattr(os, "open", real)
        descriptor = real(*given, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return descriptor

    monkeypatch.setattr(os, "open", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "table.csv")
    assert not list(tmp_path.iterdir())
