"""What the server of the page gives to whom: to its own page all, to anybody else nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from pictures import picture

from zooactive.catalogue import read_catalogue
from zooactive.catalogue.images import encode_png
from zooactive.foundation.errors import OutputError
from zooactive.loop.labelling.session import Session
from zooactive.report.labelling_page.server import PageServer
from zooactive.tree import DecisionTree, Question

HOSTILE = "<img src=x onerror=alert(1)>"
IDS = ["a", "b", HOSTILE]


@pytest.fixture
def served(tmp_path):
    """A session and the server of its page; the last galaxy's image cannot be read."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(picture(rng, 48)))
    (tmp_path / "c.png").write_bytes(b"no picture")
    pd.DataFrame({"id": IDS, "image": ["a.png", "b.png", "c.png"]}).to_csv(tmp_path / "galaxies.csv", index=False)
    pool = read_catalogue(tmp_path / "galaxies.csv")
    tree = DecisionTree("labels", (Question("ring", ("yes", HOSTILE)),), votes="class")
    session = Session(pool.ids, tree, tmp_path / "ring")
    server = PageServer(session, pool)
    server.start()
    yield session, server.address
    server.stop()
    session.close()


def get(address, body=None, **headers):
    """Return status, headers and content."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as told:
            return told.status, dict(told.headers), told.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_the_page_gets_what_it_needs_and_may_load_nothing_from_elsewhere(served):
    _, address = served
    for name, kind in (("", "text/html"), ("label.css", "text/css"), ("label.js", "text/javascript")):
        status, headers, content = get(address + name)
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert b"http://" not in content.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"innerHTML" not in content
    status, headers, content = get(address + "image/0")
    assert (status, headers["content-type"], content[:2]) == (200, "image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("", {"Host": "evil.example"}, 403),
        ("", {"Host": "127.0.0.1.evil.example"}, 403),
        ("", {"Origin": "https://evil.example"}, 403),
        ("", {"Origin": "null"}, 403),
        ("api/state", {"Origin": "http://127.0.0.1:1"}, 403),
        ("../", {}, 404),
        ("/../../etc/passwd", {}, 404),
        ("image/../../../../etc/passwd", {}, 404),
        ("%2e%2e/%2e%2e/etc/passwd", {}, 404),
        ("image/99", {}, 404),
        ("image/2", {}, 404),
        ("image/-1", {}, 404),
        ("label.py", {}, 404),
    ],
)
def test_strangers_and_strange_paths_get_nothing(served, path, headers, status):
    found, _, content = get(served[1] + path, **headers)
    assert found == status
    assert b"root:" not in content


@pytest.mark.parametrize("token", ["", "x", "../", "%00"])
def test_without_the_token_there_is_nothing(served, token):
    at = urlsplit(served[1])
    assert get(f"http://{at.netloc}/{token}")[0] == 403
    assert get(f"http://{at.netloc}/{token}/api/state")[0] == 403


def test_a_request_of_100_mb_is_refused_before_it_is_read(served):
    at = urlsplit(served[1])
    with socket.create_connection((at.hostname, at.port), timeout=20) as stream:
        head = f"POST {at.path}api/answer HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: {100 << 20}\r\n\r\n"
        stream.sendall(head.encode() + b"x" * 1000)
        assert b"413" in stream.recv(200)
    with socket.create_connection((at.hostname, at.port), timeout=20) as stream:  # which does not say how long it is
        head = f"POST {at.path}api/answer HTTP/1.1\r\nHost: {at.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n"
        stream.sendall(head.encode())
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        try:
            for _ in range(3000):
                stream.sendall(chunk)
        except OSError:
            return  # it has hung up
        assert b"413" in stream.recv(200)


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[1, 2]",
        {"id": "zzz", "answer": "yes", "labeller": "me"},
        {"id": "a", "answer": "perhaps", "labeller": "me"},
        {"id": "a", "answer": "yes", "labeller": "me", "chosen": "by hand"},
        {"id": "a", "answer": "yes", "labeller": "  "},
        {"id": "a", "answer": "yes", "labeller": "x" * 81},
        {"id": "a", "answer": "yes", "labeller": "a\nb"},
        {"id": "a", "answer": "yes", "labeller": "me", "probability": "much"},
        {"answer": "yes", "labeller": "me"},
        {"id": "a", "question": "bar", "answer": "yes", "labeller": "me"},
        {},
    ],
)
def test_what_is_no_answer_is_refused_in_a_sentence_and_leaves_nothing(served, body):
    session, address = served
    status, _, content = get(address + "api/answer", body)
    assert status == 400
    assert json.loads(content)["error"]
    assert session.answers.events == []


def test_galaxies_of_an_answer_and_one_by_name_come_as_the_page_asks(served):
    session, address = served
    shown = json.loads(get(address + "api/grid?page=p&answer=yes")[2])["galaxies"]
    assert {galaxy["id"]: galaxy["row"] for galaxy in shown} == dict(zip(IDS, range(3), strict=True))
    assert {galaxy["chosen"] for galaxy in shown} == {"grid"}
    session.answer("b", "yes", "me")
    found = json.loads(get(address + "api/galaxy?id=b")[2])
    assert (found["row"], found["chosen"]) == (1, "named")
    status, _, content = get(address + "api/galaxy?id=nowhere")
    assert (status, "nowhere" in json.loads(content)["error"]) == (400, True)
    # No more are shown than there are, however many are asked for.
    shown = json.loads(get(address + "api/next?page=p&labeller=me&number=9")[2])["galaxies"]
    assert sorted(galaxy["id"] for galaxy in shown if galaxy["chosen"] != "again") == sorted({"a", HOSTILE})


def test_whoever_logs_goes_on_logging(tmp_path):
    """uvicorn's usual settings close the handlers of all others."""
    handler = logging.FileHandler(tmp_path / "mine.log", mode="w")
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    pd.DataFrame({"id": ["a"], "image": ["a.png"]}).to_csv(tmp_path / "galaxies.csv", index=False)
    pool = read_catalogue(tmp_path / "galaxies.csv")
    with contextlib.closing(
        Session(pool.ids, DecisionTree("labels", (Question("ring", ("yes", "no")),)), tmp_path)
    ) as session:
        PageServer(session, pool)._socket.close()
    logger.warning("still here")
    logger.removeHandler(handler)
    handler.close()
    assert (tmp_path / "mine.log").read_text() == "still here\n"


def test_tags_in_ids_and_answers_are_texts(served):
    session, address = served
    status, _, _ = get(address + "api/answer", {"id": HOSTILE, "answer": HOSTILE, "labeller": HOSTILE})
    assert status == 200
    assert session.answers.counting(HOSTILE).last.answer == HOSTILE
    assert json.loads(get(address + "api/state")[2])["questions"][0]["answers"] == ["yes", HOSTILE]


def test_a_thousand_connections_do_not_keep_the_page_from_its_answers(served):
    session, address = served
    at = urlsplit(address)
    held = []
    try:
        for _ in range(1000):
            try:
                held.append(socket.create_connection((at.hostname, at.port), timeout=5))
            except OSError:
                break
        for stream in held:
            stream.close()
        held.clear()
        statuses = []
        while not statuses or (statuses[-1] == 503 and len(statuses) < 50):  # until it has noticed that they are gone
            statuses.append(get(address + "api/answer", {"id": "a", "answer": "yes", "labeller": "me"})[0])
            time.sleep(0.1)
        assert statuses[-1] == 200
    finally:
        for stream in held:
            stream.close()
    assert session.answers.counting("a").last.answer == "yes"


def test_many_answers_at_once_are_all_kept(served):
    session, address = served

    def send(number):
        body = {"id": "ab"[number % 2], "answer": "yes", "labeller": f"labeller {number}"}
        assert get(address + "api/answer", body)[0] == 200

    threads = [threading.Thread(target=send, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, *lines = (session.folder / "answers.jsonl").read_text().splitlines()  # the first says the format
    assert len(lines) == 24
    assert {json.loads(line)["labeller"] for line in lines} == {f"labeller {n}" for n in range(24)}


def test_a_full_disk_is_told_and_the_answer_does_not_count(served, monkeypatch):
    session, address = served

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zooactive.foundation.appended.os.fsync", full)
    status, _, content = get(address + "api/answer", {"id": "a", "answer": "yes", "labeller": "me"})
    monkeypatch.undo()
    assert status == 507
    assert "disk is full" in json.loads(content)["error"]
    assert session.answers.counting("a") is None


def test_a_port_that_is_taken_is_told(served, tmp_path):
    session, address = served
    with pytest.raises(OutputError, match="give another --port"):
        PageServer(session, None, port=urlsplit(address).port)
