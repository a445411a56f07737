"""A Hugging Face hub on loopback, with as much of its interface as huggingface_hub asks for: tests never need the real one.

`standing_in` starts it and points huggingface_hub at it, with an empty cache. It holds repositories in memory, takes
commits, and fails on demand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_standin"
LARGE = (".npz", ".safetensors", ".bin", ".ckpt")
"""Endings of files that the hub keeps apart (LFS)."""


@dataclass
class Repository:
    """Commits, the latest last: each a number of 40 digits and the files by name."""

    private: bool = False
    gated: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=lambda: [(_number(0), {})])

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == revision), None)

    def commit(self, files: dict[str, bytes]) -> str:
        self.commits.append((_number(len(self.commits)), files))
        return self.commits[-1][0]


class Hub(ThreadingHTTPServer):
    """The hub: `repositories` by name, `asked` for what was asked, and what shall fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.fails_with: int | None = None
        self.breaks_off: int = 0
        """Downloads of large files that end in the middle, before one does not."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name: str, files: dict[str, bytes], **settings: bool) -> Repository:
        self.repositories[name] = Repository(**settings)
        self.repositories[name].commit(files)
        return self.repositories[name]


def _number(commit: int) -> str:
    return hashlib.sha1(f"commit {commit}".encode()).hexdigest()


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_large(path: str) -> bool:
    return path.endswith(LARGE)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    # Answers -----------------------------------------------------------------------------------------------------------

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, values: Any, status: int = 200, **headers: str) -> None:
        self._send(status, json.dumps(values).encode(), Content_Type="application/json", **headers)

    def _no(self, status: int, code: str = "", said: str = "no") -> None:
        self._json({"error": said}, status, **({"X_Error_Code": code} if code else {}), X_Error_Message=said)

    # Requests ----------------------------------------------------------------------------------------------------------

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def _route(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        if self.server.fails_with is not None:
            return self._no(self.server.fails_with)
        for method, pattern, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method in (self.command, "GET" if self.command == "HEAD" else self.command):
                return answer(self, **found.groupdict())
        return self._no(404, said="no such page")

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _readable(self, name: str) -> Repository | None:
        """Return a repository, or say why nobody here may read it."""
        found = self.server.repositories.get(name)
        if found is None or (found.private and not self._known()):
            return self._no(404 if self._known() else 401, "RepoNotFound", "Repository not found")
        if found.gated:
            return self._no(403 if self._known() else 401, "GatedRepo", "Access is restricted")
        return found

    def about(self, name: str, revision: str | None = None) -> None:
        if (found := self._readable(name)) is None:
            return None
        commit = found.at(revision or "main")
        if commit is None:
            return self._no(404, "RevisionNotFound", "Invalid rev id")
        names = [{"rfilename": path} for path in commit[1]]
        common = {"_id": "1", "id": name, "modelId": name, "tags": [], "downloads": 0, "likes": 0}
        return self._json({**common, "sha": commit[0], "private": found.private, "gated": False, "siblings": names})

    def tree(self, name: str, revision: str) -> None:
        if (found := self._readable(name)) is None:
            return None
        commit = found.at(revision)
        assert commit is not None
        entries = []
        for path, content in commit[1].items():
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git(content)}
            if _is_large(path):
                entry["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        return self._json(entries)

    def resolve(self, name: str, revision: str, path: str) -> None:
        if (found := self._readable(name)) is None:
            return None
        commit = found.at(revision)
        if commit is None:
            return self._no(404, "RevisionNotFound", "Invalid rev id")
        if path not in commit[1]:
            return self._no(404, "EntryNotFound", "Entry not found")
        content, number = commit[1][path], {"X_Repo_Commit": commit[0]}
        if _is_large(path):
            digest = _sha256(content)
            self.server.stored[digest] = content
            linked = {"X_Linked_Size": str(len(content)), "X_Linked_Etag": f'"{digest}"'}
            elsewhere = f"http://localhost:{self.server.server_port}/stored/{digest}"  # the hub stores them on another host
            return self._send(302, Location=elsewhere, **number, **linked)
        return self._send(200, content, ETag=f'"{_git(content)}"', **number)

    def download(self, digest: str) -> None:
        content = self.server.stored[digest]
        first = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(first[1]) if first else 0
        if self.server.breaks_off and self.command == "GET":
            self.server.breaks_off -= 1
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            self.wfile.write(content[begin : begin + (len(content) - begin) // 2])
            self.close_connection = True
            return None
        where = {"Content_Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if first else {}
        return self._send(206 if first else 200, content[begin:], ETag=f'"{digest}"', **where)

    def whoami(self) -> None:
        self._json({"name": "me", "type": "user", "orgs": []}) if self._known() else self._no(401)

    def create(self) -> None:
        if not self._known():
            return self._no(401)
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        page = {"url": f"{self.server.url}/{name}", "name": name}
        if name in self.server.repositories:
            return self._json({**page, "error": "You already created this model repo"}, 409)
        self.server.repositories[name] = Repository(
            private=bool(asked.get("private") or asked.get("visibility") == "private")
        )
        return self._json(page)

    def preupload(self, name: str, revision: str) -> None:
        found = self._readable(name)
        assert found is not None
        held, answers = found.at(revision)[1], []  # type: ignore[index]
        for file in json.loads(self.body)["files"]:
            large, content = _is_large(file["path"]), held.get(file["path"])
            number = None if content is None else _sha256(content) if large else _git(content)
            answer = {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
                "oid": number,
            }
            answers.append(answer)
        return self._json({"files": answers})

    def batch(self, name: str) -> None:
        objects: list[dict[str, Any]] = []
        for entry in json.loads(self.body)["objects"]:
            if entry["oid"] in self.server.stored:
                objects.append(entry)
                continue
            objects.append(
                entry | {"actions": {"upload": {"href": f"{self.server.url}/stored/{entry['oid']}", "header": {}}}}
            )
        return self._json({"transfer": "basic", "objects": objects})

    def upload(self, digest: str) -> None:
        assert _sha256(self.body) == digest
        self.server.stored[digest] = self.body
        return self._send(200)

    def commit(self, name: str, revision: str) -> None:
        if not self._known():
            return self._no(403)
        found = self.server.repositories[name]
        files = dict(found.commits[-1][1])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        number = found.commit(files)
        page = f"{self.server.url}/{name}/commit/{number}"
        return self._json({"success": True, "commitOid": number, "commitUrl": page, "hookOutput": ""})


_REPOSITORY = r"(?P<name>[\w.-]+/[\w.-]+)"
_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", rf"/api/models/{_REPOSITORY}", _Handler.about),
    ("GET", rf"/api/models/{_REPOSITORY}/revision/(?P<revision>.+)", _Handler.about),
    ("GET", rf"/api/models/{_REPOSITORY}/tree/(?P<revision>[^/]+)", _Handler.tree),
    ("GET", rf"/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
    ("GET", r"/stored/(?P<digest>\w+)", _Handler.download),
    ("PUT", r"/stored/(?P<digest>\w+)", _Handler.upload),
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", lambda self: self._json({"errors": [], "warnings": []})),
    ("POST", rf"/api/models/{_REPOSITORY}/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    ("POST", rf"/{_REPOSITORY}\.git/info/lfs/objects/batch", _Handler.batch),
    ("POST", rf"/api/models/{_REPOSITORY}/commit/(?P<revision>[^/]+)", _Handler.commit),
]


@contextmanager
def standing_in(home: Path) -> Iterator[Hub]:
    """Start a hub, and let huggingface_hub know no other; its cache lies in `home`, and nobody is logged in."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="huggingface_hub is not installed; extra 'hub'")
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        use_cache(patch, home)
        patch.setattr(constants, "ENDPOINT", hub.url)
        for module in (constants, import_module("huggingface_hub.file_download")):  # which imports it, in older versions
            template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
            patch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        patch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        patch.setenv("HF_ENDPOINT", hub.url)  # for other processes
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            patch.delenv(name, raising=False)
        try:
            yield hub
        finally:
            hub.shutdown()
            hub.server_close()
            thread.join()


def use_cache(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Give huggingface_hub another cache, empty where the folder is."""
    import huggingface_hub.constants as constants

    patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    patch.setenv("HF_HOME", str(home))
