"""Requests to the Zooniverse that end in time and keep their status.

The Zooniverse's own client (`zooactive[zooniverse]`) says who asks: it reads name and password from the environment. Its
requests have no time limit and lose the status of an answer, and it makes a subject again after an error without looking
whether the first one was made. So requests are sent here.
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
"""Where the client looks for who asks: one pair or the other."""

_LIMITS = (10, 120)  # seconds to connect, and between two pieces of an answer
_TRIES = 3  # of what changes nothing
_PIECE = 1 << 20  # bytes
_HEADERS = {"Accept": "application/vnd.api+json; version=1", "Content-Type": "application/json"}
_CAESARS = {"Accept": "application/json", "Content-Type": "application/json"}


class Refused(UploadError):
    """The Zooniverse said no, with a status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"the Zooniverse said {status}: {said}")
        self.status = status


class Unheard(UploadError):
    """No answer came: what was asked for may have been done."""


@dataclass(frozen=True)
class Answer:
    """What came back: status, values and the mark of the thing's version."""

    status: int
    body: Mapping[str, Any]
    etag: str | None = None


class Session(Protocol):
    """What sends requests; tests put another one in its place."""

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
        """Send one request; a `Refused` for a status of 400 or more, an `Unheard` where no answer came."""

    def send(self, link: str, content: bytes, kind: str) -> None:
        """Put the bytes of an image to where the Zooniverse wants them; errors as of `ask`."""

    def fetch(self, link: str, out: Path) -> None:
        """Fetch a file, piece by piece; errors as of `ask`."""


def open_session() -> Session:
    """Say to the Zooniverse who asks, by its own client and the environment.

    Raises
    ------
    UploadError
        When panoptes-client is not installed, the environment holds no name and password, or they are not taken.
    """
    if not any(all(os.environ.get(name) for name in pair) for pair in CREDENTIALS):
        names = " or ".join(" and ".join(pair) for pair in CREDENTIALS)
        raise UploadError(f"the Zooniverse wants to know who asks; set {names} in the environment")
    if os.environ.get("PANOPTES_DEBUG"):
        raise UploadError("PANOPTES_DEBUG has the client write links and names to the log; unset it in the environment")
    needed = "the Zooniverse's client is missing: pip install 'zooactive[zooniverse]'"
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
        # What the client says may quote the request, so nothing of it is told.
        said = "the Zooniverse did not take the name and password of the environment, or did not answer; check both"
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
        """Send one request; what changes nothing is asked again when no answer comes."""
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
                    raise Unheard(f"no answer to {method} {path}; it may have been done") from error
        values = _values(answer)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, _reason(values))
        return Answer(answer.status_code, values, answer.headers.get("ETag"))

    def send(self, link: str, content: bytes, kind: str) -> None:
        """Put bytes to a signed link, which is told to nobody."""
        headers = {"Content-Type": kind, "x-ms-blob-type": "BlockBlob"}
        try:
            answer = self._client.session.put(link, data=content, headers=headers)
        except self._lost:
            raise Unheard("no answer when an image was sent; it may have arrived") from None
        if answer.status_code >= 400:
            raise Refused(answer.status_code, "an image was not taken")

    def fetch(self, link: str, out: Path) -> None:
        """Fetch from a signed link. An answer with an error is no file, and neither is half a file."""
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
            raise Unheard("the file did not come whole") from None


def _values(answer: Any) -> Mapping[str, Any]:
    try:
        found = answer.json() if answer.content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"list": found}


def _reason(values: Mapping[str, Any]) -> str:
    """What the Zooniverse says is wrong."""
    errors = values.get("errors") or values.get("error") or "no reason is given"
    if isinstance(errors, list):
        errors = ", ".join(str(error.get("message", error)) if isinstance(error, dict) else str(error) for error in errors)
    return str(errors)[:300]
