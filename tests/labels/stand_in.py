"""A stand-in for the Zooniverse's API on loopback: subject sets, subjects, media; as far as an upload asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

PAGE = 3  # subjects a page, so that there are several


class Zooniverse:
    """What the stand-in holds, and what happens when a subject is made."""

    def __init__(self) -> None:
        self.sets: dict[str, dict[str, Any]] = {}
        self.subjects: dict[str, dict[str, Any]] = {}
        self.joined: list[tuple[str, str]] = []
        self.media: dict[str, bytes] = {}
        self.on_subject: Callable[[int], bool] = lambda number: True
        self.lock = Lock()
        self.address = ""

    def ids_in(self, subject_set: str) -> list[str]:
        """The galaxies of a set, in the order in which they were joined."""
        return [self.subjects[subject]["metadata"]["#id"] for into, subject in self.joined if into == subject_set]

    def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """Answer a question."""
        if match := re.fullmatch(r"/api/subject_sets(?:/(\d+))?", path):
            return {"subject_sets": [entry for key, entry in self.sets.items() if match[1] in (None, key)]}
        if path == "/api/set_member_subjects":
            pair = (query["subject_set_id"], query["subject_id"])
            found = [{"id": "1", "links": {}}] if pair in self.joined else []
            return {"set_member_subjects": found}
        if path == "/api/subjects":
            inside = [self.subjects[subject] for into, subject in self.joined if into == query["subject_set_id"]]
            page = int(query.get("page", 1))
            more = len(inside) > page * PAGE
            following = f"/subjects?subject_set_id={query['subject_set_id']}&page={page + 1}" if more else None
            meta = {"page": page, "page_count": -(-len(inside) // PAGE), "next_href": following}
            return {"subjects": inside[(page - 1) * PAGE : page * PAGE], "meta": {"subjects": meta}}
        raise KeyError(path)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Make or join something; None: the connection is cut."""
        if path == "/api/subject_sets":
            number = str(500 + len(self.sets))
            self.sets[number] = {"id": number, **body["subject_sets"]}
            return {"subject_sets": [self.sets[number]]}
        if path == "/api/subjects":
            number = str(9000 + len(self.subjects))
            self.subjects[number] = {"id": number, **body["subjects"]}
            answer = self.subjects[number] | {
                "locations": [{kind: f"{self.address}/media/{number}"} for kind in body["subjects"]["locations"]]
            }
            return {"subjects": [answer]} if self.on_subject(len(self.subjects)) else None
        if match := re.fullmatch(r"/api/subject_sets/(\d+)/links/subjects", path):
            self.joined += [(match[1], str(subject)) for subject in body["subjects"]]
            return {"subjects": []}
        raise KeyError(path)


@contextmanager
def running():  # type: ignore[no-untyped-def]
    """Serve a Zooniverse on loopback."""
    world = Zooniverse()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def answer(self, values: dict[str, Any]) -> None:
            content = json.dumps(values).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", "W/1")
            self.end_headers()
            self.wfile.write(content)

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def do_GET(self) -> None:
            place = urlparse(self.path)
            with world.lock:
                self.answer(world.get(place.path, {key: value[0] for key, value in parse_qs(place.query).items()}))

        def do_POST(self) -> None:
            body = self.body()
            if self.path == "/oauth/token":
                self.answer({"access_token": "t", "expires_in": 7200})
                return
            with world.lock:
                answer = world.post(urlparse(self.path).path, json.loads(body))
            if answer is not None:
                self.answer(answer)

        def do_PUT(self) -> None:
            with world.lock:
                world.media[self.path.rpartition("/")[2]] = self.body()
            self.answer({})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
