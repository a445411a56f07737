"""Summarise images in a few numbers, and check whether other images look alike."""

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
"""The number of images from which a model's own statistics are made."""

_FOR_A_MEDIAN = 128
"""The number of images of another catalogue that are compared: their median is ten times less scattered than one image."""

_TOO_FEW = 12
"""With fewer images than this no comparison is made: their median may well be two standard deviations off."""

_FOR_A_SIZE = 16
"""The number of images whose size in pixels is looked up: the images of one survey are alike in size."""

_BLOWN_UP = 0.5
"""Images with less than this share of the known pixels on a side lack detail that the network has learnt to look for."""

_FAR = 2.0
"""The largest difference of the median image, in standard deviations of single images."""

_ADVICE = {
    "brightness": "is another stretch or a negative in use?",
    "contrast": "is another stretch in use?",
    "colour": "are these grey images, or other bands?",
    "extent": "the galaxies have another size in them: set crop in the task's file, or give --crop",
}


@dataclass(frozen=True)
class ImageStatistics:
    """The mean and standard deviation, over images, of brightness, contrast, colour and extent.

    Parameters
    ----------
    mean, spread : dict of str to float
        ``brightness``: the mean of the pixels; ``contrast``: their standard deviation; ``colour``: the mean difference
        between the brightest and the faintest channel; all in units of the full range. ``extent``: the radius that contains
        half of the light above the border's median, in units of half the image.
    pixels : float, optional
        The median number of pixels on a side of the part that the network sees, as stored. None if it is not known.
    """

    mean: Mapping[str, float]
    spread: Mapping[str, float]
    pixels: float | None = None

    @classmethod
    def of(cls, catalogue: Catalogue, preprocessing: Preprocessing) -> ImageStatistics:
        """Measure up to `ENOUGH` of a catalogue's images, as a model sees them; unreadable images are left out."""
        table = _numbers(catalogue, preprocessing, ENOUGH)
        return cls(_named(table.mean(0)), _named(table.std(0)), _pixels(catalogue, preprocessing))

    def complaints(self, catalogue: Catalogue, preprocessing: Preprocessing) -> list[str]:
        """Return how a catalogue's images differ from these, one text each; none if they are alike or very few.

        The median image is compared. It counts as different if it lies more than two standard deviations from the mean, or
        if it has fewer pixels than the training images and has to be enlarged.
        """
        if len(catalogue) < _TOO_FEW:
            return []
        median = _named(np.median(_numbers(catalogue, preprocessing, _FOR_A_MEDIAN), axis=0))
        unlike = [
            f"{name} {median[name]:.3f} instead of {self.mean[name]:.3f} +- {self.spread[name]:.3f} ({_ADVICE[name]})"
            for name in _ADVICE
            if abs(median[name] - self.mean[name]) > _FAR * self.spread[name] + 1e-3
        ]
        pixels = _pixels(catalogue, preprocessing)
        if self.pixels and pixels and pixels < _BLOWN_UP * min(self.pixels, preprocessing.size):
            unlike.append(
                f"{pixels:.0f} pixels on a side instead of {self.pixels:.0f}, enlarged to {preprocessing.size} (do you have "
                "images with finer pixels?)"
            )
        return unlike

    def warn_of_unlike(self, catalogue: Catalogue, preprocessing: Preprocessing, *, stacklevel: int) -> None:
        """Warn about the differences that `complaints` finds."""
        unlike = self.complaints(catalogue, preprocessing)
        if unlike:
            warnings.warn(
                f"{catalogue.source}: images unlike those that the model was trained on: {'; '.join(unlike)}",
                stacklevel=stacklevel + 1,
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str) -> ImageStatistics:
        """Make statistics from plain values, the inverse of `to_dict`; `where` names the file in errors.

        Raises
        ------
        ModelError
            If the values are not the four numbers twice, with at most one number of pixels.
        """
        said = f"{where}: images = {values!r} are not statistics of images; save the model again"
        with explained(ModelError, said, KeyError, TypeError, ValueError, OverflowError):
            mean, spread = ({name: float(values[part][name]) for name in _ADVICE} for part in ("mean", "spread"))
            pixels = values.get("pixels")
            return cls(mean, spread, None if pixels is None else float(pixels))


def describe_images(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure the brightness, contrast, colour and extent of each image, (image, side, side, channel) -> (image, 4)."""
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
    """Return the median number of pixels on a side that the network sees of a catalogue's images; None for shards."""
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
