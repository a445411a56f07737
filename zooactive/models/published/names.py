"""How published weights are named where the folder of a model could stand."""

from __future__ import annotations

from pathlib import Path

IMAGENET = "imagenet"
"""The name of Keras' weights of ImageNet's photographs."""


def is_published(start: str | Path) -> bool:
    """Return whether weights to start from are others': "imagenet", or a path that ends in .safetensors."""
    return str(start) == IMAGENET or Path(start).suffix == ".safetensors"
