"""What is cut out around each place: of which survey, how large, as which kind of file, in which bands."""

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
    """What is asked for at each place.

    Parameters
    ----------
    service : CutoutService
    size : CutoutSize
    form : {"jpg", "fits"}
    bands : str
        By default the service's.

    Raises
    ------
    CatalogueError
        When the service has no such files, bands or sizes.
    """

    service: CutoutService
    size: CutoutSize
    form: CutoutForm = "jpg"
    bands: str = ""

    def __post_init__(self) -> None:
        self.service.bands(self.form, self.bands)
        if not self.how.own_pixels and not self.service.smallest <= self.size.pixels <= self.service.largest:
            raise CatalogueError(
                f"{self.service.name} cuts {self.service.smallest} to {self.service.largest} pixels a side, and "
                f"{self.size.pixels} were asked for; it would give another field"
            )

    @property
    def how(self) -> Form:
        """How the service is asked for such files."""
        return self.service.form(self.form)

    def cutout(self, galaxy: str, ra: float, dec: float, arcsec: float, name: str) -> Cutout:
        """Return what is asked for at a place in degrees, into a file of this name.

        The side becomes a whole number of pixels where the service cuts such.

        Raises
        ------
        CatalogueError
            When the service would give another field than this one.
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
        """Return how many of the survey's own pixels a side has."""
        service = self.service
        pixels = service.pixels(arcsec)
        if not service.smallest <= pixels <= service.largest:
            raise CatalogueError(
                f"{service.name} cuts {service.smallest} to {service.largest} pixels of {service.scale:g} arcsec a side; "
                f"{arcsec:g} arcsec around galaxy '{galaxy}' are {pixels}"
            )
        if self.how.own_pixels and self.size.given and self.size.pixels != pixels:
            raise CatalogueError(
                f"{service.name} gives {self.form} in pixels of its own, and {arcsec:g} arcsec around galaxy '{galaxy}' are "
                f"{pixels} of {service.scale:g} arcsec, not {self.size.pixels}; leave the number of pixels away"
            )
        return pixels

    def to_dict(self) -> dict[str, Any]:
        """Return what decides which pixels come back, as plain values."""
        size = self.size.to_dict()
        if self.how.own_pixels:
            del size["pixels"]  # which follow from the field
        return {"survey": self.service.to_dict(), "size": size, "form": self.form, "bands": self.bands}
