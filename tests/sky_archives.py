"""Two archives on loopback that list their files before they cut them, in the form of STScI's Pan-STARRS and ESA's Euclid.

The addresses are those of the surveys' own files in catalogs/surveys, with another host. What a step is answered with is
told by the step ("list", or the bands that are cut) and the place. A file that the list of that place does not name is not
cut.
"""

from __future__ import annotations

import io
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sky_service import Handler, Sky, encoded, jpeg, running

import zooactive

SURVEYS = Path(zooactive.__file__).resolve().parents[1] / "catalogs" / "surveys"
COLUMNS = "projcell subcell ra dec filter mjd type filename shortname badflag"
QUERY = (
    r"SELECT file_path,file_name,filter_name,tile_index FROM q1\.mosaic_product WHERE "
    r"CONTAINS\(CIRCLE\('ICRS',(?P<ra>[-\d.]+),(?P<dec>[-\d.]+),(?P<radius>[\d.]+)\),fov\)=1 ORDER BY tile_index,file_name"
)
TAP_ERROR = b"""<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">Cannot parse query</INFO></RESOURCE></VOTABLE>"""
EUCLID = {"VIS": "VIS", "NIR_Y": "NISP", "NIR_J": "NISP", "NIR_H": "NISP", "DECAM_g": "DECAM"}


def plane(ra: float, dec: float, size: int, band: str) -> NDArray[np.float32]:
    """Return fluxes (y, x) that are others at each place and in each band, brighter above than below."""
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    light = np.exp(-(x**2 + (1 + dec % 1) * (y - size / 8) ** 2) / (size * (0.2 + ra % 1)))
    return (light * (1 + sum(map(ord, band)) % 7)).astype(np.float32)


def fits_of(values: NDArray[np.float32], ra: float, dec: float, said: str) -> bytes:
    """Return one band in a file, with a header such as an archive's."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU(values)
    hdu.header["FILTER"], hdu.header["CRVAL1"], hdu.header["CRVAL2"] = said, ra, dec
    stream = io.BytesIO()
    hdu.writeto(stream)
    return stream.getvalue()


def skycell_file(ra: float, dec: float, band: str) -> str:
    """Return what STScI calls the stack of a band around a place."""
    cell, part = 1000 + int(ra), int(10 * dec) % 100
    return f"/rings.v3.skycell/{cell:04d}/{part:03d}/rings.v3.skycell.{cell:04d}.{part:03d}.stk.{band}.unconv.fits"


def mosaic_file(tile: int, band: str) -> tuple[str, str]:
    """Return what ESA calls the folder and the file of a tile's mosaic."""
    name = f"EUC_MER_BGSUB-MOSAIC-{band.replace('_', '-')}_TILE{tile}-ACBD03_20241018T142710.276838Z_00.00.fits"
    return f"/data_01/MER/{tile}/{EUCLID[band]}", name


def with_edge(values: NDArray[np.float32], lines: int = 3) -> NDArray[np.float32]:
    """Return an image whose first lines lie beyond the edge of the file."""
    values = values.copy()
    values[:lines] = np.nan
    return values


class _Handler(Handler):
    server: Archive

    def place_asked(self, path: str, asked: dict[str, str]) -> tuple[str, ...]:
        """Return the step and the place."""
        self.server.addresses.append(self.path)
        step = "list"
        if path.endswith("fitscut.cgi"):
            files = [asked[name] for name in ("red", "green", "blue") if name in asked]
            step = "".join(file.split(".stk.")[-1][0] for file in files)
        if path.endswith("sync"):
            found = re.fullmatch(QUERY, asked["QUERY"])
            return (step, found["ra"], found["dec"]) if found else (step, "", "")
        if path.endswith("cutout"):
            _, ra, dec, _ = asked["POS"].split(",")
            said = re.search(r"MOSAIC-(?:NIR-)?(\w+?)_TILE", asked["FILEPATH"])
            return (said[1] if said else "", ra, dec)
        return (step, asked.get("ra", ""), asked.get("dec", ""))

    def image(self, fault: str, path: str, asked: dict[str, str]) -> None:
        if fault == "slow":
            time.sleep(0.5)
        if path.endswith("ps1filenames.py"):
            self._list_skycells(fault, float(asked["ra"]), float(asked["dec"]), asked["filters"])
        elif path.endswith("fitscut.cgi"):
            self._fitscut(fault, float(asked["ra"]), float(asked["dec"]), asked)
        elif path.endswith("tap/sync"):
            self._list_mosaics(fault, asked)
        else:
            self._sas_cutout(fault, asked)

    def _list_skycells(self, fault: str, ra: float, dec: float, filters: str) -> None:
        lines = [COLUMNS]
        for band in filters if dec > -30 and fault != "none" else "":
            file = skycell_file(ra, dec, band)
            row = f"{1000 + int(ra)} {int(10 * dec) % 100} {ra} {dec} {band} 0.0 stack {file} {file.rpartition('/')[2]} 0"
            lines += [row] if fault != f"no {band}" else []
        text = "\n".join(lines) + "\n"
        self.send(200, text[: len(text) * 2 // 3].encode() if fault == "torn" else text.encode(), "text/plain")

    def _fitscut(self, fault: str, ra: float, dec: float, asked: dict[str, str]) -> None:
        files = [asked[name] for name in ("red", "green", "blue") if name in asked]
        bands = [file.split(".stk.")[-1][0] for file in files]
        if files != [skycell_file(ra, dec, band) for band in bands]:
            self.send(404, b"no such file", "text/plain")
            return
        pixels = int(asked["size"]) // (2 if fault == "clipped" else 1) + (fault == "rounded")
        if asked["format"] == "fits":
            values = plane(ra, dec, pixels, bands[0])
            values = np.full_like(values, np.nan) if fault == "off" else with_edge(values) if fault == "edge" else values
            self.send(200, fits_of(values, ra, dec, f"{bands[0]}.00000"), "image/fits")
            return
        side = int(asked["output_size"]) // (2 if fault == "clipped" else 1)
        content = jpeg(ra, dec, side)
        if fault in ("off", "edge"):
            picture = np.array(Image.open(io.BytesIO(content)))
            picture[: side if fault == "off" else 3] = 255
            content = encoded(Image.fromarray(picture))
        self.send(200, content, "image/jpeg", cut=fault == "cut", damaged=fault == "damaged")

    def _list_mosaics(self, fault: str, asked: dict[str, str]) -> None:
        found = re.fullmatch(QUERY, asked["QUERY"])
        manner = (asked["REQUEST"], asked["LANG"], asked["FORMAT"])
        if fault == "tap" or found is None or manner != ("doQuery", "ADQL", "csv"):
            self.send(400, TAP_ERROR, "application/x-votable+xml")
            return
        lines = ["file_path,file_name,filter_name,tile_index"]
        tiles = self.server.tiles(float(found["ra"])) if fault != "none" else []
        for tile in tiles:
            missing = {"overlap": "NIR_Y" if tile == tiles[0] else "", "no H": "NIR_H"}.get(fault, "")
            lines += [",".join((*mosaic_file(tile, band), band, str(tile))) for band in sorted(EUCLID) if band != missing]
        self.send(200, ("\r\n".join(lines) + "\r\n").encode(), "text/csv")

    def _sas_cutout(self, fault: str, asked: dict[str, str]) -> None:
        shape, ra, dec, radius = asked["POS"].split(",")
        folder, _, name = asked["FILEPATH"].rpartition("/")
        known = {mosaic_file(tile, band): band for tile in self.server.tiles(float(ra)) for band in EUCLID}
        if (folder, name) not in known or shape != "CIRCLE" or not asked["TAPCLIENT"] or float(radius) > 0.5:
            self.send(400, b"wrong parameters", "text/plain")
            return
        band = known[folder, name]
        pixels = round(7200 * float(radius) / 0.1) // (2 if fault == "clipped" else 1) + (fault == "rounded")
        values = plane(float(ra), float(dec), pixels, band)
        values = with_edge(values) if fault == "edge" else np.zeros_like(values) if fault == "off" else values
        content = fits_of(values, float(ra), float(dec), band)
        self.send(200, content, "image/fits", cut=fault == "cut", damaged=fault == "damaged")


class Archive(Sky):
    """The server; `faults` are told by (step, ra, dec), and so is what was asked counted."""

    handler = _Handler

    def __init__(self, faults: dict[tuple[str, ...], tuple[str, ...]] | None = None) -> None:
        self.addresses = list[str]()
        super().__init__(faults)

    def tiles(self, ra: float) -> list[int]:
        """Return the tiles in which a place lies, of which neighbours overlap."""
        return [102018000 + int(ra), 102018001 + int(ra)]

    def write_archive(self, folder: Path, name: str, **manners: float) -> Path:
        """Write a survey's own file, with this host and other manners."""
        text = (SURVEYS / f"{name}.toml").read_text(encoding="utf-8")
        (host,) = {f"https://{urlsplit(address).netloc}" for address in re.findall(r'address = "(.*)"', text)}
        manners = {"connections": 2, "pause": 0.0, "patience": 0.0, "timeout": 5.0} | manners
        lines = "".join(f"{name} = {value}\n" for name, value in manners.items())
        file = folder / f"{name}.toml"
        file.write_text(text.replace(host, self.base).replace("[files]", f"{lines}[files]", 1), encoding="utf-8")
        return file

    def steps(self) -> Counter[str]:
        """Return how often each step was asked."""
        return Counter(step for (step, *_), times in self.asked.items() for _ in range(times))


@contextmanager
def archive(faults: dict[tuple[str, ...], tuple[str, ...]] | None = None) -> Iterator[Archive]:
    """Run a server for as long as the block takes."""
    with running(Archive(faults)) as server:
        yield server
