"""What happens to a task's images, for an encoder that was shown others in its own way."""

from __future__ import annotations

from zooactive.catalogue import Preprocessing


def pixels_of_task(
    encoder: Preprocessing, *, crop: float | None = None, stretch: str | None = None, image_size: int | None = None
) -> Preprocessing:
    """Return the encoder's preprocessing with what a task says in its place."""
    said = {"crop": crop, "stretch": stretch, "size": image_size}
    return Preprocessing.from_dict(encoder.to_dict() | {name: value for name, value in said.items() if value is not None})
