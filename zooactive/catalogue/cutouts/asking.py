"""A client that asks a service at its pace, repeats requests that may succeed later, and tells answers from faults."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any, TypeVar

from zooactive.catalogue.cutouts.pace import Pace, retry_after
from zooactive.catalogue.cutouts.replies import FAULT, NO_IMAGE, REFUSED, Trouble, words_of
from zooactive.catalogue.cutouts.services import CutoutService
from zooactive.foundation.errors import CatalogueError, explained

_TRIES = 5
_MOST_BYTES = 1 << 26

_LATER = frozenset({408, 425, 429})
"""HTTP statuses that mean: try again later."""

Read = TypeVar("Read")


class _Stopped(Exception):
    """Ctrl-C was pressed while a thread waited."""


class Client:
    """The connections to one service; threads share them and their pauses."""

    def __init__(self, service: CutoutService, contact: str | None) -> None:
        self._service = service
        self._stop = threading.Event()
        self._pace = Pace(service.pause, sleep=self._sleep)
        with explained(CatalogueError, "to fetch cutouts, install httpx2: pip install 'zooactive[cutouts]'", ImportError):
            self._http: Any = import_module("httpx2")
        agent = f"zooactive/{metadata.version('zooactive')}" + (f" ({contact})" if contact else "")
        limits = self._http.Limits(max_connections=service.connections, max_keepalive_connections=service.connections)
        self._client = self._http.Client(
            headers={"User-Agent": agent}, timeout=service.timeout, limits=limits, follow_redirects=True
        )

    def ask(
        self, address: str, read: Callable[[bytes], Read], *, look_again: Callable[[Trouble], Trouble] | None = None
    ) -> Read:
        """Return the result of `read` for an answer; a request that may succeed later is made five times, with growing
        pauses.

        Parameters
        ----------
        address : str
        read : callable
            Takes the bytes; raises a `Trouble` if they are not what was requested.
        look_again : callable, optional
            Finds out the real cause of a trouble by further requests.

        Raises
        ------
        Trouble
            The trouble of the last try.
        """
        trouble = Trouble(FAULT, "it was not requested")
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(self._service.patience * 2 ** (attempt - 1))
            try:
                return read(self.once(address))
            except Trouble as found:
                trouble = found if look_again is None else look_again(found)
                trouble.address = address
                if not trouble.again:
                    break
        raise trouble

    def once(self, address: str) -> bytes:
        """Return the content at a URL, requested at the service's pace."""
        self._pace.wait()
        try:
            with self._client.stream("GET", address) as response:
                try:
                    content = self._up_to(response)
                finally:
                    if self._stop.is_set():  # a connection begun before the client was closed is not its own any more
                        response.extensions["network_stream"].close()
        except (self._http.UnsupportedProtocol, self._http.InvalidURL, self._http.TooManyRedirects) as error:
            raise Trouble(REFUSED, f"{address} cannot be requested ({error})") from error
        except self._http.RequestError as error:  # no answer, or only a part of one
            raise Trouble(FAULT, f"no complete answer came ({type(error).__name__}: {error})", again=True) from error
        status = int(response.status_code)
        if status in _LATER or status >= 500:
            self._pace.hold(retry_after(response.headers.get("Retry-After")))
            raise Trouble(FAULT, f"the service answered {status}: {words_of(content)}", again=True)
        if status >= 400:
            raise Trouble(REFUSED, f"the service answered {status}: {words_of(content)}")
        return content

    def _up_to(self, response: Any) -> bytes:
        pieces, length = list[bytes](), 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            length += len(piece)
            if length > _MOST_BYTES:
                raise Trouble(NO_IMAGE, f"more than {_MOST_BYTES >> 20} MiB came")
        return b"".join(pieces)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped

    def close(self) -> None:
        """Stop all waiting threads and all running requests."""
        self._stop.set()
        self._client.close()
