"""Threads that request cutouts from a service, in one step or two, write the images, and report the result of each."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from zooactive.catalogue.cutouts.asking import Client
from zooactive.catalogue.cutouts.extensions import in_extensions
from zooactive.catalogue.cutouts.file_lists import FileLists
from zooactive.catalogue.cutouts.records import Cutout, Fetched
from zooactive.catalogue.cutouts.replies import (
    FAULT,
    NO_IMAGE,
    OFF_SURVEY,
    REFUSED,
    Trouble,
    check_image,
    fits_plane,
    is_blank,
)
from zooactive.catalogue.cutouts.request import CutoutRequest
from zooactive.catalogue.cutouts.services import COLOURS
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.writing import aside

_ALIKE = 10
"""After this many answers that are not images, before any image, the request itself must be wrong."""


class Fetcher:
    """Threads that ask one service at its pace, write the images that come, and report the result for each cutout.

    Parameters
    ----------
    request : CutoutRequest
    folder : Path
        The folder for the images and the lists of files.
    contact : str, optional
        A contact address that is sent with each request.
    anew : bool
        Whether to request lists of files again that lacked the wanted files in earlier runs.
    """

    def __init__(self, request: CutoutRequest, folder: Path, contact: str | None = None, *, anew: bool = False) -> None:
        self._request, self._service, self._folder = request, request.service, folder
        self._client = Client(self._service, contact)
        self._lists = None
        if request.how.of_files:
            bands = self._service.bands(request.form, request.bands)
            self._lists = FileLists(folder / "listed.jsonl", self._service, bands, self._client.ask, anew=anew)

    def fetch(self, waiting: Sequence[Cutout]) -> Generator[Fetched]:
        """Yield the result of each cutout, as it comes."""
        refused, came = 0, False
        left, connections = iter(waiting), self._service.connections
        try:
            with ThreadPoolExecutor(connections) as threads:
                try:
                    running = {threads.submit(self._fetch_one, one) for one in islice(left, connections)}
                    while running:
                        ended, running = wait(running, return_when=FIRST_COMPLETED)
                        running |= {threads.submit(self._fetch_one, one) for one in islice(left, len(ended))}
                        for entry in [one.result() for one in ended]:
                            came = came or bool(entry.sha256)
                            refused += entry.what in (NO_IMAGE, REFUSED)
                            yield entry
                            if refused >= _ALIKE and not came:
                                raise CatalogueError(
                                    f"{self._service.name} has answered {refused} times without an image: {entry.reason}; "
                                    f"look at {entry.asked or entry.address}"
                                )
                finally:
                    self._client.close()  # running requests are not waited for
        finally:
            if self._lists is not None:
                self._lists.close()

    def _fetch_one(self, one: Cutout) -> Fetched:
        try:
            content = self._in_one_step(one) if self._lists is None else self._in_two_steps(one, self._lists)
        except Trouble as trouble:
            asked = trouble.address if trouble.address != one.address else ""
            return Fetched(one.galaxy, one.address, "", trouble.what, trouble.reason, trouble.again, asked)
        with aside(self._folder / one.file) as temporary:
            temporary.write_bytes(content)
        return Fetched(one.galaxy, one.address, hashlib.sha256(content).hexdigest())

    def _in_one_step(self, one: Cutout) -> bytes:
        return self._client.ask(one.address, partial(self._checked, one), look_again=partial(self._off_survey, one))

    def _in_two_steps(self, one: Cutout, lists: FileLists) -> bytes:
        """Return a colour picture made of three files, or one FITS file with a cutout from each file."""
        request = self._request
        files = lists.files(one.listed_at)
        if request.form == "jpg":
            named = _with_files(one.address, dict(zip(COLOURS, files.values(), strict=True)))
            return self._client.ask(named, partial(self._checked, one))
        planes = {}
        for band, file in files.items():
            try:
                planes[band] = self._client.ask(
                    _with_files(one.address, {"file": file}), partial(fits_plane, asked=request.how, size=one.pixels)
                )
            except Trouble as trouble:
                trouble.reason = f"band {band}: {trouble.reason}"
                raise
        return in_extensions(planes)

    def _checked(self, one: Cutout, content: bytes) -> bytes:
        request = self._request
        check_image(content, request.form, asked=request.how, size=one.pixels, bands=request.bands)
        return content

    def _off_survey(self, one: Cutout, found: Trouble) -> Trouble:
        """Find out the real cause of a FITS fault: if a small JPEG of the same place is blank, it is off the survey."""
        jpg = self._service.jpg
        if found.what != FAULT or self._request.form != "fits" or not jpg.address or jpg.of_files:
            return found
        address = self._service.address("jpg", one.ra, one.dec, arcsec=16 * self._service.scale, size=16)
        try:
            blank = is_blank(self._client.once(address), jpg.blank)
        except Trouble:
            return found
        said = "the service has no FITS here, and its picture is blank: off the survey"
        return Trouble(OFF_SURVEY, said) if blank else found


def _with_files(address: str, files: dict[str, str]) -> str:
    for place, file in files.items():
        address = address.replace(f"{{{place}}}", quote(file))
    return address
