"""The request for a cutout around each place: its survey, size, kind of file and bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zooactive.catalogue.cutouts.records import Cutout
from zooactive.catalogue.cutouts.services import CutoutService, Form
from zooactive.catalogue.cutouts.sizes import CutoutSize
from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.vocabulary import CutoutForm


@dataclass(frozen=True)
class CutoutRequest:
    """The survey, size, kind of file and bands of the cutouts to request.

    Parameters
    ----------
    service : CutoutService
    size : CutoutSize
    form : {"jpg", "fits"}
    bands : str
        By default the service's bands.

    Raises
    ------
    CatalogueError
        If the service has no such files, bands or sizes.
    """

    service: CutoutService
    size: CutoutSize
    form: CutoutForm = "jpg"
    bands: str = ""

    def __post_init__(self) -> None:
        self.service.bands(self.form, self.bands)
        if not self.how.own_pixels and not self.service.smallest <= self.size.pixels <= self.service.largest:
            raise CatalogueError(
                f"{self.service.name} cuts {self.service.smallest} to {self.service.largest} pixels on a side, but "
                f"you asked for {self.size.pixels}; it would give another field"
            )

    @property
    def how(self) -> Form:
        """The way in which the service is asked for files of this kind."""
        return self.service.form(self.form)

    def cutout(self, galaxy: str, ra: float, dec: float, arcsec: float, name: str) -> Cutout:
        """Return the cutout to request around coordinates in degrees, to be written into a file of this name.

        If the service cuts whole pixels of the survey, the side is rounded to a whole number of them.

        Raises
        ------
        CatalogueError
            If the service would give another field than this one.
        """
        service, size = self.service, self.size.pixels
        if "pixels" in self.how.places:
            arcsec = round(service.pixels(arcsec) * service.scale, 6)
        if self.how.places & {"pixels", "radius"}:
            pixels = self._own_pixels(galaxy, arcsec)
            size = pixels if self.how.own_pixels else size
        address = service.address(self.form, ra, dec, arcsec=arcsec, size=size, bands=self.bands)
        listed = service.list_address(self.form, ra, dec, arcsec=arcsec, bands=self.bands)
        return Cutout(galaxy, ra, dec, arcsec, address, f"{name}.{self.form}", size, listed)

    def _own_pixels(self, galaxy: str, arcsec: float) -> int:
        """Return the length of a side in the survey's own pixels."""
        service = self.service
        pixels = service.pixels(arcsec)
        if not service.smallest <= pixels <= service.largest:
            raise CatalogueError(
                f"{service.name} cuts {service.smallest} to {service.largest} pixels of {service.scale:g} arcsec on a side; "
                f"{arcsec:g} arcsec around galaxy '{galaxy}' are {pixels}"
            )
        if self.how.own_pixels and self.size.given and self.size.pixels != pixels:
            raise CatalogueError(
                f"{service.name} gives {self.form} in the survey's own pixels, and {arcsec:g} arcsec around galaxy "
                f"'{galaxy}' are {pixels} of {service.scale:g} arcsec, not {self.size.pixels}; leave out the number of "
                "pixels"
            )
        return pixels

    def to_dict(self) -> dict[str, Any]:
        """Return the values that decide which pixels come back."""
        size = self.size.to_dict()
        if self.how.own_pixels:
            del size["pixels"]  # they follow from the field
        return {"survey": self.service.to_dict(), "size": size, "form": self.form, "bands": self.bands}
