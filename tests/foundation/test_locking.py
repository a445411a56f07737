"""A folder is one process's at a time, and the system lets go of it when that one dies."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zooactive.foundation.errors import OutputError
from zooactive.foundation.locking import held
from zooactive.foundation.writing import this_host

HOLDER = """
import sys
from zooactive.foundation.locking import held
with held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def another(folder: Path) -> subprocess.Popen[str]:
    """Start a process that holds a folder until its input ends or it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def no_locks(monkeypatch):
    """A file system without locks, as some are that lie on other machines."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_the_second_comer_is_refused_with_machine_and_process_until_the_first_has_ended(tmp_path):
    first = another(tmp_path)
    who = rf"in use by process {first.pid} on {re.escape(platform.node())}; wait until it has ended"
    with pytest.raises(OutputError, match=who), held(tmp_path):
        pass
    first.communicate()
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_system_lets_go_when_a_process_is_killed(tmp_path):
    first = another(tmp_path)
    first.kill()
    first.communicate()
    assert (tmp_path / ".lock").exists()
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_what_a_thread_calls_may_hold_its_folder_again_and_other_threads_may_not(tmp_path):
    refused: list[str] = []

    def try_it() -> None:
        try:
            with held(tmp_path):
                pass
        except OutputError as error:
            refused.append(str(error))

    with held(tmp_path / "." / "a"), held(tmp_path), held(str(tmp_path)):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        with held(tmp_path):
            pass
    assert len(refused) == 1
    assert f"process {os.getpid()} on" in refused[0]
    with held(tmp_path):
        pass


def test_where_there_are_no_locks_a_file_stands_for_one(tmp_path, no_locks):
    with held(tmp_path):
        assert (tmp_path / ".lock-held").exists()
    assert not (tmp_path / ".lock-held").exists()
    for process, host, told in ((os.getppid(), this_host(), "wait until"), (1, "0" * 8, "delete")):
        (tmp_path / ".lock-held").write_text(f"node\n{process}\n{host}")
        with pytest.raises(OutputError, match=f"in use by process {process} on node; .*{told}"), held(tmp_path):
            pass
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    (tmp_path / ".lock-held").write_text(f"node\n{ended.stdout.strip()}\n{this_host()}")
    with held(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"), held(tmp_path / "file"):
        pass


def test_a_link_in_the_place_of_the_lock_has_nothing_written_over(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError, match="is a link, which zooactive never makes; delete it"), held(tmp_path / "folder"):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_pipe_in_the_place_of_the_lock_stops_nobody(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    worked = False
    with held(tmp_path):
        worked = True
    assert worked
    assert not (tmp_path / ".lock").exists()


def test_a_folder_of_a_full_disk_is_held_though_nobody_can_read_by_whom(tmp_path, monkeypatch):
    def pwrite(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", pwrite)
    with held(tmp_path):
        refused = subprocess.run([sys.executable, "-c", HOLDER, str(tmp_path)], capture_output=True, text=True)
        assert f"{tmp_path} is in use by another process" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_stands_for_a_lock_goes_where_a_full_disk_takes_no_name(tmp_path, no_locks, monkeypatch):
    def write(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        with pytest.raises(OutputError, match="the disk is full"), held(tmp_path):
            pass
    with held(tmp_path):
        pass


@pytest.mark.usefixtures("pythons_own_answer")
@pytest.mark.parametrize("call", ["open", "ftruncate", "pwrite", "close"])
def test_a_stop_at_any_moment_leaves_no_lock(tmp_path, monkeypatch, call):
    real = getattr(os, call)

    def stopped(*given: object, **options: object) -> object:
        monkeypatch.setattr(os, call, real)
        done = real(*given, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return done

    monkeypatch.setattr(os, call, stopped)
    with pytest.raises(KeyboardInterrupt), held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
    with held(tmp_path):  # nor is it held
        pass
