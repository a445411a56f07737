"""Failures that may pass are told from those of the image itself, and tried again with growing pauses."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest
from PIL import Image

from zooactive.catalogue import Preprocessing, images, patience
from zooactive.catalogue.many_images import decode_many
from zooactive.catalogue.patience import Patience, Reason, is_away, kind_of, may_pass, read_patiently

SMALL = Preprocessing(size=8)
BUSY = Reason("busy", "transient")


class Answer(Exception):
    """An error that carries a status of HTTP, as those of aiohttp do."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server said {status}")
        self.status = status


class Botocore(Exception):
    response = {"ResponseMetadata": {"HTTPStatusCode": 503}}  # noqa: RUF012


def caused(cause: Exception) -> Exception:
    error = RuntimeError("wrapped")
    error.__cause__ = cause
    return error


def of_library(module: str, name: str) -> Exception:
    return type(name, (Exception,), {"__module__": module})()


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.ENOTCONN, "Transport endpoint is not connected"),
        OSError(errno.EBUSY, "Slow down"),
        *(Answer(status) for status in (408, 429, 500, 502, 503, 504)),
        Botocore(),
        caused(Answer(503)),
        of_library("aiohttp.client_exceptions", "ServerDisconnectedError"),
        of_library("aiohttp.client_exceptions", "ClientPayloadError"),
        of_library("urllib3.exceptions", "ReadTimeoutError"),
    ],
)
def test_errors_of_servers_and_file_systems_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError("image file is truncated"),
        OSError(errno.ELOOP, "Too many levels of symbolic links"),
        *(Answer(status) for status in (400, 401, 403, 404, 410)),
        caused(Answer(404)),
        ValueError("connect"),
        of_library("aiohttp.client_exceptions", "InvalidURL"),
    ],
)
def test_errors_of_an_image_do_not_pass(error):
    assert not may_pass(error)


def test_a_folder_that_is_not_there_or_empty_is_away(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "other.png").touch()
    (tmp_path / "mount").mkdir()
    assert not is_away(tmp_path / "there" / "g.png")
    assert is_away(tmp_path / "mount" / "g.png")
    assert is_away(tmp_path / "nowhere" / "g.png")


def test_a_reason_is_a_text_that_keeps_its_kind():
    again = pickle.loads(pickle.dumps(BUSY))
    assert (again, again.kind, kind_of(again), kind_of("plain")) == ("busy", "transient", "transient", "permanent")


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The pauses that are made, in place of making them."""
    monkeypatch.setattr(patience, "PAUSES", (0.5, 2.0, 8.0))
    return []


def test_only_what_may_pass_is_read_again_after_growing_pauses(pauses):
    asked: list[list[int]] = []
    states = iter([{1: Reason("damaged"), 2: BUSY, 4: BUSY}, {2: BUSY}, {}])

    def read(rows):
        asked.append(list(rows))
        return next(states)

    failed = read_patiently(read, range(5), Patience(pauses.append))
    assert failed == {1: "damaged"}
    assert asked == [[0, 1, 2, 3, 4], [2, 4], [2]]
    assert pauses == [0.5, 2.0]


def test_pauses_for_nothing_are_not_made_at_every_batch_and_come_back(pauses):
    now = [0.0]
    waiting = Patience(pauses.append, lambda: now[0])
    asked: list[int] = []

    def away(rows):
        asked.append(len(rows))
        return dict.fromkeys(rows, BUSY)

    assert list(read_patiently(away, range(3), waiting)) == [0, 1, 2]
    assert (pauses, asked) == ([0.5, 2.0, 8.0], [3, 3, 3, 3])
    for _ in range(5):
        read_patiently(away, range(3), waiting)
    assert pauses == [0.5, 2.0, 8.0]
    assert asked[4:] == [3, 3] * 5, "each is still tried twice"
    now[0] = 601.0
    read_patiently(away, range(3), waiting)
    assert len(pauses) == 6
    answers = iter([{0: BUSY}, {}])
    assert read_patiently(lambda rows: next(answers), range(3), waiting) == {}
    answers = iter([{0: BUSY}, {}])
    read_patiently(lambda rows: next(answers), range(3), waiting)
    assert pauses[6:] == [0.5], "an image that came brings the pauses back"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_file_system_that_fails_for_a_moment_costs_no_galaxy(write_pictures, monkeypatch, number):
    folder = write_pictures(["a", "b"])
    opened, failing = images.open_regular, {"b.jpg": 2}

    def flaky(path: Path):
        if failing.get(path.name, 0):
            failing[path.name] -= 1
            raise OSError(number, "a moment")
        return opened(path)

    monkeypatch.setattr(images, "open_regular", flaky)
    pixels, failures = decode_many([folder / "a.jpg", folder / "b.jpg"], SMALL, names=["a", "b"])
    assert not failures
    assert pixels[1].any()
    failing["b.jpg"] = 99
    _, failures = decode_many([folder / "a.jpg", folder / "b.jpg"], SMALL, names=["a", "b"])
    assert [(row, kind_of(reason)) for row, reason in failures.items()] == [(1, "transient")]
    assert "cannot be reached now (a moment); run the same command again later" in failures[1]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def looping(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.jpg")


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncated, "truncated or damaged"),
        (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
        (lambda path: path.write_bytes(b"<html>log in</html>"), "not a JPEG, PNG or FITS image"),
        (looping, "a link that points back to itself"),
        (dangling, "does not exist"),
        (folder_in_its_place, "is a folder"),
        (lambda path: Image.new("RGB", (3, 3)).save(path), "3 x 3 pixels"),
    ],
)
def test_an_image_that_is_damaged_is_read_once(write_pictures, monkeypatch, damage, told):
    folder = write_pictures(["a", "b"])
    damage(folder / "b.jpg")
    read, opened = [], images.open_regular
    monkeypatch.setattr(images, "open_regular", lambda path: (read.append(path.name), opened(path))[1])
    _, failures = decode_many([folder / "a.jpg", folder / "b.jpg"], SMALL, names=["a", "b"])
    assert told in failures[1]
    assert kind_of(failures[1]) == "permanent"
    assert sorted(read) == ["a.jpg", "b.jpg"]


def test_a_right_that_was_taken_away_is_no_matter_of_waiting(write_pictures, monkeypatch):
    folder = write_pictures(["a"])

    def refuse(path: Path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(images, "open_regular", refuse)
    _, failures = decode_many([folder / "a.jpg"], SMALL, names=["a"])
    assert kind_of(failures[0]) == "permanent"
    assert "may not be read: permission denied" in failures[0]
