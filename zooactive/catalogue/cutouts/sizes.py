"""The size of cutouts in pixels and in arcsec: the same for all galaxies, or by a column of radii."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Like: TypeAlias = Literal["gz-decals"]
LIKES: tuple[Like, ...] = get_args(Like)

_DECALS_PIXELS = 424
_PETRO_50 = ("petro_th50", "petro50", "petrotheta50", "petro_50", "petror50_r")
_PETRO_90 = ("petro_th90", "petro90", "petrotheta90", "petro_90", "petror90_r")


@dataclass(frozen=True)
class CutoutSize:
    """The size of a cutout: pixels on a side, and arcsec on a side.

    Parameters
    ----------
    pixels : int, optional
        The number of pixels on a side. By default 256, or 424 if `like` is given.
    arcsec : float, optional
        The length of a side, the same for every galaxy.
    column : str, optional
        A column of the table with a length in arcsec for each galaxy, which is multiplied by `times`.
    times : float, optional
        The factor for `column`. For example, 8 makes the image reach out to four radii on each side.
    like : {"gz-decals"}, optional
        Cut the images as Galaxy Zoo DECaLS did: 424 pixels of max(min(0.04 petro50, 0.02 petro90), 0.1) arcsec, by the
        columns of the Petrosian radii that contain 50% and 90% of the light.

    Raises
    ------
    CatalogueError
        If the side is not given in exactly one of these ways, or a number is out of range.
    """

    pixels: int = 0
    arcsec: float | None = None
    column: str | None = None
    times: float | None = None
    like: Like | None = None
    given: bool = field(init=False, default=False, compare=False, repr=False)
    """Whether the number of pixels was given, and is not the default."""

    def __post_init__(self) -> None:
        ways = [self.arcsec is not None, self.column is not None, self.like is not None]
        if sum(ways) != 1:
            raise CatalogueError(
                "the size of the field comes from arcsec, a column of radii, or like: give exactly one of them"
            )
        if (self.column is None) != (self.times is None):
            raise CatalogueError("a column of radii needs the factor times, and times needs a column: give both")
        if self.like is not None and self.like not in LIKES:
            raise CatalogueError(
                f"there is no field like '{self.like}'.{did_you_mean(self.like, LIKES)} Known are gz-decals"
            )
        for name, value in (("arcsec", self.arcsec), ("times", self.times)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise CatalogueError(f"{name} = {value}: give a number above 0")
        if self.pixels < 0:
            raise CatalogueError(f"pixels = {self.pixels}: give a whole number above 0")
        object.__setattr__(self, "given", self.pixels > 0)
        object.__setattr__(self, "pixels", self.pixels or (_DECALS_PIXELS if self.like else 256))

    def sides(self, frame: pd.DataFrame, source: str | Path) -> NDArray[np.float64]:
        """Return the length of a side for each row in arcsec, shape (row,).

        Raises
        ------
        CatalogueError
            If a column is missing, or a radius is not a number above 0.
        """
        if self.arcsec is not None:
            return np.full(len(frame), self.arcsec)
        if self.column is not None and self.times is not None:
            return self.times * _radii(frame, self.column, source)
        half, most = (_radii(frame, _one_of(frame, names, source), source) for names in (_PETRO_50, _PETRO_90))
        scale = np.maximum(np.minimum(0.04 * half, 0.02 * most), 0.1)
        return np.asarray(self.pixels * scale)

    def to_dict(self) -> dict[str, Any]:
        """Return the size as plain values."""
        names = ("pixels", "arcsec", "column", "times", "like")
        return {name: getattr(self, name) for name in names}


def _one_of(frame: pd.DataFrame, names: tuple[str, ...], source: str | Path) -> str:
    found = next((str(column) for column in frame.columns if str(column).lower() in names), None)
    if found is None:
        raise CatalogueError(
            f"{source} has none of the columns {', '.join(names)}; rename one, or give the field another way"
        )
    return found


def _radii(frame: pd.DataFrame, column: str, source: str | Path) -> NDArray[np.float64]:
    import pandas as pd

    if column not in frame.columns:
        raise CatalogueError(f"{source} has no column '{column}'.{did_you_mean(column, list(map(str, frame.columns)))}")
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        row = int(bad.argmax())
        raise CatalogueError(
            f"{source}, row {row + 1}: '{frame[column].iloc[row]}' (column '{column}') is not a radius in arcsec; give "
            "a number above 0, or leave the row out"
        )
    return values
