"""A service of cutouts on loopback that answers in the form of the Legacy Surveys' viewer, and fails in each known way.

What each place is answered with is told to it; everything that it was asked, and how courteously, is counted.
"""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

GREY = (32, 32, 32)
SERVICE = """\
title = "A sky on loopback"
credit = "Nobody / the tests"
licence = "none"
scale = 0.262
largest = 512
connections = {connections}
pause = {pause}
patience = {patience}
timeout = {timeout}
[jpg]
address = "{base}/jpeg-cutout?ra={{ra}}&dec={{dec}}&layer=sky&pixscale={{scale}}&size={{size}}"
blank = [32, 32, 32]
[fits]
address = "{base}/fits-cutout?ra={{ra}}&dec={{dec}}&layer=sky&pixscale={{scale}}&size={{size}}&bands={{bands}}"
bands = "grz"
"""


def jpeg(ra: float, dec: float, size: int) -> bytes:
    """A picture that is another one at each place."""
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    spread = size * (0.1 + 0.1 * (ra % 1))
    light = np.exp(-(x**2 + (1 + dec % 1) * y**2) / (2 * spread**2))
    pixels = np.stack([255 * light, 200 * light, 20 + 150 * light * (0.5 + ra % 0.5)], -1).clip(0, 255).astype(np.uint8)
    return encoded(Image.fromarray(pixels))


def fits_cube(ra: float, dec: float, size: int, bands: str, *, said: str | None = None, empty: str = "") -> bytes:
    """Planes in nanomaggies, with the bands in the header."""
    from astropy.io import fits

    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    light = np.exp(-(x**2 + (1 + dec % 1) * y**2) / (size * (0.2 + ra % 1)))
    planes = np.stack([light * (i + 1) * (band not in empty) for i, band in enumerate(bands)]).astype(np.float32)
    hdu = fits.PrimaryHDU(planes)
    hdu.header["BANDS"] = bands if said is None else said
    stream = io.BytesIO()
    hdu.writeto(stream)
    return stream.getvalue()


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


class Sky(ThreadingHTTPServer):
    """The server.

    Parameters
    ----------
    faults : dict of (ra, dec) as texts to tuples of str
        What the first, second, ... request of a place gets, and the last word from then on; "" is the image.
    """

    daemon_threads = True
    request_queue_size = 64

    handler: type[Handler]

    def __init__(self, faults: dict[tuple[str, ...], tuple[str, ...]] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), self.handler)
        self.faults = faults or {}
        self.asked, self.begun, self.agents = Counter[tuple[str, ...]](), list[float](), set[str]()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def write_service(
        self, folder: Path, *, connections: int = 2, pause: float = 0.0, patience: float = 0.0, timeout: float = 5.0
    ) -> Path:
        """Write the file that describes it."""
        file = folder / "loopback.toml"
        file.write_text(
            SERVICE.format(base=self.base, connections=connections, pause=pause, patience=patience, timeout=timeout)
        )
        return file

    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that went away."""


class Handler(BaseHTTPRequestHandler):
    server: Sky
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        key = self.place_asked(place.path, asked)
        with self.server.lock:
            self.server.begun.append(time.monotonic())
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
            self.server.agents.add(self.headers.get("User-Agent", ""))
            said = self.server.faults.get(key, ("",))
            fault = said[min(self.server.asked[key], len(said) - 1)]
            self.server.asked[key] += 1
        try:
            self._answer(fault, place.path, asked)
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def place_asked(self, path: str, asked: dict[str, str]) -> tuple[str, ...]:
        """What a fault is told by, and what is counted."""
        return (asked.get("ra", ""), asked.get("dec", ""))

    def _answer(self, fault: str, path: str, asked: dict[str, str]) -> None:
        if fault.isdecimal():
            self.send(int(fault), b"<html><body>try later</body></html>", "text/html", {"Retry-After": "0"})
        elif fault.startswith("later "):
            self.send(503, b"busy", "text/plain", {"Retry-After": fault.removeprefix("later ")})
        elif fault == "text":
            self.send(200, b"no such layer", "text/plain")
        elif fault == "hang":
            time.sleep(2.0)
        elif fault == "empty":
            self.send(200, b"", "image/jpeg")
        else:
            self.image(fault, path, asked)

    def image(self, fault: str, path: str, asked: dict[str, str]) -> None:
        ra, dec, size = float(asked["ra"]), float(asked["dec"]), int(asked["size"])
        side = size // 2 if fault == "clipped" else size
        if path.endswith("fits-cutout"):
            if fault == "off":
                self.send(500, b"<h1>Server Error (500)</h1>", "text/html")
                return
            bands = asked["bands"]
            said, empty = {"bands": ("gri", ""), "no z": (None, "z")}.get(fault, (None, ""))
            content = fits_cube(ra, dec, side, bands, said=said, empty=bands if fault == "blank" else empty)
        elif fault in ("off", "white"):
            content = encoded(Image.new("RGB", (side, side), GREY if fault == "off" else (255, 255, 255)))
        else:
            content = jpeg(ra, dec, side)
        self.send(200, content, "image/jpeg", cut=fault == "cut", damaged=fault == "damaged")

    def send(
        self,
        status: int,
        content: bytes,
        kind: str,
        more: dict[str, str] | None = None,
        *,
        cut: bool = False,
        damaged: bool = False,
    ) -> None:
        content = content[: len(content) // 2] if damaged else content
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Sky.handler = Handler


@contextmanager
def sky(faults: dict[tuple[str, ...], tuple[str, ...]] | None = None) -> Iterator[Sky]:
    """Run a server for as long as the block takes."""
    with running(Sky(faults)) as server:
        yield server


AnySky = TypeVar("AnySky", bound=Sky)


@contextmanager
def running(server: AnySky) -> Iterator[AnySky]:
    """Run a server for as long as the block takes."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
