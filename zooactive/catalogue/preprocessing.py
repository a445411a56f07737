"""The steps from a cutout's file to the network, as one value that catalogues, shards and models hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from zooactive.catalogue.bands import COLOURS, GREY, checked_bands, recipe_of_bands
from zooactive.catalogue.colours import OWN_PERCENTILES, Recipe, check_stretch, recipe_of
from zooactive.foundation.errors import ImageError, did_you_mean

SMALLEST_SIDE = 8


@dataclass(frozen=True)
class Preprocessing:
    """The steps that turn a cutout's file into the input of a network.

    Parameters
    ----------
    size : int
        The number of pixels on a side of the result, 8 to 4096.
    channels : int
        3 for colour, 1 for grey by ITU-R 601 luma, or the number of bands that `bands` lists.
    crop : float
        The central fraction of the shorter side that is kept, in (0, 1].
    stretch : str
        How FITS values become grey levels: "asinh" or "linear" between the 1st and the 99.5th percentile of each image, or
        a recipe with the same constants for all images (`zooactive.catalogue.colours`): "legacy-grz", "legacy-griz",
        "legacy-gri", "sdss", "gz-decals", "linear LOW HIGH", "asinh LOW HIGH SOFTENING", "lupton STRETCH Q". JPEG and PNG
        are used unchanged. If `bands` lists the channels, give "linear" or "asinh" with numbers, once or for each band.
    standardise : bool
        Shift and scale each image inside the network, so that its pixels have mean 0 and variance 1. This removes how bright
        an image is.
    scales : tuple of float
        Predict from crops of these widths, relative to `crop`, and average their features.
    bands : str or list of str, optional
        A list of one to six bands, such as ["g", "r", "i", "z", "y"]: the network sees these bands of FITS images, one per
        channel in this order (see `zooactive.catalogue.bands`). A text names the bands of the planes that become red, green
        and blue, in the order of the planes, if the header does not: "grz", or "z, r, g". Without it, three planes are taken
        for red, green and blue.

    Raises
    ------
    ImageError
        If a value is out of range.

    Examples
    --------
    >>> Preprocessing(size=64, crop=0.5).to_dict()
    {'size': 64, 'channels': 3, 'crop': 0.5, 'stretch': 'asinh', 'standardise': False, 'scales': (1.0,)}
    """

    size: int = 224
    channels: int = 3
    crop: float = 1.0
    stretch: str | tuple[str, ...] = "asinh"
    standardise: bool = False
    scales: tuple[float, ...] = (1.0,)
    bands: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        if not whole or not SMALLEST_SIDE <= self.size <= 4096:
            raise ImageError(f"preprocessing: size = {self.size!r}; give a whole number of pixels, {SMALLEST_SIDE} to 4096")
        self._check_bands()
        if self.listed is None and (isinstance(self.channels, bool) or self.channels not in (1, 3)):
            raise ImageError(f"preprocessing: channels = {self.channels!r}; use 3 for colour or 1 for grey")
        number = isinstance(self.crop, int | float) and not isinstance(self.crop, bool)
        if not number or not 0 < self.crop <= 1:
            raise ImageError(
                f"preprocessing: crop = {self.crop!r}; give the central fraction to keep, above 0 and at most 1"
            )
        object.__setattr__(self, "crop", float(self.crop))
        widest = (1 + 1e-9) / self.crop
        listed = isinstance(self.scales, Sequence) and len(self.scales) > 0
        if not listed or not all(isinstance(scale, int | float) and 0 < scale <= widest for scale in self.scales):
            raise ImageError(
                f"preprocessing: scales = {self.scales!r} with a crop of {self.crop:g}; give at least one scale above 0, "
                "and none that is wider than the image"
            )
        object.__setattr__(self, "scales", tuple(float(scale) for scale in self.scales))

    def _check_bands(self) -> None:
        if isinstance(self.bands, str | None):
            if self.bands is not None and not self.bands.strip():
                raise ImageError(f'preprocessing: bands = {self.bands!r}; name the bands in plane order, such as "grz"')
            if isinstance(self.stretch, tuple | list):
                raise ImageError(
                    f"preprocessing: stretch = {self.stretch!r}; only listed bands can have one stretch each, so give a text"
                )
            check_stretch(self.stretch)
            return
        if not isinstance(self.bands, Sequence):
            raise ImageError(
                f'preprocessing: bands = {self.bands!r}; list the bands of the network, or give a text such as "grz"'
            )
        bands = checked_bands(self.bands)
        stretch = tuple(self.stretch) if isinstance(self.stretch, list) else self.stretch
        recipe_of_bands(bands, stretch)
        if self.channels not in (3, len(bands)):
            raise ImageError(
                f"preprocessing: channels = {self.channels!r}, but {len(bands)} bands are listed; leave one of the two out"
            )
        for name, value in {"bands": bands, "stretch": stretch, "channels": len(bands)}.items():
            object.__setattr__(self, name, value)

    @property
    def listed(self) -> tuple[str, ...] | None:
        """The bands that the network sees, one per channel; None for colour and for grey."""
        return self.bands if isinstance(self.bands, tuple) else None

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The name of each channel: a band, or red, green and blue, or grey."""
        return self.listed or (COLOURS if self.channels == 3 else GREY)

    @property
    def channels_told(self) -> str:
        """A description of what the network sees: colour, grey, or the bands and how they are scaled."""
        if self.listed is None:
            return "colour" if self.channels == 3 else "grey"
        how = self.stretch if isinstance(self.stretch, str) else ", ".join(self.stretch)
        return f"the bands {', '.join(self.listed)} ({how})"

    @property
    def recipe(self) -> Recipe | None:
        """The recipe that turns FITS values into channels; None if each image's own percentiles are used."""
        if self.listed is not None:
            return recipe_of_bands(self.listed, self.stretch)
        assert isinstance(self.stretch, str)
        return None if self.stretch in OWN_PERCENTILES else recipe_of(self.stretch)

    def for_people(self, size: int) -> Preprocessing:
        """Return the settings for reading whole images to look at: in colour, or in the listed bands for `in_colour`."""
        channels = 3 if self.listed is None else self.channels
        return replace(self, size=size, channels=channels, crop=1.0, standardise=False, scales=(1.0,))

    @property
    def plane_names(self) -> str | None:
        """The bands of the planes of a FITS cube whose header does not name them."""
        return ", ".join(self.bands) if isinstance(self.bands, tuple) else self.bands

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, with `bands` only if they were given."""
        return {name: value for name, value in asdict(self).items() if name != "bands" or value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Make settings from plain values, the inverse of `to_dict`; raise an ImageError for an unknown entry."""
        if not isinstance(values, Mapping):
            raise ImageError(f"preprocessing: settings must be a table such as {cls().to_dict()}; received {values!r}")
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise ImageError(f"preprocessing: the entry '{key}' is unknown.{did_you_mean(key, known)}")
        return cls(**values)
