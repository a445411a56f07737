"""The preprocessing of a task's images, for an encoder with preprocessing of its own."""

from __future__ import annotations

from collections.abc import Sequence

from zooactive.catalogue import Preprocessing


def pixels_of_task(
    encoder: Preprocessing,
    *,
    crop: float | None = None,
    stretch: str | Sequence[str] | None = None,
    image_size: int | None = None,
    bands: Sequence[str] | None = None,
) -> Preprocessing:
    """Return the encoder's preprocessing with the task's settings instead of its own."""
    said = {"crop": crop, "stretch": stretch, "size": image_size, "bands": bands}
    known = encoder.to_dict()
    if bands is not None:
        known.pop("channels")
    return Preprocessing.from_dict(known | {name: value for name, value in said.items() if value is not None})
