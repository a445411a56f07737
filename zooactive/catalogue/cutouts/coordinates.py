"""Read coordinates from a table, under any usual column names: degrees, sexagesimal, or with units."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_RA = (
    *("ra", "radeg", "rightascension", "raj2000", "rajdeg", "alphaj2000", "alpha"),
    *("targetra", "raicrs", "rac", "objra", "lon"),
)
_DEC = (
    *("dec", "decdeg", "declination", "dej2000", "dejdeg", "decj2000", "deltaj2000", "delta"),
    *("targetdec", "deicrs", "decicrs", "decc", "objdec", "de", "lat"),
)
"""Column names in lower case, without punctuation, the most usual ones first."""

_PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_IN_DEGREES = re.compile(r"[dD°]")


def find_coordinates(columns: Iterable[str], ra: str | None, dec: str | None, source: str | Path) -> tuple[str, str]:
    """Return the columns with right ascension and declination: those named, or the first of the usual ones.

    Raises
    ------
    CatalogueError
        If a column is missing.
    """
    names = [str(name) for name in columns]
    found = []
    for asked, known, what, option in ((ra, _RA, "right ascension", "--ra"), (dec, _DEC, "declination", "--dec")):
        if asked is not None:
            if asked not in names:
                raise CatalogueError(f"{source} has no column '{asked}'.{did_you_mean(asked, names)}")
            found.append(asked)
            continue
        by_key = {_key(name): name for name in reversed(names)}
        column = next((by_key[key] for key in known if key in by_key), None)
        if column is None:
            raise CatalogueError(f"{source} has no column of {what}; name it with {option} (it has {', '.join(names[:8])})")
        found.append(column)
    return found[0], found[1]


def degrees_of(frame: pd.DataFrame, ra: str, dec: str, source: str | Path) -> NDArray[np.float64]:
    """Return the right ascension, from 0 to 360, and the declination of each row in degrees, (row, 2).

    Plain numbers are degrees. ``12:34:56.7``, ``12 34 56.7`` and ``12h34m56.7s`` are hours in right ascension and degrees in
    declination. ``188.7d`` and ``188d44m`` are degrees in both.

    Raises
    ------
    CatalogueError
        If a cell is blank, or is not a place on the sky.
    """
    found = np.stack(
        [_column(frame[ra], hours=True, source=source), _column(frame[dec], hours=False, source=source)], axis=1
    )
    for column, low, high, name in ((0, -180.0, 360.0, ra), (1, -90.0, 90.0, dec)):
        bad = ~((found[:, column] >= low) & (found[:, column] <= high))
        if bad.any():
            row = int(bad.argmax())
            raise CatalogueError(
                f"{source}, row {row + 1}: '{frame[name].iloc[row]}' (column '{name}') is not a place on the sky; give "
                f"degrees, from {low:g} to {high:g}, or sexagesimal"
            )
    found[:, 0] %= 360.0
    return found


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[\[(].*[\])]", "", name).lower())


def _column(values: pd.Series[Any], *, hours: bool, source: str | Path) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    out = numbers.copy()
    for row in np.flatnonzero(~np.isfinite(numbers)):
        text = "" if pd.isna(values.iloc[row]) else str(values.iloc[row]).strip()
        out[row] = _sexagesimal(text, hours) if text else np.nan
        if not text:
            raise CatalogueError(
                f"{source}, row {row + 1}: column '{values.name}' is blank; give coordinates or leave the row out"
            )
    return out


def _sexagesimal(text: str, hours: bool) -> float:
    """Return the degrees that a text means, or NaN if it means none."""
    from astropy import units
    from astropy.coordinates import Angle
    from astropy.utils.exceptions import AstropyWarning

    if _PLAIN.fullmatch(text):
        return float(text)
    in_hours = hours and _IN_DEGREES.search(text) is None
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning):  # the warning about 24 hours, which are 0
            return float(Angle(text.replace("−", "-"), unit=units.hourangle if in_hours else units.deg).deg)
    except (ValueError, TypeError, units.UnitsError):  # IllegalSecondError and its kind are ValueErrors
        return float("nan")
