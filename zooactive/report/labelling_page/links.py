"""Where a galaxy can be looked up by its coordinates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_RA, _DEC = ("ra", "ra_deg", "raj2000"), ("dec", "dec_deg", "decj2000", "de")


def links_of(row: pd.Series[Any]) -> dict[str, Any] | None:
    """Return right ascension and declination in degrees and addresses of sky viewers; None without coordinates.

    The columns are those called ra and dec, ra_deg and dec_deg, or raj2000 and decj2000, in any case of letters.
    """
    by_name = {str(name).lower(): value for name, value in row.items()}
    ra, dec = (next((by_name[name] for name in names if name in by_name), None) for names in (_RA, _DEC))
    try:
        place = float(ra), float(dec)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    if not (math.isfinite(place[0]) and -90 <= place[1] <= 90):
        return None
    at = f"ra={place[0]:.6f}&dec={place[1]:.6f}"
    return {
        "ra": round(place[0] % 360, 6),
        "dec": round(place[1], 6),
        "Legacy Survey": f"https://www.legacysurvey.org/viewer?{at}&layer=ls-dr10&zoom=15",
        "SDSS": f"https://skyserver.sdss.org/dr18/VisualTools/navi?{at}&opt=G",
        "Aladin": f"https://aladin.cds.unistra.fr/AladinLite/?target={place[0]:.6f}%20{place[1]:+.6f}&fov=0.05",
    }
