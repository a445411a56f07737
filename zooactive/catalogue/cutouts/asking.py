"""Threads that ask a service for cutouts at its pace, write what comes, and say what became of each."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from importlib import import_module, metadata
from itertools import islice
from pathlib import Path
from typing import Any

from zooactive.catalogue.cutouts.pace import Pace, retry_after
from zooactive.catalogue.cutouts.records import Cutout, Fetched
from zooactive.catalogue.cutouts.replies import (
    FAULT,
    NO_IMAGE,
    OFF_SURVEY,
    REFUSED,
    Trouble,
    check_image,
    is_blank,
    words_of,
)
from zooactive.catalogue.cutouts.services import CutoutService
from zooactive.foundation.errors import CatalogueError, explained
from zooactive.foundation.vocabulary import CutoutForm
from zooactive.foundation.writing import aside

_TRIES = 5
_MOST_BYTES = 1 << 26
_ALIKE = 10
"""So many answers that are no images, before any image came, say that the service is not asked as it wants to be."""

_LATER = frozenset({408, 425, 429})
"""Statuses of HTTP that say: not now."""


class _Stopped(Exception):
    """Somebody pressed Ctrl-C while a thread waited."""


class Fetcher:
    """Threads that ask one service at its pace, write what comes, and say what became of each cutout."""

    def __init__(
        self, service: CutoutService, form: CutoutForm, bands: str, pixels: int, folder: Path, contact: str | None
    ) -> None:
        self._service, self._form, self._bands, self._pixels, self._folder = service, form, bands, pixels, folder
        self._stop = threading.Event()
        self._pace = Pace(service.pause, sleep=self._sleep)
        with explained(CatalogueError, "to fetch cutouts install httpx2: pip install 'zooactive[cutouts]'", ImportError):
            self._http: Any = import_module("httpx2")
        agent = f"zooactive/{metadata.version('zooactive')}" + (f" ({contact})" if contact else "")
        limits = self._http.Limits(max_connections=service.connections, max_keepalive_connections=service.connections)
        self._client = self._http.Client(
            headers={"User-Agent": agent}, timeout=service.timeout, limits=limits, follow_redirects=True
        )

    def fetch(self, waiting: Sequence[Cutout]) -> Generator[Fetched]:
        """Yield what became of each, as it comes."""
        refused, came = 0, False
        left = iter(waiting)
        with self._client, ThreadPoolExecutor(self._service.connections) as threads:
            try:
                running = {threads.submit(self._fetch_one, one) for one in islice(left, self._service.connections)}
                while running:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    running |= {threads.submit(self._fetch_one, one) for one in islice(left, len(ended))}
                    for entry in [one.result() for one in ended]:
                        came = came or bool(entry.sha256)
                        refused += entry.what in (NO_IMAGE, REFUSED)
                        yield entry
                        if refused >= _ALIKE and not came:
                            raise CatalogueError(
                                f"{self._service.name} has answered {refused} times and given no image: {entry.reason}; "
                                f"look at {entry.address}"
                            )
            finally:
                self._stop.set()
                self._client.close()  # what is on its way is not waited for

    def _fetch_one(self, one: Cutout) -> Fetched:
        trouble = Trouble(FAULT, "it was not asked for")
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(self._service.patience * 2 ** (attempt - 1))
            try:
                content = self._asked(one.address)
                check_image(content, self._form, asked=self._service.form(self._form), size=self._pixels, bands=self._bands)
            except Trouble as found:
                off = self._off_survey(one) if found.what == FAULT and self._form == "fits" else None
                trouble = off or found
                if not trouble.again:
                    break
                continue
            with aside(self._folder / one.file) as temporary:
                temporary.write_bytes(content)
            return Fetched(one.galaxy, one.address, hashlib.sha256(content).hexdigest())
        return Fetched(one.galaxy, one.address, "", trouble.what, trouble.reason, trouble.again)

    def _asked(self, address: str) -> bytes:
        """Return what comes from an address, at the service's pace."""
        self._pace.wait()
        try:
            with self._client.stream("GET", address) as response:
                content = self._up_to(response)
        except (self._http.UnsupportedProtocol, self._http.InvalidURL, self._http.TooManyRedirects) as error:
            raise Trouble(REFUSED, f"{address} cannot be asked for ({error})") from error
        except self._http.RequestError as error:  # no answer, or a part of one
            raise Trouble(FAULT, f"no whole answer came ({type(error).__name__}: {error})", again=True) from error
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

    def _off_survey(self, one: Cutout) -> Trouble | None:
        """Return that a place is off the survey, where FITS is refused like by a fault: a small JPEG of it is blank then."""
        jpg = self._service.jpg
        if not jpg.address:
            return None
        address = self._service.address("jpg", one.ra, one.dec, arcsec=16 * self._service.scale, size=16)
        try:
            blank = is_blank(self._asked(address), jpg.blank)
        except Trouble:
            return None
        return (
            Trouble(OFF_SURVEY, "the service has no FITS here, and its picture is blank: off the survey") if blank else None
        )

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped
