"""What images look like to a network, in a few numbers, and whether others look so too."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.catalogue import Catalogue
from zooactive.catalogue.images import shorter_side
from zooactive.catalogue.preprocessing import Preprocessing
from zooactive.foundation.errors import ImageError, ModelError, explained

ENOUGH = 512
"""Images that a model's own statistics are made of."""

_FOR_A_MEDIAN = 128
"""Images of another catalogue that are compared with them: their median has a tenth of their spread."""

_TOO_FEW = 12
"""Images whose median may well be two standard deviations off: fewer are not compared."""

_FOR_A_SIZE = 16
"""Images whose size in pixels is looked up: those of one survey are alike in it."""

_BLOWN_UP = 0.5
"""Share of the known pixels a side from which images hold less than the network has learnt to look for."""

_FAR = 2.0
"""Standard deviations of single images by which a set of images may differ in the median."""

_ADVICE = {
    "brightness": "is another stretch or a negative in use?",
    "contrast": "is another stretch in use?",
    "colour": "are these grey images, or other bands?",
    "extent": "galaxies have another size in them: set crop in the task's file, or give --crop",
}


@dataclass(frozen=True)
class ImageStatistics:
    """Mean and standard deviation over images of their brightness, contrast, colour and extent.

    Parameters
    ----------
    mean, spread : dict of str to float
        ``brightness``: mean of the pixels; ``contrast``: their standard deviation; ``colour``: mean difference between the
        brightest and the faintest channel; all in units of the full range. ``extent``: the radius that holds half of the
        light above the border's median, in units of half the image.
    pixels : float, optional
        Of an image's side, as it is stored, that the network is shown: the median. None where that is not known.
    """

    mean: Mapping[str, float]
    spread: Mapping[str, float]
    pixels: float | None = None

    @classmethod
    def of(cls, catalogue: Catalogue, preprocessing: Preprocessing) -> ImageStatistics:
        """Look at up to `ENOUGH` of a catalogue's images, as a model is shown them; unreadable ones are left out."""
        table = _numbers(catalogue, preprocessing, ENOUGH)
        return cls(_named(table.mean(0)), _named(table.std(0)), _pixels(catalogue, preprocessing))

    def complaints(self, catalogue: Catalogue, preprocessing: Preprocessing) -> list[str]:
        """Say in what a catalogue's images are unlike these, one text each; none where they are alike or very few.

        The median image is compared: it is unlike where it lies more than two standard deviations from the mean, or where
        it has fewer pixels than the network learnt from, and has to be blown up.
        """
        if len(catalogue) < _TOO_FEW:
            return []
        median = _named(np.median(_numbers(catalogue, preprocessing, _FOR_A_MEDIAN), axis=0))
        unlike = [
            f"{name} {median[name]:.3f} in place of {self.mean[name]:.3f} +- {self.spread[name]:.3f} ({_ADVICE[name]})"
            for name in _ADVICE
            if abs(median[name] - self.mean[name]) > _FAR * self.spread[name] + 1e-3
        ]
        pixels = _pixels(catalogue, preprocessing)
        if self.pixels and pixels and pixels < _BLOWN_UP * min(self.pixels, preprocessing.size):
            unlike.append(
                f"{pixels:.0f} pixels a side in place of {self.pixels:.0f}, blown up to {preprocessing.size} (are there "
                "finer images?)"
            )
        return unlike

    def warn_of_unlike(self, catalogue: Catalogue, preprocessing: Preprocessing, *, stacklevel: int) -> None:
        """Warn of what `complaints` finds."""
        unlike = self.complaints(catalogue, preprocessing)
        if unlike:
            warnings.warn(
                f"{catalogue.source}: images unlike those that the model learnt from: {'; '.join(unlike)}",
                stacklevel=stacklevel + 1,
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str) -> ImageStatistics:
        """Make statistics from plain values, the inverse of `to_dict`; `where` names the file in errors.

        Raises
        ------
        ModelError
            When they are not the four numbers twice, and at most one of pixels.
        """
        said = f"{where}: images = {values!r} are no statistics of images; save the model again"
        with explained(ModelError, said, KeyError, TypeError, ValueError, OverflowError):
            mean, spread = ({name: float(values[part][name]) for name in _ADVICE} for part in ("mean", "spread"))
            pixels = values.get("pixels")
            return cls(mean, spread, None if pixels is None else float(pixels))


def describe_images(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure brightness, contrast, colour and extent of each image, (image, side, side, channel) -> (image, 4)."""
    values = pixels.astype(np.float64) / 255
    grey = values.mean(-1)
    side = grey.shape[1]
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    light = np.clip(grey - np.median(border, axis=1)[:, None, None], 0, None).reshape(len(grey), -1)
    y, x = np.indices((side, side)) - (side - 1) / 2
    radius = np.hypot(x, y).ravel()
    order = np.argsort(radius, kind="stable")
    grown = np.cumsum(light[:, order], axis=1)
    half = (grown < grown[:, -1:] / 2).sum(1)
    extent = radius[order][np.minimum(half, len(radius) - 1)] / (side / 2)
    colour = (values.max(-1) - values.min(-1)).mean((1, 2))
    return np.column_stack([values.mean((1, 2, 3)), grey.std((1, 2)), colour, extent])


def _evenly(catalogue: Catalogue, number: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, len(catalogue) - 1, min(len(catalogue), number)).astype(np.int64))


def _numbers(catalogue: Catalogue, preprocessing: Preprocessing, number: int) -> NDArray[np.float64]:
    rows = _evenly(catalogue, number)
    pixels, failures = catalogue.decode(preprocessing, rows)
    read = [i for i in range(len(rows)) if i not in failures]
    return describe_images(pixels[read]) if read else np.full((1, len(_ADVICE)), np.nan)


def _pixels(catalogue: Catalogue, preprocessing: Preprocessing) -> float | None:
    """Return the pixels a side that are shown of a catalogue's images, the median; None for shards."""
    if catalogue.prepared is not None:
        return None
    sides = []
    for row in _evenly(catalogue, _FOR_A_SIZE):
        try:
            crop = 1.0 if catalogue.field_crops is None else float(catalogue.field_crops[row])
            sides.append(crop * preprocessing.crop * shorter_side(catalogue.images[row], preprocessing))
        except ImageError:
            continue
    return float(np.median(sides)) if sides else None


def _named(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(_ADVICE, map(float, values), strict=True))
