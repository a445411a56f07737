"""The random changes to training images, as plain settings; the layers are in `zooactive.training.augment_layers`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import TrainingError, did_you_mean

ROTATIONS = ("none", "quarter", "any")


@dataclass(frozen=True)
class Augmentation:
    """The random changes to each image, drawn independently for each image and step.

    Parameters
    ----------
    flips : bool
        Whether to mirror the images.
    rotation : {"quarter", "any", "none"}
        Rotate by a multiple of 90 degrees, which costs and blurs nothing, or by any angle.
    scale : (float, float)
        The range of the width of the view, relative to the view that the model sees in predictions.
    shift : float
        The largest movement of the centre along either axis, as a share of that width.
    brightness, contrast : float
        The largest change, as a share of the full range and of the contrast.
    saturation : float
        A value s multiplies the saturation by (1 - s) / (1 + s) to (1 + s) / (1 - s), as in Keras: 0.3 by 0.54 to 1.86.
    hue : float
        Twice the largest change, as a share of the colour circle: 0.2 turns the hue by up to a tenth in either direction.

    Raises
    ------
    TrainingError
        If a value is out of range.

    Examples
    --------
    >>> Augmentation(scale=(0.8, 1.2), shift=0.1).canvas(Preprocessing(size=64, crop=0.5)).size
    94
    """

    flips: bool = True
    rotation: str = "quarter"
    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        if self.rotation not in ROTATIONS:
            hint = did_you_mean(self.rotation, ROTATIONS)
            raise TrainingError(f"rotation = '{self.rotation}' is unknown.{hint} Use one of {', '.join(ROTATIONS)}")
        low, high = self.scale
        if not 0 < low <= high <= 4:
            raise TrainingError(f"scale = {list(self.scale)}; give the least and the greatest width, such as [0.8, 1.2]")
        for name in ("shift", "brightness", "contrast", "saturation", "hue"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} = {getattr(self, name)}; give a share from 0 to 1")
        object.__setattr__(self, "scale", (float(low), float(high)))

    @property
    def moves(self) -> bool:
        """Return whether an image is turned, mirrored, scaled or shifted at all."""
        return self.flips or self.rotation != "none" or self.scale != (1.0, 1.0) or self.shift > 0

    @property
    def interpolates(self) -> bool:
        """Return whether an image is moved in other ways than by its eight orientations, which only swap pixels."""
        all_orientations = self.flips and self.rotation == "quarter"
        return self.moves and not (all_orientations and self.scale == (1.0, 1.0) and self.shift == 0)

    def of(self, preprocessing: Preprocessing) -> Augmentation:
        """Return the changes that suit such images; saturation and hue apply to red, green and blue, not to listed bands."""
        return self if preprocessing.listed is None else replace(self, saturation=0.0, hue=0.0)

    def canvas(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return how images are decoded for training: at the model's scale, but wide enough for every view of them.

        If the image itself is smaller than that, the canvas ends with the image, and views beyond its edge show it mirrored.
        """
        diagonal = math.sqrt(2) if self.rotation == "any" else 1.0  # the distance of the corners of a turned square
        widest = max(self.scale[1] * (diagonal + 2 * self.shift), *preprocessing.scales)
        border = max(0, math.ceil(preprocessing.size * (widest - 1) / 2))
        room = math.floor(preprocessing.size * (1 / preprocessing.crop - 1) / 2)
        size = preprocessing.size + 2 * min(border, room)
        crop = min(1.0, preprocessing.crop * size / preprocessing.size)
        return replace(preprocessing, size=size, crop=crop, scales=(1.0,))
