"""Where a galaxy can be looked up by its coordinates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from zooactive.catalogue.cutouts.coordinates import degrees_of, find_coordinates
from zooactive.foundation.errors import CatalogueError

if TYPE_CHECKING:
    import pandas as pd


SIDE = "arcsec"
"""The column with the side of each cutout, as `zooactive cutouts` writes it."""


class SkyPlace(NamedTuple):
    """A place on the sky in degrees, addresses of viewers that show it by their names, and the cutout's side in arcsec."""

    ra: float
    dec: float
    links: dict[str, str]
    side: float | None = None


def place_of(row: pd.Series[Any]) -> SkyPlace | None:
    """Return where a row of a table is on the sky, by its columns of coordinates under any usual name; None without."""
    frame = row.to_frame().T
    try:
        ((ra, dec),) = degrees_of(frame, *find_coordinates(frame.columns, None, None, "the row"), "the row")
    except CatalogueError:
        return None
    at = f"ra={ra:.6f}&dec={dec:.6f}"
    links = {
        "Legacy Survey": f"https://www.legacysurvey.org/viewer?{at}&layer=ls-dr10&zoom=15",
        "SDSS": f"https://skyserver.sdss.org/dr18/VisualTools/navi?{at}&opt=G",
        "Aladin": f"https://aladin.cds.unistra.fr/AladinLite/?target={ra:.6f}%20{dec:+.6f}&fov=0.05",
        "ESASky": f"https://sky.esa.int/esasky/?target={ra:.6f}%20{dec:+.6f}&fov=0.05&cooframe=J2000",
    }
    return SkyPlace(round(float(ra), 6), round(float(dec), 6), links, _side(row))


def _side(row: pd.Series[Any]) -> float | None:
    try:
        side = float(row[SIDE])
    except (KeyError, TypeError, ValueError):
        return None
    return side if math.isfinite(side) and side > 0 else None
