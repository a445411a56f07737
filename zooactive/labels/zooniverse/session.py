"""Requests to the Zooniverse with a time limit, which keep the status of each answer.

The Zooniverse's own client (`zooactive[zooniverse]`) handles the login: it reads name and password from the environment. The
client's requests have no time limit and lose the status of an answer. After an error, the client also makes a subject again
without checking whether the first one was made. This module therefore sends the requests itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from zooactive.foundation.errors import UploadError, explained
from zooactive.foundation.writing import aside

CREDENTIALS = (("PANOPTES_USERNAME", "PANOPTES_PASSWORD"), ("PANOPTES_CLIENT_ID", "PANOPTES_CLIENT_SECRET"))
"""The environment variables from which the client reads the login: one pair or the other."""

_LIMITS = (10, 120)  # seconds to connect, and between two pieces of an answer
_TRIES = 3  # for requests that change nothing
_PIECE = 1 << 20  # bytes
_HEADERS = {"Accept": "application/vnd.api+json; version=1", "Content-Type": "application/json"}
_CAESARS = {"Accept": "application/json", "Content-Type": "application/json"}


class Refused(UploadError):
    """The Zooniverse refused a request, with a status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the Zooniverse answered {status}: {said}")
        self.status = status


class Unheard(UploadError):
    """No answer to a request came; the request may have been carried out."""


@dataclass(frozen=True)
class Answer:
    """An answer to a request: its status, its values, and the version mark of the requested entry."""

    status: int
    body: Mapping[str, Any]
    etag: str | None = None


class Session(Protocol):
    """A sender of requests, which tests replace."""

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        etag: str | None = None,
        caesar: bool = False,
    ) -> Answer:
        """Send one request; raise `Refused` for a status of 400 or more, and `Unheard` if no answer came."""

    def send(self, link: str, content: bytes, kind: str) -> None:
        """Send the bytes of an image to a link from the Zooniverse, with the same errors as `ask`."""

    def fetch(self, link: str, out: Path) -> None:
        """Fetch a file in pieces, with the same errors as `ask`."""


def open_session() -> Session:
    """Log in to the Zooniverse by its own client, with the login from the environment.

    Raises
    ------
    UploadError
        When panoptes-client is not installed, the environment holds no name and password, or the Zooniverse rejects them.
    """
    if not any(all(os.environ.get(name) for name in pair) for pair in CREDENTIALS):
        names = " or ".join(" and ".join(pair) for pair in CREDENTIALS)
        raise UploadError(f"this needs your login to the Zooniverse; set {names} in the environment")
    if os.environ.get("PANOPTES_DEBUG"):
        raise UploadError("PANOPTES_DEBUG makes the client log links and names; unset it in the environment")
    needed = "the Zooniverse's client is missing; install it: pip install 'zooactive[zooniverse]'"
    with explained(UploadError, needed, ImportError):
        panoptes, requests = import_module("panoptes_client.panoptes"), import_module("requests")
    return _Session(panoptes, requests)


class _Session:
    """Requests with the client's login, each with a time limit."""

    def __init__(self, panoptes: Any, requests: Any) -> None:
        class InTime(requests.adapters.HTTPAdapter):  # type: ignore[misc]
            def send(self, request: Any, *given: Any, **options: Any) -> Any:
                options["timeout"] = options.get("timeout") or _LIMITS
                return super().send(request, *given, **options)

        class Client(panoptes.Panoptes):  # type: ignore[misc]
            def login(self, *given: Any, **options: Any) -> Any:
                for scheme in ("https://", "http://"):
                    self.session.mount(scheme, InTime())
                return super().login(*given, **options)

        self._lost = (requests.RequestException, OSError)
        self._who = (panoptes.PanoptesAPIException, KeyError, ValueError)
        with self._known():
            self._client = Client()
        staging = self._client.endpoint == "https://panoptes-staging.zooniverse.org"
        self._caesar = os.environ.get("CAESAR_ENDPOINT") or f"https://caesar{'-staging' if staging else ''}.zooniverse.org"

    def _known(self) -> Any:
        # The client's message may quote the request, so it is not shown.
        said = "the Zooniverse rejected the name and password in the environment, or did not answer; check both"
        return explained(UploadError, said, *self._who, *self._lost)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        etag: str | None = None,
        caesar: bool = False,
    ) -> Answer:
        """Send one request; a request that changes nothing is repeated if no answer comes."""
        with self._known():
            headers = {"Authorization": f"Bearer {self._client.get_bearer_token()}"}
        headers |= (_CAESARS if caesar else _HEADERS) | ({"If-Match": etag} if etag else {})
        address = f"{self._caesar}{path}" if caesar else f"{self._client.endpoint}/api{path}"
        for last in [False] * (_TRIES - 1) + [True] if method == "GET" else [True]:
            try:
                answer = self._client.session.request(method, address, params=params, headers=headers, json=body)
                if answer.status_code < 500 or last:
                    break
            except self._lost as error:
                if last:
                    raise Unheard(f"no answer to {method} {path}; the request may have been carried out") from error
        values = _values(answer)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, _reason(values))
        return Answer(answer.status_code, values, answer.headers.get("ETag"))

    def send(self, link: str, content: bytes, kind: str) -> None:
        """Send bytes to a signed link, which never appears in messages."""
        headers = {"Content-Type": kind, "x-ms-blob-type": "BlockBlob"}
        try:
            answer = self._client.session.put(link, data=content, headers=headers)
        except self._lost:
            raise Unheard("no answer when an image was sent; it may have arrived") from None
        if answer.status_code >= 400:
            raise Refused(answer.status_code, "an image was not accepted")

    def fetch(self, link: str, out: Path) -> None:
        """Fetch from a signed link; an error answer or an incomplete file is not kept."""
        try:
            with self._client.session.get(link, stream=True) as answer:
                if answer.status_code != 200:
                    raise Refused(answer.status_code, "the link has expired, or the file is gone")
                with aside(out) as temporary, temporary.open("wb") as stream:
                    last = b"\n"
                    for piece in answer.iter_content(_PIECE):
                        stream.write(piece)
                        last = piece or last
                    if not last.endswith(b"\n"):
                        raise Unheard("the file ends in the middle of a row")
        except self._lost:
            raise Unheard("the file did not arrive completely") from None


def _values(answer: Any) -> Mapping[str, Any]:
    try:
        found = answer.json() if answer.content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"list": found}


def _reason(values: Mapping[str, Any]) -> str:
    """Return the Zooniverse's error message."""
    errors = values.get("errors") or values.get("error") or "no reason is given"
    if isinstance(errors, list):
        errors = ", ".join(str(error.get("message", error)) if isinstance(error, dict) else str(error) for error in errors)
    return str(errors)[:300]
